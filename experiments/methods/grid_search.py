"""Exhaustive search of the same objective: what the optimiser leaves on the table."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.beyond import coarse_to_fine
from cagic_tf.method.search import UNBOUNDED, Losses, LossFunction, Path, RunSearch, Step


@dataclasses.dataclass(frozen=True)
class GridSearch:
    """The crop of lowest total loss on a grid; a search like `annealing.Annealing`.

    Attributes:
      scales: Scales to try.
      stride: Greatest distance of neighbouring centres, in coordinates from -1 to 1: 0.1 is a
        twentieth of the photo's side.
    """

    scales: Sequence[float] = tuple(round(0.4 + 0.04 * step, 2) for step in range(16))
    stride: float = 0.1

    def compile(self, loss: LossFunction, signature: Any) -> RunSearch:
        """Makes the search for one loss; its graph is traced once."""

        @tf.function(
            input_signature=[signature, tf.TensorSpec([None, 3], tf.float32)], autograph=False
        )
        def evaluate(problem, theta):
            return loss(problem, theta)

        def search(problem, seed, progress=None, bounds=UNBOUNDED):
            del seed  # Nothing random here.
            best, best_theta, steps = np.inf, np.array([0.0, 0.0, 1.0]), []
            scales = bounds.scales(self.scales)
            for number, scale in enumerate(scales, 1):
                centers = centers_a_side(scale * min(bounds.base_size), self.stride)
                grid = coarse_to_fine.scan_grid([scale], centers, bounds.base_size)
                losses = in_batches(evaluate, problem, grid)
                totals = np.where(np.isnan(losses.total), np.inf, losses.total)
                at = int(np.argmin(totals))
                steps.append(
                    Step(
                        scale=scale,
                        center=grid[at, :2],
                        losses=tf.nest.map_structure(lambda values, at=at: values[at], losses),
                        starts=grid[:, :2],
                        ends=grid[:, :2],
                        start_losses=totals,
                        end_losses=totals,
                        evaluations=len(grid),
                    )
                )
                if totals[at] < best:
                    best, best_theta = float(totals[at]), grid[at]
                if progress:
                    progress(number, len(scales), best)
            return Path(best_theta, best, steps, sum(s.evaluations for s in steps))

        return search


def centers_a_side(scale: float, stride: float) -> int:
    """How many centres a side are no further apart than `stride`, border to border."""
    return int(np.ceil(2 * (1 - scale) / stride - 1e-9)) + 1


def in_batches(evaluate: LossFunction, problem: Any, grid: np.ndarray) -> Losses:
    """Losses of all rows `(x, y, s)` of a grid `[N, 3]`, as arrays `[N]`."""
    parts = [
        evaluate(problem, tf.constant(grid[at : at + coarse_to_fine.BATCH], tf.float32))
        for at in range(0, len(grid), coarse_to_fine.BATCH)
    ]
    return tf.nest.map_structure(lambda *tensors: np.concatenate(tensors), *parts)

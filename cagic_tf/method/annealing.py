"""Algorithm 1: the scale is annealed in a Python loop; K restarts of L-BFGS run at each scale."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.method import evaluation_cache, lbfgs, restarts
from cagic_tf.method.search import (
    UNBOUNDED,
    Bounds,
    Losses,
    LossFunction,
    Path,
    Progress,
    RunSearch,
    Step,
    minimized,
)


def scale_schedule(start: float, factor: float, smallest: float) -> list[float]:
    """The scales s^i, i = 1, 2, ...: start * factor^i, down to the last not below `smallest`."""
    scales, scale = [], start * factor
    while scale >= smallest:
        scales.append(scale)
        scale *= factor
    return scales


@dataclasses.dataclass(frozen=True)
class Annealing:
    """Algorithm 1 (Sec. 3.3).

    Attributes:
      scale_factor: The paper's s = 0.98, by which the scale shrinks at each iteration.
      smallest_scale: Where the schedule ends; the paper does not say.
      restart_count: K.
      draw_starts: Where restarts begin: `restarts.Normal`, `AddedNoise` or `Uniform`.
      minimizer: L-BFGS with its limits.
      keep_restarts: Whether any restart's result may be "the lowest loss so far", or only means.
    """

    scale_factor: float = 0.98
    smallest_scale: float = 0.4
    restart_count: int = 10
    draw_starts: restarts.DrawStarts = restarts.Normal()
    minimizer: lbfgs.Minimizer = lbfgs.Minimizer()
    keep_restarts: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.scale_factor < 1:
            raise ValueError(
                f"Annealing.scale_factor is {self.scale_factor}; it must lie between 0 and 1"
            )
        if not 0 < self.smallest_scale <= self.scale_factor:
            raise ValueError(
                f"Annealing.smallest_scale is {self.smallest_scale}; it must be above 0 and at "
                f"most scale_factor ({self.scale_factor})"
            )
        if self.restart_count < 1:
            raise ValueError(
                f"Annealing.restart_count is {self.restart_count}; at least 1 is needed"
            )

    def compile(self, loss: LossFunction, signature: Any) -> RunSearch:
        """Makes the search for one loss; all its graphs are traced once."""
        step = compile_step(self, loss, signature)
        scales = scale_schedule(1.0, self.scale_factor, self.smallest_scale)

        def search(
            problem: Any,
            seed: int,
            progress: Progress | None = None,
            bounds: Bounds = UNBOUNDED,
        ) -> Path:
            return anneal(
                step, problem, seed, scales, np.zeros(2), self.keep_restarts, progress, bounds
            )

        return search


def compile_step(settings: Annealing, loss: LossFunction, signature: Any) -> Callable:
    """The graph of one iteration of Alg. 1's outer loop: restarts, L-BFGS, their mean."""
    scalar = tf.TensorSpec([], tf.float32)
    count = settings.restart_count
    known = evaluation_cache.EvaluationCache(count, 2)

    @tf.function(
        input_signature=[
            signature,
            tf.TensorSpec([2], tf.float32),
            scalar,
            tf.TensorSpec([2], tf.int32),
            tf.TensorSpec([2], tf.float32),
        ],
        autograph=False,  # No Python control flow depends on a tensor; reading all source is slow.
    )
    def step(
        problem: Any, center: tf.Tensor, scale: tf.Tensor, seed: tf.Tensor, base_size: tf.Tensor
    ) -> tuple[tf.Tensor, Losses, tf.Tensor, lbfgs.Minimum]:
        reach = 1 - scale * base_size
        starts = settings.draw_starts(center, count, seed)
        starts = tf.clip_by_value(starts, -reach, reach)

        def crops(xy: tf.Tensor, members: tf.Tensor) -> tuple[Any, tf.Tensor]:
            scales = tf.fill([tf.shape(xy)[0], 1], scale)
            return problem, tf.concat([xy, scales], axis=1)

        total = minimized(loss, crops)
        found = settings.minimizer(total, starts, -reach, reach, known)  # Eq. 7
        mean = tf.reduce_mean(found.positions, axis=0)  # Eq. 6
        at_mean = loss(problem, tf.concat([mean, [scale]], axis=0)[tf.newaxis])
        at_mean = tf.nest.map_structure(lambda value: value[0], at_mean)
        return mean, at_mean, starts, found

    return step


def anneal(
    step: Callable,
    problem: Any,
    seed: int,
    scales: Sequence[float],
    center: np.ndarray,
    keep_restarts: bool,
    progress: Progress | None = None,
    bounds: Bounds = UNBOUNDED,
) -> Path:
    """The loop of Alg. 1 over those of the scales that may be tried, from a given centre."""
    scales = bounds.scales(scales)
    best, best_theta, steps = np.inf, np.array([0.0, 0.0, 1.0]), []
    for number, scale in enumerate(scales):
        mean, losses, starts, found = tf.nest.map_structure(
            lambda tensor: tensor.numpy(),
            step(
                problem,
                tf.constant(center, tf.float32),
                tf.constant(scale, tf.float32),
                tf.constant([seed, number], tf.int32),
                tf.constant(bounds.base_size, tf.float32),
            ),
        )
        center = mean
        evaluations = int(found.evaluations.sum()) + 1
        steps.append(
            Step(
                scale,
                mean,
                losses,
                starts,
                found.positions,
                found.start_losses,
                found.losses,
                evaluations,
            )
        )
        candidates = [(float(losses.total), mean)]
        if keep_restarts:
            candidates += zip(found.losses.tolist(), found.positions, strict=True)
        numbers = [candidate for candidate in candidates if np.isfinite(candidate[0])]
        lowest, where = min(numbers, key=lambda candidate: candidate[0], default=(np.inf, mean))
        if lowest < best:
            best, best_theta = lowest, np.array([*where, scale], np.float64)
        if progress:
            progress(number + 1, len(scales), best)
    return Path(best_theta, best, steps, sum(entry.evaluations for entry in steps))

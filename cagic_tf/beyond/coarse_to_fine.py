"""Beyond the paper: a forward scan of centres and scales, and Alg. 1 from there if it is asked for.

What is refined is the paper's objective. A scan needs no gradients and sees the whole photo, so
few scales and restarts are enough afterwards.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.beyond import picking
from cagic_tf.method import annealing, sampling
from cagic_tf.method.losses import Problem
from cagic_tf.method.search import UNBOUNDED, Bounds, LossFunction, Path, Progress, RunSearch

BATCH = 35  # Crops a forward pass; more needs memory and gains no speed on a CPU.
FARTHEST = 0.5  # Of a crop's side: scanned neighbours overlap by half, whatever the crop's shape.
# Pixels of the photo's shorter side for `sharp_view`: of half the photo a crop of the networks' 224
# pixels has about one for each.
SHARP_SIDE = 448
MOST = 50  # Centres that this may give a side: slivers of panoramas would take minutes.


@dataclasses.dataclass(frozen=True)
class CoarseToFine:
    """A scan, then Alg. 1 restricted to a few scales around what is picked of the scan.

    Attributes:
      scan_scales: Scales to scan.
      scan_centers: Centres a side at each scale at least, evenly from border to border; up to
        `MOST` along a side where neighbours would not overlap by half.
      pick: How a crop is chosen of the scanned ones.
      refine_scales: Scales of the annealing after it, as factors of the picked crop's scale; if
        there are none, the picked crop is the result.
      refinement: Settings of Alg. 1; its own schedule is not used.
      scan_view: Makes of a problem the one that is scanned, of the same type: `sharp_view`, or None
        for the problem itself. The crops that are refined and compared are the problem's own.
    """

    scan_scales: Sequence[float] = (0.44, 0.52, 0.6, 0.68)
    scan_centers: int = 5
    pick: picking.Pick = picking.LowestMean()
    refine_scales: Sequence[float] = (1.0,)
    refinement: annealing.Annealing = annealing.Annealing()
    scan_view: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        if self.scan_centers < 1:
            raise ValueError(
                f"CoarseToFine.scan_centers is {self.scan_centers}; at least 1 is needed"
            )
        if not self.scan_scales or not all(0 < scale <= 1 for scale in self.scan_scales):
            raise ValueError(
                f"CoarseToFine.scan_scales is {self.scan_scales}; scales in (0, 1] are needed"
            )

    def compile(self, loss: LossFunction, signature: Any) -> RunSearch:
        """Makes the search for one loss; its graphs are traced once."""
        step = annealing.compile_step(self.refinement, loss, signature)
        view: Any = None
        if self.scan_view is not None:
            view = tf.function(self.scan_view, input_signature=[signature], autograph=False)

        @tf.function(
            input_signature=[signature, tf.TensorSpec([None, 3], tf.float32)],
            autograph=False,
        )
        def evaluate(problem: Any, theta: tf.Tensor) -> tf.Tensor:
            return loss(problem, theta).total

        def search(
            problem: Any,
            seed: int,
            progress: Progress | None = None,
            bounds: Bounds = UNBOUNDED,
        ) -> Path:
            scales = bounds.scales(self.scan_scales)
            grid = scan_grid(scales, self.scan_centers, bounds.base_size, FARTHEST)
            seen = problem if view is None else view(problem)
            totals = np.concatenate([evaluate(seen, each).numpy() for each in batches(grid)])
            picked, ranks = self.pick(totals, grid, bounds.base_size)
            *center, scale = picked
            scales = [min(factor * scale, 1.0) for factor in self.refine_scales]
            path = annealing.anneal(
                step,
                problem,
                seed,
                scales,
                np.array(center),
                self.refinement.keep_restarts,
                progress,
                bounds,
            )
            # By the problem itself: another view's loss says nothing of it.
            start = tf.constant(picked[np.newaxis], tf.float32)
            known = float(evaluate(problem, start).numpy()[0])
            if progress and not scales:
                progress(1, 1, known)  # The scan is all there is.
            refined = not known <= path.loss  # Perhaps neither has a loss.
            return path._replace(
                theta=path.theta if refined else picked,
                loss=path.loss if refined else known,
                evaluations=path.evaluations + len(grid) + 1,
                scanned=np.column_stack([ranks, grid]),
            )

        return search


def sharp_view(problem: Problem) -> Problem:
    """The problem by what tells crops apart best.

    The photo itself stands in the place of Eq. 1's pyramid, and stop words are left out of Eq. 4's
    sum: "a" or "in" fits all crops alike, and its part of the loss is noise.
    """
    photo = sampling.reduce(problem.photo, SHARP_SIDE)
    return problem._replace(
        picture=sampling.pyramid_mean(photo, (1,), 0), targets=problem.content_targets
    )


def batches(grid: np.ndarray) -> Iterator[tf.Tensor]:
    """The crops `[N, 3]` in parts of `BATCH`, float32, as they go through the networks."""
    for at in range(0, len(grid), BATCH):
        yield tf.constant(grid[at : at + BATCH], tf.float32)


def scan_grid(
    scales: Sequence[float],
    centers: int,
    base_size: Sequence[float] = (1.0, 1.0),
    farthest: float = math.inf,
) -> np.ndarray:
    """Crops at evenly spaced centres, all inside the photo.

    Args:
      scales: Their scales.
      centers: Centres a side at each scale, from border to border.
      base_size: Width and height of the crop of scale 1 as fractions of the photo's.
      farthest: How far neighbours may be apart, as a fraction of the crop's side; centres are added
        along a side on which they would be farther, up to `MOST`.

    Returns:
      `[N, 3]` rows `(x, y, s)`; `N` is `len(scales) * centers^2` unless centres were added.
    """
    rows = []
    for scale in scales:
        across, down = (_places(scale * side, centers, farthest) for side in base_size)
        rows += [[x, y, scale] for y in down for x in across]
    return np.array(rows)


def _places(side: float, centers: int, farthest: float) -> np.ndarray:
    """Centres along one axis, in [-1, 1], of crops with that side in (0, 1]."""
    intervals = math.ceil((1 - side) / (farthest * side))
    count = max(centers, min(intervals + 1, MOST))
    return (np.linspace(-1, 1, count) if count > 1 else np.zeros(1)) * (1 - side)

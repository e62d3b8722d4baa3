"""Beyond the paper: a forward scan of centres and scales, and Alg. 1 from there if it is asked for.

What is refined is the paper's objective. A scan needs no gradients and sees the whole photo, so
few scales and restarts are enough afterwards.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.beyond import picking
from cagic_tf.beyond.grounded_picking import HighestExpectedUtility
from cagic_tf.method import annealing, sampling
from cagic_tf.method.problems import Problem
from cagic_tf.method.search import Bounds, LossFunction, Path, Progress, RunSideBySide
from cagic_tf.system import arguments, devices, threads

BATCH = 35  # Crops a forward pass; more needs memory and gains no speed on a CPU.
GPU_BATCH = 512  # On a GPU, where many cost hardly more than few.
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
        # In gin a rule without its () is a class, which would take a scan for its settings.
        if not callable(self.pick) or isinstance(self.pick, type):
            raise ValueError(
                f"CoarseToFine.pick is {arguments.shown(self.pick)}; a rule such as "
                "@HighestExpectedIoU() is needed, with its ()"
            )

    @property
    def chooses_shape(self) -> bool:
        """Whether the shape of a crop can be left to it, see `Bounds.smallest_sides`."""
        return isinstance(self.pick, HighestExpectedUtility) and self.pick.most_stretch > 1

    def compile(self, loss: LossFunction, signature: Any) -> "CoarseToFineRun":
        """Makes the search for one loss; its graphs are traced once for a number of problems."""
        return CoarseToFineRun(self, loss, signature)


class CoarseToFineRun(RunSideBySide):
    """The scan and what follows it for one loss, on one problem or on many side by side."""

    def __init__(self, settings: CoarseToFine, loss: LossFunction, signature: Any):
        super().__init__(loss)
        self._settings = settings
        self._step = annealing.AnnealingRun(settings.refinement, loss, signature).step
        self._evaluate = functools.cache(functools.partial(_evaluation, loss, signature))
        self._view = settings.scan_view
        if self._view is not None:
            self._view = tf.function(self._view, input_signature=[signature], autograph=False)

    def _search(
        self,
        problems: Sequence[Any],
        seeds: Sequence[int],
        bounds: Sequence[Bounds],
        side_by_side: int | None,
        progress: Progress | None,
    ) -> list[Path]:
        settings = self._settings
        grids = [
            scan_grid(
                limit.scales(settings.scan_scales), settings.scan_centers, limit.base_size, FARTHEST
            )
            for limit in bounds
        ]
        views = threads.prepare(self._view, problems) if self._view else problems
        alone = side_by_side is None
        scans = self._losses(self._as_one(views, side_by_side), grids, alone)
        found = [
            _pick(settings.pick, totals, grid, limit, _meant(problem))
            for totals, grid, limit, problem in zip(scans, grids, bounds, problems, strict=True)
        ]
        shaped = [_shaped(*each) for each in zip(problems, bounds, found, strict=True)]
        itself = self._as_one([problem for problem, _ in shaped], side_by_side)
        # By the problem itself: another view's loss says nothing of it.
        known = self._losses(itself, [each.theta[np.newaxis] for each in found], alone)
        walks = [
            annealing.Walk(seed, _around(theta, settings.refine_scales), theta[:2], limit)
            for seed, (theta, *_), (_, limit) in zip(seeds, found, shaped, strict=True)
        ]
        paths = [Path(each.theta, np.inf, [], 0) for each in found]
        if settings.refine_scales:
            step = self._step(side_by_side)
            keep = settings.refinement.keep_restarts
            paths = annealing.anneal(step, itself, walks, keep, progress)
        elif progress:  # The scan is all there is.
            progress(1, 1, float(np.mean([losses[0] for losses in known])))
        return [
            _better(path, float(losses[0]), grid, picked)
            for path, losses, grid, picked in zip(paths, known, grids, found, strict=True)
        ]

    def _losses(self, problem: Any, grids: Sequence[np.ndarray], alone: bool) -> list[np.ndarray]:
        """The totals of each problem's crops."""
        crops = np.concatenate(grids)
        owners = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
        parts = [
            self._evaluate(alone)(problem, theta, tf.constant(own, tf.int32)).numpy()
            for theta, own in zip(batches(crops), _parts(owners), strict=True)
        ]
        return np.split(np.concatenate(parts), np.cumsum([len(grid) for grid in grids])[:-1])


def _evaluation(loss: Any, signature: Any, alone: bool) -> Any:
    """The graph of crops' losses, of one problem for itself or of many side by side."""
    problem_signature = signature if alone else loss.batch_signature
    theta, owners = tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([None], tf.int32)

    @tf.function(input_signature=[problem_signature, theta, owners], autograph=False)
    def evaluate(problem: Any, theta: tf.Tensor, owners: tf.Tensor) -> tf.Tensor:
        return loss(problem if alone else problem.of(owners), theta).total

    return evaluate


def _meant(problem: Any) -> picking.Meant | None:
    """What a grounder says of a problem, if one does."""
    if not isinstance(problem, Problem) or not len(problem.meant):
        return None
    rows = problem.meant.numpy()
    return picking.Meant(rows[:, :4], rows[:, 4])


def _pick(
    rule: picking.Pick,
    losses: np.ndarray,
    grid: np.ndarray,
    limit: Bounds,
    meant: picking.Meant | None,
) -> picking.Picked:
    if isinstance(rule, HighestExpectedUtility):  # The one rule that can choose a shape.
        return rule(losses, grid, limit.base_size, meant, limit.smallest_sides)
    return rule(losses, grid, limit.base_size, meant)


def _shaped(problem: Any, limit: Bounds, picked: picking.Picked) -> tuple[Any, Bounds]:
    """A problem and its bounds for crops of the shape that was picked."""
    if picked.base_size is None:
        return problem, limit
    base_size = tf.constant(picked.base_size, problem.base_size.dtype)
    least = max(np.divide(limit.smallest_sides or (0.0, 0.0), picked.base_size).tolist())
    limit = limit._replace(base_size=picked.base_size, smallest_scale=min(1.0, least))
    return problem._replace(base_size=base_size), limit


def _around(picked: np.ndarray, factors: Sequence[float]) -> list[float]:
    """Scales around that of the picked crop."""
    return [min(factor * picked[2], 1.0) for factor in factors]


def _better(path: Path, known: float, grid: np.ndarray, picked: picking.Picked) -> Path:
    """The path of the refinement, from the picked crop if that is no worse than its best."""
    refined = not known <= path.loss  # Perhaps neither has a loss.
    return path._replace(
        theta=path.theta if refined else picked.theta,
        loss=path.loss if refined else known,
        evaluations=path.evaluations + len(grid) + 1,
        scanned=np.column_stack([picked.ranks, grid]),
        base_size=picked.base_size,
    )


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
    """The crops `[N, 3]` in parts, float32, as they go through the networks."""
    return (tf.constant(part, tf.float32) for part in _parts(grid))


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    size = GPU_BATCH if devices.on_gpu() else BATCH
    return (rows[at : at + size] for at in range(0, len(rows), size))


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

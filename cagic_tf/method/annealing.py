"""Algorithm 1: the scale is annealed in a Python loop; K restarts of L-BFGS run at each scale."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.method import lbfgs, restarts
from cagic_tf.method.annealing_step import compile_step
from cagic_tf.method.search import (
    UNBOUNDED,
    Bounds,
    Losses,
    LossFunction,
    Path,
    Progress,
    RunSideBySide,
    Step,
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

    def compile(self, loss: LossFunction, signature: Any) -> "AnnealingRun":
        """Makes the search for one loss; its graphs are traced once for a number of problems."""
        return AnnealingRun(self, loss, signature)


class AnnealingRun(RunSideBySide):
    """Alg. 1 for one loss, on one problem or on many side by side."""

    def __init__(self, settings: Annealing, loss: LossFunction, signature: Any):
        super().__init__(loss)
        self._settings = settings
        self._scales = scale_schedule(1.0, settings.scale_factor, settings.smallest_scale)
        self.step = functools.cache(functools.partial(compile_step, settings, loss, signature))

    def _search(
        self,
        problems: Sequence[Any],
        seeds: Sequence[int],
        bounds: Sequence[Bounds],
        side_by_side: int | None,
        progress: Progress | None,
    ) -> list[Path]:
        walks = [
            Walk(seed, self._scales, np.zeros(2), limit)
            for seed, limit in zip(seeds, bounds, strict=True)
        ]
        problem, step = self._as_one(problems, side_by_side), self.step(side_by_side)
        return anneal(step, problem, walks, self._settings.keep_restarts, progress)


class Walk(NamedTuple):
    """How one problem is gone through.

    Attributes:
      seed: Of its restarts.
      scales: The scales of the schedule.
      center: `[2]`, the first centre.
      bounds: Which of the scales may be tried.
    """

    seed: int
    scales: Sequence[float]
    center: np.ndarray
    bounds: Bounds = UNBOUNDED


def anneal(
    step: Callable,
    problem: Any,
    walks: Sequence[Walk],
    keep_restarts: bool,
    progress: Progress | None = None,
) -> list[Path]:
    """The loop of Alg. 1 over those of the scales that may be tried.

    Args:
      step: See `compile_step`.
      problem: One problem, or as many side by side as there are walks.
      walks: One for each; the loop ends with the longest.
      keep_restarts: See `Annealing`.
      progress: Called after each step, with the mean of the lowest losses.
    """
    paths = [Path(np.array([0.0, 0.0, 1.0]), np.inf, [], 0) for _ in walks]
    schedules = [walk.bounds.scales(walk.scales) for walk in walks]
    centers = np.array([walk.center for walk in walks], np.float32)
    base_sizes = tf.constant([walk.bounds.base_size for walk in walks], tf.float32)
    longest = max(len(schedule) for schedule in schedules)
    for number in range(longest):
        # A problem that is done goes along at its last scale, or at any.
        scales = [[([1.0, *schedule])[: number + 2][-1]] for schedule in schedules]
        seeds = [[walk.seed, number] for walk in walks]
        results = tf.nest.map_structure(
            lambda tensor: tensor.numpy(),
            step(
                problem,
                tf.constant(centers),
                tf.constant(scales, tf.float32),
                tf.constant(seeds, tf.int32),
                base_sizes,
            ),
        )
        centers = results[0]
        for at, schedule in enumerate(schedules):
            if number < len(schedule):
                entry = _entry(schedule[number], at, len(walks), *results)
                paths[at] = _with(paths[at], entry, keep_restarts)
        if progress:
            progress(number + 1, longest, float(np.mean([path.loss for path in paths])))
    return paths


def _entry(
    scale: float,
    at: int,
    problems: int,
    means: np.ndarray,
    losses: Losses,
    starts: np.ndarray,
    found: lbfgs.Minimum,
) -> Step:
    """What happened at one scale of the problem of that number."""
    count = len(starts) // problems
    own = slice(at * count, (at + 1) * count)
    return Step(
        scale,
        means[at],
        tf.nest.map_structure(lambda values: values[at], losses),
        starts[own],
        found.positions[own],
        found.start_losses[own],
        found.losses[own],
        int(found.evaluations[own].sum()) + 1,
    )


def _with(path: Path, entry: Step, keep_restarts: bool) -> Path:
    """The path with one more step, "tracking which crop parameter gave the lowest loss so far"."""
    candidates = [(float(entry.losses.total), entry.center)]
    if keep_restarts:
        candidates += zip(entry.end_losses.tolist(), entry.ends, strict=True)
    numbers = [candidate for candidate in candidates if np.isfinite(candidate[0])]
    lowest, where = min(numbers, key=lambda candidate: candidate[0], default=(np.inf, entry.center))
    if lowest < path.loss:
        theta = np.array([*where, entry.scale], np.float64)
        path = path._replace(theta=theta, loss=lowest)
    path.steps.append(entry)
    return path._replace(evaluations=path.evaluations + entry.evaluations)

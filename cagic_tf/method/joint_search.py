"""Table 4's "CN": no scale annealing and no restarts; x, y and s are optimised together.

The paper does not say from where, or within which scales; both are settings.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.method import evaluation_cache, host_loop, lbfgs
from cagic_tf.method.search import (
    Bounds,
    Losses,
    LossFunction,
    Path,
    Progress,
    RunSideBySide,
    Step,
    minimized,
)


@dataclasses.dataclass(frozen=True)
class JointSearch:
    """One run of L-BFGS over `(x, y, s)`.

    Attributes:
      start: `(x, y, s)` to begin at.
      smallest_scale: Lower bound of s; the upper is 1.
      minimizer: L-BFGS with its limits.
    """

    start: Sequence[float] = (0.0, 0.0, 0.8)
    smallest_scale: float = 0.4
    minimizer: lbfgs.Minimizer = lbfgs.Minimizer()

    def __post_init__(self) -> None:
        if len(self.start) != 3 or not self.smallest_scale <= self.start[2] <= 1:
            raise ValueError(
                f"JointSearch.start is {self.start}; (x, y, s) with s between smallest_scale "
                f"({self.smallest_scale}) and 1 is needed"
            )

    def compile(self, loss: LossFunction, signature: Any) -> "JointRun":
        """Makes the search for one loss; its graph is traced once for a number of problems."""
        return JointRun(self, loss, signature)


class JointRun(RunSideBySide):
    """One run of L-BFGS over `(x, y, s)` for one loss, on one problem or on many side by side."""

    def __init__(self, settings: JointSearch, loss: LossFunction, signature: Any):
        super().__init__(loss)
        self._settings = settings
        self._graph = functools.cache(functools.partial(_compile, settings, loss, signature))

    def _search(
        self,
        problems: Sequence[Any],
        seeds: Sequence[int],
        bounds: Sequence[Bounds],
        side_by_side: int | None,
        progress: Progress | None,
    ) -> list[Path]:
        del seeds  # Nothing random here.
        problem, graph = self._as_one(problems, side_by_side), self._graph(side_by_side)
        smallest = [limit.scales([self._settings.smallest_scale])[0] for limit in bounds]
        lower = [[-1.0, -1.0, scale] for scale in smallest]
        base_sizes = [limit.base_size for limit in bounds]
        start, theta, found, losses = tf.nest.map_structure(
            lambda tensor: tensor.numpy(),
            graph(problem, tf.constant(lower, tf.float32), tf.constant(base_sizes, tf.float32)),
        )
        paths = []
        for at in range(len(bounds)):
            own = slice(at, at + 1)
            evaluations = int(found.evaluations[at]) + 1
            step = Step(
                scale=float(theta[at, 2]),
                center=theta[at, :2],
                losses=tf.nest.map_structure(lambda values, at=at: values[at], losses),
                starts=start[own, :2],
                ends=theta[own, :2],
                start_losses=found.start_losses[own],
                end_losses=found.losses[own],
                evaluations=evaluations,
            )
            best = float(found.losses[at])
            paths.append(Path(theta[at].astype(np.float64), best, [step], evaluations))
        if progress:
            progress(1, 1, float(np.mean([path.loss for path in paths])))
        return paths


def _compile(settings: JointSearch, loss: Any, signature: Any, problem_count: int | None) -> Any:
    """The graph; `problem_count` as in `annealing.compile_step`."""
    if problem_count is not None:
        return _graph_on_gpu(settings, loss, problem_count)
    upper = tf.constant([1.0, 1.0, 1.0])
    known = evaluation_cache.EvaluationCache(1, 3)
    theta, sides = tf.TensorSpec([1, 3], tf.float32), tf.TensorSpec([1, 2], tf.float32)

    @tf.function(input_signature=[signature, theta, sides], autograph=False)
    def run(
        problem: Any, lower: tf.Tensor, base_sizes: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, lbfgs.Minimum, Losses]:
        total = minimized(loss, lambda theta, _: (problem, _inside(theta, base_sizes)))
        start = tf.maximum(tf.constant([settings.start], tf.float32), lower)
        found = settings.minimizer(total, start, lower, upper, known)
        theta = _inside(found.positions, base_sizes)
        return _inside(start, base_sizes), theta, found, loss(problem, theta)

    return run


def _graph_on_gpu(settings: JointSearch, loss: Any, problem_count: int) -> Any:
    """The same for problems side by side, on a GPU."""

    def crops(problem: Any, base_sizes: tf.Tensor, theta: tf.Tensor) -> tuple[Any, tf.Tensor]:
        return problem, _inside(theta, base_sizes)

    signature = loss.batch_signature
    minimize = host_loop.HostLoop(settings.minimizer, loss, crops, problem_count, 3)
    theta = tf.TensorSpec([problem_count, 3], tf.float32)

    @tf.function(input_signature=[signature, theta], autograph=False)
    def look(problems: Any, theta: tf.Tensor) -> Losses:
        return loss(problems.of(tf.range(problem_count)), theta)

    def run(
        problems: Any, lower: tf.Tensor, base_sizes: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, lbfgs.Minimum, Losses]:
        start = tf.maximum(tf.constant([settings.start], tf.float32), lower)
        found = minimize(problems, base_sizes, start, lower, tf.ones_like(lower))
        theta = _inside(found.positions, base_sizes)
        return _inside(start, base_sizes), theta, found, look(problems, theta)

    return run


def _inside(theta: tf.Tensor, base_sizes: tf.Tensor) -> tf.Tensor:
    """Crops whose centres are moved so far that they lie in the photo."""
    reach = theta[:, 2:] * base_sizes
    # Not clip_by_value: moving the border must move the centre that it holds.
    xy = tf.maximum(tf.minimum(theta[:, :2], 1 - reach), reach - 1)
    return tf.concat([xy, theta[:, 2:]], axis=1)

"""An iteration of Algorithm 1's outer loop: restarts, L-BFGS from each (Eq. 7), their mean (Eq. 6).

On a CPU it is one graph. On a GPU it is for many problems at a time, see `host_loop`.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from cagic_tf.method import evaluation_cache, host_loop, lbfgs
from cagic_tf.method.search import Losses, minimized

if TYPE_CHECKING:
    from cagic_tf.method.annealing import Annealing


def compile_step(
    settings: "Annealing", loss: Any, signature: Any, problem_count: int | None = None
) -> Callable:
    """The graph of one iteration of Alg. 1's outer loop: restarts, L-BFGS, their mean.

    Args:
      settings: K and what is minimised with.
      loss: What is minimised.
      signature: The `tf.TypeSpec`s of a problem.
      problem_count: How many problems lie side by side; None: there is one, for itself.
    """
    if problem_count is not None:
        return _step_on_gpu(settings, loss, problem_count)

    count = settings.restart_count
    known = evaluation_cache.EvaluationCache(count, 2)

    @tf.function(
        input_signature=[signature, *_signature(1)],
        autograph=False,  # No Python control flow depends on a tensor; reading all source is slow.
    )
    def step(
        problem: Any, centers: tf.Tensor, scales: tf.Tensor, seeds: tf.Tensor, base_sizes: tf.Tensor
    ) -> tuple[tf.Tensor, Losses, tf.Tensor, lbfgs.Minimum]:
        starts, reach = _starts(settings, centers, scales, seeds, base_sizes)

        def crops(xy: tf.Tensor, members: tf.Tensor) -> tuple[Any, tf.Tensor]:
            return problem, _at_scale(xy, tf.repeat(scales, tf.shape(xy)[0], axis=0))

        total = minimized(loss, crops)
        found = settings.minimizer(total, starts, -reach, reach, known)  # Eq. 7
        means = _means(found, 1)  # Eq. 6
        return means, loss(problem, _at_scale(means, scales)), starts, found

    return step


def _step_on_gpu(settings: "Annealing", loss: Any, problem_count: int) -> Callable:
    """The same for problems side by side, on a GPU."""

    def crops(problem: Any, scales: tf.Tensor, xy: tf.Tensor) -> tuple[Any, tf.Tensor]:
        return problem, _at_scale(xy, scales)

    members = problem_count * settings.restart_count
    minimize = host_loop.HostLoop(settings.minimizer, loss, crops, members, 2)
    draw = tf.function(
        functools.partial(_starts, settings),
        input_signature=_signature(problem_count),
        autograph=False,
    )

    @tf.function(
        input_signature=[loss.batch_signature, tf.TensorSpec([problem_count, 3], tf.float32)],
        autograph=False,
    )
    def look(problems: Any, theta: tf.Tensor) -> Losses:
        return loss(problems.of(tf.range(problem_count)), theta)

    def step(
        problems: Any,
        centers: tf.Tensor,
        scales: tf.Tensor,
        seeds: tf.Tensor,
        base_sizes: tf.Tensor,
    ) -> tuple[tf.Tensor, Losses, tf.Tensor, lbfgs.Minimum]:
        with tf.device("CPU:0"):
            starts, reach = draw(centers, scales, seeds, base_sizes)
        found = minimize(problems, scales, starts, -reach, reach)
        means = _means(found, problem_count)
        return means, look(problems, _at_scale(means, scales)), starts, found

    return step


def _signature(problems: int) -> list[tf.TensorSpec]:
    """Of the centres, scales, seeds and sizes of the crop of scale 1 of so many problems."""
    pair, scale = (tf.TensorSpec([problems, size], tf.float32) for size in (2, 1))
    return [pair, scale, tf.TensorSpec([problems, 2], tf.int32), pair]


def _starts(
    settings: "Annealing",
    centers: tf.Tensor,
    scales: tf.Tensor,
    seeds: tf.Tensor,
    base_sizes: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where restarts begin, and how far from the middle they may go, each `[problems * K, 2]`."""
    count = settings.restart_count
    reach = tf.repeat(1 - scales * base_sizes, count, axis=0)
    drawn = zip(tf.unstack(centers), tf.unstack(seeds), strict=True)
    starts = [settings.draw_starts(center, count, seed) for center, seed in drawn]
    return tf.clip_by_value(tf.concat(starts, axis=0), -reach, reach), reach


def _at_scale(xy: tf.Tensor, scales: tf.Tensor) -> tf.Tensor:
    """Crops `[N, 3]` of centres `[N, 2]` and scales `[N, 1]`."""
    return tf.concat([xy, scales], axis=1)


def _means(found: lbfgs.Minimum, problems: int) -> tf.Tensor:
    """Eq. 6: the mean of the results of each problem's restarts, `[problems, 2]`."""
    return tf.reduce_mean(tf.reshape(found.positions, [problems, -1, 2]), axis=1)

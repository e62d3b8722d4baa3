"""Table 4's "CN": no scale annealing and no restarts; x, y and s are optimised together.

The paper does not say from where, or within which scales; both are settings.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.method import evaluation_cache, lbfgs
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

    def compile(self, loss: LossFunction, signature: Any) -> RunSearch:
        """Makes the search for one loss; its graph is traced once."""
        upper = tf.constant([1.0, 1.0, 1.0])
        known = evaluation_cache.EvaluationCache(1, 3)

        def inside(theta: tf.Tensor, base_size: tf.Tensor) -> tf.Tensor:
            reach = theta[:, 2:] * base_size
            # Not clip_by_value: moving the border must move the centre that it holds.
            xy = tf.maximum(tf.minimum(theta[:, :2], 1 - reach), reach - 1)
            return tf.concat([xy, theta[:, 2:]], axis=1)

        @tf.function(
            input_signature=[
                signature,
                tf.TensorSpec([3], tf.float32),
                tf.TensorSpec([2], tf.float32),
            ],
            autograph=False,
        )
        def run(
            problem: Any, lower: tf.Tensor, base_size: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, lbfgs.Minimum, Losses]:
            start = tf.maximum(tf.constant([self.start], tf.float32), lower)
            total = minimized(loss, lambda theta, _: (problem, inside(theta, base_size)))
            found = self.minimizer(total, start, lower, upper, known)
            theta = inside(found.positions, base_size)
            return inside(start, base_size), theta, found, loss(problem, theta)

        def search(
            problem: Any,
            seed: int,
            progress: Progress | None = None,
            bounds: Bounds = UNBOUNDED,
        ) -> Path:
            del seed  # Nothing random here.
            lower = tf.constant([-1.0, -1.0, *bounds.scales([self.smallest_scale])], tf.float32)
            start, theta, found, losses = tf.nest.map_structure(
                lambda tensor: tensor.numpy(),
                run(problem, lower, tf.constant(bounds.base_size, tf.float32)),
            )
            evaluations = int(found.evaluations.sum()) + 1
            step = Step(
                scale=float(theta[0, 2]),
                center=theta[0, :2],
                losses=tf.nest.map_structure(lambda value: value[0], losses),
                starts=start[:, :2],
                ends=theta[:, :2],
                start_losses=found.start_losses,
                end_losses=found.losses,
                evaluations=evaluations,
            )
            best = float(found.losses[0])
            if progress:
                progress(1, 1, best)
            return Path(theta[0].astype(np.float64), best, [step], evaluations)

        return search

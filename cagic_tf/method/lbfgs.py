"""TensorFlow Probability's L-BFGS on a box, K starting points in one batched call.

The paper cites L-BFGS-B (ref. 35), which keeps to bounds; TFP's minimizer has none. Here a point
outside the box has the loss of its nearest point inside, continued along the gradient there, plus
half the squared distance over the first step: smooth across the border, where a kink would make the
line search fail, and with a spring that brings back what overshoots. Results are inside again; on a
border they are its minimum to first order in the first step.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from cagic_tf.method.evaluation_cache import EvaluationCache


class Minimum(NamedTuple):
    """Where K minimizations arrived.

    Attributes:
      positions: `[K, D]`, inside the box.
      losses: `[K]` values there; never above `start_losses`.
      start_losses: `[K]` values at the starting points.
      iterations: Scalar int32, of the member that took most.
      evaluations: `[K]` int32, values computed; a point asked for again is not computed again.
    """

    positions: tf.Tensor
    losses: tf.Tensor
    start_losses: tf.Tensor
    iterations: tf.Tensor
    evaluations: tf.Tensor


@dataclasses.dataclass(frozen=True)
class Minimizer:
    """L-BFGS with its limits; the paper gives none.

    Attributes:
      max_iterations: Most iterations of L-BFGS.
      max_line_search_iterations: Most iterations of the Hager-Zhang line search in each.
      first_step: The first step is this times the negative gradient (TFP takes the whole gradient
        and no initial Hessian), so positions are scaled by its square root.
      tolerance: Stop when no component of the gradient is above this.
      correction_pairs: How many past steps approximate the Hessian.
    """

    max_iterations: int = 1
    max_line_search_iterations: int = 1
    first_step: float = 0.01
    tolerance: float = 1e-4
    correction_pairs: int = 5

    def __post_init__(self) -> None:
        if self.first_step <= 0:
            raise ValueError(f"Minimizer.first_step is {self.first_step}; it must be above 0")

    def __call__(
        self,
        function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        starts: tf.Tensor,
        lower: tf.Tensor,
        upper: tf.Tensor,
        evaluated: EvaluationCache,
    ) -> Minimum:
        """Minimizes `function` from every start.

        Args:
          function: Maps `[N, D]` positions and the numbers of the starts that they come from, `[N]`
            int32, to `[N]` values; differentiable by the positions.
          starts: `[K, D]` starting points.
          lower: `[D]` or `[K, D]`, least positions.
          upper: Likewise, greatest positions.
          evaluated: Memory for K members, created outside of any graph; it is cleared first.

        Returns:
          The minima found; a member that found nothing lower is where it started.
        """
        unit = tf.cast(tf.sqrt(self.first_step), starts.dtype)
        begin = tf.clip_by_value(starts, lower, upper)

        def continuation(outside: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
            spring = 0.5 * tf.square(outside / unit)
            return tf.reduce_sum(gradient * outside + spring, axis=1)

        def compute(positions: tf.Tensor, members: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(positions)
                value = function(positions, members)
            return value, tape.gradient(value, positions)

        # One copy of the networks in the graph: TFP calls this in about ten places, and inlined at
        # each of them it takes most of a minute to trace.
        @tf.function(experimental_attributes={"_noinline": True}, autograph=False)
        def value_and_gradient(scaled: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            # TFP divides by a curvature that is zero where the loss is flat, and then asks for a
            # point that is no number; infinity makes its line search turn back.
            exists = tf.reduce_all(tf.math.is_finite(scaled), axis=1)
            position = tf.where(exists[:, tf.newaxis], scaled * unit, begin)
            inside = tf.clip_by_value(position, lower, upper)
            value, gradient = evaluated(compute, inside)
            outside = position - inside
            value += continuation(outside, gradient)
            return tf.where(exists, value, np.inf), gradient * unit + outside / unit

        evaluated.clear()
        start_losses, _ = value_and_gradient(begin / unit)
        result = tfp.optimizer.lbfgs_minimize(
            value_and_gradient,
            initial_position=begin / unit,
            num_correction_pairs=self.correction_pairs,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
            max_line_search_iterations=self.max_line_search_iterations,
        )
        position = result.position * unit
        ends = tf.clip_by_value(position, lower, upper)
        outside = position - ends
        gradient = (result.objective_gradient - outside / unit) / unit
        losses = result.objective_value - continuation(outside, gradient)
        better = tf.reduce_all(tf.math.is_finite(position), axis=1) & (losses < start_losses)
        return Minimum(
            tf.where(better[:, tf.newaxis], ends, begin),
            tf.where(better, losses, start_losses),
            start_losses,
            result.num_iterations,
            evaluated.computed.read_value(),
        )

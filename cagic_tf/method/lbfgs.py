"""Eq. 7's L-BFGS with its limits: TensorFlow Probability's, K starting points in one batched call.

`minimization.py` says how, and what is done beside TFP's.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from cagic_tf.method.evaluation_cache import EvaluationCache
from cagic_tf.method.minimization import Minimization, Minimum
from cagic_tf.method.search import Minimized

__all__ = ["Minimizer", "Minimum"]
HOLD = ("evaluation", "iteration", "restart")


@dataclasses.dataclass(frozen=True)
class Minimizer:
    """L-BFGS with its limits; the paper gives none, so by default it runs until it converges.

    Attributes:
      max_iterations: Most iterations of L-BFGS; the default is never reached in practice.
      max_line_search_iterations: Most iterations of the Hager-Zhang line search in each: 1, or so
        many that every search ends by itself. Between these, members of one batch wait for one
        another at the limit, and a member's result depends on the others.
      first_step: The first step is this times the negative gradient (TFP takes the whole gradient
        and no initial Hessian), so positions are scaled by its square root.
      tolerance: A member has converged when no component of its gradient is above this, times the
        square root of `first_step`.
      least_gain: A member has converged when an iteration lowers its loss by no more than this.
      correction_pairs: How many past steps approximate the Hessian.
      hold_words: When the captioner's words are decoded anew: at every "evaluation", after every
        "iteration", or where a "restart" has arrived, which then goes on if the new words have a
        lower loss.
      extend_slopes: How the loss goes on beyond the border, see `borders.Box`.
    """

    max_iterations: int = 100
    max_line_search_iterations: int = 100
    first_step: float = 0.01
    tolerance: float = 1e-4
    least_gain: float = 1e-4
    correction_pairs: int = 5
    hold_words: str = "iteration"
    extend_slopes: bool = False

    def __post_init__(self) -> None:
        if self.first_step <= 0:
            raise ValueError(f"Minimizer.first_step is {self.first_step}; it must be above 0")
        for name in ("max_iterations", "max_line_search_iterations", "correction_pairs"):
            if getattr(self, name) < 1:
                raise ValueError(f"Minimizer.{name} is {getattr(self, name)}; at least 1 is needed")
        for name in ("tolerance", "least_gain"):
            if getattr(self, name) < 0:
                raise ValueError(f"Minimizer.{name} is {getattr(self, name)}; 0 or more is needed")
        if self.hold_words not in HOLD:
            raise ValueError(
                f"Minimizer.hold_words is {self.hold_words!r}; one of {', '.join(HOLD)} is needed"
            )

    def __call__(
        self,
        function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | Minimized,
        starts: tf.Tensor,
        lower: tf.Tensor,
        upper: tf.Tensor,
        evaluated: EvaluationCache,
    ) -> Minimum:
        """Minimizes `function` from every start.

        Args:
          function: Maps `[N, D]` positions and the numbers of the starts that they come from, `[N]`
            int32, to `[N]` values; differentiable by the positions. With choices that can be held
            it is a `Minimized`.
          starts: `[K, D]` starting points.
          lower: `[D]` or `[K, D]`, least positions.
          upper: Likewise, greatest positions.
          evaluated: Memory for K members, created outside of any graph; it is cleared first.

        Returns:
          The minima found; a member that found nothing lower is where it started.
        """
        if not isinstance(function, Minimized):
            function = Minimized(function)
        return Minimization(self, function, starts, lower, upper, evaluated).run()

"""A loss on a box, continued beyond it, for an L-BFGS without bounds; ref. 35 has them."""

from typing import NamedTuple

import tensorflow as tf


class Box(NamedTuple):
    """Where K minimizations may end, and how their positions are scaled.

    Beyond the border the loss is that of the nearest point inside, plus half the squared distance
    over the first step. So its minima are the box's, and the spring brings back what overshoots. Of
    a position on the border or beyond, the slope that leads out is left out: it is L-BFGS-B's
    projected gradient.

    With extended slopes (`paper_quick.gin`), the loss goes on along its gradient on the border as
    well. That is smooth across the border for a smooth loss. But where the gradient jumps from
    pixel to pixel, the loss out there jumps by as much as the gradient does, times the distance.

    Attributes:
      starts: `[K, D]`, where members begin, inside.
      lower: `[D]` or `[K, D]`, least positions.
      upper: Likewise, greatest positions.
      unit: Scalar: positions are this times the scaled ones, the square root of the first step.
      extend_slopes: Whether the loss goes on along its gradient.
    """

    starts: tf.Tensor
    lower: tf.Tensor
    upper: tf.Tensor
    unit: tf.Tensor
    extend_slopes: bool

    def inside(self, scaled: tf.Tensor) -> tf.Tensor:
        """The nearest positions inside `[K, D]` of scaled ones."""
        return tf.clip_by_value(scaled * self.unit, self.lower, self.upper)

    def snapped(self, scaled: tf.Tensor) -> tf.Tensor:
        """The nearest scaled positions inside; those on the border are exactly on it."""
        return tf.clip_by_value(scaled, self.lower / self.unit, self.upper / self.unit)

    def extend(
        self, scaled: tf.Tensor, losses: tf.Tensor, gradients: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Values `[K]` and slopes `[K, D]` at scaled positions.

        Args:
          scaled: `[K, D]`, scaled positions.
          losses: `[K]`, at the nearest positions inside.
          gradients: `[K, D]`, there.
        """
        if self.extend_slopes:
            outside = scaled * self.unit - self.inside(scaled)
            values = losses + self._along(outside, gradients)
            return values, gradients * self.unit + outside / self.unit
        beyond = scaled - self.snapped(scaled)
        values = losses + tf.reduce_sum(0.5 * tf.square(beyond), axis=1)
        kept = self.leads_out(scaled, gradients) | (beyond != 0)
        return values, tf.where(kept, beyond, gradients * self.unit)

    def leads_out(self, scaled: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
        """`[K, D]` bool: along these axes positions are on the border, and lower losses outside."""
        below = (scaled <= self.lower / self.unit) & (gradients > 0)
        return below | (scaled >= self.upper / self.unit) & (gradients < 0)

    def without_extension(
        self, scaled: tf.Tensor, values: tf.Tensor, slopes: tf.Tensor
    ) -> tf.Tensor:
        """Losses `[K]` at the nearest positions inside, of what `extend` gave."""
        if self.extend_slopes:
            outside = scaled * self.unit - self.inside(scaled)
            gradients = (slopes - outside / self.unit) / self.unit
            return values - self._along(outside, gradients)
        beyond = scaled - self.snapped(scaled)
        return values - tf.reduce_sum(0.5 * tf.square(beyond), axis=1)

    def _along(self, outside: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
        spring = 0.5 * tf.square(outside / self.unit)
        return tf.reduce_sum(gradients * outside + spring, axis=1)

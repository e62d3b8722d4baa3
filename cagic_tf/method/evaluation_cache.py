"""Points whose value and gradient are known: none is computed twice.

TFP's line search asks for a point of every member of a batch whenever one member needs one; those
that need none get a point that they had before. Here each member's last points are remembered, and
only the rows that ask for a new one go through the networks.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

SIZE = 32  # Points remembered a member; one line search asks for fewer.


class EvaluationCache:
    """Memory of one batch of minimizations; one run at a time may use it.

    Attributes:
      computed: `[K]` int32 variable, how many points were computed since `clear`.
    """

    def __init__(self, members: int, dimensions: int, dtype: tf.DType = tf.float32):
        """Makes room for the points of `members` minimizations in `dimensions` unknowns."""
        with tf.device("CPU:0"):  # As the optimizer that asks; see `host_loop`.
            self._points = tf.Variable(tf.fill([SIZE, members, dimensions], tf.cast(np.nan, dtype)))
            self._values = tf.Variable(tf.zeros([SIZE, members], dtype))
            self._gradients = tf.Variable(tf.zeros([SIZE, members, dimensions], dtype))
            self._asked = tf.Variable(0)
            self.computed = tf.Variable(tf.zeros([members], tf.int32))

    def clear(self) -> None:
        """Forgets everything: another minimization begins."""
        self.forget(tf.ones_like(self.computed, tf.bool))
        self._asked.assign(0)
        self.computed.assign(tf.zeros_like(self.computed))

    def forget(self, members: tf.Tensor) -> None:
        """Forgets the points of these members, `[K]` bool: their function is another one."""
        nothing = tf.cast(np.nan, self._points.dtype)
        self._points.assign(tf.where(members[:, tf.newaxis], nothing, self._points))

    def add(self, members: tf.Tensor) -> None:
        """Counts a point of each of these members, `[K]` bool, that was computed elsewhere."""
        self.computed.assign_add(tf.cast(members, tf.int32))

    def __call__(
        self,
        compute: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
        points: tf.Tensor,
        wanted: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Values `[K]` and gradients `[K, D]` at `points` `[K, D]`, from the memory where it can.

        Args:
          compute: Maps `[N, D]` points, those that are new, and the numbers of their members `[N]`,
            int32, to values `[N]` and gradients `[N, D]`.
          points: A finite point for each member.
          wanted: `[K]` bool; of the other members nothing is computed, and what they get is
            anything finite, or what one of them had.
        """
        same = tf.reduce_all(self._points == points, axis=2)  # [SIZE, K]; NaN equals nothing.
        slots = tf.argmax(same, axis=0, output_type=tf.int32)
        slots = tf.stack([slots, tf.range(tf.shape(points)[0])], axis=1)
        values = tf.gather_nd(self._values, slots)
        gradients = tf.gather_nd(self._gradients, slots)
        is_new = wanted & ~tf.reduce_any(same, axis=0)
        new = tf.cast(tf.where(is_new), tf.int32)

        def look_up() -> tuple[tf.Tensor, tf.Tensor]:
            return values, gradients

        def fill_in() -> tuple[tf.Tensor, tf.Tensor]:
            found, slopes = compute(tf.gather_nd(points, new), new[:, 0])
            return (
                tf.tensor_scatter_nd_update(values, new, found),
                tf.tensor_scatter_nd_update(gradients, new, slopes),
            )

        values, gradients = tf.cond(tf.reduce_any(is_new), fill_in, look_up)
        self.add(is_new)
        place = [[self._asked % SIZE]]
        known = tf.where(wanted[:, tf.newaxis], points, tf.cast(np.nan, points.dtype))
        self._points.scatter_nd_update(place, known[tf.newaxis])
        self._values.scatter_nd_update(place, values[tf.newaxis])
        self._gradients.scatter_nd_update(place, gradients[tf.newaxis])
        self._asked.assign_add(1)
        return values, gradients

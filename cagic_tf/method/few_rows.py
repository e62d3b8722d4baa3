"""On a GPU: few rows go through one executable, many through the operations one after another.

Of ten crops a GPU computes the losses faster than the hundreds of operations can be launched. XLA
makes them one. But each number of rows is compiled for itself, for half a minute, so that there is
just one number, to which fewer are filled up; and of hundreds of crops launching is a small part.
"""

from collections.abc import Callable

import tensorflow as tf

from cagic_tf.system import devices

FEW = 40  # Rows, of which a GPU needs hardly more time than for one.

# Of positions `[N, D]` and the numbers of their members `[N]`: values `[N]`, gradients `[N, D]`.
Compute = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def split(compute: Compute, members: int) -> Compute:
    """A function of any number of rows that computes few of them by XLA.

    Args:
      compute: What is computed; a row knows nothing of the others.
      members: The most rows that there will be.
    """
    most = min(members, FEW)
    executable = devices.compiled(compute)

    def few(positions: tf.Tensor, numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.shape(numbers)[0]
        rows = tf.minimum(tf.range(most), count - 1)  # The last one again.
        positions = tf.ensure_shape(tf.gather(positions, rows), [most, positions.shape[1]])
        values, gradients = executable(positions, tf.gather(numbers, rows))
        return values[:count], gradients[:count]

    def either(positions: tf.Tensor, numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if members <= FEW:
            return few(positions, numbers)
        return tf.cond(
            tf.shape(numbers)[0] <= most,
            lambda: few(positions, numbers),
            lambda: compute(positions, numbers),
        )

    return either

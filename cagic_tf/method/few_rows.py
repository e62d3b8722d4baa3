"""On a GPU rows go through one executable of XLA, in few different numbers.

Of ten crops a GPU computes the losses faster than the hundreds of operations can be launched. XLA
makes them one. But each number of rows is compiled for itself, in a third of a minute, so there are
few such numbers, to which others are filled up.
"""

from collections.abc import Callable

import tensorflow as tf

from cagic_tf.system import devices

FEW = 40  # Rows, of which a GPU needs hardly more time than for one.
FACTOR = 4  # Between one number of rows and the next.

# Of positions `[N, D]` and the numbers of their members `[N]`: values `[N]`, gradients `[N, D]`.
Compute = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def row_counts(members: int) -> list[int]:
    """The numbers of rows that are computed together, ascending.

    >>> row_counts(10), row_counts(640)
    ([10], [40, 160, 640])
    """
    counts = [members]
    while counts[0] > FEW:
        counts.insert(0, max(FEW, -(-counts[0] // FACTOR)))
    return counts


def filled_up(compute: Compute, members: int) -> Compute:
    """A function of any number of rows, computed by XLA.

    Args:
      compute: What is computed; a row knows nothing of the others.
      members: The most rows that there will be.
    """
    executable = devices.compiled(compute)
    counts = tf.constant(row_counts(members))

    def fill_up(positions: tf.Tensor, numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.shape(numbers)[0]
        enough = tf.reduce_min(tf.where(counts >= count, counts, members))
        rows = tf.minimum(tf.range(enough), count - 1)  # The last one again.
        values, gradients = executable(tf.gather(positions, rows), tf.gather(numbers, rows))
        return values[:count], gradients[:count]

    return fill_up

"""A trunk in reduced precision, or compiled by XLA: for hardware that is faster at it.

The trunk has seven tenths of a crop's time; samples, decoder, scorer and losses stay as they are.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

SIZES = 2 ** np.arange(16, dtype=np.int32)  # Of the batches that XLA compiles the trunk for.


class AcceleratedTrunk:
    """A trunk that takes and gives the dtype of its pictures, whatever it is computed in.

    Attributes:
      input_size: Height and width that the network was trained at, in pixels.
    """

    def __init__(self, trunk: Callable[[tf.Tensor], tf.Tensor], dtype: tf.DType, jit_compile: bool):
        """Takes a trunk, in the precision in which it is computed, and the dtype of pictures."""
        self.input_size = trunk.input_size
        self._trunk, self._compiled = trunk, None
        if jit_compile:
            pictures = tf.TensorSpec([None, *trunk.input_size, 3], dtype)
            self._compiled = tf.function(
                trunk, input_signature=[pictures], jit_compile=True, autograph=False
            )

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Computes the annotation vectors.

        Args:
          images: `[N, height, width, 3]`, RGB in [0, 1].

        Returns:
          `[N, L, D]`, in the dtype of `images`.
        """
        if self._compiled is None:
            return tf.cast(self._trunk(images), images.dtype)
        # XLA compiles anew for each number of pictures, and L-BFGS asks for any number up to K.
        count = tf.shape(images)[0]
        room = tf.gather(SIZES, tf.searchsorted(SIZES, [count])[0])
        padded = tf.pad(images, [[0, room - count], [0, 0], [0, 0], [0, 0]])
        return tf.cast(self._compiled(padded)[:count], images.dtype)

"""Convolutions as products and sums, which XLA makes one kernel of with what is around them.

Its own depthwise convolutions, with their gradients, are by far the slowest part of a trunk.
"""

from typing import Any

import tensorflow as tf


def depthwise(x: tf.Tensor, kernel: Any, stride: int) -> tf.Tensor:
    """A 'SAME' depthwise convolution of a square picture, as the sum of its shifted pictures.

    Args:
      x: `[N, S, S, C]`.
      kernel: `[k, k, C, 1]`.
      stride: Step in pixels, both ways.

    Returns:
      `[N, ceil(S / stride), ceil(S / stride), C]`.
    """
    taps, side = kernel.shape[0], x.shape[1]
    span = (-(-side // stride) - 1) * stride + 1  # From the first place to the last.
    missing = max(span - 1 + taps - side, 0)
    border = [missing // 2, missing - missing // 2]
    padded = tf.pad(x, [[0, 0], border, border, [0, 0]])
    total: Any = 0
    for row in range(taps):
        for column in range(taps):
            shifted = padded[:, row : row + span : stride, column : column + span : stride]
            total += shifted * kernel[row, column, :, 0]
    return total


def pointwise(x: tf.Tensor, kernel: Any) -> tf.Tensor:
    """A convolution `[N, S, S, D]` of `[N, S, S, C]` by a kernel `[1, 1, C, D]`: one product."""
    product = tf.reshape(x, [-1, x.shape[3]]) @ kernel[0, 0]
    return tf.reshape(product, [-1, x.shape[1], x.shape[2], kernel.shape[3]])

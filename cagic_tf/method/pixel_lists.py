"""Bilinear crops of many pictures at once, in our own terms: for any dtype and device.

The pictures' pixels lie in one list, picture after picture, row after row. So pictures of any sizes
go through together, nothing is padded, and each crop says where its picture begins. Forward and
backward pass only gather and sum: nothing is scattered, so that a GPU adds in the same order each
time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class Places(NamedTuple):
    """Where the pictures of N crops lie, int32, each `[N, 1]`, or `[]` for one picture of all.

    Attributes:
      offset: Index of the picture's first pixel in the list.
      height: The picture's rows.
      width: Its columns.
    """

    offset: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor


class _Samples(NamedTuple):
    """Crops, and what their gradient needs.

    Attributes:
      crops: `[N, h, w, 3]`.
      by_column: Their slopes along the picture's columns, a step each.
      by_row: Along its rows.
    """

    crops: tf.Tensor
    by_column: tf.Tensor
    by_row: tf.Tensor


def taps(position: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The two pixels around each position, and how far it lies from the first to the second.

    Args:
      position: In pixels from the first one's centre, float; what is outside is moved inside.
      size: How many pixels there are, int32; it broadcasts with `position`.
    """
    last = size - 1
    inside = tf.clip_by_value(position, tf.zeros([], position.dtype), tf.cast(last, position.dtype))
    first = tf.minimum(tf.cast(tf.floor(inside), tf.int32), tf.maximum(last - 1, 0))
    return first, tf.minimum(first + 1, last), inside - tf.cast(first, position.dtype)


def crop(
    pixels: tf.Tensor, places: Places, theta: tf.Tensor, size: tuple[int, int], base_size: Any
) -> tf.Tensor:
    """`I_crop(theta)` of Eq. 1, differentiable by theta only.

    Args:
      pixels: `[P, 3]`, float.
      places: Where each crop's picture lies.
      theta: `[N, 3]` rows `(x, y, s)`, see `sampling.crop`.
      size: Height and width of the crops in pixels.
      base_size: `(w, h)`, each a number or `[N, 1]`.

    Returns:
      `[N, size[0], size[1], 3]`.
    """
    dtype = pixels.dtype
    # From a photo's centre to its border, in steps of the picture's.
    half_height = tf.cast(places.height - 1, dtype) / 2
    half_width = tf.cast(places.width - 1, dtype) / 2
    # Pixel centres of the output in -1..1 of the crop, then in steps of the picture. The sides by
    # which a crop exceeds its scale are part of the grids, so that their gradient has them.
    grid_y = base_size[1] * ((2 * tf.range(size[0], dtype=dtype) + 1) / size[0] - 1)
    grid_x = base_size[0] * ((2 * tf.range(size[1], dtype=dtype) + 1) / size[1] - 1)

    @tf.custom_gradient
    def sample(theta: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        x, y, scale = theta[:, 0:1], theta[:, 1:2], theta[:, 2:3]
        row = (y + scale * grid_y + 1) * half_height  # [N, h]
        column = (x + scale * grid_x + 1) * half_width  # [N, w]
        found = _interpolate(pixels, places, row, column)

        def grad(upstream: tf.Tensor) -> tf.Tensor:
            along_x = tf.reduce_sum(upstream * found.by_column, axis=[1, 3]) * half_width  # [N, w]
            along_y = tf.reduce_sum(upstream * found.by_row, axis=[2, 3]) * half_height  # [N, h]
            along_scale = tf.reduce_sum(along_x * grid_x, 1) + tf.reduce_sum(along_y * grid_y, 1)
            totals = [tf.reduce_sum(along_x, 1), tf.reduce_sum(along_y, 1), along_scale]
            return tf.stack(totals, axis=1)

        return found.crops, grad

    return sample(theta)


def _interpolate(pixels: tf.Tensor, places: Places, row: tf.Tensor, column: tf.Tensor) -> _Samples:
    """The pictures at rows `[N, h]` and columns `[N, w]`: rows first, then columns."""
    top, bottom, down = taps(row, places.height)
    left, right, across = taps(column, places.width)
    down, across = down[:, :, None, None], across[:, None, :, None]

    def gather(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
        starts = places.offset + rows * places.width  # [N, h]
        return tf.gather(pixels, starts[:, :, None] + columns[:, None, :])  # [N, h, w, 3]

    def down_a_column(columns: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        upper = gather(top, columns)
        step = gather(bottom, columns) - upper
        return upper + down * step, step

    at_left, left_step = down_a_column(left)
    at_right, right_step = down_a_column(right)
    by_column = at_right - at_left
    by_row = left_step + across * (right_step - left_step)
    return _Samples(at_left + across * by_column, by_column, by_row)

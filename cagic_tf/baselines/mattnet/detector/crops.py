"""Regions cut from a grid of features."""

import tensorflow as tf

from cagic_tf.baselines.mattnet.detector.anchors import STRIDE

SIDE = 7  # Places of a crop, both ways.


def crop(grid: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """Samples 7 x 7 places of the grid in each box, bilinearly, 0 outside the grid.

    The places go from a box's first end to its last one, both included, so they are no centres of
    bins. Place i of the grid lies at 16 i pixels, without the half that a pixel's centre is off.
    The original cuts so by a spatial transformer under the rules of PyTorch 0.2 (`align_corners`).

    Args:
      grid: `[1, H, W, C]`.
      boxes: `[n, 4]`, x1, y1, x2, y2 in pixels of the picture that the grid was made of.

    Returns:
      `[n, 7, 7, C]`.
    """
    x1, y1, x2, y2 = tf.unstack(boxes / STRIDE, axis=1)
    # TensorFlow gives 0 from the last place on, and the original only one place further; with a
    # border of zeros the two are the same.
    padded = tf.pad(grid, [[0, 0], [1, 1], [1, 1], [0, 0]])
    last = tf.cast(tf.shape(padded)[1:3] - 1, boxes.dtype)
    places = tf.stack([y1 + 1, x1 + 1, y2 + 1, x2 + 1], axis=1) / tf.tile(last, [2])
    return tf.image.crop_and_resize(padded, places, tf.zeros_like(x1, tf.int32), [SIDE, SIDE])

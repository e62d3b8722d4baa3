"""Proposals: boxes in which there may be something, of no particular kind.

A small region proposal network (Ren et al., "Faster R-CNN", NIPS 2015, Sec. 3.1) on two grids of a
trunk. It is this project's own, for the grounder and for a MAttNet that needs no released detector;
the authors' one is another. Boxes are `(x0, y0, x1, y1)` as fractions of a picture's sides
throughout.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.networks import layers

KIND = "proposals"  # Of a checkpoint that has nothing else.
PREFIX = f"{KIND}/"  # Of its tensors' names in a checkpoint.
FARTHEST = 4.0  # A box is at most exp(4) times as wide or high as its anchor.
SMALLEST = 0.01  # Of the photo's sides; narrower boxes are none.


class Proposals:
    """The network: how much each anchor looks like something, and how to move it there."""

    def __init__(self, tensors: Mapping[str, Any]):
        """Takes the tensors of `shapes`, or variables; others may be among them."""
        own = {name: value for name, value in tensors.items() if is_one(name)}
        self._weights = layers.constants(own, tf.float32)

    def __call__(self, fine: tf.Tensor, coarse: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores all anchors of pictures, and moves them.

        Args:
          fine: `[N, 2 H, 2 W, C1]`.
          coarse: `[N, H, W, C2]`.

        Returns:
          Logits `[N, P]` of there being something, and deltas `[N, P, 4]` of the anchors, in the
          order of `anchors`.
        """
        far = tf.repeat(tf.repeat(self._layer(coarse, "coarse"), 2, axis=1), 2, axis=2)
        near = tf.nn.relu(self._layer(fine, "fine") + far)
        hidden = tf.nn.relu(self._layer(near, "hidden"))
        count = tf.shape(fine)[0]
        logits = tf.reshape(self._layer(hidden, "scores"), [count, -1])
        return logits, tf.reshape(self._layer(hidden, "deltas"), [count, -1, 4])

    def anchors(self, rows: int | tf.Tensor, columns: int | tf.Tensor) -> tf.Tensor:
        """`[rows * columns * A, 4]`: each place's anchors, row by row of the fine grid."""
        sizes = layers.weight(self._weights, f"{PREFIX}anchors")
        y = (tf.range(rows, dtype=tf.float32) + 0.5) / tf.cast(rows, tf.float32)
        x = (tf.range(columns, dtype=tf.float32) + 0.5) / tf.cast(columns, tf.float32)
        centers = tf.stack(tf.meshgrid(x, y), axis=-1)[:, :, tf.newaxis]
        return tf.reshape(tf.concat([centers - sizes / 2, centers + sizes / 2], axis=-1), [-1, 4])

    def _layer(self, x: tf.Tensor, name: str) -> tf.Tensor:
        name = f"{PREFIX}{name}"
        return layers.convolution(x, self._weights, name, activation=tf.identity)


def is_one(name: str) -> bool:
    """Whether a tensor of a checkpoint is one of the proposals' network, by its name."""
    return name.startswith(PREFIX)


def shapes(fine: int, coarse: int, hidden: int, anchors: int) -> dict[str, tuple[int, ...]]:
    """Name to shape of the tensors, for so many channels, hidden units and anchors of a place.

    `proposals/anchors` are widths and heights as fractions of the picture's sides.
    """
    kernels = {
        "fine": (1, 1, fine, hidden),
        "coarse": (1, 1, coarse, hidden),
        "hidden": (3, 3, hidden, hidden),
        "scores": (1, 1, hidden, anchors),
        "deltas": (1, 1, hidden, 4 * anchors),
    }
    found: dict[str, tuple[int, ...]] = {f"{PREFIX}anchors": (anchors, 2)}
    for name, shape in kernels.items():
        found |= {f"{PREFIX}{name}/kernel": shape, f"{PREFIX}{name}/bias": shape[-1:]}
    return found


def encode(boxes: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Deltas `[..., 4]` that move anchors `[..., 4]` to boxes `[..., 4]`; `decode` undoes it."""
    (center, size), (own_center, own_size) = _centered(boxes), _centered(anchors)
    return tf.concat([(center - own_center) / own_size, tf.math.log(size / own_size)], axis=-1)


def decode(deltas: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Anchors moved by deltas, and clipped to the picture.

    Args:
      deltas: `[..., 4]`: the centre's move in widths and heights of the anchor, and logarithms of
        how many times as wide and high the box is.
      anchors: `[..., 4]`.

    Returns:
      `[..., 4]`.
    """
    center, size = _centered(anchors)
    center += deltas[..., :2] * size
    half = size * tf.exp(tf.minimum(deltas[..., 2:], FARTHEST)) / 2
    return tf.clip_by_value(tf.concat([center - half, center + half], axis=-1), 0, 1)


def _centered(boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    low, high = tf.split(boxes, 2, axis=-1)
    return (low + high) / 2, high - low


def choose(logits: tf.Tensor, boxes: tf.Tensor, most: int, overlap: float) -> tf.Tensor:
    """Which of a picture's boxes are its proposals: non-maximum suppression.

    Args:
      logits: `[P]`.
      boxes: `[P, 4]`.
      most: How many are kept at most.
      overlap: IoU above which the less likely one of two boxes is dropped.

    Returns:
      `[n]` int32, numbers of boxes, the most likely first; of equally likely ones the first.
    """
    sides = tf.reduce_min(boxes[:, 2:] - boxes[:, :2], axis=1)
    scores = tf.where(sides >= SMALLEST, logits, -np.inf)
    return tf.image.non_max_suppression(
        boxes, scores, most, overlap, score_threshold=np.finfo(np.float32).min
    )


def crop(grid: tf.Tensor, boxes: tf.Tensor, picture: tf.Tensor, side: int) -> tf.Tensor:
    """Samples a grid at the centres of `side` x `side` equal bins of each box, bilinearly.

    Args:
      grid: `[N, H, W, C]`, of pictures; beyond its outermost places it goes on as there.
      boxes: `[n, 4]`.
      picture: `[n]` int32, which picture each box is of.
      side: The number of bins.

    Returns:
      `[n, side, side, C]`.
    """
    low, high = tf.split(boxes, 2, axis=1)
    inset = (high - low) / (2 * side)
    places = tf.cast(tf.shape(grid)[2:0:-1], boxes.dtype)  # Columns, then rows, as x and y.
    ends = [(end * places - 0.5) / (places - 1) for end in (low + inset, high - inset)]
    ends = [tf.reverse(tf.clip_by_value(end, 0, 1), axis=[1]) for end in ends]
    return tf.image.crop_and_resize(grid, tf.concat(ends, axis=1), picture, [side, side])

"""Regions that may hold an object of any kind: the region proposal network and its choice.

Ren et al., "Faster R-CNN", NIPS 2015, Sec. 3.1, as Yu et al.'s `mask-faster-rcnn` does it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.baselines.mattnet.detector import anchors, boxes
from cagic_tf.networks import layers

MOST_SCORED, MOST_KEPT, LIMIT = 6000, 300, 0.7


class RegionProposals:
    """The network: how much each anchor looks like an object, and how to move it there."""

    def __init__(self, tensors: Mapping[str, Any]):
        """Takes `rpn/hidden` (3 x 3), `rpn/scores` and `rpn/deltas` (1 x 1), each with a bias.

        For A anchors `rpn/scores` has 2 A channels: first what each anchor scores as background,
        then what each scores as an object. `rpn/deltas` has four for each anchor.
        """
        self._weights = layers.constants(tensors, tf.float32)

    def __call__(self, grid: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores all anchors of a grid.

        Args:
          grid: `[1, H, W, C]`.

        Returns:
          Probabilities of an object `[H * W * A]`, and deltas `[H * W * A, 4]`, in the anchors'
          order.
        """
        hidden = layers.convolution(grid, self._weights, "rpn/hidden")
        scores, deltas = (
            layers.convolution(hidden, self._weights, f"rpn/{name}", activation=tf.identity)
            for name in ("scores", "deltas")
        )
        background, an_object = tf.split(scores, 2, axis=3)
        probabilities = tf.nn.softmax(tf.stack([background, an_object], axis=-1))[..., 1]
        return tf.reshape(probabilities, [-1]), tf.reshape(deltas, [-1, 4])


def choose(
    probabilities: np.ndarray, deltas: np.ndarray, grid: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """The regions to look at.

    The 6000 most likely of all anchors are moved, clipped to the picture, and thinned out (overlaps
    above 0.7). Small regions are not left out.

    Args:
      probabilities: `[n]` as the network gives them.
      deltas: `[n, 4]` likewise.
      grid: Its height and width.
      size: The picture's height and width, in pixels.

    Returns:
      At most 300 boxes `[n, 4]` float32, x1, y1, x2, y2 in the picture's pixels, most likely first.
    """
    order = np.argsort(-probabilities, kind="stable")[:MOST_SCORED]
    moved = boxes.clip(boxes.decode(anchors.on_grid(*grid)[order], deltas[order]), *size)
    kept = boxes.distinct(moved, probabilities[order], LIMIT, at_limit=False, most=MOST_KEPT)
    return moved[kept]

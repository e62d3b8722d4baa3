"""From regions to objects: each region's classes and boxes, and which of them are detections."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.baselines.mattnet.detector import boxes
from cagic_tf.networks import layers

# COCO's 80 categories, in the order of the network's classes after the background.
CATEGORIES = tuple(sorted({*range(1, 91)} - {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}))
# What the network's deltas are multiplied by: it was trained on numbers of about size one.
DELTA_SCALE = np.array([0.1, 0.1, 0.2, 0.2], np.float32)
LIMIT = 0.3  # The overlap from which on a less likely box of a class is dropped.
THRESHOLD, STEP = 0.65, 0.1


class Found(NamedTuple):
    """Detections without features, a row each.

    Attributes:
      boxes: `[n, 4]` float32, x1, y1, x2, y2 in pixels of the photo, ends included.
      classes: `[n]` ints, from 1.
    """

    boxes: np.ndarray
    classes: np.ndarray


class BoxHead:
    """The network: a region's probabilities of the classes, and its box as each of them."""

    def __init__(self, tensors: Mapping[str, Any]):
        """Takes `box/scores` (C classes) and `box/deltas` (C x 4), dense layers with a bias."""
        self._weights = layers.constants(tensors, tf.float32)

    def __call__(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Probabilities `[n, C]` and deltas `[n, C, 4]` of regions' features `[n, 7, 7, D]`."""
        mean = tf.reduce_mean(features, axis=[1, 2])
        probabilities = tf.nn.softmax(self._dense(mean, "box/scores"))
        deltas = self._dense(mean, "box/deltas")
        return probabilities, tf.reshape(deltas, [-1, probabilities.shape[1], 4]) * DELTA_SCALE

    def _dense(self, x: tf.Tensor, name: str) -> tf.Tensor:
        kernel, bias = (
            layers.weight(self._weights, f"{name}/{part}") for part in ("kernel", "bias")
        )
        return x @ kernel + bias


def thresholded(scores: np.ndarray) -> np.ndarray:
    """Which scores are high enough: from 0.65 on.

    If none is, from 0.55 on, and so on by tenths until there is one, as in the original's demo.

    Args:
      scores: Float32, of any shape, in 0..1.

    Returns:
      Bools of that shape.
    """
    threshold = THRESHOLD
    while threshold > 0 and not (scores >= np.float32(threshold)).any():
        threshold -= STEP
    return scores >= np.float32(threshold)


def select(probabilities: np.ndarray, candidates: np.ndarray) -> Found:
    """Which regions are objects of which classes.

    A region can be several, one of each class. Of a class, boxes that overlap a more likely one by
    0.3 or more are dropped. Class 0, the background, is none.

    Args:
      probabilities: `[n, C]` float32.
      candidates: `[n, C, 4]` float32, each region's box as each class.

    Returns:
      The detections: class by class in order, the most likely first. The original's order of
      classes is that of a Python 2 dict, so no file tells it.
    """
    # A box is dropped only for a more likely one, so those below the threshold can go first.
    high = thresholded(probabilities[:, 1:])
    found, classes = [np.zeros((0, 4), np.float32)], []
    for number in range(1, probabilities.shape[1]):
        rows = np.flatnonzero(high[:, number - 1])
        scores = probabilities[rows, number]
        kept = rows[boxes.distinct(candidates[rows, number], scores, LIMIT, at_limit=True)]
        found.append(candidates[kept, number])
        classes += [number] * len(kept)
    return Found(np.concatenate(found), np.array(classes, int))

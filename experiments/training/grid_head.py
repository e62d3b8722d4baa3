"""GAIC's head as it is trained: on many photos of one size at once, and on scaled features."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.baselines.gaic import alignment
from cagic_tf.baselines.gaic.network import GridAnchorHead
from experiments.training.grid_crops import Lesson

ALIGNED = 9  # Places a side of what the first layer sees of a crop.


class Scale(NamedTuple):
    """What a trunk's channels are counted from, and in what: mean and deviation, `[C]` float32."""

    mean: np.ndarray
    deviation: np.ndarray


def deviation_of_scores(lessons: Sequence[Lesson]) -> float:
    """Of the teacher's scores of crops that it saw, a photo's counted from their own mean."""
    seen = [each.scores[each.counted > 0].astype(np.float64) for each in lessons]
    return float(np.concatenate([scores - scores.mean() for scores in seen]).std())


def scale_of_features(features: Sequence[np.ndarray]) -> Scale:
    """Of each channel of `[H, W, C]` grids."""
    total, squares, pixels = 0.0, 0.0, 0
    for grid in features:
        wide = grid.reshape(-1, grid.shape[2]).astype(np.float64)
        total, squares = total + wide.sum(axis=0), squares + np.square(wide).sum(axis=0)
        pixels += len(wide)
    mean = total / pixels
    deviation = np.sqrt(np.maximum(squares / pixels - mean**2, 1e-6))
    return Scale(np.float32(mean), np.float32(deviation))


def initial(
    channels: int, reduced: int, width: int, hidden: int, random: np.random.Generator
) -> dict[str, tf.Variable]:
    """The tensors of a head before training; sizes are those of `GridAnchorHead`."""
    shapes = {
        "reduction": (1, 1, channels, reduced),
        "fc1": (ALIGNED, ALIGNED, 2 * reduced, width),
        "fc2": (1, 1, width, hidden),
        "fc3": (1, 1, hidden, 1),
    }
    found = {}
    for name, shape in shapes.items():
        gain = 2 if name in ("fc1", "fc2") else 1  # Before a ReLU.
        kernel = random.standard_normal(shape) * math.sqrt(gain / math.prod(shape[:3]))
        found |= {f"{name}/kernel": kernel, f"{name}/bias": np.zeros(shape[3])}
    return {name: tf.Variable(value, dtype=tf.float32) for name, value in found.items()}


def folded(tensors: Mapping[str, Any], scale: Scale) -> dict[str, np.ndarray]:
    """A head for features as they are, float16, of one for features of mean 0 and deviation 1."""
    found = {name: np.array(value) for name, value in tensors.items()}
    kernel = found["reduction/kernel"] / scale.deviation[:, None]
    found["reduction/kernel"] = kernel
    found["reduction/bias"] = found["reduction/bias"] - np.einsum("c,abcr->r", scale.mean, kernel)
    return {name: value.astype(np.float16) for name, value in found.items()}


def scores(head: GridAnchorHead, grids: tf.Tensor, where: alignment.Points) -> tf.Tensor:
    """Scores `[B, N]` of the same N crops of B photos.

    Args:
      head: The network.
      grids: `[B, H, W, C]`, what it sees of each photo.
      where: Where the crops are read.
    """
    maps = head.reduction(grids)
    count, rows, columns = tf.unstack(tf.shape(maps)[:3])
    channels, places = maps.shape[3], head.points - 1
    maps = tf.reshape(tf.transpose(maps, [1, 2, 0, 3]), [rows, columns, count * channels])
    crops = alignment.features(maps, where)  # Of all photos side by side, as if channels of one.
    crops = tf.reshape(crops, [-1, places, places, 2, count, channels])
    crops = tf.transpose(crops, [4, 0, 1, 2, 3, 5])
    crops = tf.reshape(crops, [-1, places, places, 2 * channels])
    return tf.reshape(head.judged(crops), [count, -1])


def smooth_l1(lesson: Lesson, predicted: tf.Tensor) -> tf.Tensor:
    """The sum over photos of the mean of Huber's loss, with delta 1, of the crops that count.

    Scores of a photo are counted from their mean, in both: how good a photo is as a whole, which is
    most of what the teacher's scores say, does not help to choose among its crops.

    Args:
      lesson: Of B photos, `[B, N]` each.
      predicted: `[B, N]` scores.
    """
    counts = tf.reduce_sum(lesson.counted, axis=1, keepdims=True)
    errors = predicted - lesson.scores
    off = tf.abs(errors - tf.reduce_sum(errors * lesson.counted, axis=1, keepdims=True) / counts)
    losses = tf.where(off < 1, 0.5 * tf.square(off), off - 0.5) * lesson.counted
    return tf.reduce_sum(losses / counts)

"""What View Proposal Net's stand-in learns from: the teacher's scores of its predefined boxes.

All 895 boxes of a photo are much work for the teacher, and one photo teaches little, so that of
many photos a few boxes each are scored, drawn at random.
"""

import functools
import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.baselines.vpn import anchors, cropper
from cagic_tf.networks import bundle, checkpoints
from experiments.training import scored_boxes, views
from experiments.training.scored_boxes import Rule, ScoredBoxes

SIDE = 320  # Of the square that photos become, in pixels; the original's.
GRID, CHANNELS = 10, 1280  # Of the trunk's annotation vectors then.


class Lessons(NamedTuple):
    """Scores of some boxes of some photos; photos with fewer boxes are filled up.

    Attributes:
      numbers: `[photos, K]` int32, which of the predefined boxes.
      scores: `[photos, K]` float32, the teacher's.
      counted: `[photos, K]` float32, 1 where there is a box and 0 where it is filled up.
    """

    numbers: np.ndarray
    scores: np.ndarray
    counted: np.ndarray


def drawn(name: str, count: int, seed: int) -> np.ndarray:
    """Numbers of so many boxes, each once, drawn by a photo's name; all in order if all are asked.

    The boxes of a photo do not depend on which others there are.
    """
    every = len(anchors.anchors())
    if count >= every:
        return np.arange(every)
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return np.sort(random.permutation(every)[:count])


def pixel_boxes(width: int, height: int) -> np.ndarray:
    """The predefined boxes `[895, 4]` of a photo, whole pixels, rows `(x, y, w, h)`."""
    corners = cropper.pixel_boxes(width, height)
    return np.concatenate([corners[:, :2], np.maximum(corners[:, 2:] - corners[:, :2], 1)], axis=1)


def rule(count: int, seed: int) -> Rule:
    """The rule that `drawn` is, for `scored_boxes.of_photos`."""
    return lambda name, width, height: pixel_boxes(width, height)[drawn(name, count, seed)]


def lessons(
    photos: Sequence[Path], counts: Sequence[int], seed: int, found: Sequence[ScoredBoxes]
) -> Lessons:
    """What was found of photos, each of which had so many boxes drawn."""
    shape = len(photos), max(counts)
    numbers, counted = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    scores = np.zeros(shape, np.float32)
    for at, (path, count, own) in enumerate(zip(photos, counts, found, strict=True)):
        numbers[at, :count] = drawn(path.name, count, seed)
        scores[at, :count], counted[at, :count] = own.scores, 1
    return Lessons(numbers, scores, counted)


@functools.cache
def mirrored_numbers() -> np.ndarray:
    """For each predefined box `[895]` the one that it is in the mirror: there is one for each."""
    boxes = anchors.anchors()
    turned = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)
    return np.array([int(np.argmax(anchors.iou(box, boxes))) for box in turned], np.int32)


def features(
    folder: Path, label: str, photos: Sequence[Path], trunk: checkpoints.Checkpoint
) -> np.ndarray:
    """Annotation vectors `[photos, 100, 1280]` float16 of photos as the network gets them.

    Args:
      folder: Where they are kept.
      label: What the photos are, for the file's name.
      photos: Files.
      trunk: The teacher's and the student's.
    """
    depends_on = [trunk.sha256, SIDE, *((path.name, path.stat().st_size) for path in photos)]
    digest = hashlib.sha256(repr(depends_on).encode()).hexdigest()[:12]
    see = tf.function(
        bundle.build_trunk(trunk),
        input_signature=[tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32)],
        autograph=False,
    )

    def compute(start: int, stop: int) -> np.ndarray:
        squares = [cropper.resize(scored_boxes.read(path), SIDE) for path in photos[start:stop]]
        return see(np.stack(squares).astype(np.float32) / 255).numpy()

    path = folder / f"vpn_{label}_{digest}.npy"
    return views.cached_features(path, len(photos), (GRID * GRID, CHANNELS), compute)


def mirrored(vectors: np.ndarray) -> np.ndarray:
    """Annotation vectors `[N, 100, 1280]` with the grid mirrored left to right."""
    return vectors.reshape(-1, GRID, GRID, CHANNELS)[:, :, ::-1].reshape(vectors.shape)


def pairwise_squared_error(lesson: Lessons, predicted: tf.Tensor) -> tf.Tensor:
    """The mean over photos of the mean squared error of the differences of a photo's scores.

    Of boxes i and j of a photo it is the square of what their predicted difference is off by, over
    all i other than j: only differences count, so scores have no zero.

    Args:
      lesson: Of N photos.
      predicted: `[N, K]` scores of the same boxes.
    """
    counts = tf.reduce_sum(lesson.counted, axis=1)
    errors = predicted - lesson.scores
    mean = tf.reduce_sum(errors * lesson.counted, axis=1, keepdims=True) / counts[:, tf.newaxis]
    squares = tf.reduce_sum(tf.square(errors - mean) * lesson.counted, axis=1)
    return tf.reduce_mean(2 * squares / (counts - 1))

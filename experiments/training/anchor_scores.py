"""Which of View Proposal Net's predefined boxes its stand-in learns from.

All 895 boxes of a photo are much work for the teacher, and one photo teaches little, so that of
many photos a few boxes each are scored, drawn at random.
"""

import zlib

import numpy as np

from cagic_tf.baselines.vpn import anchors, cropper
from experiments.training.scored_boxes import Rule


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

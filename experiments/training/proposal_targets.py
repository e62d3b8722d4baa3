"""What a network of proposals is taught: which anchors have something, and where it is."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from cagic_tf.networks import proposals

POSITIVE, NEGATIVE = 0.5, 0.4  # An anchor's IoU with a box from which, and below which, it is one.
ROUNDS = 30  # Of the clustering.


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU `[..., N, M]` of boxes `[..., N, 4]` with others `[..., M, 4]`; empty ones have none."""
    boxes, others = boxes[..., :, np.newaxis, :], others[..., np.newaxis, :, :]
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(each[..., 2:] - each[..., :2], axis=-1) for each in (boxes, others)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1e-9)


def fit_anchors(boxes: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Widths and heights `[count, 2]` float32 to which boxes `[n, 4]` are similar, small first.

    Redmon and Farhadi, "YOLO9000", CVPR 2017, Sec. 2: k-means with IoU in the place of distance.
    """
    sizes = boxes[:, 2:] - boxes[:, :2]
    zeros = np.zeros_like(sizes)
    centered = np.concatenate([zeros, sizes], axis=1)
    rng = np.random.default_rng(seed)
    means = sizes[rng.choice(len(sizes), count, replace=False)]
    for _ in range(ROUNDS):
        overlap = iou(centered, np.concatenate([np.zeros_like(means), means], axis=1))
        nearest = overlap.argmax(axis=1)
        means = np.stack(
            [
                np.median(sizes[nearest == at], axis=0) if (nearest == at).any() else means[at]
                for at in range(count)
            ]
        )
    return means[np.argsort(means.prod(axis=1), kind="stable")].astype(np.float32)


def assign(anchors: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each anchor should say of a picture's boxes.

    An anchor has something from an IoU of 0.5 on, and nothing below 0.4; of each box also the
    anchor that overlaps it most, so that none is missed.

    Args:
      anchors: `[P, 4]`.
      boxes: `[K, 4]`, one or more.

    Returns:
      Labels `[P]` int8: 1, 0, or -1 where it does not count; and numbers `[P]` of boxes.
    """
    overlap = iou(anchors, boxes)
    nearest, best = overlap.argmax(axis=1), overlap.max(axis=1)
    labels = np.where(best >= POSITIVE, 1, np.where(best < NEGATIVE, 0, -1)).astype(np.int8)
    closest = overlap.argmax(axis=0)
    labels[closest], nearest[closest] = 1, np.arange(len(boxes))
    return labels, nearest


def batch(anchors: np.ndarray, boxes: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Labels `[N, P]` int8 and each anchor's own box `[N, P, 4]` of N pictures' boxes."""
    labels, own = [], []
    for each in boxes:
        label, number = assign(anchors, each)
        labels.append(label)
        own.append(each[number])
    return np.stack(labels), np.stack(own)


def loss(
    logits: tf.Tensor,
    deltas: tf.Tensor,
    labels: tf.Tensor,
    own: tf.Tensor,
    anchors: tf.Tensor,
    background: float,
) -> tf.Tensor:
    """Cross-entropy of there being something, and smooth L1 of where it is; a scalar.

    Args:
      logits: `[N, P]`.
      deltas: `[N, P, 4]`.
      labels: `[N, P]`: 1, 0, or -1 where an anchor does not count.
      own: `[N, P, 4]`, the box of each anchor.
      anchors: `[P, 4]`.
      background: How much all anchors without anything count, beside those with something.
    """
    each = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(labels > 0, tf.float32), logits)
    positive, negative = (tf.cast(labels == value, tf.float32) for value in (1, 0))
    count = tf.maximum(tf.reduce_sum(positive), 1)
    found = tf.reduce_sum(each * positive) / count
    empty = tf.reduce_sum(each * negative) / tf.maximum(tf.reduce_sum(negative), 1)
    size = tf.maximum(own[..., 2:], own[..., :2] + proposals.SMALLEST)
    truth = proposals.encode(tf.concat([own[..., :2], size], axis=-1), anchors)
    off = tf.abs(deltas - truth)
    smooth = tf.reduce_sum(tf.where(off < 1, off * off / 2, off - 0.5), axis=-1)
    return found + background * empty + tf.reduce_sum(smooth * positive) / count

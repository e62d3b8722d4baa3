"""Arithmetic of boxes x1, y1, x2, y2 whose ends are pixels within: a box is x2 - x1 + 1 wide.

It runs in float64; what comes out is float32, as the original stores it.
"""

import numpy as np


def decode(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Moves boxes as a network says (Girshick et al., "R-CNN", CVPR 2014, App. C).

    As in the original, what comes out runs from half a size before its centre to half a size after
    it, without the - 1 that belongs to ends that are pixels within. So no change at all still moves
    x2 and y2 by one.

    Args:
      boxes: `[n, 4]`, x1, y1, x2, y2.
      deltas: `[n, ..., 4]`, the centre's move in widths and heights, and logarithms of how many
        times as wide and high.

    Returns:
      `[n, ..., 4]` float32.
    """
    boxes, deltas = np.asarray(boxes, np.float64), np.asarray(deltas, np.float64)
    boxes = boxes.reshape(-1, *[1] * (deltas.ndim - 2), 4)
    sizes = boxes[..., 2:] - boxes[..., :2] + 1
    centers = boxes[..., :2] + 0.5 * sizes + deltas[..., :2] * sizes
    with np.errstate(over="ignore"):  # Infinite boxes are clipped like any other.
        half = 0.5 * sizes * np.exp(deltas[..., 2:])
        return np.concatenate([centers - half, centers + half], axis=-1).astype(np.float32)


def clip(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Moves every end of boxes into a picture of that size in pixels.

    The original does so with regions. Of detections it keeps x1 and y1 from being too small, and x2
    and y2 from being too large; that differs only where a box lies wholly outside.

    Args:
      boxes: `[..., 4]` float32.
      height: Of the picture.
      width: Likewise.

    Returns:
      `[..., 4]` float32.
    """
    ends = np.array([width, height, width, height], np.float32) - 1
    return np.clip(boxes, np.float32(0), ends)


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box `[4]` with each of `[n, 4]`, float32 as both are."""
    one = np.float32(1)
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low + one, np.float32(0)), axis=1)
    area = np.prod(box[2:] - box[:2] + one)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + one, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # Of boxes without an inside.
        return shared / (area + areas - shared)


def distinct(
    boxes: np.ndarray, scores: np.ndarray, limit: float, *, at_limit: bool, most: int | None = None
) -> np.ndarray:
    """Non-maximum suppression: which boxes are kept, best first.

    The best is kept and those that overlap it too much are dropped; then the best of the rest is
    kept, and so on. Of equal scores the first comes first.

    Args:
      boxes: `[n, 4]` float32.
      scores: `[n]`, higher is better.
      limit: The overlap above which a box is dropped.
      at_limit: Whether just this overlap is too much, too. The authors' program for the CPU, which
        takes detections, drops it; the one for GPUs, which takes regions, does not.
      most: How many boxes are kept; None: all.

    Returns:
      Indices, ints.
    """
    too_much = np.greater_equal if at_limit else np.greater
    kept: list[int] = []
    order = np.argsort(-scores, kind="stable")
    while order.size and len(kept) != most:
        best, rest = order[0], order[1:]
        kept.append(best)
        order = rest[~too_much(overlaps(boxes[best], boxes[rest]), np.float32(limit))]
    return np.array(kept, int)

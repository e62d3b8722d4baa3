"""How crops `(x, y, s)` and boxes in fractions of a photo overlap, many at a time."""

from collections.abc import Sequence

import numpy as np

from experiments.data import entities


def kept_shares(theta: np.ndarray, boxes: Sequence[entities.Corners] | np.ndarray) -> np.ndarray:
    """Shares `[..., M]` in [0, 1] that crops `[..., 3]`, `(x, y, s)`, keep of M boxes' areas."""
    corners = np.asarray(boxes, float)
    center, scale = np.split(theta[..., np.newaxis, :].astype(float), [2], axis=-1)
    lows = np.maximum(corners[..., :2], (center - scale + 1) / 2)
    highs = np.minimum(corners[..., 2:], (center + scale + 1) / 2)
    sides = corners[..., 2:] - corners[..., :2]
    return np.prod(np.maximum(highs - lows, 0) / sides, axis=-1)


def iou(theta: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU `[R, N]` of crops `[N, 3]` with boxes `[R, 4]`."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)[:, np.newaxis]
    shared = areas * kept_shares(theta, boxes).T
    return shared / (areas + np.square(theta[:, 2].astype(float)) - shared)

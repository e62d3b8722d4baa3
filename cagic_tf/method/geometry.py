"""Crop parameters, boxes and their overlap: plain NumPy, no network, no TensorFlow.

The paper's crop is `theta = (x, y, s)` (Sec. 3.1): the centre in coordinates that run from -1 to 1
over the photo's width and height, and the scale, the crop's side as a fraction of the photo's. So
a crop has the photo's own aspect ratio and covers `[x - s, x + s] x [y - s, y + s]`.

Beyond the paper: a crop of another shape. The largest that fits has the base size `(w, h)`, its
sides as fractions of the photo's, and the crop covers `[x - s w, x + s w] x [y - s h, y + s h]`.
With the photo's own shape, w and h are 1.
"""

from collections.abc import Sequence

import numpy as np


def normalized_box(
    center: Sequence[float] | np.ndarray, scale: float, base_size: Sequence[float] = (1.0, 1.0)
) -> tuple[float, float, float, float]:
    """The crop's corners as fractions of the photo, cut to the photo.

    Args:
      center: `(x, y)`, each in [-1, 1].
      scale: Side of the crop as a fraction of the base size's, in (0, 1].
      base_size: Width and height of the crop of scale 1, as fractions of the photo's.

    Returns:
      `(x0, y0, x1, y1)` in [0, 1], with the origin in the top left corner.
    """
    x, y = (float(value) for value in center)
    across, down = (scale * side for side in base_size)
    corners = np.array([x - across, y - down, x + across, y + down], np.float64)
    x0, y0, x1, y1 = (float(value) for value in np.clip((corners + 1) / 2, 0, 1))
    return x0, y0, x1, y1


def pixel_box(
    center: Sequence[float],
    scale: float,
    width: int,
    height: int,
    base_size: Sequence[float] = (1.0, 1.0),
) -> tuple[int, int, int, int]:
    """The crop in whole pixels, inside the photo and at least one pixel wide and high.

    Args:
      center: `(x, y)`, each in [-1, 1].
      scale: Side of the crop as a fraction of the base size's, in (0, 1].
      width: Width of the photo in pixels.
      height: Height of the photo in pixels.
      base_size: Width and height of the crop of scale 1, as fractions of the photo's.

    Returns:
      `(x, y, w, h)` in pixels; `x + w <= width` and `y + h <= height`. Each of w and h is less than
      a pixel away from the base size's exact side times the scale.
    """
    x0, y0, _, _ = normalized_box(center, scale, base_size)
    w = min(max(round(scale * base_size[0] * width), 1), width)
    h = min(max(round(scale * base_size[1] * height), 1), height)
    return min(round(x0 * width), width - w), min(round(y0 * height), height - h), w, h


def whole_pixels(corners: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """Any box in whole pixels, inside the photo and at least one pixel wide and high.

    Args:
      corners: `(x0, y0, x1, y1)` in [0, 1], with the origin in the top left corner.
      width: Width of the photo in pixels.
      height: Height of the photo in pixels.

    Returns:
      `(x, y, w, h)` in pixels; each edge at the pixel border nearest to it.
    """
    x0, y0, x1, y1 = np.clip(corners, 0, 1)
    x, y = min(round(x0 * width), width - 1), min(round(y0 * height), height - 1)
    return x, y, max(round(x1 * width) - x, 1), max(round(y1 * height) - y, 1)


def iou(box: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes, the paper's measure (Sec. 4.1.1).

    Args:
      box: `(x, y, w, h)` in any unit.
      other: `(x, y, w, h)` in the same unit.

    Returns:
      A number in [0, 1]; 0 for boxes that do not touch or that have no area.
    """
    x, y, w, h = box
    other_x, other_y, other_w, other_h = other
    across = min(x + w, other_x + other_w) - max(x, other_x)
    down = min(y + h, other_y + other_h) - max(y, other_y)
    if across <= 0 or down <= 0:
        return 0.0
    intersection = across * down
    return intersection / (w * h + other_w * other_h - intersection)


def contains_center(box: Sequence[float], target: Sequence[float]) -> bool:
    """Whether the centre of `box` lies in `target`, both `(x, y, w, h)` in one unit.

    The target's right and lower edges are not part of it, so that of touching tiles only one hits.
    """
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    left, top, width, height = target
    return left <= x < left + width and top <= y < top + height


def mean_iou(box: Sequence[float], truths: Sequence[Sequence[float]]) -> float:
    """Mean IoU of a box with each of several, all `(x, y, w, h)`; there is at least one."""
    return float(np.mean([iou(box, truth) for truth in truths]))

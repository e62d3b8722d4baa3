"""The best crops of a search that are not nearly one and the same: non-maximum suppression."""

from collections.abc import Sequence

import numpy as np

from cagic_tf.method import geometry
from cagic_tf.method.search import Path

DISTINCT_IOU = 0.5  # Crops that overlap more are one.


def tried(path: Path) -> np.ndarray:
    """Every crop of a search that has a loss, `[N, 4]` rows `(loss, x, y, s)`, best first.

    They are the means and the ends of the restarts of each step, and what was scanned before, by
    the loss that the search ranked it by: perhaps another quantity than the steps'.
    """
    found = [np.asarray(path.scanned, np.float64).reshape(-1, 4)]
    for step in path.steps:
        centers = np.vstack([step.center, step.ends])
        losses = np.append(step.losses.total, step.end_losses)
        found.append(np.column_stack([losses, centers, np.full(len(losses), step.scale)]))
    rows = np.concatenate(found)
    rows = rows[np.isfinite(rows[:, 0])]
    return rows[np.argsort(rows[:, 0], kind="stable")]


def distinct(path: Path, count: int, base_size: Sequence[float]) -> list[np.ndarray]:
    """The result of a search and the best crops that overlap neither it nor each other much.

    Args:
      path: The search.
      count: How many are wanted.
      base_size: Width and height of the crop of scale 1, as fractions of the photo's.

    Returns:
      Up to `count` arrays `(x, y, s)`, no two with an IoU above `DISTINCT_IOU`; the search's result
      first.
    """
    kept, boxes = [path.theta], [_box(path.theta, base_size)]
    for _, *theta in tried(path) if count > 1 else ():
        if len(kept) == count:
            break
        box = _box(theta, base_size)
        if all(geometry.iou(box, other) <= DISTINCT_IOU for other in boxes):
            kept.append(np.array(theta))
            boxes.append(box)
    return kept


def _box(
    theta: Sequence[float] | np.ndarray, base_size: Sequence[float]
) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = geometry.normalized_box(theta[:2], theta[2], base_size)
    return x0, y0, x1 - x0, y1 - y0

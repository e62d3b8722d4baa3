"""The best crops of a search that are not nearly one and the same: non-maximum suppression."""

import numpy as np

from cagic_tf.method import geometry
from cagic_tf.method.search import Path, Placed

DISTINCT_IOU = 0.5  # Crops that overlap more are one.


def tried(path: Path, base_size: tuple[float, float]) -> list[Placed]:
    """Every crop of a search that has a loss, best first.

    They are the means and the ends of the restarts of each step, and what was scanned before, by
    the loss that the search ranked it by: perhaps another quantity than the steps'.

    Args:
      path: The search.
      base_size: Of its `Bounds`, and so of what was scanned.
    """
    scanned = np.asarray(path.scanned, np.float64).reshape(-1, 4)
    found, base_sizes = [scanned], [base_size] * len(scanned)
    for step in path.steps:
        centers = np.vstack([step.center, step.ends])
        losses = np.append(step.losses.total, step.end_losses)
        found.append(np.column_stack([losses, centers, np.full(len(losses), step.scale)]))
        base_sizes += [path.base_size or base_size] * len(losses)
    rows = np.concatenate(found)
    order = np.argsort(rows[:, 0], kind="stable")
    return [Placed(rows[at, 1:], base_sizes[at]) for at in order if np.isfinite(rows[at, 0])]


def distinct(path: Path, count: int, base_size: tuple[float, float]) -> list[Placed]:
    """The result of a search and the best crops that overlap neither it nor each other much.

    Args:
      path: The search.
      count: How many are wanted.
      base_size: Of its `Bounds`.

    Returns:
      Up to `count` crops, no two with an IoU above `DISTINCT_IOU`; the search's result first.
    """
    kept = [Placed(path.theta, path.base_size or base_size)]
    boxes = [_box(kept[0])]
    for crop in tried(path, base_size) if count > 1 else ():
        if len(kept) == count:
            break
        box = _box(crop)
        if all(geometry.iou(box, other) <= DISTINCT_IOU for other in boxes):
            kept.append(crop)
            boxes.append(box)
    return kept


def _box(crop: Placed) -> tuple[float, float, float, float]:
    theta, base_size = crop
    x0, y0, x1, y1 = geometry.normalized_box(theta[:2], theta[2], base_size)
    return x0, y0, x1 - x0, y1 - y0

"""Where boxes lie in their photo, and beside which others: MAttNet's numbers for both.

All is computed in float64 and given as float32, as the authors' loader does it.
"""

import numpy as np

# How near a kind of box counts as: 0 before 1, and never.
NEVER = 2


def location(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where each box lies in the photo ("lfeats").

    Args:
      boxes: `[n, 4]`: x, y, w, h in pixels.
      size: Height and width of the photo in pixels.

    Returns:
      `[n, 5]` float32: left, top, right and bottom edge and area, as shares of the photo. The last
      pixel counts for the right and bottom edges: x + w - 1, y + h - 1.
    """
    x, y, w, h = np.asarray(boxes, np.float64).T
    height, width = (float(side) for side in size)
    edges = [x / width, y / height, (x + w - 1) / width, (y + h - 1) / height]
    return np.stack([*edges, w * h / (width * height)], axis=1).astype(np.float32)


def nearest_of_kind(boxes: np.ndarray, categories: np.ndarray, slots: int) -> np.ndarray:
    """Ids `[n, slots]` of each box's nearest boxes of its own category; -1 where there are none."""
    same = categories[:, np.newaxis] == categories
    return _nearest(boxes, np.where(same, 0, NEVER), slots)


def context(boxes: np.ndarray, categories: np.ndarray, slots: int, same_kind: bool) -> np.ndarray:
    """Ids of what is around each box: other categories by distance, then its own by distance.

    Args:
      boxes: `[n, 4]`: x, y, w, h.
      categories: `[n]`.
      slots: How many are kept.
      same_kind: Whether boxes of its own category count ("with_st").

    Returns:
      `[n, slots]` int64; -1 in slots beyond the last.
    """
    same = categories[:, np.newaxis] == categories
    return _nearest(boxes, np.where(same, 1 if same_kind else NEVER, 0), slots)


def _nearest(boxes: np.ndarray, groups: np.ndarray, slots: int) -> np.ndarray:
    """Ids of the first boxes by group, then by distance of centres, then the last id first.

    The reverse order of equally distant boxes is the original's: its comparison calls equal
    distances smaller, and a stable sort then turns them around.

    Args:
      boxes: `[n, 4]`.
      groups: `[n, n]`, each box's group as seen from each box; `NEVER` leaves it out.
      slots: How many are kept.
    """
    x, y, w, h = np.asarray(boxes, np.float64).T
    center_x, center_y = x + w / 2, y + h / 2
    distances = (center_x[:, np.newaxis] - center_x) ** 2
    distances += (center_y[:, np.newaxis] - center_y) ** 2
    ids = np.arange(len(x))
    groups = np.where(np.eye(len(x), dtype=bool), NEVER, groups)
    order = np.lexsort((np.broadcast_to(-ids, groups.shape), distances, groups), axis=-1)
    order = np.where(np.take_along_axis(groups, order, axis=1) == NEVER, -1, order)[:, :slots]
    missing = slots - order.shape[1]
    return np.pad(order, [(0, 0), (0, missing)], constant_values=-1).astype(np.int64)


def relative(boxes: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Where others lie as seen from each box ("dif_lfeats", "cxt_lfeats").

    Args:
      boxes: `[n, 4]`: x, y, w, h.
      ids: `[n, k]`, others of each box; -1 is none.

    Returns:
      `[n, k, 5]` float32: the other's left, top, right and bottom edge from the box's *centre*, in
      its widths and heights, and the other's area in its areas. Zeros where there is none.
    """
    boxes = np.asarray(boxes, np.float64)
    x, y, w, h = (column[:, np.newaxis] for column in boxes.T)
    center_x, center_y = x + w / 2, y + h / 2
    other_x, other_y, other_w, other_h = np.moveaxis(boxes[ids], 2, 0)
    numbers = [
        (other_x - center_x) / w,
        (other_y - center_y) / h,
        (other_x + other_w - center_x) / w,
        (other_y + other_h - center_y) / h,
        other_w * other_h / (w * h),
    ]
    present = (ids >= 0)[..., np.newaxis]
    return np.where(present, np.stack(numbers, axis=-1), 0).astype(np.float32)

"""RoIAlign and RoDAlign as Zeng et al.'s C code computes them: where a crop's features are read.

Both read one bilinear value at each point of a 10 x 10 grid (9 x 9 means of four come of it):
RoIAlign on the crop, RoDAlign on the whole map, with zeros inside the crop. Their quirks are kept:

- a pixel of the map is at its whole number, without a shift by half a pixel;
- RoIAlign's grid ends one pixel of the *map* behind the crop's end;
- its points beyond the map are zero, and those between the last pixel and the map's end are not
  clamped but extrapolated;
- RoDAlign's grid ends at the map's size less 1.001, without which it would tie with crops' edges.

Points are float32 in the order of that code: the last one of a picture of 384 pixels is 24.0 in it,
the size of its map, and so is zero; in float64 it can be below.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

STRIDE = np.float32(16)  # Pixels of the picture a pixel of the map.
FLOAT = np.float32


class Points(NamedTuple):
    """How the points of N crops are read off a map `[H, W]`, P a side.

    Attributes:
      roi_rows: `[N, P, H]` float64: the part that each row of the map has in a row of points.
      roi_columns: `[N, P, W]`, likewise.
      rod_rows: `[P, H]`, of the grid that all crops share.
      rod_columns: `[P, W]`.
      discarded: `[N, P, P]` float64: 0 for points of that grid inside the crop, else 1.
    """

    roi_rows: np.ndarray
    roi_columns: np.ndarray
    rod_rows: np.ndarray
    rod_columns: np.ndarray
    discarded: np.ndarray


def points(boxes: np.ndarray, height: int, width: int, count: int) -> Points:
    """Where crops are read.

    Args:
      boxes: `[N, 4]`, (x1, y1, x2, y2) in pixels of the picture, not rounded.
      height: Rows of the map, at least 2.
      width: Its columns, likewise.
      count: Points a side, P.
    """
    left, top, right, bottom = (boxes.astype(FLOAT) / STRIDE).T
    rod_y, rod_x = rod_places(height, count), rod_places(width, count)
    inside_y = (top[:, None] <= rod_y) & (rod_y <= bottom[:, None])
    inside_x = (left[:, None] <= rod_x) & (rod_x <= right[:, None])
    return Points(
        shares(roi_places(top, bottom, count), height),
        shares(roi_places(left, right, count), width),
        shares(rod_y, height),
        shares(rod_x, width),
        1.0 - (inside_y[:, :, None] & inside_x[:, None, :]),
    )


def roi_places(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """RoIAlign's places on an axis of the map: `[N, count]` of `[N]` starts and ends, float32."""
    size = np.maximum(end - start + FLOAT(1), FLOAT(0))
    step = (size.astype(np.float64) / (count - 1)).astype(FLOAT)
    return np.arange(count, dtype=FLOAT) * step[:, None] + start[:, None]


def rod_places(size: int, count: int) -> np.ndarray:
    """RoDAlign's places on an axis of a map of that size: `[count]` float32."""
    step = FLOAT(np.float64(FLOAT(size - 1.001)) / (count - 1))
    return np.arange(count, dtype=FLOAT) * step


def shares(places: np.ndarray, size: int) -> np.ndarray:
    """Bilinear weights of an axis.

    Args:
      places: `[...]` float32, in pixels of the map.
      size: Pixels of the map, at least 2.

    Returns:
      `[..., size]` float64: 1 - t at the pixel before the place and t at the one behind it, where t
      is above 1 for places behind the last pixel; all 0 where the place is outside the map.
    """
    before = np.minimum(np.floor(places), FLOAT(size - 2))
    further = (places - before).astype(np.float64)[..., None]
    pixels = np.arange(size, dtype=FLOAT)
    found = np.where(pixels == before[..., None], 1 - further, 0.0)
    found += np.where(pixels == before[..., None] + 1, further, 0.0)
    return np.where(((places >= 0) & (places < size))[..., None], found, 0.0)


def features(grid: tf.Tensor, where: Points) -> tf.Tensor:
    """What crops keep, and what they discard.

    Args:
      grid: `[H, W, C]`, the map.
      where: See `points`; arrays or tensors.

    Returns:
      `[N, P - 1, P - 1, 2 C]`, RoIAlign's C channels first, of the map's dtype.
    """
    exact = tf.cast(grid, tf.float64)
    kept = tf.einsum("npy,yxc->npxc", where.roi_rows, exact)
    kept = tf.einsum("npxc,nqx->npqc", kept, where.roi_columns)
    rest = tf.einsum("py,yxc,qx->pqc", where.rod_rows, exact, where.rod_columns)
    rest = rest * tf.expand_dims(where.discarded, 3)
    both = tf.cast(tf.concat([kept, rest], axis=3), grid.dtype)
    return tf.nn.avg_pool2d(both, 2, 1, "VALID")

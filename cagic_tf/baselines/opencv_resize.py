"""OpenCV's bilinear resizing of 8-bit pictures, bit for bit: `cv2.resize` as it is by default.

It is no antialiasing one, and computes with whole numbers: weights are 2048ths, and sums are cut
to fewer bits between the two directions.
"""

import numpy as np

ONE = 2048  # A weight of 1.


def resize(photo: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes a picture.

    Args:
      photo: `[H, W, C]` uint8.
      height: Rows of the result, at least 1.
      width: Its columns, likewise.

    Returns:
      `[height, width, C]` uint8.
    """
    rows, fractions = _positions(photo.shape[0], height)
    above, below = _weights(fractions)
    columns, fractions = _positions(photo.shape[1], width)
    outside = (columns < 0) | (columns >= photo.shape[1] - 1)  # In this direction only.
    columns = np.clip(columns, 0, photo.shape[1] - 1)
    left, right = _weights(np.where(outside, np.float32(0), fractions))

    def across(which: np.ndarray) -> np.ndarray:
        """The rows of these numbers, resized, as 32,640ths of 255."""
        lines = photo[np.clip(which, 0, photo.shape[0] - 1)]
        after = np.minimum(columns + 1, photo.shape[1] - 1)
        total = lines[:, columns] * left[:, None] + lines[:, after] * right[:, None]
        return total >> 4

    upper = (above[:, None, None] * across(rows)) >> 16
    lower = (below[:, None, None] * across(rows + 1)) >> 16
    return ((upper + lower + 2) >> 2).astype(np.uint8)


def _positions(size: int, new_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each new pixel's centre lies in the old ones: whole number and fraction, float32."""
    place = ((np.arange(new_size) + 0.5) * (size / new_size) - 0.5).astype(np.float32)
    whole = np.floor(place)
    return whole.astype(np.int64), place - whole


def _weights(fractions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the nearer and the further pixel, int32."""
    both = (1 - fractions) * np.float32(ONE), fractions * np.float32(ONE)
    nearer, further = (np.rint(each).astype(np.int32) for each in both)
    return nearer, further

"""A window of a photo as A2-RL's trunk sees it: scikit-image's `resize` of 2017, in NumPy.

Today's scikit-image smooths a picture before it makes it smaller, unless it is told not to. The
authors' script was written before it could, so nothing is smoothed here, and fine patterns alias.
"""

import numpy as np

# A level of a photo as the authors have it: in single precision, mid-grey is about 0.
LEVELS = (np.arange(256, dtype=np.float32) / 255 - np.float32(0.5)).astype(np.float64)


def resize(window: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes pixels, without keeping their aspect.

    Bilinear, in double precision, with pixel centres at half integers. As in the authors' code what
    lies outside the window counts as mid-grey, so that the outermost pixels of a window that is
    made larger are blended with it, and no value leaves the range of the window's own.

    Args:
      window: `[H, W, 3]` uint8, RGB.
      height: Of the result, in pixels.
      width: Likewise.

    Returns:
      `[height, width, 3]` float32 in [-0.5, 0.5].
    """
    above, below, top, bottom = _taps(window.shape[0], height)
    rows = (
        LEVELS[window[above]] * top[:, None, None] + LEVELS[window[below]] * bottom[:, None, None]
    )
    before, after, left, right = _taps(window.shape[1], width)
    found = rows[:, before] * left[:, None] + rows[:, after] * right[:, None]
    return np.clip(found, LEVELS[window.min()], LEVELS[window.max()]).astype(np.float32)


def _taps(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The two pixels that each of the wanted ones lies between, and their weights, 0 outside."""
    places = (np.arange(wanted) + 0.5) * (size / wanted) - 0.5
    first = np.floor(places).astype(int)
    second, share = first + 1, places - first
    weights = (1 - share) * (first >= 0), share * (second < size)
    return np.maximum(first, 0), np.minimum(second, size - 1), *weights

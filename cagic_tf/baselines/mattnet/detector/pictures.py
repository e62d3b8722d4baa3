"""A photo in the size that the detector looks at."""

import numpy as np

SHORT_SIDE, LONG_SIDE = 600, 1000  # Pixels.


def scale(height: int, width: int) -> float:
    """How many times as large a photo is looked at.

    So that its short side has 600 pixels or, if that is too large, its long side 1000.
    """
    short, long = min(height, width), max(height, width)
    found = SHORT_SIDE / short
    return LONG_SIDE / long if round(found * long) > LONG_SIDE else found


def enlarge(photo: np.ndarray, times: float) -> np.ndarray:
    """Resizes as OpenCV does a float picture by a factor: bilinear, pixel by pixel.

    Pixel i of the new picture is looked for at (i + 0.5) / times - 0.5, also where the new size was
    rounded; edges are repeated. Nothing is smoothed where a picture is made smaller.

    Args:
      photo: `[H, W, 3]`.
      times: The factor.

    Returns:
      `[round(times * H), round(times * W), 3]` float32, at least a pixel each way.
    """
    rows, columns = _places(photo.shape[0], times), _places(photo.shape[1], times)
    wide = _mix(photo[:, columns[0]], photo[:, columns[1]], columns[2][:, None])
    return _mix(wide[rows[0]], wide[rows[1]], rows[2][:, None, None])


def _places(size: int, times: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new pixel: the pixels before and after its place, and the latter's share."""
    count = max(round(size * times), 1)
    places = ((np.arange(count) + 0.5) * (1 / times) - 0.5).astype(np.float32)
    before = np.floor(places)
    share = places - before
    first = before.astype(int)
    return first.clip(0, size - 1), (first + 1).clip(0, size - 1), share


def _mix(before: np.ndarray, after: np.ndarray, share: np.ndarray) -> np.ndarray:
    before, after = before.astype(np.float32, copy=False), after.astype(np.float32, copy=False)
    return before * (1 - share) + after * share

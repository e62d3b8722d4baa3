"""The crops that GAIC chooses from, and the size of what it looks at.

All of it is float64 in the order of Zeng et al.'s demo, which ran under Python 2, where `round`
takes halves away from zero: 1600 x 1024 pixels become 416 x 256, and not 384 x 256.
"""

import numpy as np

SHORT_SIDE, STRIDE = 256, 32
BINS, CORNERS = 12, 4  # Bins of the grid a side, and those at each end that corners lie in.
SMALLEST_AREA = 0.4999  # Of the picture, in whole bins.
NARROWEST, WIDEST = 0.5, 2.0  # Width by height, neither included.


def rounded(values: np.ndarray) -> np.ndarray:
    """Values `[...]`, none negative, to the nearest whole numbers, halves up; float64."""
    whole = np.floor(values)
    return whole + (values - whole >= 0.5)


def looked_at(height: int, width: int) -> tuple[int, int]:
    """Height and width that a photo is resized to: short side 256, both multiples of 32.

    Each side is rounded by itself, so shapes change slightly. The long side has no limit.
    """
    sides = np.array([height, width], np.float64)
    sides = rounded(sides * (SHORT_SIDE / min(height, width)) / STRIDE) * STRIDE
    return int(sides[0]), int(sides[1])


def grid(height: int, width: int) -> np.ndarray:
    """The crops of a picture, in the demo's order.

    Corners are the centres of bins, four by four at each end, so half a bin is always cut off and
    the whole picture is no answer. Crops under half the picture (in bins), or of a shape beyond
    1:2 and 2:1, are left out: of a picture whose long side is 3.25 times the short one, or more, so
    that it is looked at in 832 pixels, all are.

    Args:
      height: In pixels.
      width: Likewise.

    Returns:
      `[N, 4]` float64, (x1, y1, x2, y2) in pixels, between 90 crops and none.
    """
    step_y, step_x = height / BINS, width / BINS
    first, last = range(CORNERS), range(BINS - CORNERS, BINS)
    boxes = []
    for top, left, bottom, right in (
        (a, b, c, d) for a in first for b in first for c in last for d in last
    ):
        rows, columns = bottom - top, right - left
        shape = columns * step_x / (rows * step_y)
        if rows * columns > SMALLEST_AREA * BINS * BINS and NARROWEST < shape < WIDEST:
            centres = np.array([left, top, right, bottom]) + 0.5
            boxes.append(centres * (step_x, step_y, step_x, step_y))
    return np.reshape(boxes, [-1, 4]).astype(np.float64)


def in_photo(boxes: np.ndarray, looked_at: tuple[int, int], photo: tuple[int, int]) -> np.ndarray:
    """Crops of the resized picture as crops of the photo, rounded.

    Args:
      boxes: `[N, 4]` float64, (x1, y1, x2, y2) in pixels of the resized picture.
      looked_at: Its height and width.
      photo: The photo's height and width.

    Returns:
      `[N, 4]` int64, in pixels of the photo, ends exclusive.
    """
    by_y, by_x = photo[0] / looked_at[0], photo[1] / looked_at[1]
    return rounded(boxes * (by_x, by_y, by_x, by_y)).astype(np.int64)

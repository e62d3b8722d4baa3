"""Anchors: the boxes of fixed sizes, about every place of a grid, that regions are told from.

Ren et al., "Faster R-CNN", NIPS 2015, by the rule of their code, with its roundings: a square of
the grid's stride is first changed to each shape, in whole pixels, and then enlarged.
"""

import numpy as np

STRIDE = 16  # Pixels of the picture from one place of the grid to the next.
SCALES = (4, 8, 16, 32)
RATIOS = (0.5, 1.0, 2.0)  # Height to width.


def first_anchors() -> np.ndarray:
    """`[12, 4]` float64: x1, y1, x2, y2 in pixels, ends included, about the grid's first place.

    The shapes of `RATIOS`, each in all of `SCALES`.
    """
    ratios = np.array(RATIOS)
    widths = np.round(np.sqrt(STRIDE**2 / ratios))
    heights = np.round(widths * ratios)  # From the rounded width; halves go to the even number.
    sizes = np.stack([widths, heights], axis=-1)[:, None] * np.array(SCALES)[None, :, None]
    half = (sizes.reshape(-1, 2) - 1) / 2
    middle = (STRIDE - 1) / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def on_grid(height: int, width: int) -> np.ndarray:
    """`[height * width * 12, 4]` float32: every place's anchors, row by row of the grid."""
    y, x = np.mgrid[:height, :width] * STRIDE
    places = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
    return (places + first_anchors()).reshape(-1, 4).astype(np.float32)

"""The 895 boxes that View Proposal Net scores, made again from the rule that they were made by.

Its authors ship them as a file. The rule gives that file's numbers bit for bit.
"""

import functools
import math
from collections.abc import Iterator

import numpy as np

# Width and height of the nominal photos that boxes are laid out on.
PHOTOS = ((800, 600), (600, 800), (500, 400), (400, 500), (500, 500), (1600, 900), (900, 1600))
ASPECTS, SCALES = (4 / 3, 3 / 4, 16 / 9), (1, 0.8, 0.6)
STRIDE = 0.1  # Of the photo's shorter side, at most.
MOST_OVERLAP = 0.85  # IoU with an earlier box, above which a box is left out.

Box = tuple[float, float, float, float]


@functools.cache
def anchors() -> np.ndarray:
    """The boxes `(left, top, right, bottom)` in 0..1 of a photo's width and height.

    Returns:
      `[895, 4]` float64, read-only; the first is the whole photo.
    """
    kept: list[Box] = []
    for box in _candidates():
        if not kept or iou(np.array(box), np.array(kept)).max() <= MOST_OVERLAP:
            kept.append(box)
    found = np.array(kept)
    found.flags.writeable = False
    return found


def _candidates() -> Iterator[Box]:
    for photo_width, photo_height in PHOTOS:
        stride = STRIDE * min(photo_width, photo_height)
        for aspect in ASPECTS:
            for scale in SCALES:
                if aspect > photo_width / photo_height:
                    width = photo_width * scale
                    height = width / aspect
                else:
                    height = scale * photo_height
                    width = height * aspect
                for left in _starts(photo_width, width, stride):
                    for top in _starts(photo_height, height, stride):
                        right = min((left + width) / photo_width, 1)
                        bottom = min((top + height) / photo_height, 1)
                        yield left / photo_width, top / photo_height, right, bottom


def _starts(photo_side: int, side: float, stride: float) -> list[float]:
    """Where boxes begin: from end to end in equal steps of at most the stride."""
    count = math.ceil((photo_side - side) / stride)
    step = (photo_side - side) / count if count else 0
    return [index * step for index in range(count + 1)]


def iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU `[N]` of a box `[4]` and others `[N, 4]`, each left, top, right, bottom."""
    shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    intersection = np.maximum(shared, 0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return intersection / (areas + (box[2:] - box[:2]).prod() - intersection)

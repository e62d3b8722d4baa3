"""What MAttNet chooses among: objects in a photo, and what its networks know of each."""

from typing import NamedTuple

import numpy as np


class Detections(NamedTuple):
    """Objects that were found in a photo.

    Attributes:
      boxes: `[n, 4]` floats, x, y, width and height in pixels of the photo.
      categories: `[n]` ints, what each is: COCO's category ids.
      pool5: `[n, 7, 7, C1]` float32, the trunk's features within each box.
      fc7: `[n, 7, 7, C2]` float32, what the trunk's last stage makes of them.
    """

    boxes: np.ndarray
    categories: np.ndarray
    pool5: np.ndarray
    fc7: np.ndarray

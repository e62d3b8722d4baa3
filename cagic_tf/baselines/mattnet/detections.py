"""What MAttNet needs of a detector."""

from typing import NamedTuple

import numpy as np


class Detections(NamedTuple):
    """A photo's detected things; ids are places in these arrays.

    Attributes:
      boxes: `[n, 4]`, float: x, y of the top left corner, width and height in pixels of the photo.
      categories: `[n]`, int: the detector's categories. Which they are does not matter, only which
        boxes have the same.
      pool5: `[n, 7, 7, C1]`, float32: what the detector's trunk has in each box.
      fc7: `[n, 7, 7, C2]`, float32: the same one block further.
    """

    boxes: np.ndarray
    categories: np.ndarray
    pool5: np.ndarray
    fc7: np.ndarray

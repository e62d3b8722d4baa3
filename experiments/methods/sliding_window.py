"""Aesthetics alone: the sliding window that the View Finding Network scores highest.

Chen et al., "Learning to Compose with Professional Photographs on the Web", ACM Multimedia 2017
(the paper's reference 11) search so: windows of 0.5 to 0.9 of the photo's sides, on a grid of 5 x 5
places each. The scorer sees each window resized to its input, without pyramid and blur.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from cagic_tf.beyond import coarse_to_fine
from cagic_tf.method import geometry
from cagic_tf.networks.bundle import Networks
from cagic_tf.photos import reading
from experiments.methods.blind import Box
from experiments.methods.grad_cam import resized


@dataclasses.dataclass(frozen=True)
class SlidingWindow:
    """The best window of a photo, or of another method's crop of it.

    With a first method this is the paper's "combine sequentially" (Sec. 4.1.2): that one's crop is
    the picture in which this one slides its windows.

    Attributes:
      networks: The scorer is used.
      first: A method whose crop is searched; None searches the photo.
      scales: Sides of the windows as fractions of the searched picture's.
      places: Windows a side at each scale, evenly from border to border.
    """

    networks: Networks = dataclasses.field(repr=False)
    first: Callable[..., Box] | None = None
    scales: Sequence[float] = (0.5, 0.6, 0.7, 0.8, 0.9)
    places: int = 5

    def __call__(self, image, caption: str) -> Box:
        photo = reading.read(image)
        region = (0, 0, photo.shape[1], photo.shape[0])
        if self.first:
            region = self.first(photo, caption)
        boxes = windows(region, self.scales, self.places)
        return boxes[int(np.argmax(scores(self.networks, photo, boxes)))]


def windows(region: Box, scales: Sequence[float], places: int) -> list[Box]:
    """Windows `(x, y, w, h)` in whole pixels inside a region of the photo."""
    left, top, width, height = region
    found = []
    for *center, scale in coarse_to_fine.scan_grid(scales, places):
        x, y, w, h = geometry.pixel_box(center, scale, width, height)
        found.append((left + x, top + y, w, h))
    return found


def scores(networks: Networks, photo: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
    """The scorer's `[N]` scores of boxes of a photo; higher is better."""
    trunk, found = networks.scorer_trunk, []
    for at in range(0, len(boxes), coarse_to_fine.BATCH):
        batch = boxes[at : at + coarse_to_fine.BATCH]
        crops = np.stack([resized(photo, box, trunk.input_size) for box in batch])
        found.append(networks.scorer(trunk(tf.cast(crops, networks.dtype))).numpy())
    return np.concatenate(found)

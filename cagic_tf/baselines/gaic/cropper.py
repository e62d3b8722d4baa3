"""GAIC as a system: a photo in, its crops out, the best one first."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.baselines import opencv_resize, region_scorer, released
from cagic_tf.baselines.gaic import alignment, anchors
from cagic_tf.baselines.gaic.network import GridAnchorHead
from cagic_tf.baselines.region_scorer import RegionScorer
from cagic_tf.baselines.scored_box import ScoredBox
from cagic_tf.networks import checkpoints
from cagic_tf.networks.protocols import MultiScaleTrunk
from cagic_tf.system import devices

KIND = "gaic"
FILE = "mobilenet_0.625_0.583_0.553_0.525_0.785_0.762_0.748_0.723_0.783_0.806.pth"
RELEASE = released.Release(
    KIND,
    files=FILE,
    repository="https://github.com/HuiZeng/Grid-Anchor-based-Image-Cropping-Pytorch",
    command=f"gaic --weights={FILE}",
)
MEAN_OPINION, DEVIATION = 2.95, 0.8  # Of the scores that people gave.


class Scored(NamedTuple):
    """All crops of a photo, in the grid's order.

    Attributes:
      boxes: `[N, 4]` int64, (x1, y1, x2, y2) in pixels of the photo, ends exclusive.
      scores: `[N]` float32.
    """

    boxes: np.ndarray
    scores: np.ndarray


class GAIC:
    """Crops photos as Zeng et al.'s demo does."""

    def __init__(self, trunk: MultiScaleTrunk, head: GridAnchorHead):
        self._head = head
        shapes = [[None] * 3, [None] * 3, [None] * 2, [None] * 2, [None] * 3]  # Of `Points`.
        self._scores = tf.function(
            lambda images, *where: head.scores(
                head.reduced(trunk.scales(images))[0], alignment.Points(*where)
            ),
            input_signature=[
                tf.TensorSpec([1, None, None, 3], tf.float32),
                *(tf.TensorSpec(shape, tf.float64) for shape in shapes),
            ],
            autograph=False,
        )

    def boxes(self, photo: np.ndarray) -> list[ScoredBox]:
        """The crops of a photo, the best one first, in the grid's order where scores are the same.

        There is no suppression of overlapping ones: the second is mostly a little beside the first.
        The score is the network's own; `mean_opinion` makes of it what people would say.

        Args:
          photo: `[H, W, 3]` uint8, RGB.

        Returns:
          At most 90 crops in whole pixels. A photo whose long side is about 3.25 times its short
          one or more has none, since no crop of the grid has an accepted shape: the demo skips it
          without a word. Of a photo of a few pixels, crops without any are left out.

        Raises:
          ValueError: It is no such array.
        """
        boxes, scores = self.scored(photo)
        found = []
        for index in np.argsort(-scores, kind="stable"):
            left, top, right, bottom = boxes[index].tolist()
            if right > left and bottom > top:
                box = left, top, right - left, bottom - top
                found.append(ScoredBox(box, float(scores[index])))
        return found

    def scored(self, photo: np.ndarray) -> Scored:
        """All crops of the grid with their scores; see `boxes`.

        Raises:
          ValueError: The photo is no `[H, W, 3]` uint8.
        """
        released.check_photo(photo)
        height, width = size = anchors.looked_at(*photo.shape[:2])
        grid = anchors.grid(height, width)
        boxes = anchors.in_photo(grid, size, photo.shape[:2])
        if not len(grid):
            return Scored(boxes, np.zeros(0, np.float32))
        map_size = height // int(alignment.STRIDE), width // int(alignment.STRIDE)
        where = alignment.points(grid, *map_size, self._head.points)
        with devices.reproducible():
            return Scored(boxes, self._scores(picture(photo), *where).numpy())


class StandIn(GAIC):
    """The same, where the scores are a stand-in's, which reads crops from views of the photo."""

    def __init__(self, regions: RegionScorer):
        self._regions = regions

    def scored(self, photo: np.ndarray) -> Scored:
        """As of `GAIC`."""
        released.check_photo(photo)
        size = anchors.looked_at(*photo.shape[:2])
        boxes = anchors.in_photo(anchors.grid(*size), size, photo.shape[:2])
        with devices.reproducible():
            return Scored(boxes, self._regions.scores(photo, boxes))


def picture(photo: np.ndarray) -> np.ndarray:
    """A photo `[H, W, 3]` uint8 as the trunk takes it: `[1, h, w, 3]` float32, RGB in [0, 1].

    It is resized as OpenCV does it by default, without antialiasing.
    """
    height, width = anchors.looked_at(*photo.shape[:2])
    return opencv_resize.resize(photo, height, width)[None] / np.float32(255)


def mean_opinion(score: float) -> float:
    """The opinion, from 1 (poor) to 5 (excellent), that people would have of a crop on average.

    The network was taught opinions less their mean, divided by their deviation.
    """
    return MEAN_OPINION + DEVIATION * score


def load(directory: str | os.PathLike) -> GAIC:
    """Loads the network that `python -m cagic_tf.port gaic` wrote, a like one, or a stand-in.

    Args:
      directory: The checkpoint's folder; its trunk is inside, or under `checkpoints/`.

    Raises:
      checkpoints.CheckpointError: It is missing, damaged or of another kind; says how to get it.
    """
    head, trunk = released.load(directory, RELEASE)
    if "views" in head.manifest:
        return StandIn(region_scorer.load(head, trunk))
    if not isinstance(trunk, MultiScaleTrunk):
        raise checkpoints.CheckpointError(
            f"{directory} stands on {head.manifest['trunk']!r}, which has no features at three "
            "scales"
        )
    return GAIC(trunk, GridAnchorHead(head.tensors))

"""MAttNet's detector: a photo to its objects and their features, without the masks.

Yu et al., "MAttNet: Modular Attention Network for Referring Expression Comprehension", CVPR 2018;
what is computed, and in which order, is that of their demo and of their `mask-faster-rcnn`.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from cagic_tf.baselines import released
from cagic_tf.baselines.mattnet.detections import Detections
from cagic_tf.baselines.mattnet.detector import box_head, boxes, crops, pictures, regions
from cagic_tf.baselines.mattnet.detector.resnet101 import ResNet101
from cagic_tf.networks import bundle, checkpoints

RELEASE = released.Release(
    "mattnet_detector",
    "res101_mask_rcnn_iter_1250000.pth, which is in res101_mask_rcnn_iter_1250k.zip",
    "https://github.com/lichengunc/MAttNet",
    "mattnet_detector --weights=res101_mask_rcnn_iter_1250000.pth",
)
TRUNKS = {"resnet101": ResNet101}
REGIONS_AT_ONCE = 50  # Bounds memory: the features of each take megabytes on their way.


class Trunk(Protocol):
    """What the detector stands on."""

    def grid(self, pictures: tf.Tensor) -> tf.Tensor:
        """`[1, H', W', C]`, a place for every 16 pixels, of `[1, H, W, 3]`, RGB in 0..255."""
        ...

    def region_features(self, crops: tf.Tensor) -> tf.Tensor:
        """`[n, 7, 7, D]` of crops of the grid, `[n, 7, 7, C]`."""
        ...


class View(NamedTuple):
    """A photo as the trunk sees it.

    Attributes:
      grid: The trunk's grid, `[1, H', W', C]`.
      size: Height and width in pixels of the picture that the grid was made of.
      scale: How many times as large as the photo that picture is.
    """

    grid: tf.Tensor
    size: tuple[int, int]
    scale: np.float32


class Detector:
    """Finds objects, and gives the features of boxes, found by it or by others.

    Attributes:
      trunk: What it stands on.
    """

    def __init__(self, trunk: Trunk, tensors: Mapping[str, Any], categories: Sequence[int]):
        """Puts the networks together.

        Args:
          trunk: See `Trunk`.
          tensors: Those of a "mattnet_detector" checkpoint, see `regions.RegionProposals` and
            `box_head.BoxHead`.
          categories: Which category each class after the background is.
        """
        self.trunk, self._categories = trunk, np.array(categories)
        self._proposals = regions.RegionProposals(tensors)
        self._head = box_head.BoxHead(tensors)
        channels = tensors["rpn/hidden/kernel"].shape[2]
        grid = tf.TensorSpec([1, None, None, channels])
        self._see = _graph(trunk.grid, tf.TensorSpec([1, None, None, 3]))
        self._propose = _graph(self._proposals, grid)
        self._describe = _graph(self._features, grid, tf.TensorSpec([None, 4]))
        self._judge = _graph(
            lambda grid, boxes: self._head(self._features(grid, boxes)[1]),
            grid,
            tf.TensorSpec([None, 4]),
        )

    def detect(self, photo: np.ndarray) -> Detections:
        """Finds the objects of a photo; there is always one, however unlikely.

        Args:
          photo: `[H, W, 3]` uint8, RGB.

        Returns:
          The objects, category by category.

        Raises:
          ValueError: The photo is no such array.
        """
        released.check_photo(photo)
        view = self._view(photo)
        likely, moves = (part.numpy() for part in self._propose(view.grid))
        _, rows, columns, _ = view.grid.shape
        chosen = regions.choose(likely, moves, (rows, columns), view.size)
        probabilities, deltas = _in_parts(self._judge, view.grid, chosen)
        candidates = boxes.clip(boxes.decode(chosen / view.scale, deltas), *photo.shape[:2])
        found = box_head.select(probabilities, candidates)
        first, last = found.boxes[:, :2], found.boxes[:, 2:]
        sizes = (last - first).astype(np.float64) + 1
        return self._with_features(
            view, np.concatenate([first, sizes], axis=1), self._categories[found.classes - 1]
        )

    def describe(self, photo: np.ndarray, boxes: np.ndarray, categories: np.ndarray) -> Detections:
        """Given objects of a photo, with their features.

        Args:
          photo: `[H, W, 3]` uint8, RGB.
          boxes: `[n, 4]`, x, y, width and height in pixels, n at least 1.
          categories: `[n]` ints.

        Returns:
          The objects, in their order.

        Raises:
          ValueError: The photo is no such array.
        """
        released.check_photo(photo)
        return self._with_features(
            self._view(photo), np.asarray(boxes, np.float64), np.asarray(categories)
        )

    def _view(self, photo: np.ndarray) -> View:
        times = pictures.scale(*photo.shape[:2])
        picture = pictures.enlarge(photo, times)
        return View(self._see(picture[None]), picture.shape[:2], np.float32(times))

    def _with_features(self, view: View, boxes: np.ndarray, categories: np.ndarray) -> Detections:
        ends = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - 1], axis=1)
        scaled = (ends * np.float64(view.scale)).astype(np.float32)
        return Detections(boxes, categories, *_in_parts(self._describe, view.grid, scaled))

    def _features(self, grid: tf.Tensor, boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        cut = crops.crop(grid, boxes)
        return cut, self.trunk.region_features(cut)


def _graph(function: Any, *signature: tf.TensorSpec) -> Any:
    return tf.function(function, signature, autograph=False)


def _in_parts(function: Any, grid: tf.Tensor, boxes: np.ndarray) -> list[np.ndarray]:
    """What a function of a grid and boxes gives for all boxes, some of them at a time."""
    starts = range(0, max(len(boxes), 1), REGIONS_AT_ONCE)
    parts = [function(grid, boxes[start : start + REGIONS_AT_ONCE]) for start in starts]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def load(directory: str | os.PathLike) -> Detector:
    """The detector of a ported checkpoint's folder.

    Raises:
      checkpoints.CheckpointError: There is no checkpoint, or it is damaged or of another kind.
    """
    head, folder = released.load_head(directory, RELEASE), Path(directory)
    trunk = bundle.load_trunk(folder, head)
    if trunk.kind not in TRUNKS:
        raise checkpoints.CheckpointError(
            f"{folder} stands on a {trunk.kind!r} trunk; MAttNet's detector can stand on: "
            f"{', '.join(TRUNKS)}"
        )
    return Detector(TRUNKS[trunk.kind](trunk.tensors), head.tensors, head.manifest["categories"])

"""A photo's proposals as MAttNet's detections, on the trunk Lite0."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from cagic_tf.baselines.mattnet.detections import Detections
from cagic_tf.networks import proposals
from cagic_tf.networks.trunks.lite0 import Lite0

BLOCKS = (10, 15)  # Of the trunk, whose grids are seen: a place for every 16 and 32 pixels.
CROP = 7  # Places a side of a box's features.
# Training photos were squashed to this square, so every photo is before anything else.
SQUASHED = 224


class LiteDetector:
    """Finds what may be something, of one category for all, and gives its features."""

    def __init__(self, trunk: Lite0, tensors: Mapping[str, Any], manifest: Mapping[str, Any]):
        """Takes the trunk, and a checkpoint with the tensors of `proposals.shapes`.

        Args:
          trunk: The trunk.
          tensors: Those tensors; others may be among them.
          manifest: `side`, in pixels, of the square as which the trunk sees a photo; `most`, how
            many proposals there are; `overlap`, the IoU from which two are one.
        """
        self.side = int(manifest["side"])
        self._most, self._overlap = int(manifest["most"]), float(manifest["overlap"])
        self._trunk, self._network = trunk, proposals.Proposals(tensors)
        square = tf.TensorSpec([1, self.side, self.side, 3])
        self._see = tf.function(self._grids, [square], autograph=False)
        self._propose = tf.function(self._boxes, autograph=False)

    def detect(self, photo: np.ndarray) -> Detections:
        """Finds the proposals of a photo.

        Args:
          photo: `[H, W, 3]` uint8, RGB.

        Returns:
          At most `most` of them, the likeliest first, all of category 0.
        """
        fine, coarse = self._see(picture(photo, self.side)[np.newaxis])
        corners = self.propose(fine, coarse)
        categories = np.zeros(len(corners), np.int32)
        boxes = in_pixels(corners, photo.shape[:2])
        return Detections(boxes, categories, *self._crops(fine, coarse, corners))

    def propose(self, fine: tf.Tensor, coarse: tf.Tensor) -> np.ndarray:
        """The proposals of a photo whose grids are at hand.

        Args:
          fine: `[1, 2 H, 2 W, C1]`, of the trunk's block 10.
          coarse: `[1, H, W, C2]`, of block 15.

        Returns:
          `[n, 4]`: `(x0, y0, x1, y1)` as fractions of the photo's sides, the likeliest first.
        """
        logits, boxes = self._propose(fine, coarse)
        chosen = proposals.choose(logits, boxes, self._most, self._overlap)
        return tf.gather(boxes, chosen).numpy()

    def describe(self, photo: np.ndarray, boxes: np.ndarray, categories: np.ndarray) -> Detections:
        """Given objects of a photo, with their features.

        Args:
          photo: `[H, W, 3]` uint8, RGB.
          boxes: `[n, 4]`, x, y, width and height in pixels.
          categories: `[n]` ints. The network was trained on proposals, which are all of one.

        Returns:
          The objects, in their order.
        """
        boxes = np.asarray(boxes, np.float64)
        height, width, _ = photo.shape
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        corners /= (width, height, width, height)
        fine, coarse = self._see(picture(photo, self.side)[np.newaxis])
        crops = self._crops(fine, coarse, corners.astype(np.float32))
        return Detections(boxes, np.asarray(categories), *crops)

    def _grids(self, pictures: tf.Tensor) -> list[tf.Tensor]:
        return self._trunk.grids(pictures, BLOCKS)

    def _boxes(self, fine: tf.Tensor, coarse: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits, deltas = self._network(fine, coarse)
        anchors = self._network.anchors(*tf.unstack(tf.shape(fine)[1:3]))
        return logits[0], proposals.decode(deltas[0], anchors)

    def _crops(self, fine: tf.Tensor, coarse: tf.Tensor, corners: np.ndarray) -> list[np.ndarray]:
        of_one = np.zeros(len(corners), np.int32)  # There is one picture.
        return [proposals.crop(grid, corners, of_one, CROP).numpy() for grid in (fine, coarse)]


def picture(photo: np.ndarray, side: int) -> np.ndarray:
    """A photo `[H, W, 3]` uint8 as the trunk sees it: `[side, side, 3]` float32 in [0, 1]."""
    image = Image.fromarray(photo)
    for edge in (SQUASHED, side):
        image = image.resize((edge, edge), Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32) / 255


def in_pixels(corners: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Boxes `[n, 4]` float64, x, y, w, h in pixels of a photo of (height, width) `size`."""
    wide = np.asarray(corners, np.float64) * np.array([size[1], size[0]] * 2)
    return np.concatenate([wide[:, :2], wide[:, 2:] - wide[:, :2]], axis=1)

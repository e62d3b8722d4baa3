"""View Proposal Net as a system: photos in, each one's best boxes out."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from cagic_tf.baselines import region_scorer, released
from cagic_tf.baselines.region_scorer import RegionScorer
from cagic_tf.baselines.scored_box import ScoredBox
from cagic_tf.baselines.vpn import anchors
from cagic_tf.baselines.vpn.network import ViewProposalNet
from cagic_tf.networks.protocols import Trunk
from cagic_tf.system import devices

KIND = "vpn"
RELEASE = released.Release(
    KIND,
    files="VPN.index and VPN.data-00000-of-00001 of pretrained/ProposalNet",
    repository="https://github.com/zijunwei/ViewProposalNet",
    command="vpn --weights=VPN",
)
MOST_BOXES = 20
MOST_OVERLAP = 0.6  # IoU with a better box, from which on a box is left out.


class VPN:
    """Crops photos as Wei et al.'s network does."""

    def __init__(self, trunk: Trunk, head: ViewProposalNet, side: int):
        """Takes trunk and head, and the side in pixels of the square that photos become."""
        self._side = side
        self._score = tf.function(
            lambda images: head(trunk(images)),
            input_signature=[tf.TensorSpec([None, side, side, 3], tf.float32)],
            autograph=False,
        )

    def boxes(self, photo: np.ndarray) -> list[ScoredBox]:
        """The best distinct boxes of a photo; see `many`.

        Args:
          photo: `[H, W, 3]` uint8, RGB.

        Returns:
          Up to 20 boxes in whole pixels, best first.

        Raises:
          ValueError: It is no such array.
        """
        return self.many([photo])[0]

    def many(self, photos: Sequence[np.ndarray]) -> list[list[ScoredBox]]:
        """The best distinct boxes of each photo. The whole photo is among those that compete.

        Args:
          photos: Each `[H, W, 3]` uint8, RGB.

        Returns:
          For each photo up to 20 boxes in whole pixels, best first; the authors' demo shows five.

        Raises:
          ValueError: One is no such array.
        """
        return [
            best_boxes(pixel_boxes(photo.shape[1], photo.shape[0]), scores)
            for photo, scores in zip(photos, self.scores(photos), strict=True)
        ]

    def scores(self, photos: Sequence[np.ndarray]) -> np.ndarray:
        """The score of each of `anchors.anchors()` on each photo.

        Args:
          photos: Each `[H, W, 3]` uint8, RGB.

        Returns:
          `[N, 895]` float32; they have no unit. The authors' network gives none below 0.

        Raises:
          ValueError: One is no such array.
        """
        if not photos:
            return np.zeros([0, len(anchors.anchors())], np.float32)
        for photo in photos:
            released.check_photo(photo)
        inputs = np.stack([resize(photo, self._side) for photo in photos])
        with devices.reproducible():
            return self._score(inputs.astype(np.float32) / 255).numpy()


class StandIn(VPN):
    """The same, where the scores are a stand-in's, which reads boxes from views of the photo."""

    def __init__(self, regions: RegionScorer):
        self._regions = regions

    def scores(self, photos: Sequence[np.ndarray]) -> np.ndarray:
        """As of `VPN`; boxes are those in the photo's whole pixels."""
        found = [np.zeros([0, len(anchors.anchors())], np.float32)]
        for photo in photos:
            released.check_photo(photo)
            corners = pixel_boxes(photo.shape[1], photo.shape[0])
            with devices.reproducible():
                found.append(self._regions.scores(photo, corners)[None])
        return np.concatenate(found)


def resize(photo: np.ndarray, side: int) -> np.ndarray:
    """A photo `[H, W, 3]` as a square `[side, side, 3]`, uint8; its aspect is lost.

    Pillow's bilinear filter, as in the authors' demo: where the photo is larger it averages. Some
    pixels of some sizes are a level lighter or darker from Pillow 13 on than before.
    """
    return np.asarray(Image.fromarray(photo).resize((side, side), Image.Resampling.BILINEAR))


def pixel_boxes(width: int, height: int) -> np.ndarray:
    """The predefined boxes `[895, 4]` in a photo's pixels, int64: left, top, right, bottom.

    Truncated, as in the authors' code; of a tiny photo some have no pixel.
    """
    return (anchors.anchors() * (width, height, width, height)).astype(np.int64)


def best_boxes(boxes: np.ndarray, scores: np.ndarray) -> list[ScoredBox]:
    """The best boxes, without those that have much in common with a better one.

    As in the authors' code the boxes are compared in whole pixels. Among equal scores, whose order
    is not defined there, the first of the predefined boxes comes first. Boxes without a pixel,
    which nothing can be cropped to, are left out.

    Args:
      boxes: `[N, 4]` int64: left, top, right, bottom.
      scores: `[N]`.

    Returns:
      Up to 20, best first.
    """
    has_pixels = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, scores = boxes[has_pixels], scores[has_pixels]
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if len(kept) == MOST_BOXES:
            break
        if not kept or anchors.iou(boxes[index], boxes[kept]).max() < MOST_OVERLAP:
            kept.append(index)
    found = []
    for index in kept:
        left, top, right, bottom = boxes[index].tolist()
        found.append(ScoredBox((left, top, right - left, bottom - top), float(scores[index])))
    return found


def load(directory: str | os.PathLike) -> VPN:
    """Loads the network that `python -m cagic_tf.port vpn` wrote, a like one, or a stand-in.

    Args:
      directory: The checkpoint's folder; its trunk is inside, or under `checkpoints/`.

    Raises:
      checkpoints.CheckpointError: It is missing, damaged or of another kind; says how to get it.
    """
    head, trunk = released.load(directory, RELEASE)
    if "views" in head.manifest:
        return StandIn(region_scorer.load(head, trunk))
    return VPN(trunk, ViewProposalNet(head.tensors), head.manifest["side"])

"""The stand-ins' head: scores of boxes, read from a few views of the whole photo.

The embedded scorer sees a box stretched to a square of 224 pixels. A stand-in sees the whole photo
stretched to a few sizes, once, and reads each box from those views in which it is about as large
and of about the shape as the scorer would see it: RoIAlign of the trunk's features at the places
that the scorer's own would have, then the scorer's layers, trained further.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from cagic_tf.networks import checkpoints, layers, vfn
from cagic_tf.networks.trunks.lite0 import Lite0

INPUT = 224  # Pixels a side that the scorer sees a box in.
COARSE, FINE = 32, 16  # Strides of the trunk's last grid, and of the one that adds detail.
CELLS = INPUT // COARSE  # Of the scorer's grid, a side.
BINS = (1, 2, 4)  # A side, of the scorer's pooling.
CHANNELS, FINE_CHANNELS = 1280, 112
COARSE_SIZE = sum(bins * bins for bins in BINS) * CHANNELS
FINE_SIZE = CELLS * CELLS * FINE_CHANNELS
LEAST_SHARE = 0.1  # Of the best view's share, below which a view is not read.
TOGETHER = 64  # Boxes that are read at once.
PLACE = 9  # Numbers that say where a box is.


class Features(NamedTuple):
    """What is read of N boxes.

    Attributes:
      coarse: `[N, COARSE_SIZE]` annotation vectors, pooled as the scorer pools them.
      fine: `[N, FINE_SIZE]`, 7 x 7 means of the finer grid in the box.
      rest: `[N, FINE_SIZE]`, 7 x 7 means of the finer grid in the whole photo, 0 in the box.
      place: `[N, PLACE]`, see `place`.
    """

    coarse: Any
    fine: Any
    rest: Any
    place: Any


class RegionScorer:
    """Scores boxes of a photo.

    Attributes:
      sides: Sides in pixels of the views: each width with each height.
      spread: How far a box may be off the size that it should have in a view, see `shares`.
      sees_the_rest: Whether its head sees what boxes leave out.
    """

    def __init__(self, trunk: Lite0, head: "RegionHead", sides: Sequence[int], spread: float):
        self.sides, self.spread = tuple(sides), spread
        self.sees_the_rest = head.sees_the_rest

        def grids(picture: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            _, fine, coarse = trunk.scales(picture)
            return trunk.last(coarse)[0], fine[0]

        picture = tf.TensorSpec([1, None, None, 3], tf.float32)
        self._grids = tf.function(grids, input_signature=[picture], autograph=False)
        read = [tf.TensorSpec([None] * 3), tf.TensorSpec([None] * 2), tf.TensorSpec([None] * 3)]
        self._coarse = tf.function(pooled, input_signature=read, autograph=False)
        self._fine = tf.function(aligned, input_signature=read, autograph=False)
        self._score = tf.function(lambda *given: head(Features(*given)), reduce_retracing=True)

    def scores(self, photo: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Scores `[N]` float32 of boxes; see `features`."""
        found = self.features(photo, corners)
        scored = [np.zeros(0, np.float32)]
        for at in range(0, len(corners), TOGETHER):
            scored.append(self._score(*(each[at : at + TOGETHER] for each in found)).numpy())
        return np.concatenate(scored)

    def features(self, photo: np.ndarray, corners: np.ndarray) -> Features:
        """What the head sees of boxes.

        Args:
          photo: `[H, W, 3]` uint8, RGB.
          corners: `[N, 4]`, (left, top, right, bottom) in pixels of the photo, ends exclusive.

        Returns:
          Arrays, float32.
        """
        height, width = photo.shape[:2]
        boxes = corners / (width, height, width, height)
        part = shares(boxes, self.sides, self.spread)
        found = Features(
            np.zeros([len(boxes), COARSE_SIZE], np.float32),
            np.zeros([len(boxes), FINE_SIZE], np.float32),
            self._rest(photo, boxes),
            place(boxes),
        )
        for size, share in zip(sizes(self.sides), part.T, strict=True):
            numbers = np.flatnonzero(share)
            if not len(numbers):
                continue
            coarse, fine = self._grids(view(photo, size))
            for some in _of_the_same_rows(boxes, numbers):
                own, by = boxes[some], np.float32(share[some, None])
                read = reads(own, size, COARSE), reads(own, size, FINE)
                found.coarse[some] += by * self._coarse(coarse, *read[0]).numpy()
                found.fine[some] += by * self._fine(fine, *read[1]).numpy()
        return found

    def _rest(self, photo: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """What boxes leave out; nothing where the head does not see it."""
        if not self.sees_the_rest:
            return np.zeros([len(boxes), 0], np.float32)
        size = self.sides[len(self.sides) // 2], self.sides[len(self.sides) // 2]
        whole = reads(np.array([[0.0, 0, 1, 1]]), size, FINE)
        cells = self._fine(self._grids(view(photo, size))[1], *whole).numpy()
        kept = outside(boxes)[:, :, None] * cells.reshape(-1, FINE_CHANNELS)
        return kept.reshape(-1, FINE_SIZE)


class RegionHead:
    """The scorer's layers, with more to see and one more layer; sizes are those of the tensors."""

    def __init__(self, tensors: Mapping[str, Any], dtype: tf.DType = tf.float32):
        """Takes the tensors of a stand-in's checkpoint, or variables, to train.

        These are "coarse", "fine" and "place", and "rest" where it is seen, each NAME/kernel, and
        "hidden/bias"; "ranker/kernel"; "second/kernel", "second/bias" and "correction/kernel".
        """
        self._weights = layers.constants(tensors, dtype)
        self.sees_the_rest = "rest/kernel" in tensors

    def __call__(self, seen: Features) -> tf.Tensor:
        """Scores `[N]` of boxes by what is read of them."""
        weights = self._weights
        total = seen.coarse @ weights["coarse/kernel"] + seen.fine @ weights["fine/kernel"]
        total += seen.place @ weights["place/kernel"] + weights["hidden/bias"]
        if self.sees_the_rest:
            total += seen.rest @ weights["rest/kernel"]
        hidden = tf.nn.relu(total)
        both = tf.concat([hidden, seen.place], axis=1)
        second = tf.nn.relu(both @ weights["second/kernel"] + weights["second/bias"])
        return (hidden @ weights["ranker/kernel"] + second @ weights["correction/kernel"])[:, 0]


def load(head: checkpoints.Checkpoint, trunk: Any) -> RegionScorer:
    """The scorer of boxes of a stand-in's checkpoint.

    Args:
      head: Its manifest has `views`: their `sides`, and the `spread`.
      trunk: The trunk that it stands on.

    Raises:
      checkpoints.CheckpointError: The trunk is not Lite0.
    """
    if not isinstance(trunk, Lite0):
        raise checkpoints.CheckpointError(
            f"a stand-in needs the trunk lite0, not {head.manifest['trunk']!r}"
        )
    return RegionScorer(trunk, RegionHead(head.tensors), **head.manifest["views"])


def sizes(sides: Sequence[int]) -> list[tuple[int, int]]:
    """Width and height of each view."""
    return list(itertools.product(sides, sides))


def shares(boxes: np.ndarray, sides: Sequence[int], spread: float) -> np.ndarray:
    """How much each view counts for each box: those most in which it is 224 x 224 pixels.

    Args:
      boxes: `[N, 4]` in 0..1 of the photo's width and height.
      sides: As `RegionScorer.sides`.
      spread: The share falls as a normal distribution of this deviation does with the logarithms of
        what width and height are off by.

    Returns:
      `[N, len(sizes(sides))]` float64; rows have the sum 1, and none is between 0 and a tenth of
      its row's largest.
    """
    extent = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)[:, None]
    off = np.log(extent * np.array(sizes(sides)) / INPUT)
    distance = np.square(off).sum(axis=2)
    found = np.exp((distance.min(axis=1, keepdims=True) - distance) / (2 * spread**2))
    found[found < LEAST_SHARE] = 0
    return found / found.sum(axis=1, keepdims=True)


def view(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A photo `[H, W, 3]` uint8 at a width and height, as the trunk takes it: `[1, h, w, 3]`."""
    resized = Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized, np.float32)[None] / 255


def _of_the_same_rows(boxes: np.ndarray, numbers: np.ndarray) -> Iterator[np.ndarray]:
    """The numbers of boxes in parts, each of boxes with one top and bottom."""
    _, part = np.unique(boxes[numbers][:, [1, 3]], axis=0, return_inverse=True)
    for each in range(part.max() + 1):
        yield numbers[part == each]


def reads(boxes: np.ndarray, size: tuple[int, int], stride: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of each row and of each column of a view's grid in what is read of boxes.

    Args:
      boxes: `[N, 4]` in 0..1 of the photo's width and height, all with the same top and bottom.
      size: Width and height of the view.
      stride: Pixels of the view a pixel of the grid.

    Returns:
      `[B, H]` and `[N, B, W]` float32. B is 7: of the coarse grid the bins of `BINS`, one level
      after the other; of a finer one as many bins as the coarse one has pixels.
    """
    (left, top, right, bottom), (width, height) = boxes.T, size
    return _axis(top[:1], bottom[:1], height, stride)[0], _axis(left, right, width, stride)


def _axis(start: np.ndarray, end: np.ndarray, side: int, stride: int) -> np.ndarray:
    """As `reads`, of one axis."""
    count = INPUT // stride
    # Pixel i of a grid sees around pixel s i + s - 1 of the picture: TensorFlow pads at the end.
    centre = stride - 0.5
    own = (stride * np.arange(count) + centre) / INPUT
    places = start[:, None] + own * (end - start)[:, None]
    places = np.clip((places * side - centre) / stride, 0, side // stride - 1)
    distance = np.abs(places[:, :, None] - np.arange(side // stride))
    return np.einsum("bi,nil->nbl", _bins(count), np.maximum(1 - distance, 0)).astype(np.float32)


def _bins(count: int) -> np.ndarray:
    """`[7, count]`: the part of each pixel of an axis in each bin's mean."""
    if count == CELLS:
        return np.concatenate([_level(count, bins) for bins in BINS])
    return _level(count, CELLS)


def _level(count: int, bins: int) -> np.ndarray:
    """As `_bins`, of one level of as many bins; they are `vfn.spatial_pyramid`'s."""
    both = vfn.bin_weights(count, [bins]).reshape(bins, bins, count, count)
    return both[:, 0].sum(axis=2)


def pooled(grid: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Boxes' means of the coarse grid `[H, W, C]`, as the scorer pools them: `[N, 21 C]`."""
    by_rows = tf.einsum("bh,hwc->bwc", rows, grid)
    levels, start = [], 0
    for bins in BINS:
        own = slice(start, start + bins)
        level = tf.einsum("bwc,ndw->nbdc", by_rows[own], columns[:, own])
        levels.append(tf.reshape(level, [-1, bins * bins * CHANNELS]))
        start += bins
    return tf.concat(levels, axis=1)


def aligned(grid: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Boxes' 7 x 7 means of the finer grid `[H, W, C]`: `[N, 49 C]`."""
    both = tf.einsum("bh,hwc,ndw->nbdc", rows, grid, columns)
    return tf.reshape(both, [-1, FINE_SIZE])


def place(boxes: np.ndarray) -> np.ndarray:
    """Where boxes `[N, 4]` are: sides, their products, and what is left at each border, float32."""
    left, top, right, bottom = boxes.T
    width, height = right - left, bottom - top
    areas = width * height, width * width, height * height
    found = [width, height, *areas, left, top, 1 - right, 1 - bottom]
    return np.stack(found, axis=1).astype(np.float32)


def outside(boxes: np.ndarray) -> np.ndarray:
    """1 for the cells of a photo, cut into 7 x 7, whose centres are not in a box: `[N, 49]`."""
    centres = (np.arange(CELLS) + 0.5) / CELLS
    left, top, right, bottom = boxes.T[:, :, None]
    across = (left <= centres) & (centres <= right)
    down = (top <= centres) & (centres <= bottom)
    inside = down[:, :, None] & across[:, None, :]
    return 1 - inside.reshape(-1, CELLS * CELLS).astype(np.float32)

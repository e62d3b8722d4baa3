"""Which crops GAIC's stand-in learns from: those of the original's grid, and the teacher's scores.

A photo that is there at its own size is scored with all of its crops. Of one that is squashed to a
square some are drawn: one crop teaches much of what its neighbours do, and many photos more.
"""

import functools
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cagic_tf.baselines.gaic import anchors
from experiments.data import entities
from experiments.training import scored_boxes
from experiments.training.scored_boxes import ScoredBoxes
from experiments.training.teacher import Teacher

MOST = 90  # Crops of a grid.


class GridPhoto(NamedTuple):
    """A photo with a grid of crops.

    Attributes:
      path: The file.
      size: Height and width at which the photo was taken; the file may be squashed to a square.
      looked_at: Height and width at which the network sees it.
    """

    path: Path
    size: tuple[int, int]
    looked_at: tuple[int, int]


class InTheMirror:
    """A teacher that is shown each photo, and its boxes, mirrored left to right.

    Attributes:
      sha256: Of the teacher, and what it is shown.
    """

    def __init__(self, teacher: Teacher):
        self._teacher = teacher
        self.sha256 = *teacher.sha256, "mirrored"

    def scores(self, photo: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """What the teacher says, `[N]`, of boxes `[N, 4]` of the photo before it is mirrored."""
        x, y, width, height = boxes.T
        turned = np.stack([photo.shape[1] - x - width, y, width, height], axis=1)
        return self._teacher.scores(photo[:, ::-1], turned)


def own_size_photos(data_dir: Path, entities_dir: Path, split: str) -> list[GridPhoto]:
    """The photos of a split that Flickr30k Entities has at their own size.

    Raises:
      ExperimentError: There are none.
    """
    own, _ = scored_boxes.photos_of(data_dir, entities_dir, split)
    return _with_grid((path, scored_boxes.size_of(path)) for path in own)


def squashed_photos(data_dir: Path, entities_dir: Path, split: str) -> list[GridPhoto]:
    """The others, as large as the annotations of Flickr30k Entities say that they were."""
    _, squashed = scored_boxes.photos_of(data_dir, entities_dir, split)
    annotated = entities.read(entities_dir, [path.name for path in squashed])
    return _with_grid((data_dir / "images" / photo.name, photo.size) for photo in annotated)


def _with_grid(found: Any) -> list[GridPhoto]:
    """Photos of these files, widths and heights; those of a shape without crops are left out."""
    photos = []
    for path, (width, height) in found:
        looked_at = anchors.looked_at(height, width)
        if len(grid(looked_at)):
            photos.append(GridPhoto(path, (height, width), looked_at))
    return photos


@functools.cache
def grid(looked_at: tuple[int, int]) -> np.ndarray:
    """`anchors.grid` of a picture of that height and width."""
    return anchors.grid(*looked_at)


def drawn(photo: GridPhoto, count: int, seed: int) -> np.ndarray:
    """Numbers of so many crops of the grid, in order, drawn by the photo's name, or all."""
    every = len(grid(photo.looked_at))
    random = np.random.default_rng([seed, zlib.crc32(photo.path.name.encode())])
    return np.sort(random.permutation(every)[:count])


def pixel_boxes(photo: GridPhoto, width: int, height: int) -> np.ndarray:
    """The crops as boxes `[N, 4]` of the file, which has that size: rows `(x, y, w, h)`."""
    corners = anchors.in_photo(grid(photo.looked_at), photo.looked_at, (height, width))
    return np.concatenate([corners[:, :2], np.maximum(corners[:, 2:] - corners[:, :2], 1)], axis=1)


def scored(
    folder: Path, photos: Sequence[GridPhoto], teacher: Any, count: int, seed: int
) -> list[ScoredBoxes]:
    """What the teacher says of so many crops of each photo, now or in an earlier run.

    Args:
      folder: Where scores are kept.
      photos: Of different names.
      teacher: A `Teacher`, or another that scores boxes of photos.
      count: How many are drawn of a photo; all where it has no more.
      seed: What they are drawn by.

    Returns:
      The crops, in pixels of the file, in the grid's order.
    """
    by_name = {photo.path.name: photo for photo in photos}

    def rule(name: str, width: int, height: int) -> np.ndarray:
        photo = by_name[name]
        return pixel_boxes(photo, width, height)[drawn(photo, count, seed)]

    return scored_boxes.of_photos(folder, [photo.path for photo in photos], rule, teacher)

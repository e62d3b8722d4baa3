"""What GAIC's stand-in learns from: the teacher's scores of the crops of its grid.

A photo that is there at its own size is scored with all of its crops. Of one that is squashed to a
square some are drawn: one crop teaches much of what its neighbours do, and many photos more.
"""

import functools
import hashlib
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from cagic_tf.baselines import opencv_resize
from cagic_tf.baselines.gaic import alignment, anchors
from cagic_tf.baselines.gaic.network import GridAnchorHead
from cagic_tf.networks import bundle
from cagic_tf.system import files
from experiments.data import entities
from experiments.training import scored_boxes
from experiments.training.teacher import Teacher

PART = 20  # Photos whose features are kept in one file.
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


class Lesson(NamedTuple):
    """What the teacher says of a photo's crops, of N in the grid's order.

    Attributes:
      scores: `[N]` float32, 0 where a crop was not drawn.
      counted: `[N]` float32, 1 where it was.
    """

    scores: np.ndarray
    counted: np.ndarray


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


@functools.cache
def points(looked_at: tuple[int, int], count: int) -> alignment.Points:
    """Where the crops of such a picture are read; see `alignment.points`."""
    height, width = (side // int(alignment.STRIDE) for side in looked_at)
    return alignment.points(grid(looked_at), height, width, count)


@functools.cache
def mirrored_numbers(looked_at: tuple[int, int]) -> np.ndarray:
    """For each crop of the grid `[N]` the one that it is in the mirror: there is one for each."""
    boxes, width = grid(looked_at), looked_at[1]
    turned = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
    return np.abs(turned[:, None] - boxes).sum(axis=2).argmin(axis=1)


def mirrored(lesson: Lesson, looked_at: tuple[int, int]) -> Lesson:
    """The lesson of the mirrored photo: a crop counts as good as the one that it mirrors."""
    numbers = mirrored_numbers(looked_at)
    return Lesson(lesson.scores[numbers], lesson.counted[numbers])


def drawn(photo: GridPhoto, count: int, seed: int) -> np.ndarray:
    """Numbers of so many crops of the grid, in order, drawn by the photo's name, or all."""
    every = len(grid(photo.looked_at))
    random = np.random.default_rng([seed, zlib.crc32(photo.path.name.encode())])
    return np.sort(random.permutation(every)[:count])


def pixel_boxes(photo: GridPhoto, width: int, height: int) -> np.ndarray:
    """The crops as boxes `[N, 4]` of the file, which has that size: rows `(x, y, w, h)`."""
    corners = anchors.in_photo(grid(photo.looked_at), photo.looked_at, (height, width))
    return np.concatenate([corners[:, :2], np.maximum(corners[:, 2:] - corners[:, :2], 1)], axis=1)


def lessons(
    folder: Path, photos: Sequence[GridPhoto], teacher: Any, count: int, seed: int
) -> list[Lesson]:
    """What the teacher says of so many crops of each photo, now or in an earlier run.

    Args:
      folder: Where scores are kept.
      photos: Of different names.
      teacher: A `Teacher`, or another that scores boxes of photos.
      count: How many are drawn of a photo; all where it has no more.
      seed: What they are drawn by.
    """
    numbers = {photo.path.name: drawn(photo, count, seed) for photo in photos}
    by_name = {photo.path.name: photo for photo in photos}
    scored = scored_boxes.of_photos(
        folder,
        [photo.path for photo in photos],
        lambda name, width, height: pixel_boxes(by_name[name], width, height)[numbers[name]],
        teacher,
    )
    found = []
    for photo, each in zip(photos, scored, strict=True):
        scores, counted = np.zeros((2, len(grid(photo.looked_at))), np.float32)
        scores[numbers[photo.path.name]], counted[numbers[photo.path.name]] = each.scores, 1
        found.append(Lesson(scores, counted))
    return found


def mean_scores(
    photos: Sequence[GridPhoto], told: Sequence[Lesson]
) -> dict[tuple[int, int], np.ndarray]:
    """What is known of crops without a look at the photo: their scores in the mean, by its size.

    Each photo's scores are counted from its own mean.

    Returns:
      `looked_at` to `[N]` in the grid's order, 0 for a crop that was never scored.
    """
    found = {}
    for size in sorted({photo.looked_at for photo in photos}):
        own = [each for photo, each in zip(photos, told, strict=True) if photo.looked_at == size]
        centred = [
            (each.scores - np.average(each.scores, weights=each.counted)) * each.counted
            for each in own
        ]
        found[size] = sum(centred) / np.maximum(sum(each.counted for each in own), 1)
    return found


def features(
    folder: Path, photos: Sequence[GridPhoto], teacher: Teacher, turned: bool = False
) -> list[np.ndarray]:
    """What the trunk shows the network, before its reduction, computed now or by an earlier run.

    Args:
      folder: Where they are kept, in parts of some photos.
      photos: The photos.
      teacher: Its trunk is the student's.
      turned: Whether photos are mirrored left to right first.

    Returns:
      A photo's `[height / 16, width / 16, C]` float16 each, mapped from the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network: Any = bundle.build_trunk(teacher.trunk)
    see = tf.function(
        lambda pictures: GridAnchorHead.joined(network.scales(pictures))[0],
        input_signature=[tf.TensorSpec([1, None, None, 3], tf.float32)],
        autograph=False,
    )
    found = []
    for at in tqdm(range(0, len(photos), PART), desc=folder.name, unit="part", disable=None):
        part = photos[at : at + PART]
        depends_on = [teacher.trunk.sha256, turned]
        depends_on += [(each.path.name, each.path.stat().st_size, each.looked_at) for each in part]
        path = folder / f"{hashlib.sha256(repr(depends_on).encode()).hexdigest()[:16]}.npy"
        if not path.is_file():
            grids = [see(picture(photo, turned)).numpy().astype(np.float16) for photo in part]
            buffer = io.BytesIO()
            np.save(buffer, np.concatenate([each.reshape(-1, each.shape[2]) for each in grids]))
            files.write_atomically(path, buffer.getvalue())
        rows = np.load(path, mmap_mode="r")
        shapes = [[side // int(alignment.STRIDE) for side in each.looked_at] for each in part]
        ends = np.cumsum([height * width for height, width in shapes])[:-1]
        found += [
            own.reshape(*shape, -1) for own, shape in zip(np.split(rows, ends), shapes, strict=True)
        ]
    return found


def picture(photo: GridPhoto, turned: bool) -> np.ndarray:
    """A photo as the trunk takes it, `[1, *looked_at, 3]`, as `gaic.cropper.picture` makes it."""
    pixels = opencv_resize.resize(scored_boxes.read(photo.path), *photo.looked_at)
    return pixels[None, :, :: -1 if turned else 1] / np.float32(255)

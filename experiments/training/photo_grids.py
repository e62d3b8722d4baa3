"""Photos with described boxes, and the trunk's grids of them, which are computed once.

What the stand-in of MAttNet is trained with: `train_proposals` finds the boxes, `train_mattnet`
learns which of them a phrase means. The grounder's scenes keep their grids by `in_parts`, too.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.baselines.mattnet import lite_detector
from cagic_tf.networks import checkpoints
from cagic_tf.networks.trunks.lite0 import Lite0
from experiments.data import entities, flickr8k
from experiments.data.annotations import DataError
from experiments.training import regions, views

PART = 500  # Photos whose grids are in one file.


class Thing(NamedTuple):
    """What phrases of a photo name.

    Attributes:
      phrases: The phrases, in lower case.
      corners: `(x0, y0, x1, y1)`, the smallest box around all of it, as fractions of the sides.
    """

    phrases: tuple[str, ...]
    corners: entities.Corners


class Photo(NamedTuple):
    """A photo by its file name.

    Attributes:
      name: File name.
      size: Height and width in pixels, perhaps a guess: what boxes' shapes are told from.
      things: What its phrases name.
      boxes: `[K, 4]` float32, every box in it: of each thing's parts and around each thing.
      descriptions: Phrases of a usable size that mean one thing alone: what is measured with.
    """

    name: str
    size: tuple[int, int]
    things: tuple[Thing, ...]
    boxes: np.ndarray
    descriptions: tuple[entities.Description, ...]


def read(folder: Path, names: Sequence[str]) -> list[Photo]:
    """The photos of some file names that have boxes."""
    return [_photo(annotated) for annotated in entities.read(folder, names) if annotated.boxes]


def _photo(annotated: entities.AnnotatedPhoto) -> Photo:
    said: dict[str, dict[str, None]] = {}
    for sentence in annotated.sentences:
        for phrase in sentence.phrases:
            if phrase.number in annotated.boxes:
                said.setdefault(phrase.number, {})[phrase.text.lower()] = None
    things = tuple(
        Thing(tuple(phrases), entities.union(annotated.boxes[number]))
        for number, phrases in said.items()
    )
    every = [box for boxes in annotated.boxes.values() for box in boxes]
    every += [thing.corners for thing in things]
    boxes = np.array(list(dict.fromkeys(every)), np.float32)
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2] > 0).all(axis=1)]
    described = tuple(entities.phrases(annotated))
    return Photo(annotated.name, annotated.size[::-1], things, boxes, described)


def mirrored(boxes: np.ndarray) -> np.ndarray:
    """Boxes `[..., 4]` in a picture that is mirrored left to right."""
    x0, y0, x1, y1 = np.moveaxis(boxes, -1, 0)
    return np.stack([1 - x1, y0, 1 - x0, y1], axis=-1)


class Grids:
    """Two grids of each of some photos, from files of `PART` photos each.

    Attributes:
      shapes: `(H, W, C)` of the fine and of the coarse one.
    """

    def __init__(self, parts: Sequence[np.ndarray], shapes: Sequence[tuple[int, int, int]]):
        """Takes parts `[photos, fine and coarse values]` float16."""
        self._parts, self.shapes = parts, shapes

    def __getitem__(self, numbers: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`[N, H, W, C]` float32 of photos by their numbers, fine and coarse."""
        found = [self._parts[number // PART][number % PART] for number in numbers]
        rows = np.stack(found).astype(np.float32)
        parts = np.split(rows, [int(np.prod(self.shapes[0]))], axis=1)
        fine, coarse = (
            part.reshape(-1, *shape) for part, shape in zip(parts, self.shapes, strict=True)
        )
        return fine, coarse


def load(
    work_dir: Path,
    data_dir: Path,
    entities_dir: Path,
    photos: Sequence[Photo],
    trunk: Lite0,
    side: int,
    is_mirrored: bool = False,
) -> Grids:
    """The grids of photos, computed and saved first where they are not yet.

    A run that is stopped goes on after the last part that it finished.

    Args:
      work_dir: Where they are kept.
      data_dir: The folder of Flickr8k.
      entities_dir: The folder of Flickr30k Entities.
      photos: The photos.
      trunk: The trunk.
      side: Of the square, in pixels, as which the trunk sees a photo.
      is_mirrored: Whether it sees them mirrored.

    Raises:
      CheckpointError: What is kept is of another trunk or of other photos.
    """
    spec = tf.TensorSpec([None, side, side, 3])
    see = tf.function(
        lambda shown: trunk.grids(shown, lite_detector.BLOCKS), [spec], autograph=False
    )

    def shown(name: str) -> np.ndarray:
        pixels = regions.read_photo(data_dir, entities_dir, name)
        pixels = pixels[:, ::-1] if is_mirrored else pixels
        return lite_detector.picture(np.ascontiguousarray(pixels), side)

    def kept_at(names: Sequence[str]) -> Path:
        return work_dir / f"grids_{side}_{digest((names, side, is_mirrored))}.npy"

    return in_parts([photo.name for photo in photos], see, shown, kept_at)


def in_parts(
    items: Sequence[Any],
    see: Any,
    shown: Callable[[Any], np.ndarray],
    kept_at: Callable[[Sequence[Any]], Path],
) -> Grids:
    """The grids of pictures, each part computed and saved first where it is not yet.

    Args:
      items: What there is a picture of, each.
      see: A `tf.function` from pictures `[N, side, side, 3]` to the two grids.
      shown: Makes the picture of an item, `[side, side, 3]` float32 in [0, 1].
      kept_at: The file of a part of the items.

    Raises:
      CheckpointError: What is kept is of another trunk or of other photos.
    """
    shapes = [tuple(grid.shape[1:]) for grid in see.get_concrete_function().outputs]
    width = sum(int(np.prod(shape)) for shape in shapes)

    def compute(own: Sequence[Any]) -> np.ndarray:
        found = see(tf.stack([shown(item) for item in own]))
        return np.concatenate([grid.numpy().reshape(len(own), -1) for grid in found], axis=1)

    parts = []
    for at in range(0, len(items), PART):
        own = items[at : at + PART]
        path = kept_at(own)
        part = views.cached_features(
            path,
            len(own),
            (width,),
            lambda start, stop, own=own: compute(own[start:stop]),  # type: ignore[misc]
        )
        check(path, part[0], compute(own[:1])[0])
        parts.append(part)
    return Grids(parts, shapes)


def digest(named: Any) -> str:
    """A few hex digits for a file's name, by what it is of."""
    return hashlib.sha256(repr(named).encode()).hexdigest()[:12]


def check(path: Path, kept: np.ndarray, computed: np.ndarray) -> None:
    """Compares a file's first row with the same one computed now.

    The file's name says neither which trunk nor what photos show. Another device's rounding passes.

    Raises:
      CheckpointError: They differ.
    """
    if not np.allclose(kept, computed, rtol=0.05, atol=0.1):
        raise checkpoints.CheckpointError(
            f"{path} is of another trunk or of other photos; give another --work_dir"
        )


def own_size(entities_dir: Path, photos: Sequence[Photo]) -> list[Photo]:
    """Those of the photos that Entities' folder has at their own size: the ones to measure on."""
    return [photo for photo in photos if (entities_dir / "images" / photo.name).is_file()]


def split(data_dir: Path, entities_dir: Path, name: str) -> list[Photo]:
    """The photos of a split of Flickr8k that have boxes.

    Raises:
      DataError: There are none.
    """
    found = read(entities_dir, flickr8k.split_names(data_dir, name))
    if not found:
        raise DataError(f"{entities_dir} has boxes of no photo of {data_dir / name}.txt")
    return found

"""Boxes that a rule draws of many photos, and the teacher's scores of them, kept on disk.

They are kept in parts of a few photos, so that a run that was stopped goes on where it was. A
part's name is a digest of all that its scores depend on: its photos, their boxes, the teacher.
"""

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from cagic_tf.system import files
from experiments.data import flickr8k
from experiments.errors import ExperimentError
from experiments.training.teacher import Teacher

PART = 10  # Photos.

# A photo's file name, width and height to the boxes `[N, 4]`, whole pixels, rows `(x, y, w, h)`.
Rule = Callable[[str, int, int], np.ndarray]


class ScoredBoxes(NamedTuple):
    """Some boxes of a photo.

    Attributes:
      boxes: `[N, 4]` int64 rows `(x, y, w, h)` in whole pixels.
      scores: `[N]` float32, what the teacher thinks of them.
    """

    boxes: np.ndarray
    scores: np.ndarray


def of_photos(
    folder: Path, photos: Sequence[Path], rule: Rule, teacher: Teacher
) -> list[ScoredBoxes]:
    """The boxes that a rule draws of photos, scored now or by an earlier run.

    Args:
      folder: Where scores are kept; made when missing.
      photos: Files.
      rule: Draws the boxes; the same ones at each call.
      teacher: Scores them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for at in tqdm(range(0, len(photos), PART), desc=folder.name, unit="part", disable=None):
        part = photos[at : at + PART]
        boxes = [rule(path.name, *size_of(path)) for path in part]
        scores = _part_scores(folder, part, boxes, teacher)
        ends = np.cumsum([len(each) for each in boxes])[:-1]
        found += map(ScoredBoxes, boxes, np.split(scores, ends))
    return found


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a photo in pixels, without reading them."""
    with Image.open(path) as image:
        return image.size


def read(path: Path) -> np.ndarray:
    """A photo as `[H, W, 3]` uint8, RGB."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def own_sizes(data_dir: Path, entities_dir: Path, names: Sequence[str]) -> list[Path]:
    """The files of photos: at their own size where Entities has it, else Flickr8k's squares."""
    own = (entities_dir / "images" / name for name in names)
    return [
        path if path.is_file() else data_dir / "images" / name
        for path, name in zip(own, names, strict=True)
    ]


def photos_of(data_dir: Path, entities_dir: Path, split: str) -> tuple[list[Path], list[Path]]:
    """The files of a split's photos: those at their own size, and the others, squashed.

    Raises:
      ExperimentError: None is at its own size.
    """
    squares = data_dir / "images"
    found = own_sizes(data_dir, entities_dir, flickr8k.split_names(data_dir, split))
    own = [path for path in found if path.parent != squares]
    if not own:
        raise ExperimentError(f"{entities_dir / 'images'} has no photo of {data_dir / split}.txt")
    return own, [path for path in found if path.parent == squares]


def _part_scores(
    folder: Path, photos: Sequence[Path], boxes: Sequence[np.ndarray], teacher: Teacher
) -> np.ndarray:
    """The scores of all boxes of some photos, one photo's after another's."""
    depends_on = [
        teacher.sha256,
        *(
            (path.name, path.stat().st_size, size_of(path), own.tolist())
            for path, own in zip(photos, boxes, strict=True)
        ),
    ]
    kept = folder / f"{hashlib.sha256(repr(depends_on).encode()).hexdigest()[:16]}.npy"
    if not kept.is_file():
        scores = [teacher.scores(read(path), own) for path, own in zip(photos, boxes, strict=True)]
        buffer = io.BytesIO()
        np.save(buffer, np.concatenate(scores))
        files.write_atomically(kept, buffer.getvalue())
    return np.load(kept)

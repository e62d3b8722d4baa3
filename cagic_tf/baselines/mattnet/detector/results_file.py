"""Objects that another detector found, from a file in COCO's results format.

https://cocodataset.org/#format-results: a JSON list, an entry for each object:
`{"image_id": 42, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}`.
"""

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from cagic_tf.baselines import released
from cagic_tf.baselines.mattnet.detections import Detections
from cagic_tf.baselines.mattnet.detector import box_head

# COCO's names of photos: of 2014 with the part that they are of, of 2017 without.
_NUMBERED = re.compile("(?:COCO_[a-z]+[0-9]{4}_)?([0-9]{1,18})")
_FORMAT = (
    'expected is COCO\'s results format, [{"image_id": 42, "category_id": 1, '
    '"bbox": [x, y, width, height], "score": 0.9}, ...]'
)


class ResultsFileError(Exception):
    """The file is no list of detections, or has none of a photo; the message is one line."""


class Entry(NamedTuple):
    """An object in a photo.

    Attributes:
      box: x, y, width and height in pixels.
      category: COCO's id of what it is.
      score: How sure its detector is, in 0..1.
    """

    box: tuple[float, float, float, float]
    category: int
    score: float


class Describes(Protocol):
    """What gives boxes their features: `detector.Detector`, or the stand-in's `LiteDetector`."""

    def describe(self, photo: np.ndarray, boxes: np.ndarray, categories: np.ndarray) -> Detections:
        """Given objects of a photo, with their features."""
        ...


class ResultsFile:
    """A source of detections: boxes and categories are the file's, features our trunk's."""

    def __init__(self, path: str | os.PathLike, detector: Describes):
        """Reads the file.

        Args:
          path: The file.
          detector: Its trunk makes the features; its own boxes are not asked for.

        Raises:
          ResultsFileError: It is not in COCO's results format.
          OSError: It cannot be read.
        """
        self._path, self._detector = Path(path), detector
        self._entries = read(self._path)

    def detect(self, photo: np.ndarray, image: int | str | os.PathLike) -> Detections:
        """A photo's objects, those that score too low left out as the detector does.

        Args:
          photo: `[H, W, 3]` uint8, RGB.
          image: Which of the file's photos it is; see `find`.

        Returns:
          The objects, in the file's order.

        Raises:
          ResultsFileError: The file has none of this photo, or a box that is not in it.
          ValueError: The photo is no such array.
        """
        released.check_photo(photo)
        entries = self.find(image)
        height, width = photo.shape[:2]
        for x, y, w, h in (entry.box for entry in entries):
            if x >= width or y >= height or x + w <= 0 or y + h <= 0:
                raise ResultsFileError(
                    f"{self._path}: the box {[x, y, w, h]} lies outside of {_name(image)!r}, which "
                    f"has {width} x {height} pixels; boxes are x, y, width and height in pixels"
                )
        high = box_head.thresholded(np.array([entry.score for entry in entries], np.float32))
        kept = [entry for entry, is_high in zip(entries, high, strict=True) if is_high]
        found = np.array([entry.box for entry in kept], np.float64)
        return self._detector.describe(photo, found, np.array([entry.category for entry in kept]))

    def find(self, image: int | str | os.PathLike) -> list[Entry]:
        """The entries of a photo.

        Args:
          image: COCO's number of the photo, or its file. A file is found by its path as the entries
            have it, by its name, with or without its ending, or by the number that it has in COCO:
            `COCO_val2014_000000000042.jpg` and `000000000042.jpg` are 42.

        Raises:
          ResultsFileError: There is none.
        """
        for name in _names(image):
            if name in self._entries:
                return self._entries[name]
        known = ", ".join(repr(name) for name in list(self._entries)[:3])
        has = f"its image_id are such as {known}" if known else "it is empty"
        raise ResultsFileError(
            f"{self._path} has no detections of {_name(image)!r}, {has}; a photo is found by its "
            "number in COCO or by its file's name"
        )


def _name(image: int | str | os.PathLike) -> int | str:
    return image if isinstance(image, int) else os.fspath(image)


def _names(image: int | str | os.PathLike) -> list[int | str]:
    """What a photo can be called in a file, the most exact first."""
    if isinstance(image, int):
        return [image]
    path = Path(image)
    number = _NUMBERED.fullmatch(path.stem)
    return [os.fspath(image), path.name, path.stem, *([int(number[1])] if number else [])]


def read(path: Path) -> dict[int | str, list[Entry]]:
    """The entries of each photo, by its number or its file's name.

    Raises:
      ResultsFileError: The file is not in COCO's results format.
      OSError: It cannot be read.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # No UTF-8, or no JSON.
        raise ResultsFileError(f"{path} is no JSON: {error}; {_FORMAT}") from error
    if not isinstance(rows, list):
        raise ResultsFileError(f"{path} is no list of detections; {_FORMAT}")
    found: dict[int | str, list[Entry]] = {}
    for number, row in enumerate(rows, 1):
        problem = _problem(row)
        if problem:
            raise ResultsFileError(f"{path}, detection {number}: {problem}; {_FORMAT}")
        x, y, width, height = map(float, row["bbox"])
        entry = Entry((x, y, width, height), row["category_id"], float(row["score"]))
        found.setdefault(row["image_id"], []).append(entry)
    return found


def _problem(row: Any) -> str:
    """What is wrong with an entry; "" if nothing is. Further keys are no matter."""
    if not isinstance(row, dict):
        return f"{_short(row)} is no object"
    missing = [key for key in ("image_id", "category_id", "bbox", "score") if key not in row]
    if missing:
        return f"it has no {missing[0]}"
    image, box, score = row["image_id"], row["bbox"], row["score"]
    if not _is_whole(image) and not (isinstance(image, str) and image):
        return f"image_id {_short(image)} is neither a whole number nor a file's name"
    if not _is_whole(row["category_id"]):
        return f"category_id {_short(row['category_id'])} is no whole number"
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        return f"bbox {_short(box)} is not four numbers"
    if min(box[2:]) <= 0:
        return f"bbox {_short(box)} has no inside"
    if not _is_number(score) or not 0 <= score <= 1:
        return f"score {_short(score)} is no number from 0 to 1"
    return ""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e9  # No infinity, and no NaN.


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

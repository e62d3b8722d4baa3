"""What the readers of data sets share: annotations, boxes, JSON and CSV files, errors."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.errors import ExperimentError

Box = tuple[float, float, float, float]

# What a file of another form raises where a reader takes it apart.
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError)


class DataError(ExperimentError):
    """A data set's file is not what it should be."""


class Annotation(NamedTuple):
    """One phrase about a part of a photo, as a data set's files give it.

    Attributes:
      id: Unique in the data set.
      photo: File name of the photo.
      caption: The phrase.
      boxes: `(x, y, w, h)` in pixels, as they are in the file: perhaps beyond the photo.
      size: `(width, height)` of the photo in pixels; None where the files do not say.
      people: Boxes of the people in the photo, likewise.
      in_fractions: Whether all boxes are fractions of the photo's sides instead.
    """

    id: str
    photo: str
    caption: str
    boxes: tuple[Box, ...]
    size: tuple[int, int] | None = None
    people: tuple[Box, ...] = ()
    in_fractions: bool = False


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
      DataError: It is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON file: {error}") from error


def read_csv(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The lines of a CSV file with a heading.

    Args:
      path: The file, in UTF-8.
      columns: Columns that it must have; it may have others.

    Returns:
      Line number and column to text, stripped, of each line.

    Raises:
      DataError: It is missing, no CSV, or lacks a column.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            names = reader.fieldnames or []
            missing = [name for name in columns if name not in names]
            if missing:
                raise DataError(f"{path} lacks the columns {missing}; needed are {list(columns)}")
            return [
                (reader.line_num, {name: (line[name] or "").strip() for name in names})
                for line in reader
            ]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no CSV file: {error}") from error


def finite(values: Sequence[Any]) -> Box:
    """Four finite numbers.

    Raises:
      ValueError, TypeError: They are not.
    """
    x, y, w, h = (float(value) for value in values)
    if not all(math.isfinite(value) for value in (x, y, w, h)):
        raise ValueError(f"the box {[x, y, w, h]} is not finite")
    return x, y, w, h


def in_pixels(box: Box, size: tuple[int, int]) -> Box:
    """A box of fractions of a photo's sides in the photo's pixels, to the hundredth."""
    (x, y, w, h), (width, height) = box, size
    return round(x * width, 2), round(y * height, 2), round(w * width, 2), round(h * height, 2)


def clip(box: Box, size: tuple[int, int]) -> Box | None:
    """The part of a box that lies in the photo.

    Args:
      box: `(x, y, w, h)` in pixels.
      size: `(width, height)` of the photo in pixels.

    Returns:
      `(x, y, w, h)`, or None where less than one pixel across or down is left. A box inside the
      photo is returned as it is.
    """
    x, y, w, h = box
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + w, size[0]), min(y + h, size[1])
    if (left, top, right, bottom) != (x, y, x + w, y + h):
        w, h = right - left, bottom - top
    return (left, top, w, h) if min(w, h) >= 1 else None

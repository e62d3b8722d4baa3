"""What to crop: rows of image, caption and perhaps ground-truth crops, from a JSONL file."""

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

KEYS = ("id", "image", "caption", "crops")


class ManifestError(Exception):
    """A manifest cannot be used; the message is one line."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One photo and one caption.

    Attributes:
      id: Name of the row, safe as a file name, unique in its manifest.
      image: Path of the photo as it was given.
      path: Path of the photo to open.
      caption: What the crop should show.
      crops: Ground-truth crops `(x, y, w, h)` in pixels of the upright photo; may be empty.
    """

    id: str
    image: str
    path: Path
    caption: str
    crops: tuple[tuple[float, float, float, float], ...] = ()


def single(image: str, caption: str) -> list[Row]:
    """The one row of `--image` and `--caption`."""
    return [Row(safe_name(f"{Path(image).stem}-{caption}"), image, Path(image), caption)]


def read(path: Path) -> list[Row]:
    """Reads `{"id"?, "image", "caption", "crops"?}`, one object a line; blank lines are skipped.

    Args:
      path: The manifest. Paths of photos are relative to its folder; crops are
        `[[x, y, w, h], ...]` in pixels.

    Returns:
      The rows. A row without an id is named after its line number and photo.

    Raises:
      ManifestError: The file is missing, a line is not such an object, or an id occurs twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot read the manifest {path}: {error}") from error
    rows, seen = [], {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            row = _parse(line, number, path)
            if row.id in seen:
                raise ManifestError(
                    f"{path}, line {number}: the id {row.id!r} is line {seen[row.id]}'s already "
                    "(ids name the output files)"
                )
            seen[row.id] = number
            rows.append(row)
    if not rows:
        raise ManifestError(f"the manifest {path} has no rows")
    return rows


def safe_name(text: str) -> str:
    """A file name made of letters, digits, ".", "_" and "-", at most 80 long."""
    return re.sub(r"[^\w.-]+", "-", text.strip(), flags=re.ASCII).strip("-.")[:80] or "row"


def _parse(line: str, number: int, path: Path) -> Row:
    where = f"{path}, line {number}"
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise ManifestError(f"{where}: no JSON object: {error}") from error
    if not isinstance(entry, dict) or not all(
        isinstance(entry.get(key), str) for key in ("image", "caption")
    ):
        raise ManifestError(f'{where}: an object with the texts "image" and "caption" is needed')
    unknown = sorted(set(entry) - set(KEYS))
    if unknown:
        raise ManifestError(f"{where}: unknown keys {unknown}; accepted are {list(KEYS)}")
    name = entry.get("id")
    if not isinstance(name, str | int | None) or isinstance(name, bool):
        raise ManifestError(f"{where}: the id {name!r} is neither text nor a whole number")
    default = f"{number:04d}-{Path(entry['image']).stem}"
    return Row(
        safe_name(default if name is None else str(name)),
        entry["image"],
        path.parent / entry["image"],
        entry["caption"],
        _parse_crops(entry.get("crops") or [], where),
    )


def _parse_crops(crops: Sequence, where: str) -> tuple[tuple[float, float, float, float], ...]:
    try:
        boxes = tuple(tuple(crop) for crop in crops)
    except TypeError:
        boxes = ((),)
    if not all(
        len(box) == 4
        and all(isinstance(value, int | float) and math.isfinite(value) for value in box)
        and min(box[2:]) >= 1
        for box in boxes
    ):
        raise ManifestError(
            f"{where}: crops are {json.dumps(crops)}; a list of [x, y, w, h] in pixels with w and "
            "h of 1 or more is needed"
        )
    return boxes

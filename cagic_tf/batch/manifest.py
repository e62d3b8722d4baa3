"""What to crop: rows of photo and caption, from a JSONL or CSV file."""

import dataclasses
import hashlib
import json
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cagic_tf.batch import csv_rows
from cagic_tf.beyond import shapes
from cagic_tf.system import text_files

BOXES = ("crops", "people")
KEYS = ("id", "image", "caption", *BOXES)
LONGEST_CAPTION = 80  # Characters of it that people are shown.
NAMELESS = "row"  # The id of what has no letters.
_LONGEST_NAME, _MOST_BYTES = 80, 120
# Controls, such as escape sequences of terminals and what turns the direction of writing; halves of
# characters, which cannot be printed.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class ManifestError(Exception):
    """A manifest cannot be used; the message is one line."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One photo and one caption.

    Attributes:
      id: Name of the row, safe as a file name, unique in its manifest.
      image: Path of the photo as it was given.
      path: Path of the photo to open.
      caption: What the crop should show; None: the aesthetic loss alone says.
      crops: Ground-truth crops `(x, y, w, h)` in pixels of the upright photo; may be empty.
      people: Boxes of the people in the photo, likewise; tables say how many a crop cuts through.
      problem: Why the row cannot be cropped, in one line; "" if nothing is known against it.
      shape: The shape that the crop gets; None: what crops it says.
    """

    id: str
    image: str
    path: Path
    caption: str | None
    crops: tuple[tuple[float, float, float, float], ...] = ()
    people: tuple[tuple[float, float, float, float], ...] = ()
    problem: str = ""
    shape: shapes.Shape | None = None


def in_shape(row: Row, own: shapes.Shape) -> Row:
    """The row, with what crops it giving its own shape if the row asks for none.

    Raises:
      ManifestError: The row asks for a free shape, and what crops it chooses none.
    """
    if row.shape == shapes.FREE != own:
        raise ManifestError(shapes.KEEPS_SHAPE)
    return row if row.shape else dataclasses.replace(row, shape=own)


def in_shapes(rows: Sequence[Row], wanted: Sequence[shapes.Shape]) -> list[Row]:
    """Each row once for each shape, the shape's suffix at its id: `dog`, `dog-16x9`, `dog-1x1`.

    A row for each keeps one line a crop and one crop a line: readers of the results need not know
    of shapes, a killed run goes on at the next of them, and a shape can be asked for later.

    Raises:
      ManifestError: Two ids would be the same.
    """
    made = [
        dataclasses.replace(row, id=row.id + shape.suffix, shape=shape)
        for row in rows
        for shape in wanted
    ]
    twice = [name for name, count in Counter(row.id for row in made).items() if count > 1]
    if twice:
        raise ManifestError(
            f"the id {twice[0]!r} would be that of two crops: a row's own and that of a row in "
            "another shape; rename one"
        )
    return made


def single(image: str, caption: str | None) -> list[Row]:
    """The one row of `--image` and `--caption`; "~" is the home folder."""
    stem = printable(Path(image).stem)
    name = safe_name(stem if caption is None else f"{stem}-{caption}")
    return [Row(name, printable(image), Path(os.path.expanduser(image)), caption)]


def read(path: Path, with_captions: bool = True) -> list[Row]:
    """Reads `{"id"?, "image", "caption", "crops"?, "people"?}`, one object a line.

    Blank lines are skipped. A file that ends in .csv has these as columns, beside others, which are
    not read, and boxes as JSON; empty cells count as absent. It may be in any encoding that
    `text_files.decoded` knows, other files are UTF-8.

    Args:
      path: The manifest. Paths of photos are relative to its folder, "~" is the home folder; crops
        and people are `[[x, y, w, h], ...]` in pixels.
      with_captions: Whether each row needs one; else they have none, whatever the file says.

    Returns:
      The rows. A row without an id is named after its line number and photo.

    Raises:
      ManifestError: The file is missing, a line is not such an object, or an id occurs twice.
    """
    path = Path(os.path.expanduser(path))
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number, entry in _entries(path, ("image", "caption") if with_captions else ("image",)):
        if isinstance(entry, dict) and not with_captions:
            entry["caption"] = ""
        row = _parse(entry, number, path)
        row = row if with_captions else dataclasses.replace(row, caption=None)
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


def shard(rows: Sequence[Row], text: str) -> list[Row]:
    """The rows of one of n parts: "2/3" is the second, fifth, eighth, ... row.

    Raises:
      ManifestError: The text is not i/n with i from 1 to n.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    part, parts = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= part <= parts:
        raise ManifestError(f"the shard is {text!r}; i/n with i from 1 to n is needed, such as 1/4")
    return list(rows[part - 1 :: parts])


def safe_name(text: str) -> str:
    """A file name made of letters and digits of any script, ".", "_" and "-".

        >>> safe_name("Zürich, 写真!")
        'Zürich-写真'

    It has at most 80 of them, and 120 bytes: with what is added to an id it stays below what file
    systems hold. A text without any is `NAMELESS`.
    """
    composed = unicodedata.normalize("NFC", text.strip())
    encoding = sys.getfilesystemencoding()  # All but UTF-8 can name the files of some scripts only.
    composed = composed.encode(encoding, "replace").decode(encoding)
    name = re.sub(" +", "-", "".join(char if _is_safe(char) else " " for char in composed))
    name = name.strip("-.")[:_LONGEST_NAME].encode()[:_MOST_BYTES].decode(errors="ignore")
    return name.rstrip("-.") or NAMELESS


def _is_safe(char: str) -> bool:
    # Marks as well: what is left of Hindi or Thai without them cannot be read.
    return char.isalnum() or char in "._-" or unicodedata.category(char).startswith("M")


def told_apart(name: str, of: bytes) -> str:
    """A safe name that another has as well, with eight digits that depend on what it names."""
    return f"{safe_name(name[: _LONGEST_NAME - 9])}-{hashlib.sha256(of).hexdigest()[:8]}"


def printable(path: str | os.PathLike[str]) -> str:
    """A path, or a text of the command line, as JSON can hold it, whatever bytes it has."""
    text = os.fspath(path)
    try:
        text.encode()
    except UnicodeEncodeError:  # Bytes that are none of the encoding that files' names have.
        return os.fsencode(text).decode("utf-8", "replace")
    return text


def shown(text: str, longest: int) -> str:
    """A text for a line of a terminal or a title: no control characters, cut where it is long.

    Args:
      text: Any text.
      longest: Most characters; where there are more an ellipsis is the last.
    """
    text = _UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)
    return text if len(text) <= longest else text[: longest - 1] + "\u2026"


def _entries(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, Any]]:
    """What a manifest's lines hold, each with its number."""
    is_csv = path.suffix.lower() == ".csv"
    try:
        data = path.read_bytes()
        text = text_files.decoded(data) if is_csv else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"cannot read the manifest {path}: it is not UTF-8 ({error.reason}); save it as UTF-8"
        ) from error
    except (OSError, ValueError) as error:
        raise ManifestError(f"cannot read the manifest {path}: {error}") from error
    yield from _csv_entries(text, path, needed) if is_csv else _json_entries(text, path)


def _json_entries(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ManifestError(f"{path}, line {number}: no JSON object: {error}") from error


def _csv_entries(text: str, path: Path, needed: Sequence[str]) -> Iterator[tuple[int, Any]]:
    try:
        for number, cells in csv_rows.read(text, KEYS, needed):
            entry: dict[str, Any] = {
                key: cell.strip() for key, cell in cells.items() if cell.strip() or key == "caption"
            }
            image = cells["image"]
            if image != image.strip() and os.path.lexists(path.parent / image):
                entry["image"] = image  # Its spaces are those of the file's name.
            for key in [key for key in BOXES if key in entry]:
                try:
                    entry[key] = json.loads(entry[key])
                except (ValueError, RecursionError) as error:
                    raise ValueError(f"line {number}: {key} are no JSON: {error}") from error
            yield number, entry
    except ValueError as error:
        raise ManifestError(f"{path}, {error}") from error


def _is_text(value: Any) -> bool:
    """Whether it is text that a file can hold; JSON can name half characters."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff\0]", value)


def _parse(entry: Any, number: int, path: Path) -> Row:
    where = f"{path}, line {number}"
    if not isinstance(entry, dict) or not all(
        _is_text(entry.get(key)) for key in ("image", "caption")
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
        path.parent / os.path.expanduser(entry["image"]),
        entry["caption"],
        crops=_parse_boxes(entry.get("crops") or [], f"{where}: crops"),
        people=_parse_boxes(entry.get("people") or [], f"{where}: people"),
    )


def _parse_boxes(given: Sequence, where: str) -> tuple[tuple[float, float, float, float], ...]:
    try:
        boxes = tuple(tuple(box) for box in given)
    except TypeError:
        boxes = ((),)
    if not all(
        len(box) == 4
        and all(isinstance(value, int | float) and abs(value) < 1e9 for value in box)
        and min(box[2:]) >= 1
        for box in boxes
    ):
        raise ManifestError(
            f"{where} are {json.dumps(given)[:200]}; a list of [x, y, w, h] in pixels with w and "
            "h of 1 or more is needed"
        )
    return boxes

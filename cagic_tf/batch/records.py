"""The fields of a line of `results.jsonl`, and the one reader of such files."""

import dataclasses
import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from cagic_tf.system import files


class RecordError(ValueError):
    """A file of results cannot be read; the message is one line."""


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What has become of a row: one line of `results.jsonl`, its fields in the line's order.

    What a row does not have is None: all but the first five fields of a row that failed, and most
    of them where another method than ours gave only a box.

    Attributes:
      id: Name of the row, unique in its file.
      image: Path of the photo as it was given.
      caption: What the crop was to show; None: the aesthetic loss alone said.
      status: "ok" or "error".
      error: Why the row failed, in one line; None: it did not.
      box: `[x, y, w, h]` in pixels of the upright photo.
      box_normalized: `[x0, y0, x1, y1]` in [0, 1].
      scale: The crop's side as a share of the photo's, or of the largest crop of its shape.
      center: `[x, y]` in [-1, 1] over the photo.
      loss: Each loss by name; "total" is Eq. 3.
      predicted_caption: The captioner's own caption of the crop.
      matched_words: Words of the caption by what knows them, see `results.CropResult`.
      unknown_words: Words that nothing knows, each to its nearest known words.
      iou: Mean IoU with the row's ground-truth crops; None where it has none.
      crop_file: Name of the crop's file in the output folder.
      evaluations: How many crops the search computed the losses for.
      seconds: Time spent on the photo, networks loaded before.
      seed: Seed of the restarts.
      checkpoints: Name of each checkpoint used to its SHA-256.
      shape: The shape that was asked for, such as "free", "original" or "16:9".
      candidates: The best distinct crops, this one first: the fields from `box` to
        `predicted_caption` and `crop_file` of each.
      note: What else is to know of the photo, such as that it is one of several pictures of its
        file; None: nothing is.
      photo: What tells the photo's file from another of its name, see `up_to_date.photo`; None: no
        pictures were made.
      saved_as: How its crops are written, see `up_to_date.style`; likewise.
    """

    id: str
    image: str
    caption: str | None
    status: str
    error: str | None = None
    box: list[float] | None = None
    box_normalized: list[float] | None = None
    scale: float | None = None
    center: list[float] | None = None
    loss: dict[str, float] | None = None
    predicted_caption: str | None = None
    matched_words: dict[str, Any] | None = None
    unknown_words: dict[str, list[str]] | None = None
    iou: float | None = None
    crop_file: str | None = None
    evaluations: int | None = None
    seconds: float | None = None
    seed: int | None = None
    checkpoints: dict[str, str] | None = None
    shape: str | None = None
    candidates: list[dict[str, Any]] | None = None
    note: str | None = None
    photo: dict[str, Any] | None = None
    saved_as: dict[str, Any] | None = None

    @property
    def ok(self) -> bool:
        """Whether the row has a crop."""
        return self.status == "ok"

    @property
    def shape_name(self) -> str:
        """The crop's shape; lines from before there were shapes have none."""
        return self.shape or "original"

    def line(self) -> bytes:
        """The record as a line of `results.jsonl`, in UTF-8, with its end of line.

        What stands for bytes that are no UTF-8, as in a path that an error names, becomes "?".
        """
        text = json.dumps(dataclasses.asdict(self), ensure_ascii=False)
        return text.encode("utf-8", "replace") + b"\n"


FIELDS = tuple(field.name for field in dataclasses.fields(Record))
_NEEDED = ("id", "image", "status")
_TYPES = get_type_hints(Record)


def read(path: Path) -> dict[str, Record]:
    """Reads a `results.jsonl`: the id of each row to its record, in the file's order.

    A last line without its end was cut off by a crash and is left out. Of lines of the same id the
    last counts. Keys that are missing are None; keys that are unknown are an error, since a file
    of another program or a later version would lose them when it is written again.

    Args:
      path: The file.

    Raises:
      RecordError: The file cannot be read, or a line is no record.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot read the results {path}: {error.strerror or error}") from error
    records = {}
    for number, line in enumerate(whole_lines(data).splitlines(), 1):
        record = _parse(line, f"{path}, line {number}")
        records[record.id] = record
    return records


def reopen(path: Path) -> dict[str, Record]:
    """Reads a `results.jsonl` that a run goes on with, see `read`; none where it is not there.

    The file loses a last line that was cut off, and lines that a later one of the same id replaces.

    Raises:
      RecordError: A line is no record.
      OSError: The file cannot be read or written.
    """
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = whole_lines(data)
    if whole != data:
        files.write_atomically(path, whole)
    found = read(path)
    if len(found) < whole.count(b"\n"):
        files.write_atomically(path, b"".join(record.line() for record in found.values()))
    return found


def whole_lines(data: bytes) -> bytes:
    """The content of a file of lines without a last line that has no end."""
    return data[: data.rfind(b"\n") + 1]


def _parse(line: bytes, where: str) -> Record:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: no JSON object: {error}") from error
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in _NEEDED):
        raise RecordError(f"{where}: an object with the texts {', '.join(_NEEDED)} is needed")
    unknown = sorted(set(entry) - set(FIELDS))
    if unknown:
        raise RecordError(f"{where}: unknown keys {unknown}; accepted are {list(FIELDS)}")
    if message := problem(entry):
        raise RecordError(f"{where}: {message}")
    return Record(**{"caption": None, **entry})


def problem(fields: Mapping[str, Any]) -> str:
    """What is wrong with the values of some fields of a record, in one line; "" if nothing is."""
    for name, value in fields.items():
        if not _is_of(value, _TYPES[name]):
            return f"{name} is {_shown(value)}; a value of the type {_TYPES[name]} is needed"
    if fields.get("status", "ok") not in ("ok", "error"):
        return f'status is {_shown(fields["status"])}; "ok" or "error" is needed'
    boxes = [crop.get("box") or [] for crop in fields.get("candidates") or ()]
    for box in [*boxes, fields.get("box")]:
        if box is not None and not (_is_of(box, list[float]) and len(box) == 4):
            return f"a box is {_shown(box)}; four numbers are needed"
    return ""


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a type: one of those that the fields of `Record` have."""
    parts = get_args(kind)
    if kind is Any:
        return True
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_is_of(each, parts[0]) for each in value)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(_is_of(each, parts[1]) for each in value.values())
    if parts:  # A union.
        return any(_is_of(value, part) for part in parts)
    kind = int | float if kind is float else kind
    return isinstance(value, kind) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return json.dumps(value)[:60]


def summary(records: Iterable[Record]) -> str:
    """The closing line: rows, errors, IoU over rows with ground truth, seconds a picture.

    The first picture of a process takes the start-up along, so that the mean says little of a few;
    the median does not have it, of two pictures the faster one.
    """
    records = list(records)
    good = [record for record in records if record.ok]
    failed = len(records) - len(good)
    text = f"{counted(len(records), 'row')}, {counted(failed, 'error')}"
    overlaps = [record.iou for record in good if record.iou is not None]
    if overlaps:
        text += f", mean IoU {np.mean(overlaps):.4f} (std {np.std(overlaps):.4f})"
    seconds = [record.seconds for record in good if record.seconds is not None]
    if len(seconds) == 1:
        text += f", {seconds[0]:.1f} s with the start-up"
    elif seconds:
        text += f", {statistics.median_low(seconds):.1f} s a picture"
    return text


def counted(number: int, noun: str) -> str:
    """How many there are of something: "1 row", "2 rows"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

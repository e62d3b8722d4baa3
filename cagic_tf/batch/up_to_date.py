"""Whether a crop is what is asked for now: of this photo, written in this way, and there."""

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import Any

from cagic_tf.batch import manifest, records
from cagic_tf.photos import crop_files


def is_of_another(record: records.Record, row: manifest.Row) -> bool:
    """Whether a record of the row's id is of another photo's path, caption or shape."""
    if row.shape and row.shape.name != record.shape_name:
        return True
    return (record.image, record.caption) != (row.image, row.caption)


def photo(path: Path) -> dict[str, Any]:
    """What tells a photo's file from another under its name, JSON types.

    Returns:
      "bytes", its length; "modified", its time in nanoseconds; "sha256", of its content; "place",
      eight digits for its path, which itself may say more than somebody wants to pass on.

    Raises:
      OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {**_length_and_time(path), "sha256": digest, "place": place(path)}


def place(path: Path) -> str:
    """Eight digits for a file's absolute path, the same from any working directory."""
    return hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:8]


def photo_change(record: records.Record, path: Path) -> str:
    """How the photo differs from the one that a record is of, such as "it had 5 bytes and has 7".

    Its content counts. It is read only where length and time leave the question open: a photo that
    was copied has another time, and is the same.

    Returns:
      "" where it is the same, is not there any more, or the record does not say.
    """
    known = record.photo or {}
    try:
        now = _length_and_time(path)
        if not known or now.items() <= known.items():
            return ""
        if now["bytes"] != known.get("bytes"):
            return f"it had {known.get('bytes')} bytes and has {now['bytes']}"
        if photo(path)["sha256"] != known.get("sha256"):
            return "its content is another"
    except OSError:
        pass
    return ""


def style(options: crop_files.SaveOptions) -> dict[str, Any]:
    """How crops are written, JSON types: `crop_files.SaveOptions` by its fields' names."""
    return dataclasses.asdict(options)


def crop_change(record: records.Record, options: crop_files.SaveOptions, directory: Path) -> str:
    """Why a record's crops have to be written again; "" where they need not.

    Args:
      record: Of a row with a crop.
      options: How crops are written now.
      directory: Where they are.
    """
    crops = [record.crop_file, *(crop.get("crop_file") for crop in record.candidates or ())]
    for name in crops:
        if name and not (directory / name).exists():
            return f"{name} is missing"
    wanted, known = style(options), record.saved_as or {}
    for name, value in wanted.items():
        if known.get(name) != value:
            was = f"was {known[name]}" if name in known else "is not known"
            return f"{name} {was} and is {value} now"
    return ""


def _length_and_time(path: Path) -> dict[str, int]:
    found = path.stat()
    return {"bytes": found.st_size, "modified": found.st_mtime_ns}

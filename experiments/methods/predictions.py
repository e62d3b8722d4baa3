"""Boxes that another method wrote: JSONL lines `{"id", "box"}`, or a `results.jsonl` of ours."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from cagic_tf.batch import manifest, output_folder


class PredictionsError(Exception):
    """A file of boxes cannot be used; the message is one line."""


class Predictions:
    """Boxes by row id, with whatever else of a result line the file has.

    Attributes:
      sha256: Of the file.
    """

    def __init__(self, path: Path):
        """Reads the file; lines whose "status" is "error" have no box and count as missing.

        Raises:
          PredictionsError: The file cannot be read, or a line is not such an object.
        """
        self._path = path
        try:
            data = path.read_bytes()
            lines = data.decode("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise PredictionsError(f"cannot read the predictions {path}: {error}") from error
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._entries = {}
        for number, line in enumerate(lines, 1):
            if line.strip():
                name, entry = _parse(line, f"{path}, line {number}")
                if name in self._entries:
                    raise PredictionsError(f"{path}, line {number}: the id {name!r} occurs twice")
                self._entries[name] = entry

    def __call__(self, row: manifest.Row) -> dict[str, Any]:
        """The known fields of the row's result line.

        Raises:
          ValueError: The file has no box for the row.
        """
        entry = self._entries.get(row.id)
        if entry is None:
            raise ValueError(f"{self._path} has no box for the row {row.id!r}")
        return entry


def _parse(line: str, where: str) -> tuple[str, dict[str, Any] | None]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise PredictionsError(f"{where}: no JSON object: {error}") from error
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str | int):
        raise PredictionsError(f'{where}: an object with an "id" and a "box" is needed')
    name = manifest.safe_name(str(entry["id"]))
    if entry.get("status") == "error":
        return name, None
    box = entry.get("box")
    if not (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(value, int | float) and math.isfinite(value) for value in box)
        and min(box[2:]) > 0
    ):
        raise PredictionsError(
            f"{where}: the box is {json.dumps(box)}; [x, y, w, h] in pixels is needed, w and h "
            "above 0"
        )
    return name, {key: entry[key] for key in output_folder.RESULT_KEYS if key in entry}

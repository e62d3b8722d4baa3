"""Boxes that another method wrote: JSONL lines `{"id", "box"}`.

A `results.jsonl` of ours is such a file, too: the other fields of a record are kept, unknown ones
are not looked at.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from cagic_tf.batch import manifest, records
from experiments.errors import ExperimentError

# What a record says of the crop, not of the row.
_KEPT = frozenset(records.FIELDS) - {"id", "image", "caption", "status", "error", "shape"}


class Predictions:
    """Boxes by row id, with whatever else of a record the file has.

    Attributes:
      sha256: Of the file.
    """

    def __init__(self, path: Path):
        """Reads the file; lines whose "status" is "error" have no box and count as missing.

        Raises:
          ExperimentError: The file cannot be read, or a line is not such an object.
        """
        self._path = path
        try:
            data = path.read_bytes()
            lines = data.decode("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ExperimentError(f"cannot read the predictions {path}: {error}") from error
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._found = {}
        for number, line in enumerate(lines, 1):
            if line.strip():
                name, fields = _parse(line, f"{path}, line {number}")
                if name in self._found:
                    raise ExperimentError(f"{path}, line {number}: the id {name!r} occurs twice")
                self._found[name] = fields

    def __call__(self, row: manifest.Row) -> dict[str, Any]:
        """The fields of the row's record that are known.

        Raises:
          ValueError: The file has no box for the row.
        """
        fields = self._found.get(row.id)
        if fields is None:
            raise ValueError(f"{self._path.name} has no box for the row {row.id!r}")
        return fields


def _parse(line: str, where: str) -> tuple[str, dict[str, Any] | None]:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise ExperimentError(f"{where}: no JSON object: {error}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("id"), str | int):
        raise ExperimentError(f'{where}: an object with an "id" and a "box" is needed')
    name = manifest.safe_name(str(fields["id"]))
    if fields.get("status") == "error":
        return name, None
    box = fields.get("box")
    if not (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(value, int | float) and math.isfinite(value) for value in box)
        and min(box[2:]) > 0
    ):
        raise ExperimentError(
            f"{where}: the box is {json.dumps(box)}; [x, y, w, h] in pixels is needed, w and h "
            "above 0"
        )
    kept = {key: value for key, value in fields.items() if key in _KEPT}
    if message := records.problem(kept):  # It could be written, but never read again.
        raise ExperimentError(f"{where}: {message}")
    return name, kept

"""Rows that are being written: after a kill the next run knows which files are its own."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from cagic_tf.system import files

_NAME = ".writing"


class Unfinished:
    """The names of files that rows are about to write or remove, kept in the folder."""

    def __init__(self, directory: Path, finished: Mapping[str, Iterable[str]]):
        """Reads what a killed run left, and removes files that no line names.

        Args:
          directory: The output folder.
          finished: Id of each row that has a crop to the names of the row's files. What else a
            row was writing when the run was killed is removed.

        Raises:
          OSError, ValueError: The folder's file cannot be read or written.
        """
        self._directory = directory
        path = directory / _NAME
        self._names: dict[str, list[str]] = json.loads(path.read_bytes()) if path.exists() else {}
        named = {name for names in finished.values() for name in names}
        for key in [key for key in self._names if key in finished]:
            for name in set(self._names[key]) - named:
                (directory / name).unlink(missing_ok=True)
            del self._names[key]
        self._write()

    def of(self, row_id: str) -> list[str]:
        """The names of files that a killed run may have left of the row."""
        return self._names.get(row_id, [])

    def begin(self, row_id: str, names: Iterable[str]) -> None:
        """Keeps the names until `end`."""
        self._names[row_id] = sorted(set(names))
        self._write()

    def end(self, row_id: str) -> None:
        """Forgets the row: its line is written."""
        del self._names[row_id]
        self._write()

    def _write(self) -> None:
        path = self._directory / _NAME
        if self._names:
            files.write_atomically(path, json.dumps(self._names).encode())
        else:
            path.unlink(missing_ok=True)

"""The output folder: crops, overlays, plots, `operative_config.gin` and `results.jsonl`.

`results.jsonl` grows by one whole line a row, after the row's pictures are on the disk; a line cut
off by a crash is dropped when the same command goes on. One process at a time has the folder.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cagic_tf.batch import manifest, records, resuming, row_output
from cagic_tf.photos import crop_files
from cagic_tf.system import files

RESULTS, CONFIG, PROVENANCE = "results.jsonl", resuming.CONFIG, resuming.PROVENANCE
_LOCK, _WRITING = ".lock", ".writing"


class OutputError(Exception):
    """The output folder cannot be used; the message is one line."""


class OutputFolder:
    """Results of one configuration.

    Attributes:
      done: Id of each row that has a result to its record.
    """

    def __init__(
        self,
        directory: Path,
        config: str,
        pictures: bool = True,
        save_options: crop_files.SaveOptions | None = None,
        overwrite: bool = False,
        candidate_count: int = 1,
        provenance: Mapping[str, Any] | None = None,
    ):
        """Opens a folder, new or of an earlier run with the same settings.

        Args:
          directory: The folder; made when missing.
          config: The operative configuration as gin text.
          pictures: Whether rows get their crop, overlay and plot beside their line.
          save_options: How crops are named and written; None: "{id}_crop", in the photo's own
            format.
          overwrite: Whether pictures may replace files that no row of this folder left.
          candidate_count: Most crops that a row has, the first and others.
          provenance: What makes the results, for `provenance.json`: what `provenance.record` gives,
            with "checkpoints" and "threads"; None: no such file.

        Raises:
          OutputError: It cannot be written, another process has it, it holds results of another
            configuration, checkpoint, version or thread count, or the crops' name could leave it or
            be another file's.
        """
        self._directory, self._pictures, self._overwrite = directory, pictures, overwrite
        self._save_options = save_options or crop_files.SaveOptions()
        self._candidate_count = candidate_count
        _check_name(self._save_options.name)
        self._results = directory / RESULTS
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = files.Lock(directory / _LOCK)
        except BlockingIOError as error:
            raise OutputError(
                f"another run is writing to {directory}; wait for it, or choose another "
                "--output_dir"
            ) from error
        except OSError as error:
            raise OutputError(f"cannot use the output folder {directory}: {error}") from error
        try:
            self.done = self._read_results()
            self._unfinished = self._read_unfinished()
            self._write_unfinished()  # Without rows that were finished but for this.
            self._owners = {
                name: key for key, found in self.done.items() for name in row_output.written(found)
            }
            self._begin_or_resume(config, provenance)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.close()
            raise OutputError(f"cannot use the output folder {directory}: {error}") from error
        except BaseException:
            self.close()
            raise

    def _begin_or_resume(self, config: str, provenance: Mapping[str, Any] | None) -> None:
        """Writes what the rows are made with; refuses where those that are there are of another.

        Only rows with a crop count: errors are not results, and can be tried again.
        """
        made = {key: record for key, record in self.done.items() if record.ok}
        if made:
            found = resuming.difference(self._directory, made, config, provenance)
            if found:
                raise OutputError(
                    f"{self._directory} holds results {found}; choose another --output_dir"
                )
        contents = {CONFIG: config}
        if provenance is not None:
            old = resuming.read(self._directory) if made else None
            merged = resuming.merged(old, provenance, len(made))
            contents[PROVENANCE] = json.dumps(merged, indent=2) + "\n"
        for name, text in contents.items():
            path = self._directory / name
            if not path.exists() or path.read_bytes() != text.encode():
                files.write_atomically(path, text.encode())

    def close(self) -> None:
        """Lets others have the folder; at the latest the end of the process does so."""
        self._lock.release()

    def is_done(self, row: manifest.Row) -> bool:
        """Whether the row has a result already.

        Raises:
          OutputError: The folder's row of that id is of another photo, caption or shape.
        """
        found = self.done.get(row.id)
        if found and _differs(found, row):
            raise OutputError(
                f"{self._results} has a row {row.id!r} of {found.image!r} and "
                f"{found.caption!r}, {_shape(found)}; choose another --output_dir"
            )
        return found is not None

    def forget_errors(self, rows: Iterable[manifest.Row], only_changed: bool = False) -> None:
        """Drops the errors of these rows, so that they are tried again.

        Args:
          rows: The rows.
          only_changed: Drops only those whose photo, caption or shape was another.

        Raises:
          OutputError: The folder cannot be written.
        """
        dropped = {}
        for row in rows:
            found = self.done.get(row.id)
            if found and not found.ok and (not only_changed or _differs(found, row)):
                dropped[row.id] = self.done.pop(row.id)
        if dropped:
            with self._writing_errors():
                lines = b"".join(record.line() for record in self.done.values())
                files.write_atomically(self._results, lines)

    def fill(self, row: manifest.Row, crop: Callable[[], Any]) -> records.Record:
        """The record of a row: the one that is there, or one from cropping it now; see `begin`."""
        return self.begin(row, crop)()

    def begin(self, row: manifest.Row, crop: Callable[[], Any]) -> Callable[[], records.Record]:
        """Crops a row now and writes it when the result is called.

        Args:
          row: The row.
          crop: Crops the row: to a `pipeline.CropResult`, to a bare box `(x, y, w, h)` in pixels,
            or to a mapping of those fields of a line that are known, "box" among them.

        Returns:
          What writes the row's pictures and its line, and returns its record; "status" is
          "error" where `crop` raised an exception, where the row has a `problem`, or where a
          picture would replace a file that is not of this folder. It may be called in another
          thread, one row after the other.

        Raises:
          OutputError: The folder has a row of that id already, of another photo, caption or
            shape; what is returned: the folder cannot be written.
        """
        if self.is_done(row):
            return lambda: self.done[row.id]

        def checked_first() -> Any:  # Before the time is spent.
            if self._pictures:
                self._check(row, self._names(row).values())
            return crop()

        save_options = self._save_options if self._pictures else None
        finish = row_output.begin(row, checked_first, save_options, self._candidate_count)
        return lambda: self.write(row, finish())

    def write(self, row: manifest.Row, output: row_output.RowOutput) -> records.Record:
        """Writes a row's pictures, then its line; returns its record.

        Its "status" is "error" where the output has one, or where a picture would replace a file
        that is not of this folder.

        Raises:
          OutputError: The folder cannot be written.
        """
        try:
            self._check(row, output.pictures)
        except (OSError, ValueError) as error:
            output = row_output.failed(str(error))
        if output.error is not None:
            return self._append(row, output)
        if output.pictures:
            with self._writing_errors():
                self._unfinished[row.id] = list(output.pictures)
                self._write_unfinished()
                for name, content in output.pictures.items():
                    files.write_atomically(self._directory / name, content)
        record = self._append(row, output)
        if output.pictures:
            del self._unfinished[row.id]
            with self._writing_errors():
                self._write_unfinished()
        return record

    def _names(self, row: manifest.Row) -> dict[str, str]:
        return row_output.picture_names(row, self._save_options, self._candidate_count)

    def _check(self, row: manifest.Row, names: Iterable[str]) -> None:
        """Raises ValueError where a picture of the row would replace a file that is another's."""
        mine = self._unfinished.get(row.id, ())
        for name in names:
            path, owner = self._directory / name, self._owners.get(name, row.id)
            if owner != row.id:
                raise ValueError(
                    f"{path} is a file of the row {owner!r}; choose another --name or id"
                )
            if path.exists() and path.samefile(row.path):
                raise ValueError(f"the crop would replace its own photo {path}")
            if path.exists() and name not in mine and not self._overwrite:
                raise ValueError(
                    f"{path} exists and is not of this run: --overwrite replaces it, with "
                    "--retry_errors where the row has failed"
                )

    def _append(self, row: manifest.Row, output: row_output.RowOutput) -> records.Record:
        known = {"id": row.id, "image": row.image, "caption": row.caption}
        known |= {"status": "ok" if output.error is None else "error", "error": output.error}
        record = records.Record(**{**output.fields, **known, "shape": row.shape.name})
        with self._writing_errors():
            files.append_whole(self._results, record.line())
        self.done[row.id] = record
        self._owners |= dict.fromkeys(row_output.written(record), row.id)
        return record

    def _read_results(self) -> dict[str, records.Record]:
        if not self._results.exists():
            return {}
        data = self._results.read_bytes()
        whole = records.whole_lines(data)
        if whole != data:  # The last line was cut off: that row is done again.
            files.write_atomically(self._results, whole)
        return records.read(self._results)

    def _read_unfinished(self) -> dict[str, list[str]]:
        """Rows whose pictures were being written when a run was killed, each to their names."""
        path = self._directory / _WRITING
        found = json.loads(path.read_bytes()) if path.exists() else {}
        finished = {key for key in found if key in self.done and self.done[key].ok}
        return {key: list(found[key]) for key in found if key not in finished}

    def _write_unfinished(self) -> None:
        path = self._directory / _WRITING
        if self._unfinished:
            files.write_atomically(path, json.dumps(self._unfinished).encode())
        else:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _writing_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write to {self._directory}: {error}") from error


def _check_name(pattern: str) -> None:
    shown = pattern.replace("{id}", "x")
    reserved = ("{id}_overlay", "{id}_losses")
    if "{id}" not in pattern or manifest.safe_name(shown) != shown or pattern in reserved:
        raise OutputError(
            f"crops cannot be named {pattern!r}: {{id}} and letters, digits, '.', '_' and '-' are "
            f"needed, and not {' or '.join(reserved)}"
        )


def _differs(record: records.Record, row: manifest.Row) -> bool:
    found = record.image, record.caption, _shape(record)
    return found != (row.image, row.caption, row.shape.name)


def _shape(record: records.Record) -> str:
    return record.shape or "original"  # Lines from before there were shapes have none.

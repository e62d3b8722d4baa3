"""The output folder: crops, overlays, plots, `operative_config.gin` and `results.jsonl`.

`results.jsonl` grows by one whole line a row, after the row's pictures are on the disk; a line cut
off by a crash is dropped when the same command goes on. A row whose crops are written again gets a
new line, which counts; the old one goes when the folder is closed. One process at a time has it.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cagic_tf.batch import manifest, records, resuming, row_output, unfinished, up_to_date
from cagic_tf.photos import crop_files
from cagic_tf.system import files

RESULTS, CONFIG, PROVENANCE = "results.jsonl", resuming.CONFIG, resuming.PROVENANCE
_LOCK = ".lock"


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
        self._lines_replaced = False
        if message := row_output.name_problem(self._save_options.name):
            raise OutputError(message)
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
            self.done = records.reopen(self._results)
            self._replaced: set[str] = set()  # Rows whose photo is another now.
            names = {key: row_output.written(each) for key, each in self.done.items() if each.ok}
            self._owners = {name: key for key in names for name in names[key]}
            self._unfinished = unfinished.Unfinished(directory, names)
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
        if self._lines_replaced:
            with contextlib.suppress(OSError, records.RecordError):  # The next run can do it.
                records.reopen(self._results)
        self._lock.release()

    def is_done(self, row: manifest.Row) -> bool:
        """Whether the row has a result already.

        Raises:
          OutputError: The folder's row of that id is of another photo, caption or shape.
        """
        found = self.done.get(row.id)
        if found and up_to_date.is_of_another(found, row):
            raise OutputError(
                f"{self._results} has a row {row.id!r} of {found.image!r} and "
                f"{found.caption!r}, {found.shape_name}; choose another --output_dir"
            )
        return found is not None and row.id not in self._replaced

    def outdated(self, rows: Iterable[manifest.Row]) -> tuple[dict[str, str], dict[str, str]]:
        """Rows with a crop that is not what they would get now; ids, each to the reason.

        Returns:
          Those whose photo was replaced by another: they are not done any more, see `is_done`. And
          those whose crops are missing or written in another way, see `write_again`.

        Raises:
          OutputError: The folder's row of an id is of another photo, caption or shape.
        """
        replaced: dict[str, str] = {}
        rewritten: dict[str, str] = {}
        for row in rows if self._pictures else ():
            if not self.is_done(row) or not self.done[row.id].ok:
                continue
            if reason := up_to_date.photo_change(self.done[row.id], row.path):
                replaced[row.id] = reason
            elif reason := up_to_date.crop_change(
                self.done[row.id], self._save_options, self._directory
            ):
                rewritten[row.id] = reason
        self._replaced |= set(replaced)
        return replaced, rewritten

    def write_again(self, row: manifest.Row) -> records.Record:
        """Cuts a row's crops once more where its record has them, without a search.

        Raises:
          OutputError: The folder cannot be written.
        """
        return self.write(row, row_output.again(row, self.done[row.id], self._save_options))

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
            if (
                found
                and not found.ok
                and (not only_changed or up_to_date.is_of_another(found, row))
            ):
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
        that is not of this folder. A row that has a crop keeps it then, and its line: the error is
        this run's alone. Else files of that crop that have another name now are removed.

        Raises:
          OutputError: The folder cannot be written.
        """
        try:
            self._check(row, output.pictures)
        except (OSError, ValueError) as error:
            output = row_output.failed(str(error))
        if output.error is not None:
            return self._append(row, output)
        old = row_output.written(self.done[row.id]) if row.id in self.done else []
        if not output.pictures:
            return self._append(row, output)
        with self._writing_errors():
            self._unfinished.begin(row.id, [*output.pictures, *old])
            for name, content in output.pictures.items():
                files.write_atomically(self._directory / name, content)
        record = self._append(row, output)
        with self._writing_errors():
            for name in set(old) - set(row_output.written(record)):
                (self._directory / name).unlink(missing_ok=True)
                self._owners.pop(name, None)
            self._unfinished.end(row.id)
        return record

    def _names(self, row: manifest.Row) -> dict[str, str]:
        return row_output.picture_names(row, self._save_options, self._candidate_count)

    def _check(self, row: manifest.Row, names: Iterable[str]) -> None:
        """Raises ValueError where a picture of the row would replace a file that is another's."""
        left = self._unfinished.of(row.id)
        for name in names:
            path, owner = self._directory / name, self._owners.get(name)
            mine = owner == row.id or name in left
            if owner not in (None, row.id):
                raise ValueError(
                    f"{path} is a file of the row {owner!r}; choose another --name or id"
                )
            if path.exists() and path.samefile(row.path):
                raise ValueError(f"the crop would replace its own photo {path}")
            if path.exists() and not mine and not self._overwrite:
                raise ValueError(
                    f"{path} exists and is not of this run: --overwrite replaces it, with "
                    "--retry_errors where the row has failed"
                )

    def _append(self, row: manifest.Row, output: row_output.RowOutput) -> records.Record:
        record = row_output.record(row, output)
        before = self.done.get(row.id)
        if before is None or not before.ok or record.ok:
            with self._writing_errors():
                files.append_whole(self._results, record.line())
            self._lines_replaced |= before is not None
            self._replaced.discard(row.id)
            self._owners |= dict.fromkeys(row_output.written(record), row.id)
        self.done[row.id] = record
        return record

    @contextlib.contextmanager
    def _writing_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write to {self._directory}: {error}") from error

"""Crops a command's rows on this machine: one after another, or many at a time on a GPU."""

import collections
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

from cagic_tf.batch import manifest, output_folder, records, report, row_seeds, side_by_side
from cagic_tf.photos import reading

if TYPE_CHECKING:
    from cagic_tf import pipeline

FLAGS = flags.FLAGS
LARGE = 16_000_000  # Pixels.
_LONGEST_NAME = 30  # In the bar, which needs room as well.


def new_report(rows: list[manifest.Row]) -> report.Report:
    """What prints these rows' results; captions out of photos' files stay out of it."""
    return report.Report(len(rows), show_captions=FLAGS.captions_from != "photo")


def crop(
    cropper: "pipeline.Cropper", folder: output_folder.OutputFolder, rows: list[manifest.Row]
) -> None:
    """Crops rows in their order, the next photo being read and the last row written meanwhile."""
    batch_size = cropper.batch_size(len(rows), FLAGS.batch)
    if batch_size > 1:
        _crop_batches(cropper, folder, rows, batch_size)
        return
    with (
        new_report(rows) as reporter,
        ThreadPoolExecutor(1) as reader,
        ThreadPoolExecutor(1) as writer,
    ):
        photos = collections.deque(reader.submit(_read_ahead, row.path) for row in rows[:1])
        written: Future[None] | None = None
        for number, row in enumerate(rows, 1):
            photos.extend(reader.submit(_read_ahead, row.path) for row in rows[number : number + 1])
            progress = _Progress(reporter, number, len(rows), row.path.name)
            finish = folder.begin(row, _crop_one(cropper, photos.popleft(), row, written, progress))
            if written:
                written.result()
            written = writer.submit(_write, finish, reporter, number, row)
            del finish  # It holds the photo.
        if written:
            written.result()


def _crop_batches(
    cropper: "pipeline.Cropper",
    folder: output_folder.OutputFolder,
    rows: list[manifest.Row],
    batch_size: int,
) -> None:
    """The same where many photos go through a GPU at a time."""
    with new_report(rows) as reporter, ThreadPoolExecutor(1) as writer:
        done = 0

        def progress(steps: int, total: int, loss: float) -> None:
            text = f"photos {done + 1} to {min(done + batch_size, len(rows))} of {len(rows)}"
            text += f": scale {steps} of {total}, mean of their lowest losses {loss:.3f}"
            reporter.progress(done + batch_size * steps / total, text)

        cropped = side_by_side.crop(
            cropper,
            rows,
            lambda row: _read_ahead(row.path),
            batch_size,
            progress=progress,
            smallest_side=FLAGS.smallest_side,
            candidate_count=FLAGS.candidates,
        )
        written: Future[None] | None = None
        for row, crop in cropped:
            finish = folder.begin(row, crop)
            if written:
                written.result()
            done += 1
            written = writer.submit(_write, finish, reporter, done, row)
        if written:
            written.result()


def _read_ahead(path: Path) -> np.ndarray | Path:
    """A photo; of a large one the path, for the time when no other is in memory."""
    width, height = reading.upright_size(path)
    return path if width * height > LARGE else reading.read(path)


class _Progress:
    """Tells the reporter how far a photo is."""

    def __init__(self, reporter: report.Report, number: int, count: int, name: str):
        self._reporter, self._number = reporter, number
        self._photo = f"photo {number} of {count}, {manifest.shown(name, _LONGEST_NAME)}"
        reporter.progress(number - 1, self._photo)

    def __call__(self, done: int, total: int, loss: float) -> None:
        text = f"{self._photo}: scale {done} of {total}, lowest loss {loss:.3f}"
        self._reporter.progress(self._number - 1 + done / total, text)


def _crop_one(
    cropper: "pipeline.Cropper",
    photo: Future[np.ndarray | Path],
    row: manifest.Row,
    written: Future[None] | None,
    progress: Callable[[int, int, float], None],
) -> Callable[[], "pipeline.CropResult"]:
    """What crops a photo; a large one after the last row is written."""

    def crop() -> "pipeline.CropResult":
        image = photo.result()
        if written and isinstance(image, Path):
            wait([written])
        return cropper.crop(
            image,
            row.caption,
            seed=row_seeds.row_seed(cropper.seed, row.id),
            progress=progress,
            shape=row.shape,
            smallest_side=FLAGS.smallest_side,
            candidate_count=FLAGS.candidates,
        )

    return crop


def _write(
    finish: Callable[[], records.Record], reporter: report.Report, number: int, row: manifest.Row
) -> None:
    reporter.result(number, row, finish())

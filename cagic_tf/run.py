"""Crops photos to captions: `python -m cagic_tf.run --gin_file=paper.gin`.

With --image and --caption one photo; with --images all that a pattern names, with one --caption or
--captions_from; with --manifest many (JSONL rows `{"id"?, "image", "caption", "crops"?: [[x, y, w,
h], ...]}` or a CSV of these columns, paths relative to the manifest, boxes in pixels); with none of
them, the samples that ship with the project.
"""

import collections
import contextlib
import os
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags
from PIL import Image

from cagic_tf.batch import command_flags, manifest, output_folder
from cagic_tf.beyond import shapes
from cagic_tf.photos import loss_plot, reading

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(command_flags)  # `--help` has them.
LARGE = 16_000_000  # Pixels.
EXIT_OK, EXIT_NOTHING, EXIT_SOME_FAILED = 0, 1, 2


class CommandError(Exception):
    """The command as a whole cannot go on; the message is one line."""


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit status."""
    return crop_all(arguments, FLAGS.device, _crop_rows)


def crop_all(
    arguments: list[str], device: str | None, crop_rows: Callable[[Any, Any, list], None]
) -> int:
    """Crops what the flags ask for; returns the exit status.

    Args:
      arguments: What the command line has beside flags.
      device: Where this process computes, see `devices.prepare`.
      crop_rows: `crop_rows(cropper, folder, rows)` crops the rows that wait, and writes each; it
        may raise CommandError.
    """
    if len(arguments) > 1:
        return fail(f"unexpected arguments {arguments[1:]}; flags are written --name=value")
    if message := command_flags.wrong_together():
        return fail(message)
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `MAX_PIXELS` is our limit.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # Before TensorFlow is imported.
    from cagic_tf import config
    from cagic_tf.networks import checkpoints
    from cagic_tf.system import devices

    try:
        devices.prepare(device, FLAGS.threads)
        directory = Path(FLAGS.output_dir or Path("outputs") / Path(FLAGS.gin_file[-1]).stem)
        rows = command_flags.rows(directory)
        cropper = config.load_cropper(*FLAGS.gin_file, bindings=FLAGS.gin_param)
        configuration = cropper.configuration + command_flags.search_flags()
        folder = output_folder.OutputFolder(
            directory,
            configuration,
            style=command_flags.style(),
            overwrite=FLAGS.overwrite,
            candidate_count=FLAGS.candidates,
        )
        with contextlib.closing(folder):
            folder.forget_errors(rows, only_changed=not FLAGS.retry_errors)
            crop_rows(cropper, folder, [row for row in rows if not folder.is_done(row)])
    except (
        CommandError,
        manifest.ManifestError,
        config.ConfigError,
        checkpoints.CheckpointError,
        devices.DeviceError,
        output_folder.OutputError,
    ) as error:
        return fail(str(error))
    lines = [folder.done[row.id] for row in rows]
    print(f"{output_folder.summary(lines)}; results in {directory}")
    if not loss_plot.has_matplotlib():
        print("no plots of the losses: they need matplotlib, pip install 'cagic_tf[plots]'")
    failed = sum(line["status"] == "error" for line in lines)
    return EXIT_OK if not failed else EXIT_NOTHING if failed == len(lines) else EXIT_SOME_FAILED


def _crop_rows(cropper, folder, rows: list[manifest.Row]) -> None:
    """Crops rows in their order, the next photo being read and the last row written meanwhile."""
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        photos = collections.deque(reader.submit(_read_ahead, row.path) for row in rows[:1])
        written = None
        for number, row in enumerate(rows, 1):
            photos.extend(reader.submit(_read_ahead, row.path) for row in rows[number : number + 1])
            print(f"[{number}/{len(rows)}] {describe(row)}", flush=True)
            crop = _crop_one(cropper, photos.popleft(), row, written)
            finish = folder.begin(row, crop)
            if written:
                tell(written.result())
            written = writer.submit(finish)
            del crop, finish  # They hold photos.
        if written:
            tell(written.result())


def _read_ahead(path: Path) -> np.ndarray | Path:
    """A photo; of a large one the path, for the time when no other is in memory."""
    width, height = reading.upright_size(path)
    return path if width * height > LARGE else reading.read(path)


def describe(row: manifest.Row) -> str:
    """A row as the log names it; a caption out of a photo's file stays out of it."""
    hidden = FLAGS.captions_from == "photo" or row.caption is None
    shape = "" if row.shape == shapes.ORIGINAL else f" ({row.shape.name})"
    return row.image + ("" if hidden else f": {row.caption}") + shape


def _crop_one(cropper, photo: Future, row: manifest.Row, written: Future | None) -> Callable:
    """What crops a photo, with a progress bar over its scales; a large one after the last row."""
    from keras.utils import Progbar

    bars = []

    def progress(done: int, total: int, loss: float) -> None:
        if not bars:
            bars.append(Progbar(total, stateful_metrics=["lowest loss"], unit_name="scale"))
        bars[0].update(done, [("lowest loss", loss)])

    def crop():
        image = photo.result()
        if written and isinstance(image, Path):
            wait([written])
        return cropper.crop(
            image,
            row.caption,
            progress=progress,
            shape=row.shape,
            smallest_side=FLAGS.smallest_side,
            candidate_count=FLAGS.candidates,
        )

    return crop


def tell(line: dict[str, Any]) -> None:
    """Prints what became of a row."""
    if line["status"] == "error":
        print(f"  error: {line['id']}: {line['error']}", file=sys.stderr)
        return
    from cagic_tf.method import vocabulary

    overlap = "" if line["iou"] is None else f", IoU {line['iou']:.3f}"
    print(f"  {line['id']}: box {line['box']}, loss {line['loss']['total']:.3f}{overlap}")
    for crop in (line["candidates"] or [])[1:]:
        print(f"  or box {crop['box']}, loss {crop['loss']['total']:.3f}")
    for word, lemma in line["matched_words"].get("read_as", {}).items():
        print(f"  {word} is read as {lemma}")
    for noun, classes in line["matched_words"].get("lexicon", {}).items():
        shown = ", ".join(classes[:5]) + (f" and {len(classes) - 5} more" * (len(classes) > 5))
        print(f"  {noun} by its classes: {shown}")
    if line["unknown_words"]:
        print(f"  not known: {vocabulary.describe_unknown(line['unknown_words'])}")
    print(f"  the captioner sees: {line['predicted_caption']}", flush=True)


def fail(message: str) -> int:
    """Prints what is wrong with the command as a whole; returns the exit status."""
    print(f"error: {message}", file=sys.stderr)
    return EXIT_NOTHING


if __name__ == "__main__":
    app.run(main)

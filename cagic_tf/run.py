"""Crops photos to captions: `python -m cagic_tf.run --gin_file=paper.gin`.

With --image and --caption one photo; with --images all that a pattern names, with one --caption or
--captions_from; with --manifest many (JSONL rows `{"id"?, "image", "caption", "crops"?: [[x, y, w,
h], ...]}` or a CSV of these columns, paths relative to the manifest, boxes in pixels); with none of
them, the samples that ship with the project.
"""

import collections
import contextlib
import dataclasses
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

from cagic_tf import (
    crop_files,
    image_io,
    loss_plot,
    manifest,
    outputs,
    photo_rows,
    resources,
    shapes,
)

FLAGS = flags.FLAGS

flags.DEFINE_multi_string(
    "gin_file",
    ["paper.gin"],
    "Configuration: a path, or a name under the project's gin/ (paper.gin, fast.gin, "
    "ablations/cn.gin, ...). Repeatable, later ones win. A gin file can import modules: trust it.",
)
flags.DEFINE_multi_string(
    "gin_param", [], "A single binding, such as 'Annealing.restart_count = 5'. Repeatable."
)
flags.DEFINE_string("image", None, "The photo to crop, with --caption.")
flags.DEFINE_string("images", None, "The photos to crop, a quoted pattern such as 'photos/*.jpg'.")
flags.DEFINE_string("caption", None, "What the crop should show.")
flags.DEFINE_enum(
    "captions_from",
    None,
    ["sidecar", "photo"],
    "Each photo's own caption, with --images: photo.txt beside it, or the EXIF ImageDescription or "
    "IPTC caption in it.",
)
flags.DEFINE_bool(
    "aesthetics_only", False, "Crop by the aesthetic loss (Eq. 5) alone, without any captions."
)
flags.DEFINE_string("manifest", None, "JSONL or CSV file of photos and captions.")
flags.DEFINE_string("shard", None, "Only one of n parts of the rows, i/n with i from 1, as 1/4.")
flags.DEFINE_string(
    "output_dir", None, "Where results go; by default outputs/ and the gin file's name."
)
flags.DEFINE_string(
    "aspect_ratio",
    None,
    "Of the crops, width:height such as 16:9; original, the default, is the photo's. Several with "
    "commas between them: each photo is cropped to each, in rows of their own.",
)
flags.DEFINE_string(
    "size",
    None,
    "Of the crops' files in pixels, such as 1200x628: crops of that ratio, resized. Or several.",
)
flags.DEFINE_integer(
    "smallest_side", 0, "Pixels of the photo that no side of a crop falls below.", 0
)
flags.DEFINE_integer(
    "candidates",
    1,
    "How many of each photo's best distinct crops to write, best first; there may be fewer.",
    1,
    100,
)
flags.DEFINE_enum("format", "same", crop_files.CHOICES, "Of the crops; same: as the photo's.")
flags.DEFINE_integer("quality", 95, "Of crops as JPEG, WebP and AVIF.", 1, 100)
flags.DEFINE_string("name", "{id}_crop", "Name of a crop without its ending; {id} is the row's.")
flags.DEFINE_bool(
    "strip_metadata", False, "Leave EXIF and the ICC profile out of crops; colours become sRGB."
)
flags.DEFINE_bool("overwrite", False, "Pictures may replace files that this run did not leave.")
flags.DEFINE_bool("retry_errors", False, "Try again the rows that failed earlier.")
flags.DEFINE_string(
    "device", None, "cpu, gpu or gpu:N; by default the first GPU that there is, else the CPU."
)

LARGE = 16_000_000  # Pixels.
EXIT_OK, EXIT_NOTHING, EXIT_SOME_FAILED = 0, 1, 2


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit status."""
    if len(arguments) > 1:
        return _fail(f"unexpected arguments {arguments[1:]}; flags are written --name=value")
    if message := _wrong_together():
        return _fail(message)
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `MAX_PIXELS` is our limit.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # Before TensorFlow is imported.
    import tensorflow as tf

    from cagic_tf import checkpoints, config, devices

    # The same crop from the same seed on a GPU too.
    tf.config.experimental.enable_op_determinism()
    try:
        devices.select(FLAGS.device)
        directory = Path(FLAGS.output_dir or Path("outputs") / Path(FLAGS.gin_file[-1]).stem)
        rows = _rows(directory)
        cropper = config.load_cropper(*FLAGS.gin_file, bindings=FLAGS.gin_param)
        style = crop_files.Style(FLAGS.name, FLAGS.format, FLAGS.quality, FLAGS.strip_metadata)
        configuration = config.operative_config() + _search_flags()
        folder = outputs.OutputFolder(
            directory,
            configuration,
            style=style,
            overwrite=FLAGS.overwrite,
            candidate_count=FLAGS.candidates,
        )
        with contextlib.closing(folder):
            folder.forget_errors(rows, only_changed=not FLAGS.retry_errors)
            _crop_rows(cropper, folder, [row for row in rows if not folder.is_done(row)])
    except (
        manifest.ManifestError,
        config.ConfigError,
        checkpoints.CheckpointError,
        devices.DeviceError,
        outputs.OutputError,
    ) as error:
        return _fail(str(error))
    lines = [folder.done[row.id] for row in rows]
    print(f"{outputs.summary(lines)}; results in {directory}")
    if not loss_plot.has_matplotlib():
        print("no plots of the losses: they need matplotlib, pip install 'cagic_tf[plots]'")
    failed = sum(line["status"] == "error" for line in lines)
    return EXIT_OK if not failed else EXIT_NOTHING if failed == len(lines) else EXIT_SOME_FAILED


def _wrong_together() -> str:
    """What is wrong with the flags that say what to crop; "" if nothing is."""
    if sum(value is not None for value in (FLAGS.image, FLAGS.images, FLAGS.manifest)) > 1:
        return "give one of --image, --images and --manifest"
    if FLAGS.aesthetics_only:
        if FLAGS.caption is not None or FLAGS.captions_from is not None:
            return "--aesthetics_only goes without --caption and --captions_from"
    elif FLAGS.images is not None:
        if (FLAGS.caption is None) == (FLAGS.captions_from is None):
            return "--images needs --caption, for all, or --captions_from=sidecar or photo"
    elif FLAGS.captions_from is not None:
        return "--captions_from goes with --images"
    elif (FLAGS.image is None) != (FLAGS.caption is None):
        return "--image and --caption go together: which photo, and what the crop shows"
    return _wrong_shapes()


def _wrong_shapes() -> str:
    """What is wrong with the flags that say which shape crops have; "" if nothing is."""
    if FLAGS.aspect_ratio and FLAGS.size:
        return "give one of --aspect_ratio and --size: a size has its ratio"
    try:
        for shape in _shapes():
            if (shape.size is None) == bool(FLAGS.size):
                return f"{shape.name} is no {'size' if FLAGS.size else 'aspect ratio'}"
    except ValueError as error:
        return str(error)
    return ""


def _shapes() -> tuple[shapes.Shape, ...]:
    """The shapes that each photo is cropped to."""
    return shapes.parse_list(FLAGS.size or FLAGS.aspect_ratio or shapes.ORIGINAL.name)


def _search_flags() -> str:
    """The flags, beside gin's, that change a row's crop, for the operative configuration."""
    names = ("smallest_side", "candidates")
    changed = [name for name in names if FLAGS[name].value != FLAGS[name].default]
    return "".join(f"\n# --{name}={FLAGS[name].value}\n" for name in changed)


def _rows(directory: Path) -> list[manifest.Row]:
    """The rows that the flags ask for."""
    if FLAGS.image is not None:
        rows = manifest.single(FLAGS.image, FLAGS.caption)
    elif FLAGS.images is not None:
        rows = photo_rows.from_pattern(FLAGS.images, FLAGS.caption, FLAGS.captions_from, directory)
    else:
        samples = resources.package_path("samples") / "manifest.jsonl"
        rows = manifest.read(Path(FLAGS.manifest) if FLAGS.manifest else samples)
    if FLAGS.aesthetics_only:
        rows = [dataclasses.replace(row, caption=None) for row in rows]
    rows = manifest.in_shapes(rows, _shapes())
    return manifest.shard(rows, FLAGS.shard) if FLAGS.shard else rows


def _crop_rows(cropper, folder, rows: list[manifest.Row]) -> None:
    """Crops rows in their order, the next photo being read and the last row written meanwhile."""
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        photos = collections.deque(reader.submit(_read_ahead, row.path) for row in rows[:1])
        written = None
        for number, row in enumerate(rows, 1):
            photos.extend(reader.submit(_read_ahead, row.path) for row in rows[number : number + 1])
            print(f"[{number}/{len(rows)}] {_describe(row)}", flush=True)
            crop = _crop_one(cropper, photos.popleft(), row, written)
            finish = folder.begin(row, crop)
            if written:
                _tell(written.result())
            written = writer.submit(finish)
            del crop, finish  # They hold photos.
        if written:
            _tell(written.result())


def _read_ahead(path: Path) -> np.ndarray | Path:
    """A photo; of a large one the path, for the time when no other is in memory."""
    width, height = image_io.upright_size(path)
    return path if width * height > LARGE else image_io.read(path)


def _describe(row: manifest.Row) -> str:
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


def _tell(line: dict[str, Any]) -> None:
    """Prints what became of a row."""
    if line["status"] == "error":
        print(f"  error: {line['id']}: {line['error']}", file=sys.stderr)
        return
    from cagic_tf import vocabulary

    overlap = "" if line["iou"] is None else f", IoU {line['iou']:.3f}"
    print(f"  {line['id']}: box {line['box']}, loss {line['loss']['total']:.3f}{overlap}")
    for crop in (line["candidates"] or [])[1:]:
        print(f"  or box {crop['box']}, loss {crop['loss']['total']:.3f}")
    for noun, classes in line["matched_words"]["lexicon"].items():
        shown = ", ".join(classes[:5]) + (f" and {len(classes) - 5} more" * (len(classes) > 5))
        print(f"  {noun} by its classes: {shown}")
    if line["unknown_words"]:
        print(f"  not known: {vocabulary.describe_unknown(line['unknown_words'])}")
    print(f"  the captioner sees: {line['predicted_caption']}", flush=True)


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return EXIT_NOTHING


if __name__ == "__main__":
    app.run(main)

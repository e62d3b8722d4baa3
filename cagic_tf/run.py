"""Crops photos to captions, by the paper's method or faster.

    cagic photo.jpg "a dog on the grass"
    cagic --images='photos/*.jpg' --captions_from=sidecar
    cagic --manifest=rows.jsonl --aspect_ratio=16:9
    cagic photo.jpg "a dog on the grass" --gin_file=paper.gin

The last is the paper's method, about five minutes a photo on two cores; without it, a photo takes
about a second. `python -m cagic_tf` is the same command. A manifest is a JSONL file with lines of
`{"image", "caption", "id"?, "crops"?: [[x, y, w, h], ...]}`, or a CSV file of such columns; paths
are relative to it, and crops are ground truths in pixels. Crops, overlays, plots of the losses and
`results.jsonl` go to the output folder. The exit status is 0 if every row has a crop, 2 if some
failed, 1 if all failed or the command cannot be followed.
"""

import contextlib
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from cagic_tf.batch import (
    command_flags,
    command_line,
    manifest,
    output_folder,
    own_ids,
    positional,
    records,
    row_by_row,
)
from cagic_tf.photos import drawing
from cagic_tf.system import devices, provenance, startup

if TYPE_CHECKING:
    from cagic_tf import pipeline

FLAGS = flags.FLAGS
# Gin files that come with the program, and about how many seconds a photo takes on two cores.
_SLOW = {"paper_quick.gin": 35, "cn_sa.gin": 30}
_SLOW |= dict.fromkeys(("cn_sa_mr.gin", "cn_sa_mr_ms.gin"), 300)
_SLOW |= dict.fromkeys(("paper.gin", "original.gin", "open_vocabulary.gin"), 300)
EXIT_OK, EXIT_NOTHING, EXIT_SOME_FAILED = 0, 1, 2

CropRows = Callable[["pipeline.Cropper", output_folder.OutputFolder, list[manifest.Row]], None]


class CommandError(Exception):
    """The command as a whole cannot go on; the message is one line."""


def command() -> None:
    """The console script `cagic`: reads the command line, runs, exits."""
    command_line.run(main, __doc__ or "", command_flags.GROUPS)


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit status."""
    return crop_all(arguments, FLAGS.device, row_by_row.crop)


def crop_all(arguments: list[str], device: str | None, crop_rows: CropRows) -> int:
    """Crops what the flags ask for; returns the exit status.

    Args:
      arguments: What the command line has beside flags.
      device: Where this process computes, see `devices.prepare`.
      crop_rows: `crop_rows(cropper, folder, rows)` crops the rows that wait, and writes each; it
        may raise CommandError.
    """
    if message := positional.take(arguments[1:]) or command_flags.problem():
        return fail(message)
    default = Path("outputs") / Path(FLAGS.gin_file[-1]).stem
    directory = Path(os.path.expanduser(FLAGS.output_dir or default))
    try:
        rows = command_flags.rows(directory)
    except manifest.ManifestError as error:
        return fail(str(error))
    startup.quiet()  # It takes seconds, and comes before what imports TensorFlow as well.
    from cagic_tf import config
    from cagic_tf.networks import checkpoints

    try:
        devices.prepare(device, FLAGS.threads)
        cropper = config.load_cropper(*FLAGS.gin_file, bindings=FLAGS.gin_param)
        rows = [manifest.in_shape(row, cropper.shape) for row in rows]
        folder = _open_folder(directory, cropper)
        with contextlib.closing(folder):
            if FLAGS.image is not None:  # Several commands may share a folder.
                rows = own_ids.tell_apart(rows, folder.done)
            folder.forget_errors(rows, only_changed=not FLAGS.retry_errors)
            _write_again(folder, rows)
            waiting = [row for row in rows if not folder.is_done(row)]
            _say_how_long(len(waiting))
            crop_rows(cropper, folder, waiting)
    except (
        CommandError,
        config.ConfigError,
        checkpoints.CheckpointError,
        devices.DeviceError,
        manifest.ManifestError,
        output_folder.OutputError,
    ) as error:
        return fail(str(error))
    found = [folder.done[row.id] for row in rows]
    print(f"{records.summary(found)}; results in {directory}")
    if not drawing.has_matplotlib():
        print("no plots of the losses: they need matplotlib, pip install 'cagic_tf[plots]'")
    failed = sum(not record.ok for record in found)
    return EXIT_OK if not failed else EXIT_NOTHING if failed == len(found) else EXIT_SOME_FAILED


def _say_how_long(count: int) -> None:
    """Says what the paper's methods take, whose name somebody may have given without knowing."""
    slow = [name for name in FLAGS.gin_file if Path(name).name in _SLOW]
    if slow and count:
        seconds = _SLOW[Path(slow[-1]).name]
        in_all = f", {count * seconds / 60:.0f} minutes for these {count}" if count > 1 else ""
        print(
            f"{slow[-1]} takes about {seconds} seconds a photo on two cores{in_all}; "
            "without --gin_file, fast.gin takes about one"
        )


def _write_again(folder: output_folder.OutputFolder, rows: list[manifest.Row]) -> None:
    """Writes crops once more that are missing or written in another way; names replaced photos."""
    replaced, rewritten = folder.outdated(rows)
    if replaced:
        name, reason = next(iter(replaced.items()))
        count = records.counted(len(replaced), "row")
        print(f"cropped again since photos were replaced, {count}: {name}: {reason}")
    if not rewritten:
        return
    name, reason = next(iter(rewritten.items()))
    count = records.counted(len(rewritten), "row")
    print(f"written again from known boxes, crops of {count}: {name}: {reason}")
    waiting = [row for row in rows if row.id in rewritten]
    with row_by_row.new_report(waiting) as reporter:
        for number, row in enumerate(waiting, 1):
            reporter.progress(number - 1, f"photo {number} of {len(waiting)}")
            reporter.result(number, row, folder.write_again(row))


def _open_folder(directory: Path, cropper: "pipeline.Cropper") -> output_folder.OutputFolder:
    made_by = provenance.record(
        _typed(),
        checkpoints=cropper.loss.networks.checkpoints,
        threads=devices.thread_count(FLAGS.threads),
        device=FLAGS.device or "gpu if there is one",
    )
    return output_folder.OutputFolder(
        directory,
        cropper.configuration + command_flags.search_flags(),
        save_options=command_flags.save_options(),
        overwrite=FLAGS.overwrite,
        candidate_count=FLAGS.candidates,
        provenance=made_by,
    )


def _typed() -> str:
    """The command as it was typed, without the folders that Python and the script are in."""
    module = sys.modules["__main__"].__spec__
    name = module.name.removesuffix(".__main__") if module else ""
    start = ["python", "-m", name] if name else [Path(sys.argv[0]).name]
    return shlex.join([*start, *sys.argv[1:]])


def fail(message: str) -> int:
    """Prints what is wrong with the command as a whole; returns the exit status."""
    print(f"error: {message}", file=sys.stderr)
    return EXIT_NOTHING


if __name__ == "__main__":
    command()

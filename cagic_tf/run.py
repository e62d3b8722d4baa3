"""Crops photos to captions: `python -m cagic_tf.run --gin_file=paper.gin`.

With --image and --caption one photo; with --manifest many (JSONL rows `{"id"?, "image", "caption",
"crops"?: [[x, y, w, h], ...]}`, paths relative to the manifest, boxes in pixels); with neither, the
samples that ship with the project.
"""

import os
import sys
from pathlib import Path

from absl import app, flags

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
flags.DEFINE_string("image", None, "The photo to crop; needs --caption.")
flags.DEFINE_string("caption", None, "What the crop should show; needs --image.")
flags.DEFINE_string("manifest", None, "JSONL file of photos and captions.")
flags.DEFINE_string(
    "output_dir", None, "Where results go; by default outputs/ and the gin file's name."
)

flags.DEFINE_string(
    "device", None, "cpu, gpu or gpu:N; by default the first GPU that there is, else the CPU."
)

EXIT_OK, EXIT_NOTHING, EXIT_SOME_FAILED = 0, 1, 2


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit status."""
    if len(arguments) > 1:
        return _fail(f"unexpected arguments {arguments[1:]}; flags are written --name=value")
    if (FLAGS.image is None) != (FLAGS.caption is None):
        return _fail("--image and --caption go together: which photo, and what the crop shows")
    if FLAGS.image is not None and FLAGS.manifest is not None:
        return _fail("give either --image and --caption or --manifest, not both")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # Before TensorFlow is imported.
    import tensorflow as tf

    from cagic_tf import checkpoints, config, devices, manifest, outputs, resources

    # The same crop from the same seed on a GPU too.
    tf.config.experimental.enable_op_determinism()
    try:
        devices.select(FLAGS.device)
        if FLAGS.image is not None:
            rows = manifest.single(FLAGS.image, FLAGS.caption)
        else:
            samples = resources.package_path("samples") / "manifest.jsonl"
            rows = manifest.read(Path(FLAGS.manifest) if FLAGS.manifest else samples)
        cropper = config.load_cropper(*FLAGS.gin_file, bindings=FLAGS.gin_param)
        directory = Path(FLAGS.output_dir or Path("outputs") / Path(FLAGS.gin_file[-1]).stem)
        folder = outputs.OutputFolder(directory, config.operative_config())
        waiting = [row for row in rows if not folder.is_done(row)]
        for number, row in enumerate(waiting, 1):
            _crop_row(cropper, folder, row, f"{number}/{len(waiting)}")
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
    if not outputs.has_matplotlib():
        print("no plots of the losses: they need matplotlib, pip install 'cagic_tf[plots]'")
    failed = sum(line["status"] == "error" for line in lines)
    return EXIT_OK if not failed else EXIT_NOTHING if failed == len(lines) else EXIT_SOME_FAILED


def _crop_row(cropper, folder, row, number: str) -> None:
    """Crops one row into the folder, with a progress bar over its scales."""
    from keras.utils import Progbar

    from cagic_tf import vocabulary

    print(f"[{number}] {row.image}: {row.caption}", flush=True)
    bars = []

    def progress(done: int, total: int, loss: float) -> None:
        if not bars:
            bars.append(Progbar(total, stateful_metrics=["lowest loss"], unit_name="scale"))
        bars[0].update(done, [("lowest loss", loss)])

    line = folder.fill(row, lambda: cropper.crop(row.path, row.caption, progress=progress))
    if line["status"] == "error":
        print(f"  error: {line['error']}", file=sys.stderr)
        return
    if line["unknown_words"]:
        print(f"  not known: {vocabulary.describe_unknown(line['unknown_words'])}")
    overlap = "" if line["iou"] is None else f", IoU {line['iou']:.3f}"
    print(f"  box {line['box']}, loss {line['loss']['total']:.3f}{overlap}")
    print(f"  the captioner sees: {line['predicted_caption']}", flush=True)


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return EXIT_NOTHING


if __name__ == "__main__":
    app.run(main)

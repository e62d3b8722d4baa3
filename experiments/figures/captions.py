"""Fig. 8: one photo, several captions, and the crop of each.

    python -m experiments.figures.captions
    python -m experiments.figures.captions --image=photo.jpg \\
        --caption="a dog on the grass" --caption="a red ball"
    python -m experiments.figures.captions --image=photo.jpg --results=outputs/fast

With --results the crops are those that an earlier `cagic_tf.run` found for the photo.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from absl import app, flags
from matplotlib.figure import Figure
from tqdm import tqdm

from cagic_tf import config, pipeline
from cagic_tf.batch import output_folder, records
from cagic_tf.photos import reading
from cagic_tf.system import devices, resources
from experiments import command
from experiments.errors import ExperimentError
from experiments.figures import one_search, panels

FLAGS = flags.FLAGS
SAMPLE_CAPTIONS = [
    "a woman in a blue shirt",
    "a woman in a red shirt",
    "two women working",
    "a large machine",
]
COLUMNS = 2  # Of crops, beside the photo.
COLOURS = ("#ff5050", "#50b0ff", "#ffc020", "#60e060", "#ff70e0", "#40e0d0", "#ffffff", "#b090ff")


def define_flags() -> None:
    """Flags of this script."""
    panels.define_output_flag()
    flags.DEFINE_string("image", None, "The photo. By default it is a sample.")
    flags.DEFINE_multi_string("caption", None, "What a crop should show. It may be repeated.")
    flags.DEFINE_string(
        "results", None, "A folder of results that has rows of the photo, in place of a search."
    )
    flags.DEFINE_multi_string(
        "gin_file", ["fast.gin"], "The configuration of the search, as in cagic_tf.run."
    )
    flags.DEFINE_multi_string(
        "gin_param", [], "A single setting, as in cagic_tf.run. It may be repeated."
    )
    devices.define_flags()


def main() -> None:
    """Finds or reads the crops, and draws them."""
    output = panels.output_path("captions.jpg")
    if FLAGS.image is not None and not FLAGS.caption and FLAGS.results is None:
        raise ExperimentError("--image needs --caption, once or more, or --results")
    image = Path(FLAGS.image or resources.package_path("samples") / one_search.SAMPLE)
    photo = reading.read(image)
    if FLAGS.results is not None:
        sources = [Path(FLAGS.results) / output_folder.RESULTS]
        found, text = read_records(sources[0], image.name, FLAGS.caption), ""
        checkpoints = {k: v for one in found.values() for k, v in (one.checkpoints or {}).items()}
    else:
        devices.prepare(FLAGS.device, FLAGS.threads)
        cropper = config.load_cropper(*FLAGS.gin_file, bindings=FLAGS.gin_param)
        sources, text = [], cropper.configuration
        found = crops(cropper, photo, FLAGS.caption or SAMPLE_CAPTIONS)
        checkpoints = cropper.loss.networks.checkpoints
    figure = draw(photo, {caption: one.box for caption, one in found.items()})
    panels.write(output, panels.encoded(figure, output.suffix), checkpoints, text, sources)


def crops(
    cropper: pipeline.Cropper, photo: np.ndarray, captions: Sequence[str]
) -> dict[str, pipeline.CropResult]:
    """Caption to its crop of a photo.

    Raises:
      ExperimentError: A caption cannot be used.
    """
    found = {}
    for caption in tqdm(captions, desc="captions", unit="crop", disable=None):
        try:
            found[caption] = cropper.crop(photo, caption)
        except ValueError as error:
            raise ExperimentError(f"--caption is {caption!r}: {error}") from error
    return found


def read_records(
    path: Path, photo: str, captions: Sequence[str] | None
) -> dict[str, records.Record]:
    """Caption to record, from a file of results.

    Args:
      path: The `results.jsonl`.
      photo: File name of the photo.
      captions: Which captions; None takes all that there are.

    Raises:
      ExperimentError: There is no result of the photo, or of a caption.
      records.RecordError: See there.
    """
    found = {
        record.caption: record
        for record in records.read(path).values()
        if record.ok and record.caption and Path(record.image).name == photo
    }
    missing = [caption for caption in captions or [] if caption not in found]
    if missing or not found:
        raise ExperimentError(
            f"{path} has no crop of {photo} for {missing or 'any caption'}; it has {list(found)}"
        )
    return {caption: found[caption] for caption in captions or found}


def draw(photo: np.ndarray, boxes: Mapping[str, Sequence[float]]) -> Figure:
    """The figure: the photo with all boxes, and beside it each crop with its caption."""
    height, width = photo.shape[:2]
    columns = min(len(boxes), COLUMNS)
    rows = -(-len(boxes) // columns)
    cell = 2.4  # Inches across.
    whole = 2 * cell
    tall = max(rows * (cell * height / width + 0.55), whole * height / width + 0.1)
    figure = Figure(figsize=(whole + columns * cell + 0.3, tall), layout="constrained")
    grid = figure.add_gridspec(rows, 1 + columns, width_ratios=[whole] + [cell] * columns)
    left = figure.add_subplot(grid[:, 0])
    panels.show_photo(left, photo)
    left.set_anchor("C")
    for number, (caption, box) in enumerate(boxes.items()):
        colour, mark = COLOURS[number % len(COLOURS)], f"({chr(ord('a') + number % 26)})"
        panels.draw_box(left, box, colour)
        panels.draw_mark(left, box, mark, colour)
        axes = figure.add_subplot(grid[number // columns, 1 + number % columns])
        panels.show_photo(axes, panels.cut(photo, box))
        axes.spines[:].set(visible=True, color=colour, linewidth=3)
        panels.write_below(axes, f"{mark} {caption}", cell)
    return figure


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

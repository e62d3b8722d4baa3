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

from cagic_tf import config
from cagic_tf.photos import reading
from cagic_tf.system import resources
from experiments.figures import drawing, one_search
from experiments.tables import comparison, entries

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
    drawing.define_output_flag()
    flags.DEFINE_string("image", None, "the photo; by default a sample")
    flags.DEFINE_multi_string("caption", None, "what a crop should show; repeatable")
    flags.DEFINE_string("results", None, "folder of results that has rows of the photo")
    flags.DEFINE_multi_string("gin_file", ["fast.gin"], "without --results; as in cagic_tf.run")
    flags.DEFINE_multi_string("gin_param", [], "a single binding, as in cagic_tf.run")


def main() -> None:
    """Finds or reads the crops, and draws them."""
    output = drawing.output_path("captions.jpg")
    if FLAGS.image is not None and not FLAGS.caption and FLAGS.results is None:
        raise entries.EntryError("--image needs --caption, once or more, or --results")
    image = Path(FLAGS.image or resources.package_path("samples") / one_search.SAMPLE)
    photo = reading.read(image)
    if FLAGS.results is not None:
        boxes = read_boxes(Path(FLAGS.results), image.name, FLAGS.caption)
    else:
        boxes = find_boxes(photo, FLAGS.caption or SAMPLE_CAPTIONS)
    drawing.save(draw(photo, boxes), output)


def find_boxes(photo: np.ndarray, captions: Sequence[str]) -> dict[str, Sequence[float]]:
    """Caption to box `(x, y, w, h)`, by the search that the flags name.

    Raises:
      entries.EntryError: A caption cannot be used.
      config.ConfigError, checkpoints.CheckpointError: See there.
    """
    cropper = config.load_cropper(*FLAGS.gin_file, bindings=FLAGS.gin_param)
    boxes = {}
    for caption in tqdm(captions, desc="captions", unit="crop"):
        try:
            boxes[caption] = cropper.crop(photo, caption).box
        except ValueError as error:
            raise entries.EntryError(f"--caption is {caption!r}: {error}") from error
    return boxes


def read_boxes(
    folder: Path, photo: str, captions: Sequence[str] | None
) -> dict[str, Sequence[float]]:
    """Caption to box, from a folder of results.

    Args:
      folder: Where `results.jsonl` is.
      photo: File name of the photo.
      captions: Which captions; None takes all that there are.

    Raises:
      entries.EntryError: There is no result of the photo, or of a caption.
    """
    boxes = {
        line["caption"]: line["box"]
        for line in drawing.read_results(folder).values()
        if line["status"] == "ok" and Path(line["image"]).name == photo
    }
    missing = [caption for caption in captions or [] if caption not in boxes]
    if missing or not boxes:
        raise entries.EntryError(
            f"{folder} has no crop of {photo} for {missing or 'any caption'}; it has {list(boxes)}"
        )
    return {caption: boxes[caption] for caption in captions or boxes}


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
    drawing.show_photo(left, photo)
    left.set_anchor("C")
    for number, (caption, box) in enumerate(boxes.items()):
        colour, mark = COLOURS[number % len(COLOURS)], f"({chr(ord('a') + number % 26)})"
        drawing.draw_box(left, box, colour)
        drawing.draw_mark(left, box, mark, colour)
        axes = figure.add_subplot(grid[number // columns, 1 + number % columns])
        drawing.show_photo(axes, drawing.cut(photo, box))
        axes.spines[:].set(visible=True, color=colour, linewidth=3)
        drawing.write_below(axes, f"{mark} {caption}", cell)
    return figure


if __name__ == "__main__":
    define_flags()
    app.run(comparison.main(main))

"""Fig. 7: how far annotators agree: their boxes on some photos, and box plots of their overlaps.

    python -m experiments.figures.annotators --dataset=ROWS.jsonl
    python -m experiments.figures.annotators --dataset=ROWS.jsonl --results=outputs/table1/fast.gin

A row's overlaps are the IoUs of every two of its ground-truth crops, so rows need two or more. With
--results, dots are the IoUs of a method's crop with each of them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cagic_tf.batch import manifest, output_folder, records
from cagic_tf.method import geometry
from cagic_tf.photos import reading
from experiments import command
from experiments.errors import ExperimentError
from experiments.figures import panels
from experiments.tables import agreement, method_runs

FLAGS = flags.FLAGS
PHOTOS = 5  # Shown by default.
MOST_NAMES = 30  # Box plots that are named by their row's id; more are numbered.


def define_flags() -> None:
    """Flags of this script."""
    panels.define_output_flag()
    flags.DEFINE_string("dataset", None, "A manifest with two or more crops a row.", required=True)
    flags.DEFINE_list(
        "rows", None, f"The ids of the photos to show. By default the first {PHOTOS} are shown."
    )
    flags.DEFINE_string("results", None, "A folder with a method's results of these rows.")


def main() -> None:
    """Reads the annotations and draws them."""
    output = panels.output_path("annotators.jpg")
    rows = [row for row in method_runs.read_rows(FLAGS.dataset) if len(row.crops) > 1]
    if not rows:
        raise ExperimentError(
            f"no row of {FLAGS.dataset} has two or more crops, so there is no agreement to show"
        )
    by_id = {row.id: row for row in rows}
    missing = [name for name in FLAGS.rows or [] if name not in by_id]
    if missing:
        raise ExperimentError(f"--rows has {missing}, which have not two crops or are not there")
    shown = [by_id[name] for name in FLAGS.rows] if FLAGS.rows else rows[:PHOTOS]
    boxes, checkpoints, sources = {}, {}, []
    if FLAGS.results is not None:
        sources = [Path(FLAGS.results) / output_folder.RESULTS]
        for record in records.read(sources[0]).values():
            if record.ok:
                boxes[record.id] = record.box
                checkpoints |= record.checkpoints or {}
    data = panels.encoded(draw(rows, shown, boxes), output.suffix)
    panels.write(output, data, checkpoints, sources=sources)


def draw(
    rows: Sequence[manifest.Row],
    shown: Sequence[manifest.Row],
    boxes: dict[str, Sequence[float]],
) -> Figure:
    """The figure.

    Args:
      rows: Rows with two crops or more: one box plot each.
      shown: Those whose photos are shown.
      boxes: Row id to a method's box; may be empty.

    Raises:
      reading.ImageError: A photo cannot be read.
    """
    photos = [reading.read(row.path) for row in shown]
    across = max(2.4 * len(shown), 7, min(0.3 * len(rows), 16))
    cell = across / len(shown)
    tall = cell * max(photo.shape[0] / photo.shape[1] for photo in photos) + 0.5
    figure = Figure(figsize=(across, tall + 3.2), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(tall, 3.2))
    row_of_axes = above.subplots(1, len(shown), squeeze=False)[0]
    for axes, photo, row in zip(row_of_axes, photos, shown, strict=True):
        panels.show_photo(axes, photo)
        for number, crop in enumerate(row.crops):
            panels.draw_box(axes, crop, colormaps["tab10"](number % 10), width=1.2)
        if row.id in boxes:
            panels.draw_box(axes, boxes[row.id], "white", "--")
        panels.write_below(axes, f"“{row.caption}”", cell)
    draw_overlaps(below.subplots(), rows, boxes)
    return figure


def draw_overlaps(
    axes: Axes, rows: Sequence[manifest.Row], boxes: dict[str, Sequence[float]]
) -> None:
    """A box plot a row: median, quartiles, whiskers to the last within 1.5 of their distance."""
    named = len(rows) <= MOST_NAMES
    axes.boxplot(
        [agreement.overlaps(row.crops) for row in rows],
        tick_labels=[row.id for row in rows] if named else None,
        widths=0.6,
        flierprops={"markersize": 3},
        medianprops={"color": "C1"},
    )
    if boxes:
        dots = [
            (number, geometry.iou(boxes[row.id], crop))
            for number, row in enumerate(rows, 1)
            if row.id in boxes
            for crop in row.crops
        ]
        axes.plot(*np.transpose(dots), "o", color="C0", alpha=0.5, markersize=4)
        axes.plot([], [], "o", color="C0", alpha=0.5, label="the method's crop (dashed) with each")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize=8)
    axes.set(ylim=(0, 1.02), ylabel="IoU of two annotators", xlabel=None if named else "row")
    axes.grid(axis="y", alpha=0.3)
    if named:
        axes.tick_params(axis="x", labelrotation=30, labelsize=8)
    else:
        places = range(1, len(rows) + 1, max(1, len(rows) // 20))
        axes.set_xticks(places, [str(place) for place in places])


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

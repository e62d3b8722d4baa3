"""The README's picture: photos with the crop that a search finds, and the crops.

    python -m experiments.readme_picture --output_dir=experiments/results/samples
    python -m experiments.readme_picture --dataset=cagic_tf/samples/nouns.jsonl \\
        --output_dir=experiments/results/nouns

Writes OUT/METHOD/results.jsonl, then OUT/picture.jpg and made_by.json; goes on where it stopped.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from absl import app, flags
from matplotlib.figure import Figure

from cagic_tf import config
from cagic_tf.batch import manifest
from cagic_tf.batch.records import Record
from cagic_tf.photos import reading
from cagic_tf.system import devices
from experiments import command
from experiments.errors import ExperimentError
from experiments.figures import panels
from experiments.tables import comparison, made_by, method_runs

FLAGS = flags.FLAGS
CELL = 2.6  # Inches across.


def define_flags() -> None:
    """Flags of this script."""
    method_runs.define_dataset_flag()
    flags.DEFINE_string("gin_file", "fast.gin", "The search, a gin file.")
    flags.DEFINE_string("output_dir", "outputs/readme_picture", "The folder that results go to.")
    devices.define_flags()


def main() -> None:
    """Crops what is missing, then draws the picture."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    rows, directory = method_runs.read_rows(FLAGS.dataset), Path(FLAGS.output_dir)
    cropper = config.load_cropper(FLAGS.gin_file)
    name = Path(FLAGS.gin_file).name
    method = method_runs.from_cropper(name, cropper)
    records = comparison.run([method], rows, directory)[name]
    for record in records.values():
        if not record.ok:
            raise ExperimentError(f"no picture, the row {record.id!r} was refused: {record.error}")
    picture = directory / "picture.jpg"
    made_by.write_file(picture, panels.encoded(draw(rows, records), picture.suffix))
    files = [picture, *comparison.files_of([method], directory)]
    made_by.write(directory, files, cropper.loss.networks.checkpoints)
    print(picture)


def draw(rows: Sequence[manifest.Row], records: Mapping[str, Record]) -> Figure:
    """A column a row: the photo, dark but for its crop, ground truths green; below it the crop."""
    figure = Figure(figsize=(CELL * len(rows), 1.8 * CELL), layout="constrained")
    for (above, below), row in zip(
        figure.subplots(2, len(rows), squeeze=False).T, rows, strict=True
    ):
        photo, box = reading.read(row.path), records[row.id].box
        x, y, w, h = box
        darkened = photo // 2
        darkened[y : y + h, x : x + w] = photo[y : y + h, x : x + w]
        panels.show_photo(above, darkened)
        for truth in row.crops:
            panels.draw_box(above, truth, "lime", width=1.2)
        panels.draw_box(above, box, "white")
        above.set_title(f"“{row.caption}”", fontsize=9, wrap=True, parse_math=False)
        panels.show_photo(below, panels.cut(photo, box))
    return figure


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

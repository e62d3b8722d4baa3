"""Fig. 9, 10 and 11: the crops of several methods side by side, from results on the disk.

    python -m experiments.figures.side_by_side --results=outputs/table1
    python -m experiments.figures.side_by_side --results=outputs/table4
    python -m experiments.figures.side_by_side --results=outputs/sweep

The first after `experiments.table1` (Fig. 9: CAGIC and other methods), the second after
`experiments.table4` (Fig. 10: ablations), the third after `experiments.sweep
--binding='Objective.aesthetic_weight=[...]'` (Fig. 11: several lambdas); --dataset as there. Each
row is a photo: with its ground truths in red and the caption, then each method's crop and its IoU.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from absl import app, flags
from matplotlib.figure import Figure

from cagic_tf.batch import manifest, output_folder, records
from cagic_tf.photos import reading
from experiments import command, sweep
from experiments.errors import ExperimentError
from experiments.figures import panels
from experiments.tables import comparison, method_runs, networks, table_files

FLAGS = flags.FLAGS
ROWS = 6  # Shown by default.
CELL = 1.75  # Inches across.
SHORT_NAMES = {"Objective.aesthetic_weight": "λ"}


class Column(NamedTuple):
    """A method: the heading of its column, its records by row id, and where they were read."""

    heading: str
    records: comparison.Records
    source: Path


def define_flags() -> None:
    """Flags of this script."""
    panels.define_output_flag()
    flags.DEFINE_string("results", "outputs/table1", "The folder that a table or sweep wrote.")
    flags.DEFINE_string("dataset", "samples", "The rows of the results: 'samples', or a manifest.")
    flags.DEFINE_list(
        "methods", None, "The headings of the columns to show. By default all are shown."
    )
    flags.DEFINE_list(
        "rows", None, f"The ids of the rows to show. By default the first {ROWS} are shown."
    )


def main() -> None:
    """Reads the results and draws them."""
    directory = Path(FLAGS.results)
    output = panels.output_path(f"{directory.name}.jpg")
    columns = read_columns(directory)
    if FLAGS.methods:
        columns = chosen(FLAGS.methods, {one.heading: one for one in columns}, "methods")
    rows = method_runs.read_rows(FLAGS.dataset)
    rows = chosen(FLAGS.rows, {row.id: row for row in rows}, "rows") if FLAGS.rows else rows[:ROWS]
    used = {column.heading: comparison.recorded(column.records) for column in columns}
    data = panels.encoded(draw(rows, columns), output.suffix)
    sources = [column.source for column in columns]
    panels.write(output, data, networks.merged(used), sources=sources)


def chosen(names: Sequence[str], found: dict, flag: str) -> list:
    """The values of some names, in the order of the names.

    Raises:
      ExperimentError: There is no such name.
    """
    missing = [name for name in names if name not in found]
    if missing:
        raise ExperimentError(f"--{flag} has {missing}; there are {', '.join(found)}")
    return [found[name] for name in names]


def read_columns(directory: Path) -> list[Column]:
    """The methods of a table or the settings of a sweep, in its order.

    Args:
      directory: Of `experiments.table1`, `table4` or `sweep`: table.csv and FOLDER/results.jsonl.

    Raises:
      ExperimentError: There is no table, or no results.
      records.RecordError: See there.
    """
    path = directory / table_files.CSV
    try:
        table = table_files.read(path)
    except (OSError, ValueError) as error:
        raise ExperimentError(
            f"cannot read {path}, so write it by python -m experiments.table1 (table4, sweep) "
            f"--output_dir={directory}: {error}"
        ) from error
    columns = []
    for row in table.to_dict("records"):
        heading, folder = name_of(row)
        source = directory / folder / output_folder.RESULTS
        if source.is_file():  # Rows of the paper alone have none.
            columns.append(Column(heading, records.read(source), source))
    if not columns:
        raise ExperimentError(f"{path} names no folder of results beside it")
    return columns


def name_of(row: dict[str, str]) -> tuple[str, str]:
    """Heading and folder of a table's row, or of a sweep's, whose settings come before "rows"."""
    if "method" in row:
        return row["method"], manifest.safe_name(row["method"])
    names = list(row)
    settings = {name: row[name] for name in names[: names.index("rows")]}
    heading = "\n".join(
        f"{SHORT_NAMES.get(name, name)} = {value}" for name, value in settings.items()
    )
    return heading, sweep.folder_name(settings)


def draw(rows: Sequence[manifest.Row], columns: Sequence[Column]) -> Figure:
    """The figure: a row a photo, a column a method.

    Raises:
      ExperimentError: A result is of another caption than its row.
      reading.ImageError: A photo cannot be read.
    """
    photos = {row.path: reading.read(row.path) for row in rows}
    heights = [
        CELL * min(photos[row.path].shape[0] / photos[row.path].shape[1], 1.3) for row in rows
    ]
    figure = Figure(
        figsize=(CELL * (1 + len(columns)), sum(heights) + 0.4 * len(rows) + 0.3),
        layout="constrained",
    )
    axes = figure.subplots(
        len(rows),
        1 + len(columns),
        squeeze=False,
        height_ratios=[height + 0.4 for height in heights],
    )
    for row, line in zip(rows, axes, strict=True):
        photo = photos[row.path]
        panels.show_photo(line[0], photo)
        for truth in row.crops:
            panels.draw_box(line[0], truth, "red", width=1)
        panels.write_below(line[0], f"“{row.caption}”", CELL, fontsize=8)
        for column, here in zip(columns, line[1:], strict=True):
            draw_crop(here, photo, row, column)
    for heading, here in zip(["photo", *(c.heading for c in columns)], axes[0], strict=True):
        here.set_title(heading, fontsize=9, parse_math=False)
    return figure


def draw_crop(axes, photo, row: manifest.Row, column: Column) -> None:
    """A method's crop of a row with its IoU, or why there is none."""
    found = column.records.get(row.id)
    if found and found.caption != row.caption:
        raise ExperimentError(
            f"the results' row {row.id!r} is of the caption {found.caption!r}, the data set's "
            f"of {row.caption!r}: give the --dataset of the results"
        )
    if not found or not found.ok:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "refused" if found else "not run", ha="center", fontsize=9)
        return
    panels.show_photo(axes, panels.cut(photo, found.box))
    if found.iou is not None:
        panels.write_below(axes, f"IoU {found.iou:.2f}", CELL, fontsize=8)


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

"""The trade between quality and time: settings of sweeps by seconds a photo and mean IoU.

    python -m experiments.figures.pareto --sweep=OUT --sweep=OUT2 --timing=IDLE --timing=IDLE2

Reads `table.csv` of folders of `experiments.sweep`. A sweep of many rows is slow, and seldom alone
on its machine; a second sweep of the same values on a few rows of an idle one may give the seconds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags
from matplotlib.figure import Figure

from experiments import command, sweep
from experiments.errors import ExperimentError
from experiments.figures import panels
from experiments.tables import comparison, made_by, networks, table_files

FLAGS = flags.FLAGS


class Point(NamedTuple):
    """One setting: its label, seconds a photo, mean IoU and the ends of the IoU's interval."""

    label: str
    seconds: float
    iou: float
    low: float
    high: float


def define_flags() -> None:
    """Flags of this figure."""
    panels.define_output_flag()
    flags.DEFINE_multi_string(
        "sweep", None, "A folder that experiments.sweep wrote. It may be repeated."
    )
    flags.DEFINE_multi_string(
        "timing", [], "A folder of the same sweep whose seconds count. It may be repeated."
    )
    flags.mark_flags_as_required(["sweep"])


def main() -> None:
    """Draws the settings of all sweeps."""
    output = panels.output_path("pareto.png")
    points = read(FLAGS.sweep)
    if FLAGS.timing:
        seconds = {point.label: point.seconds for point in read(FLAGS.timing)}
        missing = [point.label for point in points if point.label not in seconds]
        if missing:
            raise ExperimentError(f"no --timing has the setting {missing[0]}")
        points = [point._replace(seconds=seconds[point.label]) for point in points]
    used = {folder: made_by.read(Path(folder)).get("checkpoints", {}) for folder in FLAGS.sweep}
    tables = [Path(folder) / table_files.CSV for folder in [*FLAGS.sweep, *FLAGS.timing]]
    data = panels.encoded(draw(points), output.suffix)
    panels.write(output, data, networks.merged(used), sources=tables)


def read(folders: Sequence[str]) -> list[Point]:
    """The settings of sweeps, fastest first.

    Raises:
      ExperimentError: A folder has no table of a sweep, or a sweep measured nothing.
    """
    points = []
    for folder in folders:
        path = Path(folder) / table_files.CSV
        try:
            points += [_point(row) for row in table_files.read(path).to_dict("records")]
        except (OSError, KeyError, ValueError) as error:
            raise ExperimentError(f"no sweep's table in {path}: {error}") from error
    return sorted(points, key=lambda point: point.seconds)


def front(points: Sequence[Point]) -> list[Point]:
    """The points, fastest first, that no faster point equals or beats in IoU."""
    found = []
    for point in sorted(points, key=lambda point: (point.seconds, -point.iou)):
        if not found or point.iou > found[-1].iou:
            found.append(point)
    return found


def draw(points: Sequence[Point]) -> Figure:
    """The figure."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    best = front(points)
    axes.plot([p.seconds for p in best], [p.iou for p in best], "C0-", label="Pareto front")
    for number, point in enumerate(points):
        reach = np.array([[point.iou - point.low], [point.high - point.iou]])
        style = {"capsize": 3, "color": f"C{number % 10}", "label": point.label}
        axes.errorbar(point.seconds, point.iou, reach, fmt="o", **style)
    axes.set(xlabel="seconds a photo (median)", ylabel="mean IoU, 95 % interval")
    axes.grid(color="0.9")
    figure.legend(loc="outside lower center", fontsize=8)
    return figure


def _point(row: dict[str, str]) -> Point:
    """A line of a sweep's table; its label names every value that was varied."""
    ends = table_files.interval_columns(comparison.INTERVAL)
    figures = {*ends, *sweep.COLUMNS}
    label = ", ".join(f"{name.split('.')[-1]} {row[name]}" for name in row if name not in figures)
    seconds, iou = float(row["seconds a photo"]), float(row["mean IoU"])
    return Point(label, seconds, iou, *(float(row[end]) for end in ends))


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

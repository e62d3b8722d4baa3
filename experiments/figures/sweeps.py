"""What settings do (Sec. 4.3): the mean IoU and the hits of sweeps, a column of panels a sweep.

    python -m experiments.figures.sweeps --sweep=LAMBDAS --sweep=RESTARTS --output=OUT/sweeps.png

Reads `table.csv` of folders of `experiments.sweep`. The setting with the most values lies along the
horizontal axis, evenly spaced; each value of another one is a line of its own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import command, sweep
from experiments.errors import ExperimentError
from experiments.figures import panels
from experiments.tables import comparison, made_by, networks, table_files

FLAGS = flags.FLAGS
IOU, HITS = "mean IoU", "hit rate"


class Line(NamedTuple):
    """Runs of a sweep that differ in one setting.

    Attributes:
      label: The other settings that vary, "" if none does.
      places: Where the values lie along the axis, which has all values of the sweep.
      ious: `(mean IoU, low, high)` of each, the ends being of its interval.
      hits: Hit rate of each.
    """

    label: str
    places: list[int]
    ious: list[tuple[float, float, float]]
    hits: list[float]


class Sweep(NamedTuple):
    """A sweep: the setting along the axis, its values in the table's order, and the lines."""

    setting: str
    values: list[str]
    lines: list[Line]


def define_flags() -> None:
    """Flags of this figure."""
    panels.define_output_flag()
    flags.DEFINE_multi_string(
        "sweep", None, "A folder that experiments.sweep wrote. It may be repeated."
    )
    flags.mark_flags_as_required(["sweep"])


def main() -> None:
    """Draws all sweeps."""
    output = panels.output_path("sweeps.png")
    used = {folder: made_by.read(Path(folder)).get("checkpoints", {}) for folder in FLAGS.sweep}
    figure = draw([read(Path(folder)) for folder in FLAGS.sweep])
    tables = [Path(folder) / table_files.CSV for folder in FLAGS.sweep]
    data = panels.encoded(figure, output.suffix)
    panels.write(output, data, networks.merged(used), sources=tables)


def read(folder: Path) -> Sweep:
    """A sweep's table.

    Raises:
      ExperimentError: There is none, or it has no setting with several values.
    """
    path = folder / table_files.CSV
    try:
        rows = table_files.read(path).to_dict("records")
        low, high = table_files.interval_columns(comparison.INTERVAL)
        settings = [name for name in rows[0] if name not in {low, high, *sweep.COLUMNS}]
        values = {name: list(dict.fromkeys(row[name] for row in rows)) for name in settings}
        varied = sorted((name for name in settings if len(values[name]) > 1), key=settings.index)
        setting = max(varied, key=lambda name: len(values[name]))
        lines: dict[str, Line] = {}
        for row in rows:
            label = ", ".join(f"{_short(name)} {row[name]}" for name in varied if name != setting)
            line = lines.setdefault(label, Line(label, [], [], []))
            line.places.append(values[setting].index(row[setting]))
            line.ious.append((float(row[IOU]), float(row[low]), float(row[high])))
            line.hits.append(float(row[HITS]))
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise ExperimentError(f"no sweep of several values in {path}: {error}") from error
    return Sweep(setting, values[setting], list(lines.values()))


def draw(sweeps: Sequence[Sweep]) -> Figure:
    """The figure: IoU above, hits below."""
    figure = Figure(figsize=(3.2 * len(sweeps), 5.2), layout="constrained")
    axes = figure.subplots(2, len(sweeps), squeeze=False, sharey="row", sharex="col")
    for column, each in enumerate(sweeps):
        _draw_sweep(axes[0, column], axes[1, column], each)
    axes[0, 0].set_ylabel("mean IoU, 95 % interval")
    axes[1, 0].set_ylabel("hit rate")
    return figure


def _draw_sweep(above: Axes, below: Axes, each: Sweep) -> None:
    for number, line in enumerate(each.lines):
        aside = 0.08 * (number - (len(each.lines) - 1) / 2)  # So that intervals do not cover.
        places = [place + aside for place in line.places]
        middles, lows, highs = np.transpose(line.ious)
        reach = [middles - lows, highs - middles]
        above.errorbar(places, middles, reach, fmt="o-", capsize=3, label=line.label)
        below.plot(places, line.hits, "o-")
    below.set_xticks(range(len(each.values)), each.values)
    below.set_xlabel(_short(each.setting))
    for axes in (above, below):
        axes.grid(color="0.9")
    if len(each.lines) > 1:
        above.legend(fontsize=8)


def _short(name: str) -> str:
    return name.split(".")[-1].replace("_", " ")


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

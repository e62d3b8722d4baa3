import csv

import pytest

pytest.importorskip("matplotlib")

from experiments.errors import ExperimentError
from experiments.figures import sweeps
from tests.experiments import commands

SETTINGS = ("Minimizer.max_iterations", "Minimizer.hold_words", "Annealing.restart_count")


def write_table(folder, rows):
    """A sweep's table; rows are values of `SETTINGS`, mean IoU and hit rate."""
    folder.mkdir()
    ends = ["95 % interval, low", "95 % interval, high"]
    with open(folder / "table.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*SETTINGS, "rows", "mean IoU", *ends, "hit rate"])
        for *settings, iou, hits in rows:
            writer.writerow([*settings, 10, iou, iou - 0.1, iou + 0.05, hits])
    return folder


@pytest.fixture
def folder(tmp_path):
    rows = [(1, "evaluation", 4, 0.3, 0.6), (1, "iteration", 4, 0.31, 0.61)]
    rows += [(3, "evaluation", 4, 0.4, 0.7), (3, "iteration", 4, 0.41, 0.71)]
    rows += [(100, "iteration", 4, 0.5, 0.8)]
    return write_table(tmp_path / "sweep", rows)


def test_the_setting_with_most_values_lies_along_the_axis(folder):
    found = sweeps.read(folder)
    assert found.setting == "Minimizer.max_iterations" and found.values == ["1", "3", "100"]
    held, anew = found.lines[1], found.lines[0]
    assert (anew.label, anew.places, anew.hits) == ("hold words evaluation", [0, 1], [0.6, 0.7])
    assert (held.label, held.places) == ("hold words iteration", [0, 1, 2])
    assert held.ious[2] == pytest.approx((0.5, 0.4, 0.55))


def test_values_and_their_intervals_are_drawn(folder):
    axes = sweeps.draw([sweeps.read(folder)]).axes
    held = axes[0].containers[1]
    assert held.lines[0].get_ydata().tolist() == [0.31, 0.41, 0.5]
    ends = held.lines[2][0].get_segments()[2]
    assert ends[:, 1].tolist() == pytest.approx([0.4, 0.55])
    assert axes[1].lines[1].get_ydata().tolist() == [0.61, 0.71, 0.8]
    assert [label.get_text() for label in axes[1].get_xticklabels()] == ["1", "3", "100"]


def test_command(folder, tmp_path):
    (folder / "made_by.json").write_text('{"checkpoints": {"sat": "1"}}')
    output = tmp_path / "out" / "sweeps.png"
    commands.call(sweeps, f"--sweep={folder}", f"--output={output}")
    found = commands.made_by(tmp_path / "out")
    assert found["checkpoints"] == {"sat": "1"} and list(found["files"]) == ["sweeps.png"]
    assert list(found["sources"]) == ["sweep/table.csv"]


def test_a_table_without_a_sweep(tmp_path):
    with pytest.raises(ExperimentError, match="no sweep of several values"):
        sweeps.read(tmp_path)
    write_table(tmp_path / "one", [(1, "iteration", 4, 0.3, 0.6)])
    with pytest.raises(ExperimentError, match="no sweep of several values"):
        sweeps.read(tmp_path / "one")

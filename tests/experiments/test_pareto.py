import csv

import pytest

pytest.importorskip("matplotlib")

from experiments import sweep
from experiments.figures import pareto
from experiments.tables import entries


def write_table(folder, rows):
    folder.mkdir()
    names = ["A.scales", "rows", "mean IoU", "95 % interval, low", "95 % interval, high"]
    names += ["hit rate", "mean loss", "crops computed a photo", "seconds a photo"]
    assert set(sweep.COLUMNS) - {"95 % interval"} <= set(names)
    with open(folder / "sweep.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for scales, iou, seconds in rows:
            values = (scales, 10, iou, iou - 0.1, iou + 0.05, 0.8, 1.5, 99, seconds)
            writer.writerow(dict(zip(names, values, strict=True)))
    return str(folder)


def test_settings_of_all_tables_fastest_first(tmp_path):
    one = write_table(tmp_path / "one", [("(0.5, 0.6)", 0.5, 3.0), ("(0.5,)", 0.4, 1.0)])
    two = write_table(tmp_path / "two", [("(0.7,)", 0.45, 2.0)])
    points = pareto.read([one, two])
    assert [point.label for point in points] == ["scales (0.5,)", "scales (0.7,)"] + [
        "scales (0.5, 0.6)"
    ]
    assert points[0][1:] == pytest.approx((1.0, 0.4, 0.3, 0.45))


def test_front():
    values = [(1, 0.3), (2, 0.3), (3, 0.5), (2.5, 0.45), (4, 0.2), (3, 0.4)]
    points = [pareto.Point(str(at), *pair, 0, 1) for at, pair in enumerate(values)]
    assert [point.label for point in pareto.front(points)] == ["0", "3", "2"]


def test_every_setting_is_drawn_at_its_place():
    points = [pareto.Point("a", 1, 0.3, 0.2, 0.5), pareto.Point("b", 2, 0.2, 0.1, 0.3)]
    axes = pareto.draw(points).axes[0]
    assert axes.lines[0].get_xydata().tolist() == [[1, 0.3]]  # The front: b is worse and slower.
    bars = [container.lines[0].get_xydata().tolist() for container in axes.containers]
    assert bars == [[[1, 0.3]], [[2, 0.2]]]
    ends = axes.containers[0].lines[2][0].get_segments()[0]
    assert ends[:, 1].tolist() == pytest.approx([0.2, 0.5])


def test_a_folder_without_a_table(tmp_path):
    with pytest.raises(entries.EntryError, match="no sweep's table"):
        pareto.read([str(tmp_path)])

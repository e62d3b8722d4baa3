import csv

import pytest

pytest.importorskip("matplotlib")

from experiments import sweep
from experiments.errors import ExperimentError
from experiments.figures import pareto
from experiments.tables import comparison
from tests.experiments import commands


def write_table(folder, rows):
    folder.mkdir()
    names = ["A.scales", "rows", "refused", "mean IoU"]
    names += ["95 % interval, low", "95 % interval, high", "hit rate"]
    names += ["ground truth kept", "cut through", "people cut through"]
    names += ["mean loss", "crops computed a photo", "mean IoU of each repeat"]
    names += ["seconds a photo"]
    assert set(sweep.COLUMNS) - {comparison.INTERVAL} <= set(names)
    with open(folder / "table.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for scales, iou, seconds in rows:
            values = (
                scales,
                10,
                0,
                iou,
                iou - 0.1,
                iou + 0.05,
                0.8,
                0.7,
                0.6,
                0.5,
                1.5,
                99,
                f"{iou:.4f}",
                seconds,
            )
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
    with pytest.raises(ExperimentError, match="no sweep's table"):
        pareto.read([str(tmp_path)])


def test_command_takes_seconds_from_another_sweep(tmp_path, monkeypatch):
    slow = write_table(tmp_path / "slow", [("(0.5,)", 0.5, 9.0), ("None", 0.4, 8.0)])
    idle = write_table(tmp_path / "idle", [("(0.5,)", 0.1, 2.0), ("None", 0.1, 1.0)])
    (tmp_path / "slow" / "made_by.json").write_text('{"checkpoints": {"sat": "1"}}')
    drawn = []
    draw = pareto.draw
    monkeypatch.setattr(pareto, "draw", lambda points: drawn.append(points) or draw(points))
    output = tmp_path / "out" / "pareto.png"
    commands.call(pareto, f"--sweep={slow}", f"--timing={idle}", f"--output={output}")
    assert [point[:3] for point in drawn[0]] == [
        ("scales None", 1.0, 0.4),
        ("scales (0.5,)", 2.0, 0.5),
    ]
    found = commands.made_by(tmp_path / "out")
    assert found["checkpoints"] == {"sat": "1"} and list(found["files"]) == ["pareto.png"]
    assert list(found["sources"]) == ["slow/table.csv", "idle/table.csv"]
    write_table(tmp_path / "other", [("(0.5,)", 0.1, 2.0)])
    message = commands.error_of(pareto, f"--sweep={slow}", f"--timing={tmp_path / 'other'}")
    assert "no --timing has the setting scales None" in message

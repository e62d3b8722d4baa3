"""Losses of returned crops beside the ground truth's, against values by hand."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf import pipeline
from cagic_tf.batch import manifest
from cagic_tf.batch.records import Record
from cagic_tf.photos import reading
from cagic_tf.system import resources
from experiments import objective_gap
from tests.experiments import commands

ROWS = [
    manifest.Row(name, "a.png", None, "a dog", ((0, 0, 10, 10), (0, 0, 10, 20))) for name in "abcd"
]
GOOD, BAD = (0, 0, 10, 10), (50, 50, 10, 10)  # Mean IoU 0.75 and 0.
BOXES = {
    "one": dict(zip("abcd", (GOOD, BAD, BAD, GOOD), strict=True)),
    "two": dict(zip("abcd", (BAD, GOOD, BAD, GOOD), strict=True)),
}
LOSSES = {
    objective_gap.TRUTH: dict(zip("abcd", (2.0, 2.0, 2.0, 2.0), strict=True)),
    "one": dict(zip("abcd", (1.0, 1.5, 3.0, 2.5), strict=True)),
    "two": dict(zip("abcd", (4.0, 1.0, 3.0, 1.0), strict=True)),
}
NOT_OF_TRUTHS = [name for name in objective_gap.COLUMNS if name not in ("method", "rows")]
NOT_OF_TRUTHS.remove("mean loss")


def test_table_by_hand():
    truth, one, two = objective_gap.gaps(ROWS, BOXES, LOSSES).to_dict("records")
    assert (truth["method"], truth["rows"], truth["mean loss"]) == ("ground truth", 4, 2.0)
    assert all(np.isnan(value) for name, value in truth.items() if name in NOT_OF_TRUTHS)
    assert list(one.values()) == ["one", 4, 0.375, 2.0, 0.0, 0.5, 0.25, 0.25]
    assert list(two.values()) == ["two", 4, 0.375, 2.25, 0.25, 0.5, 0.0, 0.5]
    assert list(one) == list(objective_gap.COLUMNS)


def test_agreement_by_hand():
    # Row a: lower loss, better crop; b: likewise; c and d have one IoU, so they say nothing.
    assert objective_gap.agreement(ROWS, BOXES, LOSSES) == pytest.approx(-1)
    worse = LOSSES | {"one": LOSSES["one"] | {"a": 5.0}}
    assert objective_gap.agreement(ROWS, BOXES, worse) == pytest.approx(0)


def test_loss_of_a_box_is_that_of_its_theta():
    cropper = pipeline.Cropper()
    path = resources.package_path("samples") / "workers.jpg"
    row = manifest.Row("w", "workers.jpg", path, "a woman in a blue shirt")
    photo = reading.read(path)
    assert photo.shape == (360, 540, 3)
    problem, _ = cropper.problem(photo, row.caption)
    box = (54, 36, 270, 180)  # Half the sides: theta of the photo's own shape has it too.
    theta = tf.constant([[2 * (54 + 135) / 540 - 1, 2 * (36 + 90) / 360 - 1, 0.5]])
    (found,) = objective_gap.loss_at(cropper, row, [box])
    assert found == pytest.approx(float(cropper.loss(problem, theta).total[0]), abs=2e-4)
    (other,) = objective_gap.loss_at(cropper, row, [(270, 0, 270, 180)])
    assert abs(other - found) > 0.01


def test_command_leaves_refused_rows_out_of_all_methods(dataset, tmp_path, monkeypatch):
    values = {"left": [3.0, 2.5, 2.0, 4.0], "middle": [1.0, 5.0, 2.0, 0.5]}  # Truths, one, two.
    asked = {}

    def loss_at(cropper, row, boxes):
        asked[row.id] = boxes
        return values[row.id]

    monkeypatch.setattr(objective_gap, "loss_at", loss_at)
    right, wrong = [0, 0, 20, 20], [20, 0, 20, 20]
    for name, refused in (("one", ()), ("two", ("right",))):
        records = [
            Record(row_id, f"{row_id}.png", "a dog", "error", "no word is known")
            if row_id in refused
            else Record(row_id, f"{row_id}.png", "a dog", "ok", box=box, checkpoints={"vfn": "9"})
            for row_id, box in (("left", right), ("right", right), ("middle", wrong))
        ]
        commands.write_results(tmp_path / name, *records)
    out, results = tmp_path / "out", [f"--results={tmp_path / name}" for name in ("one", "two")]
    command = [f"--dataset={dataset}", f"--output_dir={out}", "--gin_file=ablations/cn.gin"]
    commands.call(objective_gap, *command, *results)
    assert list(asked) == ["left", "middle"]
    assert asked["left"] == [(0, 0, 20, 20), (0, 0, 20, 10), right, right]
    truth, one, two = commands.table_of(out)
    assert float(truth["mean loss"]) == pytest.approx((2.5 + 1) / 2)
    assert [float(row["mean loss"]) for row in (one, two)] == [2.0, pytest.approx(2.25)]
    assert (out / "losses.csv").read_text().splitlines() == [
        "id,ground truth,one,two",
        "left,2.5,2.0,4.0",
        "middle,1.0,2.0,0.5",
    ]
    text = (out / "table.md").read_text()
    assert "1 rows are left out, for which some method has no crop" in text
    found = commands.made_by(out)
    assert found["checkpoints"]["vfn"].startswith("ba0ce35d")
    assert list(found["sources"]) == ["one/results.jsonl", "two/results.jsonl"]
    assert list(found["files"]) == ["table.md", "table.csv", "losses.csv", "operative_config.gin"]
    message = commands.error_of(objective_gap, *command, *results, f"--results={tmp_path / 'one'}")
    assert "the same name" in message

"""Losses of returned crops beside the ground truth's, against values by hand."""

import pytest
import tensorflow as tf

from cagic_tf import pipeline
from cagic_tf.batch import manifest
from cagic_tf.photos import reading
from cagic_tf.system import resources
from experiments import objective_gap

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


def test_table_by_hand():
    truth, one, two = objective_gap.gaps(ROWS, BOXES, LOSSES)
    assert truth == {"method": "ground truth", "rows": 4, "mean loss": 2.0}
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

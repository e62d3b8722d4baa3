"""Scans of rows, and rules of picking on them."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf import config
from cagic_tf.batch import manifest
from cagic_tf.beyond import coarse_to_fine, picking
from cagic_tf.beyond.grounded_picking import HighestExpectedUtility
from cagic_tf.photos import reading
from experiments import choose_pick
from experiments.errors import ExperimentError
from experiments.methods import scans
from tests import seeded
from tests.experiments import commands

SCALES = (0.5, 0.8)


@pytest.mark.slow
def test_a_scan_is_the_loss_of_each_row(dataset, quick_gin, tmp_path):
    cropper = config.load_cropper(quick_gin)
    rows = [*manifest.read(dataset)]
    rows[1:2] = [
        manifest.Row("same-photo", "left.png", rows[0].path, "a man on the grass"),
        manifest.Row("unknown", "left.png", rows[0].path, "xyzzy"),
    ]
    found = scans.scan(cropper, rows, SCALES, 2, tmp_path / "scans")
    np.testing.assert_array_equal(found.grid, coarse_to_fine.scan_grid(SCALES, 2, farthest=0.5))
    assert set(found.terms) == {"caption", "aesthetic", "lexicon", "sentence"}
    loss = cropper.loss
    for number in (0, 1, 3):
        problem, _ = cropper.problem(reading.read(rows[number].path), rows[number].caption)
        theta = tf.constant(found.grid, tf.float32)
        expected = loss(coarse_to_fine.sharp_view(problem), theta).terms
        for name, values in found.terms.items():
            np.testing.assert_allclose(values[number], expected[name], rtol=1e-3, atol=1e-3)
    assert all(np.isnan(values[2]).all() for values in found.terms.values())
    (cache,) = (tmp_path / "scans").iterdir()
    written = cache.stat().st_mtime_ns
    again = scans.scan(cropper, rows, SCALES, 2, tmp_path / "scans")
    np.testing.assert_array_equal(again.terms["caption"], found.terms["caption"])
    assert cache.stat().st_mtime_ns == written

    out = tmp_path / "out"
    arguments = [
        *(f"--dataset=three={dataset}", f"--gin_file={quick_gin}", f"--work_dir={tmp_path}/scans"),
        *("--scales=0.5,0.8", "--centers=2"),
        "--binding=HighestExpectedIoU.temperature=[0.1, 10]",
        "--binding=Objective.aesthetic_weight=[0, 1]",
    ]
    commands.call(choose_pick, *arguments, f"--output_dir={out}")
    table = commands.table_of(out)
    assert [list(row.values())[:2] for row in table] == [
        ["0.1", "0"],
        ["0.1", "1"],
        ["10", "0"],
        ["10", "1"],
    ]
    assert all(0 < float(row["three IoU"]) < 1 for row in table)
    commands.call(choose_pick, *arguments, "--draws=3", f"--output_dir={tmp_path}/drawn")
    drawn = commands.table_of(tmp_path / "drawn")
    assert len(drawn) == 3 and all(row in table for row in drawn)
    assert len({tuple(row.items()) for row in drawn}) == 3


def made(losses, truth):
    """One row, photo of 100 x 100 pixels, one term."""
    grid = coarse_to_fine.scan_grid((0.5,), 3)
    row = manifest.Row("one", "one.png", "one.png", "a dog", crops=(truth,))
    scan = scans.Scan(grid, {"caption": np.array([losses], np.float32)}, np.zeros((1, 0, 5)))
    return choose_pick.Dataset("made", [row], {"one": (100, 100)}, scan)


def test_figures_of_a_pick():
    losses = np.ones(9)
    losses[0] = 0  # Top left.
    found = choose_pick.measure(
        made(losses, (0, 0, 50, 50)), picking.LowestMean(0), {"caption": 1}, (0.5,)
    )
    assert found == {"mean IoU": 1, "hit rate": 1, "ground truth kept": 1, "cut through": 0}
    found = choose_pick.measure(
        made(losses, (25, 0, 50, 50)), picking.LowestMean(0), {"caption": 1}, (0.5,)
    )
    assert found["mean IoU"] == pytest.approx(1 / 3) and found["cut through"] == 1
    # A row without a loss is refused.
    found = choose_pick.measure(
        made([np.nan] * 9, (0, 0, 50, 50)), picking.LowestMean(0), {"caption": 1}, (0.5,)
    )
    assert found == {"mean IoU": 0, "hit rate": 0, "ground truth kept": 0, "cut through": 1}


def test_a_pick_reads_what_the_grounder_says():
    dataset = made(np.ones(9), (50, 50, 50, 50))
    meant = np.array([[[0.5, 0.5, 1, 1, 50], [0, 0, 1, 1, 0], [np.nan] * 5]], np.float32)
    dataset = dataset._replace(scan=dataset.scan._replace(meant=meant))
    found = choose_pick.measure(dataset, HighestExpectedUtility(), {"caption": 1}, (0.5,))
    assert found == {"mean IoU": 1, "hit rate": 1, "ground truth kept": 1, "cut through": 0}
    found = choose_pick.measure(dataset, picking.HighestExpectedIoU(), {"caption": 1}, (0.5,))
    assert found["mean IoU"] < 0.5


def test_a_rule_that_stretches_is_measured_by_the_boxes_that_it_makes():
    """A box 50 pixels wide and 36 high: at best 50 x 50 of the photo's shape, IoU 0.72."""
    dataset = made(np.ones(9), (50, 50, 50, 36))
    meant = np.array([[[0.5, 0.5, 1, 0.86, 0]]], np.float32)
    dataset = dataset._replace(scan=dataset.scan._replace(meant=meant))
    fixed, free = (
        choose_pick.measure(
            dataset, HighestExpectedUtility(most_stretch=stretch), {"caption": 1}, (0.5,)
        )
        for stretch in (1.0, 1.5)
    )
    assert fixed["mean IoU"] == pytest.approx(36 / 50) and fixed["ground truth kept"] == 1
    assert free == {"mean IoU": 1, "hit rate": 1, "ground truth kept": 1, "cut through": 0}
    # As much as it may: 50 pixels by 50 / 1.2, which is 42 whole ones.
    less = HighestExpectedUtility(most_stretch=1.2)
    found = choose_pick.measure(dataset, less, {"caption": 1}, (0.5,))
    assert found["mean IoU"] == pytest.approx(36 / 42, abs=0.02)


def test_boxes_of_a_row_are_those_that_there_are():
    rows = np.arange(20, dtype=np.float32).reshape(2, 2, 5)
    meant = np.concatenate([rows, np.full((2, 1, 5), np.nan, np.float32)], axis=1)
    meant[1] = np.nan
    found = scans.Scan(np.zeros((1, 3)), {}, meant)
    boxes, logits = found.boxes(0)
    np.testing.assert_array_equal(boxes, rows[0, :, :4])
    np.testing.assert_array_equal(logits, rows[0, :, 4])
    assert found.boxes(1) is None
    assert scans.Scan(np.zeros((1, 3)), {}, meant[:, :0]).boxes(0) is None


@pytest.mark.slow
def test_a_scan_keeps_what_the_grounder_says(dataset, quick_gin, tmp_path):
    seeded.write_grounder(tmp_path / "own")
    cropper = config.load_cropper(
        quick_gin, bindings=[f"Networks.grounder = '{tmp_path}/own'", "CoarseToFine.scan_view=None"]
    )
    rows = [*manifest.read(dataset)][:2]
    rows.append(manifest.Row("unheard", "left.png", rows[0].path, "a boat"))
    found = scans.scan(cropper, rows, (0.8,), 1, tmp_path / "scans")
    for number in (0, 1):
        problem, _ = cropper.problem(reading.read(rows[number].path), rows[number].caption)
        boxes, logits = found.boxes(number)
        expected = problem.meant.numpy()
        assert len(expected) > 75
        np.testing.assert_array_equal(boxes, expected[:, :4])
        np.testing.assert_array_equal(logits, expected[:, 4])
    assert found.boxes(2) is None and np.isfinite(found.terms["caption"]).all()


def test_ceiling_is_the_best_scanned_crop():
    assert choose_pick.ceiling(made(np.ones(9), (25, 25, 50, 50))) == 1
    assert choose_pick.ceiling(made(np.ones(9), (0, 0, 100, 100))) == pytest.approx(0.25)


def test_settings():
    weights, scales = {"caption": 1.0, "aesthetic": 0.01}, (0.4, 0.5, 0.6)
    # What the gin files bind: what is chosen wins over it.
    bound = {"HighestExpectedIoU.temperature": 0.1, "HighestExpectedIoU.scale_spread": 0.5}
    bound["Cropper.seed"] = 3
    rule, found, kept = choose_pick.read_setting(
        {
            "HighestExpectedIoU.temperature": "0.3",
            "Objective.aesthetic_weight": "0.1",
            "CoarseToFine.scan_scales": "(0.4, 0.6)",
        },
        bound,
        weights,
        scales,
    )
    assert rule == picking.HighestExpectedIoU(temperature=0.3, scale_spread=0.5)
    assert found == {"caption": 1.0, "aesthetic": 0.1} and kept == [0.4, 0.6]
    assert weights["aesthetic"] == 0.01
    rule, _, kept = choose_pick.read_setting({"LowestMean.sigma": "0.1"}, bound, weights, scales)
    assert rule == picking.LowestMean(0.1) and kept == [0.4, 0.5, 0.6]
    # Where no rule is varied, it is the one that is bound.
    bound |= {"CoarseToFine.pick": "@HighestExpectedUtility()"}
    bound |= {"HighestExpectedUtility.wholeness": 0.3}
    rule, _, _ = choose_pick.read_setting({}, bound, weights, scales)
    assert rule == HighestExpectedUtility(wholeness=0.3)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (("Annealing.restart_count", "3"), "cannot be varied"),
        (("Objective.noise_weight", "3"), "cannot be varied"),
        (("HighestExpectedIoU.temperature", "warm"), "a number or a tuple"),
        (("HighestExpectedIoU.temperature", "-1"), "has to be positive"),
        (("HighestExpectedIoU.heat", "1"), "heat"),
        (("CoarseToFine.scan_scales", "(0.3,)"), "does not scan"),
    ],
)
def test_settings_that_are_none(setting, message):
    with pytest.raises(ExperimentError, match=message) as caught:
        choose_pick.read_setting(dict([setting]), {}, {"caption": 1.0}, (0.4, 0.5))
    assert "\n" not in str(caught.value)

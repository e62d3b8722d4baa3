"""Croppers by method and weight, and what the page says of their times."""

import csv
import json
import types
from pathlib import Path

import pytest

from cagic_tf import config
from cagic_tf.demo import croppers
from cagic_tf.method.objective import Objective

RESULTS = Path(__file__).resolve().parents[2] / "experiments" / "results"


@pytest.fixture
def loads(monkeypatch):
    found = []

    def load(*files, bindings, networks):
        found.append((*files, *bindings, networks))
        parts = types.SimpleNamespace(networks=networks or f"networks of {files[0]}")
        return types.SimpleNamespace(loss=parts)

    monkeypatch.setattr(config, "load_cropper", load)
    return found


def test_each_weight_has_a_cropper_on_the_methods_networks(loads):
    made = croppers.Croppers()
    first = made.get("fast.gin")
    assert made.get("fast.gin", 0.35) is first and made.get("fast.gin", 0.5) is not first
    made.get("paper.gin")
    assert loads == [
        ("fast.gin", "Objective.aesthetic_weight = 0.35", None),
        ("fast.gin", "Objective.aesthetic_weight = 0.5", "networks of fast.gin"),
        ("paper.gin", "Objective.aesthetic_weight = 0.01", None),
    ]


def test_the_croppers_that_were_used_last_are_kept(loads):
    made = croppers.Croppers()
    for weight in (1, 2, 3, 4, 1, 5, 1, 2):
        made.get("fast.gin", weight)
    assert [text.split()[-1] for _, text, _ in loads] == ["1.0", "2.0", "3.0", "4.0", "5.0", "2.0"]


def test_weights_are_those_of_the_gin_files():
    made = croppers.Croppers()
    assert made.weight("fast.gin") == 0.35
    assert made.weight("paper.gin") == Objective().weights["aesthetic"] == 0.01


def test_a_wrong_weight_is_one_line():
    with pytest.raises(ValueError, match=r"aesthetic_weight is -1\.0") as raised:
        croppers.Croppers().get("fast.gin", -1)
    assert "\n" not in str(raised.value)


def test_times_are_measured_or_made_of_the_fast_ones():
    made = croppers.Croppers()
    assert made.labels()["fast.gin"] == "Fast (not timed yet)"
    made.took("fast.gin", 0.6)
    assert made.labels() == {
        "fast.gin": "Fast (took 0.6 seconds on this machine)",
        "paper.gin": "The paper's method (about 4 minutes on this machine, judged by the fast "
        "method's time)",
    }
    made.took("paper.gin", 310)
    assert made.labels()["paper.gin"] == "The paper's method (took 5 minutes on this machine)"


def test_the_ratio_of_times_is_that_of_the_results():
    table = (RESULTS / "table1_samples_paper" / "table.csv").read_text(encoding="utf-8")
    seconds = {
        row["method"]: float(row["seconds a photo"])
        for row in csv.DictReader(table.splitlines())
        if row["seconds a photo"]
    }
    measured = json.loads((RESULTS / "benchmark" / "benchmark.json").read_text(encoding="utf-8"))
    quick = measured["paper_quick.gin"]["seconds a photo"] / measured["fast.gin"]["seconds a photo"]
    ratio = seconds["paper.gin"] / seconds["paper_quick.gin"] * quick
    assert croppers._TIMES_FAST["paper.gin"] == pytest.approx(ratio, rel=0.01)

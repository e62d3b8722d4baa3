"""The study of L-BFGS: its table by hand, going on, and what it refuses."""

import dataclasses
import json

import numpy as np
import pytest

from cagic_tf.batch import output_folder
from cagic_tf.method import annealing, lbfgs
from experiments import lbfgs_study
from tests.experiments import commands

CELL = {
    "id": "a",
    "scale": 0.5,
    "limit": "3 iterations",
    "grid": 2.0,
    "starts": [3.0, 4.0, 5.0, 2.5],
    "ends": [2.5, 1.5, 5.0, 2.5],
    "converged": [True, True, False, False],
    "failed": [False, False, True, False],
    "failed searches": [0, 2, 1, 0],
    "iterations": 3,
    "evaluations": [10, 20, 30, 40],
}


def test_table_by_hand():
    other = CELL | {"scale": 0.7, "grid": 1.0, "failed searches": [0] * 4, "iterations": 2}
    table = lbfgs_study.summary([CELL, other]).set_index("limit")
    assert list(table.index) == list(lbfgs_study.LIMITS)
    row = table.loc["3 iterations"]
    assert row["cells"] == 2 and table.loc["1 iteration", "cells"] == 0
    assert (row["converged"], row["failed"]) == (0.5, 0.25)
    assert row["a line search failed"] == pytest.approx((0.5 + 0) / 2)
    assert row["of these still"] == pytest.approx((0.25 + 0) / 2)  # The third has gained nothing.
    assert (row["iterations"], row["evaluations a restart"]) == (2.5, 25)
    assert row["loss gained a restart"] == pytest.approx((0.5 + 2.5) / 4)
    assert row["best restart - grid"] == pytest.approx(((1.5 - 2) + (1.5 - 1)) / 2)
    assert row["mean restart - grid"] == pytest.approx(2.875 - 1.5)
    assert row["below the grid"] == 0.5


def test_limits_are_those_of_paper_gin_but_for_one_setting():
    usual = annealing.Annealing().minimizer
    for name, of in lbfgs_study.LIMITS.items():
        if name != "paper_quick.gin":
            changed = vars(usual).items() ^ vars(of(usual)).items()
            assert len({key for key, _ in changed}) == (name != "until converged")
    assert lbfgs_study.LIMITS["3 iterations"](usual) == dataclasses.replace(usual, max_iterations=3)


class FakeStudy:
    """Knows the losses without any graph, and counts what it is asked for."""

    asked: list = []

    def __init__(self, cropper, settings):
        assert isinstance(settings.minimizer, lbfgs.Minimizer)

    def problem(self, path, caption):
        return caption

    def grid(self, problem, scale, centers):
        return np.array([3.0, 2.0, 4.0])

    def cell(self, problem, scale, number, limit):
        self.asked.append((problem, scale, limit))
        if len(self.asked) == 4 and scale == 0.6:
            raise KeyboardInterrupt
        return {key: CELL[key] for key in list(CELL)[4:]}


def test_goes_on_where_it_stopped(monkeypatch, tmp_path):
    monkeypatch.setattr(lbfgs_study, "Study", FakeStudy)
    monkeypatch.setattr(FakeStudy, "asked", [])
    given = ["--rows=1", "--scales=0.6", f"--output_dir={tmp_path}"]
    with pytest.raises(KeyboardInterrupt):
        commands.call(lbfgs_study, *given)
    assert len((tmp_path / lbfgs_study.CELLS).read_text().splitlines()) == 3
    commands.call(lbfgs_study, *given)
    cells = [json.loads(line) for line in (tmp_path / lbfgs_study.CELLS).open()]
    assert [cell["limit"] for cell in cells] == list(lbfgs_study.LIMITS)
    assert {cell["grid"] for cell in cells} == {2.0}
    assert len(FakeStudy.asked) == len(lbfgs_study.LIMITS) + 1  # One of them twice.
    commands.call(lbfgs_study, *given)
    assert len(FakeStudy.asked) == len(lbfgs_study.LIMITS) + 1
    assert [row["cells"] for row in commands.table_of(tmp_path)] == ["1"] * len(cells)
    files = {"cells.jsonl", "table.md", "table.csv", output_folder.CONFIG}
    assert set(commands.made_by(tmp_path)["files"]) == files
    other = [*given[:2], "--centers=9", given[2]]
    assert "other settings" in commands.error_of(lbfgs_study, *other)


@pytest.mark.parametrize("scales", ["", "1.0", "0", "a", "0.5,2"])
def test_wrong_scales(scales, tmp_path):
    given = [f"--scales={scales}", f"--output_dir={tmp_path}"]
    assert "--scales is" in commands.error_of(lbfgs_study, *given)
    assert not list(tmp_path.iterdir())

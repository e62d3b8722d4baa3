"""Rows of several manifests, each row cropped more than once."""

import json

import numpy as np
import pytest
from PIL import Image

from cagic_tf.batch import row_seeds
from cagic_tf.system import devices
from experiments import table4
from experiments.errors import ExperimentError
from experiments.tables import method_runs, metrics, repeats
from tests.experiments import commands


@pytest.fixture
def manifests(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    for name, ids in {"one": "abc", "two": "de"}.items():
        row = {"image": "a.png", "caption": "x", "crops": [[0, 0, 9, 9]]}
        lines = [{"id": each, **row} for each in ids]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / f"{name}.jsonl").write_text(text)
    return tmp_path


def test_rows_of_several_manifests(manifests):
    one, two = manifests / "one.jsonl", manifests / "two.jsonl"

    def ids(dataset):
        return [row.id for row in method_runs.read_rows(dataset)]

    assert ids(f"{one}:2,{two}") == ["a", "b", "d", "e"]
    assert ids(f"{two}:1") == ["d"] and ids(str(one)) == ["a", "b", "c"]
    with pytest.raises(ExperimentError, match="have the same id"):
        ids(f"{one},{one}:1")


def test_repeats_have_seeds_and_means_of_their_own(manifests, monkeypatch):
    values = commands.flags_of(table4)
    values(["table4", "--repeats=2", f"--dataset={manifests / 'one.jsonl'}", "--device=cpu"])
    for module in (repeats, method_runs):
        monkeypatch.setattr(module, "FLAGS", values)
    monkeypatch.setattr(devices, "prepare", lambda *_: None)
    setup = repeats.read_setup()
    assert [row.id for row in setup.rows] == ["a", "a_2", "b", "b_2", "c", "c_2"]
    assert {setup.sizes[row.id] for row in setup.rows} == {(30, 20)}
    assert len({row_seeds.row_seed(0, row.id) for row in setup.rows}) == 6
    # The first of each row is right, the second is nowhere near.
    boxes = {row.id: (20, 10, 5, 5) if "_" in row.id else (0, 0, 9, 9) for row in setup.rows}
    measured = metrics.measure(boxes, setup.rows, setup.sizes)
    assert repeats.means(measured) == "1.0000, 0.0000"
    assert np.mean(measured.iou) == 0.5
    assert "2 times" in repeats.note()[0]

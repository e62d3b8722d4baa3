"""Boxes of other methods: what is read of a file, and what is refused."""

import json
from pathlib import Path

import pytest

from cagic_tf.batch import manifest
from experiments.errors import ExperimentError
from experiments.methods import predictions


def row(name):
    return manifest.Row(name, "a.png", Path("a.png"), "a dog", ((0, 0, 10, 10),))


def test_predictions(tmp_path):
    path = tmp_path / "boxes.jsonl"
    lines = [
        {"id": 7, "box": [0, 1.5, 20, 30], "extra": 1},
        {"id": "a/b", "status": "ok", "box": [1, 2, 3, 4], "seconds": 2.5, "iou": 0.1},
        {"id": "c", "status": "error", "error": "no photo", "box": None},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    found = predictions.Predictions(path)
    assert found(row("7")) == {"box": [0, 1.5, 20, 30]}
    assert found(row("a-b")) == {"box": [1, 2, 3, 4], "seconds": 2.5, "iou": 0.1}
    for name in ("c", "d"):
        with pytest.raises(ValueError, match=f"has no box for the row '{name}'"):
            found(row(name))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: no JSON object"),
        ("[1]", 'line 1: an object with an "id" and a "box" is needed'),
        ('{"id": "a", "box": [1, 2, 3]}', r"line 1: the box is \[1, 2, 3\]; \[x, y, w, h\]"),
        ('{"id": "a", "box": [1, 2, 3, 0]}', "above 0"),
        ('{"id": "a", "box": [1, 2, 3, NaN]}', "in pixels is needed"),
        ('{"id": "a", "box": [1, 2, 3, 4], "iou": "1"}', 'line 1: iou is "1"; a value of the type'),
        ('{"id": 1, "box": [0, 0, 1, 1]}\n{"id": "1", "box": [0, 0, 1, 1]}', "line 2: the id '1'"),
    ],
)
def test_predictions_that_are_wrong(text, message, tmp_path):
    path = tmp_path / "boxes.jsonl"
    path.write_text(text)
    with pytest.raises(ExperimentError, match=message):
        predictions.Predictions(path)
    with pytest.raises(ExperimentError, match="cannot read"):
        predictions.Predictions(tmp_path / "nowhere.jsonl")

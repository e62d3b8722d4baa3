"""The captioner's figures, on a small data set; METEOR and its tokenizer need Java."""

import json

import numpy as np
import pytest

from cagic_tf.networks import bundle
from experiments import evaluate_sat
from experiments.tables import caption_scores
from tests.experiments import commands, small_flickr8k


@pytest.mark.slow
def test_the_command_itself(tmp_path, monkeypatch):
    scored = []

    def score(found, references):
        scored.append((found, references))
        return {"BLEU-1": 0.25, "CIDEr": 0.5}

    monkeypatch.setattr(caption_scores, "score", score)
    out, data = tmp_path / "out", small_flickr8k.write(tmp_path)
    arguments = f"--data_dir={data}", f"--output_dir={out}", "--mosaics=3", "--seed=4"
    commands.call(evaluate_sat, *arguments)
    figures = json.loads((out / "captioner.json").read_text())
    assert figures["BLEU-1 (6 test photos, beam 3)"] == 25
    assert figures["CIDEr (6 test photos, beam 3)"] == 0.5
    for pyramid in ("pyramid", "no pyramid"):
        share = figures[f"right tile, {pyramid} (3 mosaics, seed 4)"]
        assert min(abs(share - thirds) for thirds in np.arange(4) / 3) < 1e-9
    ((found, references),) = scored
    assert references == [[f"photo {n} caption {at}" for at in range(5)] for n in range(2, 8)]
    words = set(bundle.Networks().captioner.vocabulary)
    assert len(found) == 6 and all(words.issuperset(text.split()) for text in found)
    made = commands.made_by(out)
    assert set(made["files"]) == {"captioner.json"}
    assert set(made["checkpoints"]) == {"sat", "vfn", "lite0"}


def test_a_missing_data_set_is_one_line(tmp_path):
    arguments = f"--data_dir={tmp_path / 'nowhere'}", f"--output_dir={tmp_path / 'out'}"
    assert "nowhere" in commands.error_of(evaluate_sat, *arguments)
    assert not (tmp_path / "out").exists()

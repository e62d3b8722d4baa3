"""What the lexicon adds: figures of each method by hand, and the whole command."""

import numpy as np
import pytest

from cagic_tf.batch import manifest
from cagic_tf.batch.records import Record
from experiments import evaluate_lexicon
from experiments.methods.named import Setup
from tests.experiments import commands


def record(name, box, scale=None):
    if box is None:
        return Record(name, f"{name}.png", "a dog", "error", "no word is known")
    return Record(name, f"{name}.png", "a dog", "ok", box=box, scale=scale, seconds=scale)


def test_figures_by_hand(dataset):
    rows = manifest.read(dataset)  # Truths x of 20 and 10 pixels high at 0, 20 and 10.
    setup = Setup("made", rows, {row.id: (40, 20) for row in rows})
    exact, names = [row.crops[0] for row in rows], [row.id for row in rows]
    alone = {name: record(name, (0, 0, 40, 20), 1.0) for name in names}
    lexicon = {name: record(name, box, 0.5) for name, box in zip(names, exact, strict=True)}
    lexicon["middle"] = record("middle", None)
    found = evaluate_lexicon.figures(setup, {"captioner alone": alone, "lexicon alone": lexicon})
    first, second = found.to_dict("records")
    assert (second["data set"], second["method"]) == ("made", "lexicon alone")
    assert (first["refused"], second["rows"], second["refused"]) == (0, 3, 1)
    assert second["mean IoU"] == pytest.approx((0.75 + 0.75 + 0) / 3)
    assert second["mean scale"] == 0.5 and second["seconds a photo"] == 0.5
    gain = (0.375 + 0.375 - 0.375) / 3
    assert second["IoU - captioner's"] == pytest.approx(gain)
    # The whole photo's centre (20, 10) lies in the right half and in the middle, not in the upper
    # halves; the exact crop's in the whole half alone: hits 0, 0.5, 0.5 against 0.5, 0.5, 0.
    assert second["hits - captioner's"] == pytest.approx(0)
    assert second["hit rate"] == pytest.approx(1 / 3)
    assert second["p of IoU's"] == 1 and second["hits, 95 % interval, low"] == 0
    assert np.isnan(first["IoU - captioner's"])


def test_what_is_left_out_is_by_what_the_file_has():
    found = evaluate_lexicon.bindings_of("captioner alone", "fast.gin")
    assert found[1] == "Objective.terms = [@CaptionLoss(), @AestheticLoss(), @SentenceLoss()]"
    others = ["Objective.caption_weight = 0", "Objective.sentence_weight = 0"]
    assert evaluate_lexicon.bindings_of("lexicon alone", "fast.gin") == others
    assert evaluate_lexicon.bindings_of("lexicon alone", "open_vocabulary.gin") == others[:1]
    assert evaluate_lexicon.bindings_of("both", "fast.gin") == []


@pytest.mark.slow
def test_the_whole_command(dataset, quick_gin, tmp_path):
    text = dataset.read_text().replace("a dog", "espresso", 1)
    dataset.write_text(text.replace("a dog", "zyzzyva", 1))
    with open(quick_gin, "a") as file:
        file.write("Networks.synonyms = None\n")  # Espresso would be read as coffee.
    out = tmp_path / "out"
    command = [f"--manifest=made={dataset}", f"--gin_file={quick_gin}", f"--output_dir={out}"]
    commands.call(evaluate_lexicon, *command)
    rows = commands.table_of(out)
    assert [row["method"] for row in rows] == list(evaluate_lexicon.METHODS)
    assert {row["rows"] for row in rows} == {"3"}
    alone, lexicon, both = (
        commands.records_of(out / f"made-{name.replace(' ', '-')}")
        for name in evaluate_lexicon.METHODS
    )
    # The captioner has no word for espresso, the lexicon a class.
    assert [record.ok for record in alone] == [False, False, True]
    for found in (lexicon, both):
        assert [record.ok for record in found] == [True, False, True]
    assert [row["refused"] for row in rows] == ["2", "1", "1"]
    assert list(alone[2].loss) == ["total", "caption", "aesthetic", "sentence"]
    assert lexicon[2].loss["total"] == pytest.approx(
        0.35 * lexicon[2].loss["aesthetic"] + 0.4 * lexicon[2].loss["lexicon"], abs=1e-5
    )
    made_by = commands.made_by(out)
    assert list(made_by["checkpoints"]) == ["lite0", "sat", "vfn", "grounder", "lexicon"]
    assert len(made_by["files"]) == 2 + 3 * 3
    message = commands.error_of(evaluate_lexicon, *command, "--method=none")
    assert "accepted are captioner alone, lexicon alone, both" in message

"""The port of the lexicon: a WordNet of eight nouns, written here in its own format."""

import json

import numpy as np
import pytest

from cagic_tf.beyond import nouns
from cagic_tf.method import vocabulary
from cagic_tf.networks import checkpoints
from cagic_tf.port import __main__ as command
from cagic_tf.port import lexicon, lite0, source, wordnet

LICENCE = "  1 This software is provided as is  \n  2 \n  3 All rights reserved.  \n"
DATA = """\
00000001 03 n 01 entity 0 002 ~ 00000002 n 0000 ~ 00000005 n 0000 | that which is
00000002 05 n 02 Animal 0 creature 0 002 @ 00000001 n 0000 ~ 00000003 n 0000 | a being
00000003 05 n 01 dog 0 002 @ 00000002 n 0000 ~ 00000004 n 0000 | barks | loudly
00000004 05 n 02 fire_dog 0 rex 0 002 @ 00000003 n 0000 + 00000001 v 0101 | a kind
00000005 06 n 0a t-shirt 0 a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 001 @ 00000001 n 0000 | wear
00000006 05 n 01 goose 0 002 @ 00000002 n 0000 @i 00000005 n 0000 | odd: two parents
"""
INDEX = """\
animal n 1 2 @ ~ 1 0 00000002
creature n 1 2 @ ~ 1 0 00000002
dog n 2 2 @ ~ 2 1 00000005 00000003
entity n 1 1 ~ 1 1 00000001
fire_dog n 1 2 @ + 1 0 00000004
goose n 1 1 @ 1 0 00000006
t-shirt n 1 1 @ 1 0 00000005
"""
CLASSES = "n00000004\nn00000005\nn00000006\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.noun").write_text(LICENCE + DATA)
    (tmp_path / "index.noun").write_text(LICENCE + INDEX)
    (tmp_path / "noun.exc").write_text("geese goose\noxen ox\ngoosefolk nobody goose\n")
    (tmp_path / "synsets.txt").write_text(CLASSES)
    return tmp_path


def test_wordnet_is_read(folder):
    found = wordnet.read(folder)
    assert found.senses["fire dog"] == (4,) and found.senses["dog"] == (5, 3)
    assert found.names[2] == "animal" and found.names[5] == "t-shirt"
    assert found.parents == {1: (), 2: (1,), 3: (2,), 4: (3,), 5: (1,), 6: (2, 5)}
    assert found.irregular["goosefolk"] == ("nobody", "goose")
    assert wordnet.read_classes(folder / "synsets.txt", found) == [4, 5, 6]
    assert wordnet.licence(folder) == "This software is provided as is\n\nAll rights reserved.\n"


def test_a_noun_has_the_classes_at_or_below_its_synsets(folder):
    found = wordnet.read(folder)
    below = wordnet.classes_below(found, [4, 5, 6])
    assert below == {4: {0}, 3: {0}, 2: {0, 2}, 1: {0, 1, 2}, 5: {1, 2}, 6: {2}}
    by_noun = wordnet.classes_by_noun(found, [4, 5, 6])
    assert by_noun["dog"] == {0, 1, 2}  # Both senses.
    assert wordnet.classes_by_noun(found, [4, 5, 6], most_senses=1)["dog"] == {1, 2}
    assert by_noun["animal"] == by_noun["creature"] == {0, 2}
    assert wordnet.irregular_plurals(found, by_noun) == {"geese": "goose", "goosefolk": "goose"}


def test_table_splits_as_captions_do_and_leaves_out_what_says_nothing():
    by_noun = {"t-shirt": {1}, "T shirt": {2}, "entity": {0, 1, 2, 3}, "dog": {0, 1}, "\u2014": {1}}
    assert lexicon.table(by_noun, 4) == {"dog": "0-1", "t shirt": "1-2"}
    assert vocabulary.tokenize("A T-shirt") == ["a", "t", "shirt"]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([3], "3"), ([2, 3, 4, 9], "2-4 9"), ([0, 2, 4], "0 2 4"), ([1, 2], "1-2")],
)
def test_ranges_there_and_back(numbers, text):
    assert lexicon.as_ranges(numbers) == text
    assert nouns.ranges(text) == tuple(numbers)


@pytest.fixture
def state(monkeypatch):
    """The released tensors, as far as the port of the lexicon looks, for three classes."""
    rng = np.random.default_rng(0)
    values = {"_fc.weight": rng.normal(size=(3, 1280)), "_fc.bias": rng.normal(size=3)}
    state = {name: value.astype(np.float32) for name, value in values.items()}
    monkeypatch.setattr(lite0, "read_state", lambda weights: (state, "a file"))
    trunk = checkpoints.Checkpoint("lite0", "abc", "lite0", {}, {})
    monkeypatch.setattr(lexicon, "read_trunk", lambda state: trunk)
    return state


def test_the_command_writes_a_checkpoint(folder, state, capsys):
    arguments = ["lexicon", f"--wordnet={folder}", f"--synsets={folder}/synsets.txt"]
    assert command.main([*arguments, f"--output={folder}/out"]) == 0
    assert "3 classes" in capsys.readouterr().out
    made = checkpoints.load(folder / "out", "lexicon")
    np.testing.assert_allclose(made.tensors["fc/kernel"], state["_fc.weight"].T, rtol=5e-4)
    assert made.manifest["classes"] == ["fire dog", "t-shirt", "goose"]
    assert made.manifest["nouns"] == {"fire dog": "0", "goose": "2"}
    assert made.manifest["irregular_plurals"] == {"geese": "goose", "goosefolk": "goose"}
    assert (made.manifest["trunk"], made.manifest["trunk_sha256"]) == ("lite0", "abc")
    for name in wordnet.FILES:
        assert source.sha256(folder / name) in made.manifest["source"]
    assert "All rights reserved." in (folder / "out" / lexicon.LICENCE).read_text()
    assert (folder / "out" / "MODEL_CARD.md").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.noun", "one two\n", "data.noun, line 1: not a line of WordNet"),
        ("index.noun", "dog n x\n", "index.noun, line 1: not a line of WordNet"),
        ("synsets.txt", "n00000004\nn00000099\n", "not WordNet 3.0's: ['n00000099']"),
        ("synsets.txt", "n00000004\nn00000004\n", "2 classes, 1 of them different"),
        ("synsets.txt", "", "0 classes"),
        ("synsets.txt", "n00000004\n", "1 classes, the classifier 3"),
        ("noun.exc", None, "No such file"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(name, content, message, folder, state, capsys):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    arguments = ["lexicon", f"--wordnet={folder}", f"--synsets={folder}/synsets.txt"]
    assert command.main([*arguments, f"--output={folder}/out"]) == 1
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1
    assert not (folder / "out").exists()


def test_a_classifier_of_another_trunk_is_refused(monkeypatch):
    trunk = checkpoints.Checkpoint("lite0", "abc", "lite0", {"stem/bias": np.zeros(2)}, {})
    monkeypatch.setattr(checkpoints, "load", lambda *_: trunk)
    monkeypatch.setattr(lite0, "fold_batch_norms", lambda state: {"stem/bias": np.ones(2)})
    with pytest.raises(checkpoints.CheckpointError, match="another trunk than 'lite0'"):
        lexicon.read_trunk({})
    with pytest.raises(checkpoints.CheckpointError, match="no tensor '_fc.weight'"):
        lexicon.classifier({})


def test_the_shipped_checkpoint_names_its_trunk_and_sources():
    folder = lexicon.bundle.find("lexicon")
    manifest = json.loads((folder / "manifest.json").read_text())
    trunk = json.loads((lexicon.bundle.find("lite0") / "manifest.json").read_text())
    assert manifest["trunk_sha256"] == trunk["sha256"]
    for name in ("efficientnet-lite0-57934424.pth", "WordNet 3.0", "imagenet_synsets.txt"):
        assert name in manifest["source"]
    assert (
        "WordNet 3.0 Copyright 2006 by Princeton University"
        in (folder / lexicon.LICENCE).read_text()
    )

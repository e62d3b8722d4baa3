"""The port of the lexicon: a WordNet of seven synsets, written here in its own format."""

import json

import nltk.data
import numpy as np
import pytest

from cagic_tf.beyond import lexicon as nouns
from cagic_tf.method import vocabulary
from cagic_tf.networks import checkpoints
from cagic_tf.port import __main__ as command
from cagic_tf.port import lexicon, lite0, source, wordnet

LICENCE = "  1 This software is provided as is  \n  2 \n  3 All rights reserved.  \n"
# A name in braces stands for the place of that synset's line in the file.
DATA = """\
{entity} 03 n 01 entity 0 002 ~ {animal} n 0000 ~ {shirt} n 0000 | that which is
{animal} 05 n 02 Animal 0 creature 0 002 @ {entity} n 0000 ~ {dog} n 0000 | a being
{dog} 05 n 01 dog 0 002 @ {animal} n 0000 ~ {fire_dog} n 0000 | barks; loudly
{fire_dog} 05 n 02 fire_dog 0 rex 0 002 @ {dog} n 0000 + {entity} v 0101 | a kind
{shirt} 06 n 0a t-shirt 0 a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 001 @ {entity} n 0000 | wear
{goose} 05 n 01 goose 0 002 @ {animal} n 0000 @i {shirt} n 0000 | odd: two parents
{second} 05 n 01 dog 1 001 @ {shirt} n 0000 | a dog to wear
"""
INDEX = """\
animal n 1 2 @ ~ 1 0 {animal}
creature n 1 2 @ ~ 1 0 {animal}
dog n 2 2 @ ~ 2 1 {second} {dog}
entity n 1 1 ~ 1 1 {entity}
fire_dog n 1 2 @ + 1 0 {fire_dog}
goose n 1 1 @ 1 0 {goose}
rex n 1 2 @ + 1 0 {fire_dog}
t-shirt n 1 1 @ 1 0 {shirt}
"""
CLASSES = "n{fire_dog}\nn{second}\nn{goose}\n"
NAMES = ("entity", "animal", "dog", "fire_dog", "shirt", "goose", "second")
LINES = DATA.format(**dict.fromkeys(NAMES, "00000000")).splitlines(keepends=True)
PLACES = {
    name: f"{len(LICENCE + ''.join(LINES[:number])):08d}" for number, name in enumerate(NAMES)
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.noun").write_text(LICENCE + DATA.format(**PLACES))
    (tmp_path / "index.noun").write_text(LICENCE + INDEX.format(**PLACES))
    (tmp_path / "noun.exc").write_text("geese goose\noxen ox\ngoosefolk nobody goose\n")
    (tmp_path / "synsets.txt").write_text(CLASSES.format(**PLACES))
    return tmp_path


def test_wordnet_is_read(folder):
    paths = list(nltk.data.path)
    with wordnet.opened(folder) as found:
        synsets = wordnet.read_classes(folder / "synsets.txt", found)
        assert [f"{synset.offset():08d}" for synset in synsets] == [
            PLACES["fire_dog"],
            PLACES["second"],
            PLACES["goose"],
        ]
        assert [wordnet.name(synset) for synset in synsets] == ["fire dog", "dog", "goose"]
        assert wordnet.irregular(found)["goosefolk"] == ["nobody", "goose"]
    assert wordnet.licence(folder) == "This software is provided as is\n\nAll rights reserved.\n"
    assert nltk.data.path == paths  # As the caller had it.


def test_a_noun_has_the_classes_at_or_below_its_synsets(folder):
    with wordnet.opened(folder) as found:
        by_noun = wordnet.classes_by_noun(wordnet.read_classes(folder / "synsets.txt", found))
        singulars = wordnet.irregular(found)
    shirts = {name: {1, 2} for name in ("t-shirt", *"abcdefghi")}
    assert by_noun == shirts | {
        "fire dog": {0},
        "rex": {0},
        "dog": {0, 1},  # Both senses.
        "animal": {0, 2},
        "creature": {0, 2},
        "entity": {0, 1, 2},
        "goose": {2},  # Which is an instance of the shirt, too.
    }
    assert wordnet.irregular_plurals(singulars, by_noun) == {"geese": "goose", "goosefolk": "goose"}
    assert wordnet.irregular_plurals(singulars, {"geese", "goose"}) == {"goosefolk": "goose"}


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
    assert made.manifest["classes"] == ["fire dog", "dog", "goose"]
    assert made.manifest["nouns"] == {"fire dog": "0", "rex": "0", "goose": "2"}
    assert made.manifest["irregular_plurals"] == {"geese": "goose", "goosefolk": "goose"}
    assert (made.manifest["trunk"], made.manifest["trunk_sha256"]) == ("lite0", "abc")
    for name in wordnet.NOUNS:
        assert source.sha256(folder / name) in made.manifest["source"]
    assert "All rights reserved." in (folder / "out" / lexicon.LICENCE).read_text()
    assert (folder / "out" / "MODEL_CARD.md").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.noun", "one two\n", "3 classes, 3 of them different; not WordNet 3.0's"),
        ("data.noun", DATA.replace(" 0a t-shirt", " zz t-shirt"), "no readable files"),
        ("data.noun", DATA.replace(" 0a t-shirt", " 0f t-shirt"), "no readable files"),
        ("data.noun", DATA.replace("@i {shirt}", "@i 99999999"), "no readable files"),
        ("data.noun", DATA.replace("@ {entity}", "@ {fire_dog}"), "no readable files"),
        ("index.noun", "dog n x\n", "WordNetError: file index.noun, line 1: invalid literal"),
        ("index.noun", "dog n\n", "no readable files of WordNet 3.0 (index.noun, "),
        ("index.noun", INDEX.replace("goose n", "swan n"), "no readable files"),
        ("synsets.txt", "n{goose}\nn00000099\n", "not WordNet 3.0's: ['n00000099']"),
        ("synsets.txt", "n{goose}\nn{goose}\n", "2 classes, 1 of them different"),
        ("synsets.txt", "goose n{goose}0\n", "not WordNet 3.0's: ['goose', 'n"),
        ("synsets.txt", "", "0 classes"),
        ("synsets.txt", "n{goose}\n", "1 classes, the classifier 3"),
        ("data.noun", None, "No such file"),
        ("index.noun", None, "No such file"),
        ("noun.exc", None, "No such file"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(name, content, message, folder, state, capsys):
    if content is None:
        (folder / name).unlink()
    else:
        top = LICENCE if name == "data.noun" else ""
        (folder / name).write_text(top + content.format(**PLACES))
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

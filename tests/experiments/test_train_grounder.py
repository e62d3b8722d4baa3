"""Training the grounder: its vocabulary, which epoch is kept, and the command itself."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from cagic_tf.beyond import grounding
from cagic_tf.method import vocabulary
from cagic_tf.networks import bundle, checkpoints, grounder, proposals
from experiments import train_grounder, train_mattnet
from experiments.training import grounding_training
from experiments.training.grounding_scenes import Scene
from experiments.training.grounding_training import Scenes
from experiments.training.photo_grids import Grids
from tests.experiments import commands, small_entities, small_flickr8k
from tests.experiments.test_grounding_training import (
    COUNT,
    LABELS,
    REGION,
    SHAPES,
    TILE,
    WORDS,
    scenes_of,
)
from tests.networks import small_proposals


def test_the_vocabulary_begins_with_what_is_said_most():
    texts = ["A dog, a cat", "a CAT", "a bird", "man's dog"]
    common = [grounder.PADDING, grounder.UNKNOWN, "a", "cat", "dog"]
    assert train_grounder.words(texts, 2) == common
    assert train_grounder.words(texts, 1) == [*common, "bird", "man's"]
    assert train_grounder.words(texts, 5) == common[:2]
    assert train_grounder.words(texts, 4) == common[:3]


def box_number(*box):
    """The number of a box that every scene has."""
    distances = np.abs(grounder.lattice() - np.array(box)).max(axis=1)
    assert distances.min() < 1e-6
    return COUNT - len(distances) + int(distances.argmin())


def test_measured_by_hand():
    """The network is sure of a dog; of a cat, its likeliest box is not what it should answer."""
    logits = np.full((len(WORDS), COUNT), -100, np.float32)
    logits[3, box_number(0, 0, 0.5, 0.5)] = 100
    # The whole has 0.3, the middle 0.3, and a corner 0.4: the whole's expected IoU is 0.48, since
    # 0.7 * 0.7 of it is shared with the middle; that of the others is 0.46 and 0.44.
    alternatives = (0, 0, 1, 1), (0.15, 0.15, 0.85, 0.85), (0, 0, 0.3, 0.3)
    for box, likely in zip(alternatives, (0.3, 0.3, 0.4), strict=True):
        logits[4, box_number(*box)] = np.log(likely)
    network = SimpleNamespace(logits=lambda *given: tf.gather(logits, given[3][:, 0]))
    dogs = ("dog", (0, 0, 0.5, 0.25)), ("dog", (0.5, 0.5, 1, 1))  # 0.5 and 0.
    cats = (("cat", (0, 0, 1, 0.7)),)
    scenes, _ = scenes_of(dogs, cats, cats)
    assert train_grounder.measured(network, scenes, [0]) == pytest.approx(0.25)
    assert train_grounder.measured(network, scenes, [1]) == pytest.approx(0.7)
    # Each description counts once, not each scene.
    assert train_grounder.measured(network, scenes, [0, 1]) == pytest.approx((0.5 + 0 + 0.7) / 3)
    apart = [Scene((TILE,), dogs), Scene((TILE,) * 4, cats), Scene((TILE,) * 4, cats)]
    found = train_grounder.figures(network, scenes, apart)
    assert found == {"IoU on photos": pytest.approx(0.25), "IoU on mosaics": pytest.approx(0.7)}
    assert train_grounder.figures(network, scenes, apart[:1]).keys() == {"IoU on photos"}


def learnable(count, seed):
    """Scenes with a dog and a cat in two of four quarters; each lights a channel of its own."""
    rng = np.random.default_rng(seed)
    drawn, rows = [], []
    for _ in range(count):
        fine, coarse = np.zeros(SHAPES[0]), np.zeros(SHAPES[1])
        said = []
        places = rng.permutation(4)[:2]
        for channel, (name, place) in enumerate(zip(("a dog", "cat"), places, strict=True)):
            y, x = divmod(int(place), 2)
            fine[2 * y : 2 * y + 2, 2 * x : 2 * x + 2, channel] = 1
            coarse[y, x, channel] = 1
            said.append((name, (x / 2, y / 2, x / 2 + 0.5, y / 2 + 0.5)))
        drawn.append(Scene((TILE,), tuple(said)))
        rows.append(np.concatenate([fine.ravel(), coarse.ravel()]))
    return Scenes(drawn, Grids([np.array(rows, np.float16)], SHAPES), LABELS), drawn


def test_steps_lower_the_loss_and_the_best_epoch_is_kept(monkeypatch, capsys):
    values = commands.flags_of(train_grounder)
    settings = "--scenes=8", "--descriptions=2", "--epochs=12", "--dropout=0.05"
    required = (
        f"--{name}=x" for name in ("data_dir", "entities", "work_dir", "output", "proposals")
    )
    values(["train_grounder", *settings, "--learning_rate=0.01", *required])
    monkeypatch.setattr(train_grounder, "FLAGS", values)
    begin = grounding_training.initial(3, 4, len(WORDS), 6, 16, 1)
    own, (dev, drawn) = learnable(40, 0), learnable(10, 1)
    best, reached = train_grounder.train(own[0], begin, REGION, WORDS, dev, drawn)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in lines]
    assert len(losses) == 12 and losses[-1] < losses[0] - 0.5
    untrained = train_grounder.figures(
        train_grounder.loaded({**begin, **REGION}, WORDS), dev, drawn
    )
    assert untrained["IoU on photos"] < 0.5 < 0.7 < reached["IoU on photos"]
    every = [float(line.rpartition(" ")[2].strip("}")) for line in lines]
    assert reached["IoU on photos"] == max(every)
    assert {value.dtype for value in best.values()} == {np.dtype(np.float16)}
    assert best.keys() == begin.keys() | REGION.keys()
    for name, value in REGION.items():  # The proposals stay what they were.
        np.testing.assert_array_equal(best[name], value.astype(np.float16))
    assert train_grounder.figures(train_grounder.loaded(best, WORDS), dev, drawn) == reached


def data(folder, **extra):
    """A small data set's flags, with enough photos in each split for mosaics."""
    folder.mkdir(exist_ok=True)
    photos = small_flickr8k.write(folder)
    boxes = small_entities.write(folder / "entities")
    for split, names in (("train", range(6)), ("dev", range(2, 6)), ("test", range(4, 9))):
        (folder / f"{split}.txt").write_text("".join(f"{number}.png\n" for number in names))
    checkpoints.save(
        folder / "proposals",
        proposals.KIND,
        {name: value.astype(np.float16) for name, value in small_proposals.tensors().items()},
        source="a seed",
        command="what made the proposals",
        commit="0" * 40,
        extra={"side": 224, "trunk_sha256": checkpoints.load(bundle.find("lite0")).sha256} | extra,
    )
    given = f"--data_dir={photos}", f"--entities={boxes}", f"--work_dir={folder}/work"
    return *given, f"--proposals={folder}/proposals"


@pytest.mark.slow
def test_the_command_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(train_grounder, "DEV_MOSAICS", 2)
    folders = data(tmp_path)
    settings = "--windows=1", "--mosaics=3", "--word=4", "--width=6", "--epochs=2", "--scenes=4"
    commands.call(train_grounder, *folders, *settings, f"--output={tmp_path}/out")
    found = checkpoints.load(tmp_path / "out", "grounder")
    manifest = found.manifest
    words = [grounder.PADDING, grounder.UNKNOWN, "a", "man", "dog", "walks"]
    assert manifest["vocabulary"] == words
    shapes = grounder.shapes(112, 320, len(words), 4, 6)
    region = checkpoints.load(tmp_path / "proposals").tensors
    shapes |= {name: value.shape for name, value in region.items()}
    assert {name: value.shape for name, value in found.tensors.items()} == shapes
    for name, value in region.items():
        np.testing.assert_array_equal(found.tensors[name], value)
    assert {entry["dtype"] for entry in manifest["tensors"].values()} == {"float16"}
    before, _, own = manifest["command"].partition(" && ")
    assert before == "what made the proposals"
    command = own.split()
    assert command[:3] == ["python", "-m", "experiments.train_grounder"]
    given = {*settings, "--seed=1", "--close=0.15", "--output=out", "--threads=0"}
    given.add("--proposals=WORK/proposals")
    assert given <= set(command) and str(tmp_path) not in json.dumps(manifest)
    trunk = checkpoints.load(bundle.find("lite0"))
    assert (manifest["trunk"], manifest["trunk_sha256"]) == ("lite0", trunk.sha256)
    assert manifest["metrics"].keys() == {
        f"{split}, IoU on {what}" for split in ("dev", "test") for what in ("photos", "mosaics")
    }
    assert all(0 <= value <= 1 for value in manifest["metrics"].values())
    # It needs no other file than its own, and the trunk's.
    (tmp_path / "proposals").rename(tmp_path / "elsewhere")
    networks = bundle.Networks(grounder=f"{tmp_path}/out")
    assert networks.grounder.vocabulary == words
    assert networks.checkpoints["out"] == found.sha256
    said = vocabulary.bag_of_words("a man", ["<start>", "a", "man"], None)
    photo = np.random.default_rng(0).random((40, 60, 3), np.float32)
    assert len(grounding.Grounding(networks)(photo, said)) >= len(grounder.lattice())
    (tmp_path / "elsewhere").rename(tmp_path / "proposals")
    # From the kept grids, the same bits; with another seed others.
    commands.call(train_grounder, *folders, *settings, f"--output={tmp_path}/again")
    assert checkpoints.load(tmp_path / "again").sha256 == found.sha256
    commands.call(train_grounder, *folders, *settings, "--seed=2", f"--output={tmp_path}/other")
    assert checkpoints.load(tmp_path / "other").sha256 != found.sha256


def test_mistakes_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(train_grounder, "DEV_MOSAICS", 1)
    given = *data(tmp_path), f"--output={tmp_path}/out"
    settings = "--windows=0", "--mosaics=1", "--scenes=99"
    assert "7 pictures are fewer than --scenes=99" in commands.error_of(
        train_grounder, *given, *settings
    )
    # A photo whose file of sentences is empty can be in no mosaic.
    (tmp_path / "entities" / "Sentences" / "3.txt").write_text("\n")
    error = commands.error_of(train_grounder, *given)
    assert f"has captions of 3 of the photos that {tmp_path}/dev.txt names" in error
    assert "a mosaic takes 4" in error
    (tmp_path / "train.txt").write_text("unknown.jpg\n")
    assert "train.txt" in commands.error_of(train_grounder, *given)
    assert not (tmp_path / "out").exists()


def test_proposals_that_do_not_fit_are_refused(tmp_path):
    output = f"--output={tmp_path}/out"
    error = commands.error_of(train_grounder, *data(tmp_path / "side", side=448), output)
    assert "/side/proposals have seen squares of 448 pixels, and 224 are needed" in error
    given = data(tmp_path / "trunk", trunk_sha256="another")
    for script in (train_grounder, train_mattnet):
        error = commands.error_of(script, *given, output)
        assert "/trunk/proposals stand on another trunk than 'lite0': give its own as" in error
    lexicon = f"--proposals={bundle.find('lexicon')}"
    error = commands.error_of(train_grounder, *given[:-1], lexicon, output)
    assert "'lexicon' checkpoint; a 'proposals' is needed" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "flag",
    ["epochs=0", "scenes=0", "descriptions=0", "close=0", "dropout=1", "seed=-1"],
)
def test_settings_with_which_nothing_can_be_trained_are_refused(flag):
    with pytest.raises(flags.IllegalFlagValueError, match=flag.partition("=")[0]):
        commands.flags_of(train_grounder)(["train_grounder", f"--{flag}"])

"""Training a scorer: it learns what pairs say, and its manifest says how it was made."""

import json

import numpy as np
import pytest

from cagic_tf.networks import bundle, checkpoints
from experiments import train_vfn
from experiments.training import scorer_pairs
from tests.experiments import commands, small_entities, small_flickr8k

ARGUMENTS = ("--data_dir=D", "--work_dir=W", "--output=O", "--batch=16", "--hidden=8")


@pytest.fixture
def flags(monkeypatch):
    """Sets the script's flags."""

    def set_flags(*arguments):
        values = commands.flags_of(train_vfn)
        values(["train_vfn", *ARGUMENTS, *arguments])
        monkeypatch.setattr(train_vfn, "FLAGS", values)

    return set_flags


def random_pairs(count, better, seed):
    """Pooled pairs of noise, of which the first has more of one of its four numbers."""
    pooled = np.random.default_rng(seed).normal(size=(count, 2, 4))
    pooled[:, 0, better] += 2
    return pooled.astype(np.float16)


def trained(parts, dev):
    """The network, and the shares of dev pairs that it won."""
    tensors, shares = train_vfn.train(scorer_pairs.TrainingPairs(parts), dev, [1])
    assert all(value.dtype == np.float16 for value in tensors.values())
    return train_vfn.network_of(tensors, [1]), shares


def gap(network, pooled):
    """By how much the better ones win in the mean."""
    scores = network.rank(pooled.reshape(-1, 4).astype(np.float32)).numpy().reshape(-1, 2)
    return float((scores[:, 0] - scores[:, 1]).mean())


def test_both_sorts_of_pairs_are_learnt(flags):
    flags("--epochs=15", "--learning_rate=0.01", "--dropout=0.1")
    photos, regions = (random_pairs(320, better, better) for better in (0, 2))
    dev = {"photos": random_pairs(200, 0, 5), "regions": random_pairs(200, 2, 6)}
    network, shares = trained([(photos, 1.0), (regions, 1.0)], dev)
    for name, pooled in dev.items():
        assert shares[name] > 0.85
        assert train_vfn.won(network, pooled).mean() == pytest.approx(shares[name], abs=0.02)
        assert train_vfn.won(network, pooled[:, ::-1]).mean() == pytest.approx(
            1 - shares[name], abs=0.02
        )
    one, only = trained([(photos, 1.0)], {"photos": dev["photos"]})
    assert only["photos"] > 0.85 and train_vfn.won(one, dev["regions"]).mean() < 0.7


def test_what_counts_less_is_learnt_less(flags):
    flags("--epochs=15", "--learning_rate=0.01", "--dropout=0.1")
    photos, regions = (random_pairs(320, better, better) for better in (0, 2))
    dev = {"photos": random_pairs(200, 0, 5), "regions": random_pairs(200, 2, 6)}
    gaps = []
    for weight in (0.1, 1.0):
        network, _ = trained([(photos, weight), (regions, 1.0)], dev)
        gaps.append(gap(network, dev["photos"]) / gap(network, dev["regions"]))
    assert 0 < gaps[0] < 0.7 * gaps[1]


def test_the_same_seed_gives_the_same_bits(flags):
    flags("--epochs=2", "--seed=3")
    photos = random_pairs(64, 0, 0)
    first, again = (
        train_vfn.train(scorer_pairs.TrainingPairs([(photos, 1.0)]), {"photos": photos}, [1])[0]
        for _ in range(2)
    )
    assert first.keys() == again.keys()
    assert all((first[name] == again[name]).all() for name in first)


def test_figures_by_range():
    right, values = np.array([1, 0, 1, 1]), np.array([0.3, 0.4, 0.6, 0.9])
    found = train_vfn.by_range("won, scale", right, values, [0.3, 0.6, 0.75, 0.8])
    assert found == {"won, scale 0.3 to 0.6": 0.5, "won, scale 0.6 to 0.75": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("with_boxes", [False, True])
def test_the_command_itself(with_boxes, tmp_path):
    data = small_flickr8k.write(tmp_path)
    (data / "train.txt").write_text("\n".join(small_flickr8k.NAMES * 2) + "\n")
    boxes = small_entities.write(tmp_path / "entities")
    folders = f"--data_dir={data}", f"--work_dir={tmp_path}/work", f"--output={tmp_path}/out"
    settings = "--epochs=2", "--batch=8", "--hidden=3", "--bins=1,2", "--photo_weight=0.2"
    extra = [f"--entities={boxes}", "--region_draws=2"] if with_boxes else []
    commands.call(train_vfn, *folders, *settings, *extra)
    scorer = checkpoints.load(tmp_path / "out", "vfn")
    assert {name: value.shape for name, value in scorer.tensors.items()} == {
        "ranker/fc6w": (5 * 1280, 3),
        "ranker/fc6b": (3,),
        "ranker/W": (3, 1),
    }
    manifest = scorer.manifest
    assert manifest["bins"] == [1, 2]
    assert bundle.load_trunk(tmp_path / "out", scorer).kind == "lite0"
    assert str(tmp_path) not in json.dumps(manifest)
    command = manifest["command"]
    assert ("--entities=FLICKR30K_ENTITIES" in command) == with_boxes
    for flag in (
        *settings,
        "--work_dir=WORK",
        "--output=out",
        "--draws=1",
        "--dropout=0.5",
        "--seed=1",
        "--learning_rate=0.0003",
    ):
        assert flag in command.split()
    shares = manifest["metrics"]
    assert all(0 <= share <= 1 for share in shares.values())
    assert "dev pairs won, photos above crops" in shares
    assert "test pairs won, pyramid, same number of pixels" in shares
    regions = [name for name in shares if "whole above cut" in name]
    assert bool(regions) == with_boxes
    if with_boxes:
        assert "test pairs won, whole above cut" in regions
        assert any("people" in name for name in regions)
        assert any("things" in name for name in regions)
    # What is cached is used again, to the same weights.
    cached = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").iterdir()}
    commands.call(train_vfn, *folders, *settings, *extra)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "work").iterdir()} == cached
    assert checkpoints.load(tmp_path / "out", "vfn").sha256 == scorer.sha256


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--trunk=nowhere", "no readable checkpoint"),
        ("--entities=nowhere", "nowhere has no folder Sentences"),
        ("--data_dir=nowhere", "No such file"),
        ("--bins=1,x", "--bins is 1,x; whole numbers are needed, such as 1,2,4"),
    ],
)
def test_mistakes_are_one_line(argument, message, tmp_path):
    data = small_flickr8k.write(tmp_path)
    folders = f"--data_dir={data}", f"--work_dir={tmp_path}/work", f"--output={tmp_path}/out"
    assert message in commands.error_of(train_vfn, *folders, argument)
    assert not (tmp_path / "out").exists() and not (tmp_path / "work").exists()

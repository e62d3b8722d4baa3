"""The command that trains A2-RL's stand-in: what it writes, and that it goes on when stopped."""

import json

import numpy as np
import pytest

from cagic_tf.baselines.a2rl import cropper
from cagic_tf.networks import checkpoints
from experiments import train_a2rl
from experiments.training import actor_critic
from tests.experiments import commands, own_sizes, small_flickr8k

SETTINGS = (
    "--photos=2",
    "--dev_photos=1",
    "--rounds=3",
    "--batch=2",
    "--features=6",
    "--width=8",
    "--states=8",
    "--learning_rate=0.01",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The command's folders, to which `own_sizes` has written; work and output are to be added."""
    folder = tmp_path_factory.mktemp("data")
    names = [name for split in ("train", "dev", "test") for name in small_flickr8k.SPLITS[split]]
    data, entities = own_sizes.write(folder, names[:5])
    return f"--data_dir={data}", f"--entities={entities}"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Episodes are short, and any number of actions is enough."""
    monkeypatch.setattr(actor_critic, "MOST_STEPS", 4)
    monkeypatch.setattr(actor_critic, "STEPS", 2)
    monkeypatch.setattr(train_a2rl, "LEAST_USED", 1)
    monkeypatch.setattr(train_a2rl, "WALKS", 2)


@pytest.mark.slow
def test_the_command_itself(folders, tmp_path):
    def call(name, *arguments):
        where = f"--work_dir={tmp_path}/{name}_work", f"--output={tmp_path}/{name}/a2rl"
        commands.call(train_a2rl, *folders, *where, *SETTINGS, "--every=1", *arguments)
        return checkpoints.load(tmp_path / name / "a2rl", "a2rl")

    whole = call("whole")
    system = cropper.load(tmp_path / "whole/a2rl")
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    ((box, score),) = system.boxes(photo)
    assert 0 <= box[0] < box[0] + box[2] <= 80 and 0 < score <= 1
    manifest = whole.manifest
    assert "stand-in" in manifest["source"] and "/" not in manifest["command"]
    assert all(setting in manifest["command"].split() for setting in SETTINGS)
    metrics = manifest["metrics"]
    shares = [metrics[f"test, share of action {number} (2 photos)"] for number in range(14)]
    assert sum(shares) == pytest.approx(1)
    gained = metrics["test, above random moves (2 photos)"]
    agent, random = (
        metrics[f"test, score of {what} (2 photos)"] for what in ("the final crop", "random moves")
    )
    assert gained == pytest.approx(agent - random)
    json.dumps(metrics)

    # A run that is stopped after two rounds goes on to the same weights.
    finished = actor_critic.train_on
    rounds = []

    def stopped(*arguments):
        if len(rounds) == 2:
            raise KeyboardInterrupt
        rounds.append(finished(*arguments))
        return rounds[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actor_critic, "train_on", stopped)
        with pytest.raises(KeyboardInterrupt):
            call("parts")
    assert call("parts").sha256 == whole.sha256
    assert len(rounds) == 2


def test_mistakes_are_one_line(folders, tmp_path):
    where = f"--work_dir={tmp_path}/work", f"--output={tmp_path}/out"
    message = commands.error_of(train_a2rl, *folders, *where, "--batch=8")
    assert "photos are fewer than --batch=8" in message
    message = commands.error_of(train_a2rl, folders[0], "--entities=nowhere", *where)
    assert "has no photo of" in message
    assert not (tmp_path / "out").exists()

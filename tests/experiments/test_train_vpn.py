"""View Proposal Net's stand-in: which boxes it learns from, and the command."""

import json

import numpy as np
import pytest
from scipy import stats

from cagic_tf.baselines.vpn import cropper
from cagic_tf.networks import checkpoints
from experiments import train_vpn
from experiments.training import agreement, anchor_scores
from tests.experiments import commands, own_sizes, small_flickr8k


def test_boxes_are_drawn_by_the_photos_name():
    first, again = (anchor_scores.drawn("a.jpg", 30, 1) for _ in range(2))
    assert (first == again).all() and len(set(first.tolist())) == 30
    others = anchor_scores.drawn("b.jpg", 30, 1), anchor_scores.drawn("a.jpg", 30, 2)
    assert all(first.tolist() != other.tolist() for other in others)
    assert (anchor_scores.drawn("a.jpg", 2000, 1) == np.arange(895)).all()
    boxes = anchor_scores.rule(30, 1)("a.jpg", 500, 375)
    corners = cropper.pixel_boxes(500, 375)[first]
    assert (boxes[:, :2] + boxes[:, 2:] == corners[:, 2:]).all() and (boxes[:, 2:] > 0).all()
    assert (anchor_scores.pixel_boxes(1, 1)[:, 2:] == 1).all()


def test_agreement():
    random = np.random.default_rng(0)
    student, teacher = random.integers(0, 9, (2, 3, 40)).astype(float)
    expected = [stats.spearmanr(*pair).statistic for pair in zip(student, teacher, strict=True)]
    assert agreement.mean_rank_correlation(student, teacher) == pytest.approx(np.mean(expected))
    assert agreement.rank_correlation(np.zeros(5), np.arange(5)) == 0
    found = agreement.best_boxes([np.array([0, 3, 1])], [np.array([5.0, 1, 9])])
    assert list(found.values()) == pytest.approx([1, 9, 5, np.std([5, 1, 9])])


@pytest.mark.slow
def test_the_command_itself(tmp_path):
    train, dev, test = (small_flickr8k.SPLITS[split] for split in ("train", "dev", "test"))
    data, entities = own_sizes.write(tmp_path, [train[0], *dev, test[0]])
    folders = (
        f"--data_dir={data}",
        f"--entities={entities}",
        f"--work_dir={tmp_path}/work",
        f"--output={tmp_path}/out",
    )
    settings = (
        *("--epochs=2", "--batch=2", "--boxes=3", "--own_boxes=5", "--dev_boxes=7"),
        *("--sides=224,288", "--spread=0.2"),
    )
    commands.call(train_vpn, *folders, *settings)
    system = cropper.load(tmp_path / "out")
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    assert system.scores([photo]).shape == (1, 895)
    assert system.boxes(photo)[0].score >= system.boxes(photo)[1].score
    found = checkpoints.load(tmp_path / "out", "vpn")
    manifest = found.manifest
    assert "stand-in" in manifest["source"] and str(tmp_path) not in json.dumps(manifest)
    assert all(setting in manifest["command"].split() for setting in settings)
    assert manifest["views"] == {"sides": [224, 288], "spread": 0.2}
    metrics = manifest["metrics"]
    assert {f"{split}, {agreement.CORRELATION} (1 photos)" for split in ("dev", "test")} <= set(
        metrics
    )
    # What is cached is used again, to the same weights.
    cached = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.npy")}
    commands.call(train_vpn, *folders, *settings)
    again = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.npy")}
    assert again == cached and checkpoints.load(tmp_path / "out", "vpn").sha256 == found.sha256


def test_mistakes_are_one_line(tmp_path):
    data, entities = own_sizes.write(tmp_path, [])
    output = f"--work_dir={tmp_path}/work", f"--output={tmp_path}/out"
    folders = f"--data_dir={data}", f"--entities={entities}"
    message = commands.error_of(train_vpn, *folders, *output)
    assert "images has no photo of" in message
    message = commands.error_of(train_vpn, "--data_dir=nowhere", folders[1], *output)
    assert "No such file" in message
    assert not (tmp_path / "out").exists()

"""View Proposal Net's stand-in: what it learns from, its loss by hand, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from cagic_tf.baselines.vpn import anchors, cropper
from cagic_tf.baselines.vpn.network import ViewProposalNet
from cagic_tf.networks import checkpoints
from experiments import train_vpn
from experiments.training import agreement, anchor_scores
from experiments.training.anchor_scores import Lessons
from experiments.training.scored_boxes import ScoredBoxes
from tests.experiments import commands, own_sizes, small_flickr8k

FOLDERS = "--data_dir=D", "--entities=E", "--work_dir=W", "--output=O"


@pytest.fixture
def flags(monkeypatch):
    """Sets the script's flags."""

    def set_flags(*arguments):
        values = commands.flags_of(train_vpn)
        values(["train_vpn", *FOLDERS, *arguments])
        monkeypatch.setattr(train_vpn, "FLAGS", values)

    return set_flags


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


def test_every_box_has_its_mirror_image():
    boxes, turned = anchors.anchors(), anchors.anchors()[anchor_scores.mirrored_numbers()]
    assert turned[:, 0] == pytest.approx(1 - boxes[:, 2], abs=1e-9)
    assert turned[:, 2] == pytest.approx(1 - boxes[:, 0], abs=1e-9)
    assert turned[:, [1, 3]] == pytest.approx(boxes[:, [1, 3]], abs=1e-9)


def test_photos_with_fewer_boxes_are_filled_up():
    photos = [Path("a.jpg"), Path("b.jpg")]
    found = [ScoredBoxes(None, np.arange(count, dtype=np.float32)) for count in (5, 3)]
    lessons = anchor_scores.lessons(photos, [5, 3], 1, found)
    assert lessons.counted.tolist() == [[1] * 5, [1, 1, 1, 0, 0]]
    assert lessons.numbers[1, :3].tolist() == anchor_scores.drawn("b.jpg", 3, 1).tolist()
    assert lessons.scores[1].tolist() == [0, 1, 2, 0, 0]


def test_the_loss_is_of_all_pairs():
    random = np.random.default_rng(0)
    wanted, predicted = random.normal(size=(2, 2, 6)).astype(np.float32)
    counted = np.ones([2, 6], np.float32)
    counted[1, 4:] = 0
    photos = []
    for row, count in enumerate((6, 4)):
        pairs = [
            (predicted[row, i] - predicted[row, j] - wanted[row, i] + wanted[row, j]) ** 2
            for i in range(count)
            for j in range(count)
            if i != j
        ]
        photos.append(np.mean(pairs))
    lesson = Lessons(np.zeros([2, 6], np.int32), wanted, counted)
    found = anchor_scores.pairwise_squared_error(lesson, tf.constant(predicted + 7))
    assert float(found) == pytest.approx(np.mean(photos), rel=1e-5)


def test_agreement():
    random = np.random.default_rng(0)
    student, teacher = random.integers(0, 9, (2, 3, 40)).astype(float)
    expected = [stats.spearmanr(*pair).statistic for pair in zip(student, teacher, strict=True)]
    assert agreement.mean_rank_correlation(student, teacher) == pytest.approx(np.mean(expected))
    assert agreement.rank_correlation(np.zeros(5), np.arange(5)) == 0
    found = agreement.best_boxes([np.array([0, 3, 1])], [np.array([5.0, 1, 9])])
    assert list(found.values()) == pytest.approx([1, 9, 5, np.std([5, 1, 9])])


def test_it_learns_what_photos_say(flags):
    """The good boxes of a photo are where some of its channels are high, left or right."""
    flags("--epochs=20", "--batch=8", "--width=32", "--hidden=32", "--learning_rate=0.003")
    random = np.random.default_rng(0)
    boxes = anchors.anchors()
    centers = (boxes[:, 0] + boxes[:, 2]) / 2 - 0.5
    sides = random.choice([-1, 1], 136)
    grid = random.uniform(0, 1, (136, 10, 10, 1280)).astype(np.float32)
    grid[sides > 0, :, 5:, :80] += 3
    grid[sides < 0, :, :5, :80] += 3
    features = grid.reshape(-1, 100, 1280)
    every = 10 * sides[:, None] * centers + 5 * (boxes[:, 3] - boxes[:, 1])
    numbers = np.stack([random.permutation(895)[:60] for _ in range(128)]).astype(np.int32)
    scores = np.take_along_axis(every[:128], numbers, axis=1).astype(np.float32)
    lessons = Lessons(numbers, scores, np.ones_like(scores))
    halves = features[:128].astype(np.float16)
    tensors, reached = train_vpn.train(halves, lessons, features[128:], list(every[128:]))
    assert all(value.dtype == np.float16 for value in tensors.values())
    found = train_vpn.scores_of(tensors, features[128:])
    assert found.shape == (8, 895) and (found > 0).all()
    assert agreement.mean_rank_correlation(found, every[128:]) == pytest.approx(reached)
    turned = train_vpn.scores_of(tensors, anchor_scores.mirrored(features[128:]))
    assert (stats.spearmanr(turned[0], found[0]).statistic) < 0.8
    assert stats.spearmanr(turned[0, anchor_scores.mirrored_numbers()], found[0]).statistic > 0.95
    blind = agreement.mean_rank_correlation([train_vpn.mean_scores(lessons)] * 8, every[128:])
    assert reached > 0.9 > blind + 0.2


def test_mean_scores_are_counted_from_the_photos_own_mean():
    lessons = Lessons(
        np.array([[0, 1, 0], [0, 1, 2]], np.int32),
        np.array([[1, 3, 0], [10, 11, 15]], np.float32),
        np.array([[1, 1, 0], [1, 1, 1]], np.float32),
    )
    found = train_vpn.mean_scores(lessons)
    assert found.shape == (895,)
    assert found[:4] == pytest.approx([(-1 - 2) / 2, (1 - 1) / 2, 3, 0])


def test_the_network_begins_with_the_mean_scores(flags):
    flags("--width=16", "--hidden=16")
    means = np.random.default_rng(0).normal(size=895)
    network = ViewProposalNet(train_vpn.initial(means))
    found = network(tf.zeros([1, 100, 1280])).numpy()[0]
    assert found == pytest.approx(means - means.min() + train_vpn.LIFT, abs=1e-4)


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
    settings = "--epochs=2", "--batch=2", "--boxes=3", "--own_boxes=5", "--width=8", "--hidden=4"
    commands.call(train_vpn, *folders, *settings)
    system = cropper.load(tmp_path / "out")
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    assert system.scores([photo]).shape == (1, 895)
    assert system.boxes(photo)[0].score >= system.boxes(photo)[1].score
    found = checkpoints.load(tmp_path / "out", "vpn")
    manifest = found.manifest
    assert "stand-in" in manifest["source"] and str(tmp_path) not in json.dumps(manifest)
    assert all(setting in manifest["command"].split() for setting in settings)
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

"""What the stand-ins of View Proposal Net and GAIC share: lessons on disk, loss, training."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cagic_tf.baselines import region_scorer
from cagic_tf.baselines.region_scorer import RegionHead
from experiments import train_gaic
from experiments.training import agreement, region_lessons, region_training
from experiments.training.region_lessons import Lesson
from experiments.training.scored_boxes import ScoredBoxes
from experiments.training.teacher import Teacher
from tests.experiments import commands

FOLDERS = "--data_dir=D", "--entities=E", "--work_dir=W", "--output=O"
BOXES = np.array([(0, 0, 80, 60), (10, 5, 40, 30), (30, 20, 50, 40)])


@pytest.fixture(scope="module")
def teacher():
    return Teacher()


@pytest.fixture
def flags(monkeypatch):
    """Sets the flags of a script and of what it trains with."""

    def set_flags(*arguments):
        values = commands.flags_of(train_gaic)
        values(["train_gaic", *FOLDERS, *arguments])
        monkeypatch.setattr(region_training, "FLAGS", values)

    return set_flags


def test_the_loss_is_of_differences():
    random = np.random.default_rng(0)
    predicted, wanted = random.normal(size=(2, 7)).astype(np.float32)
    photo = np.array([0, 0, 0, 1, 1, 1, 1])
    expected = np.mean([np.var((predicted - wanted)[photo == each]) for each in (0, 1)])
    shifted = predicted + np.float32([5, 5, 5, -2, -2, -2, -2])
    assert float(region_training.loss(shifted, wanted, photo)) == pytest.approx(expected, rel=1e-4)
    # Half of the mean over all pairs of a photo's boxes.
    off = (predicted - wanted)[:3]
    pairs = np.mean(np.square(off[:, None] - off)) / 2
    found = region_training.loss(predicted[:3], wanted[:3], photo[:3])
    assert float(found) == pytest.approx(pairs, rel=1e-4)


def test_mean_scores_are_counted_from_the_photos_own_mean():
    numbers = [np.array([0, 1]), np.array([0, 1, 2])]
    scores = [np.array([1.0, 3]), np.array([10.0, 11, 15])]
    found = agreement.mean_scores(numbers, scores, 5)
    assert found == pytest.approx([(-1 - 2) / 2, (1 - 1) / 2, 3, 0, 0])


@pytest.mark.parametrize("sees_the_rest", [False, True])
def test_a_head_begins_as_the_teacher(teacher, sees_the_rest):
    tensors = region_training.initial(teacher, sees_the_rest, 1)
    random = np.random.default_rng(0)
    vectors = random.uniform(0, 6, (3, 49, 1280)).astype(np.float32)
    weights = np.concatenate([region_scorer._level(7, bins) for bins in (1, 2, 4)])
    grid = vectors.reshape(3, 7, 7, 1280)
    levels, start = [], 0
    for bins in (1, 2, 4):
        own = weights[start : start + bins]
        levels.append(np.einsum("ih,nhwc,jw->nijc", own, grid, own).reshape(3, -1))
        start += bins
    seen = region_scorer.Features(
        np.concatenate(levels, axis=1).astype(np.float32),
        *random.normal(size=(2, 3, region_scorer.FINE_SIZE)).astype(np.float32),
        random.uniform(size=(3, 9)).astype(np.float32),
    )
    found = RegionHead(tensors)(seen).numpy()
    assert found == pytest.approx(teacher.judge(tf.constant(vectors)).numpy(), abs=1e-3)


def test_lessons_are_kept_in_parts(teacher, flags, tmp_path, monkeypatch):
    monkeypatch.setattr(region_lessons, "PART", 2)
    flags("--sides=64,96")
    random, photos = np.random.default_rng(0), []
    for number in range(3):
        photos.append(tmp_path / f"{number}.png")
        Image.fromarray(random.integers(0, 256, (60, 80, 3), np.uint8)).save(photos[-1])
    told = [ScoredBoxes(BOXES[: number + 1], np.arange(number + 1.0)) for number in range(3)]
    regions = region_training.regions(teacher, region_training.initial(teacher, True, 1))

    def read():
        return region_lessons.of_photos(tmp_path / "kept", photos, told, regions, "trunk")

    found = read()
    assert [each.features.shape[0] for each in found] == [1, 2, 3]
    assert found[2].scores.tolist() == [0, 1, 2] and found[2].features.dtype == np.float16
    corners = np.float64([(0, 0, 80, 60), (10, 5, 50, 35), (30, 20, 80, 60)])
    expected = regions.features(np.asarray(Image.open(photos[2])), corners)
    for part, own in zip(region_lessons.parted(found[2].features), expected, strict=True):
        assert part == pytest.approx(own, abs=0.02, rel=2e-3)
    # A run that was stopped goes on: what is kept is not computed again.
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").iterdir()}
    assert len(times) == 2
    gone = sorted(times)[0]
    gone.unlink()
    again = read()
    assert gone.is_file() and all(
        path.stat().st_mtime_ns == times[path] for path in times if path != gone
    )
    for first, second in zip(found, again, strict=True):
        assert (first.features == second.features).all()


def small_lessons(count, seed):
    """Photos whose good boxes are those where a channel of the finer grid is high."""
    random, found = np.random.default_rng(seed), []
    for _ in range(count):
        rows = np.zeros([10, region_scorer.COARSE_SIZE + region_scorer.FINE_SIZE + 9])
        good = random.normal(size=10)
        rows[:, region_scorer.COARSE_SIZE : region_scorer.COARSE_SIZE + 112] = good[:, None]
        found.append(Lesson(rows.astype(np.float16), np.float32(40 + 3 * good)))
    return found


def small_head(seed=1):
    random = np.random.default_rng(seed)
    shapes = {
        "coarse/kernel": (region_scorer.COARSE_SIZE, 4),
        "fine/kernel": (region_scorer.FINE_SIZE, 4),
        "place/kernel": (9, 4),
        "hidden/bias": (4,),
        "ranker/kernel": (4, 1),
        "second/kernel": (13, 8),
        "second/bias": (8,),
        "correction/kernel": (8, 1),
    }
    return {
        name: np.float32(0.05 * random.normal(size=shape) if name != "hidden/bias" else np.ones(4))
        for name, shape in shapes.items()
    }


def test_it_learns_and_the_same_seed_gives_the_same_bits(flags):
    flags("--epochs=4", "--batch=4", "--dropout=0.1", "--learning_rate=0.003")
    lessons, dev = small_lessons(24, 0), small_lessons(4, 1)
    tensors, reached = region_training.train(small_head(), lessons, dev)
    assert all(value.dtype == np.float16 for value in tensors.values()) and reached > 0.95
    told = [each.scores for each in dev]
    found = region_training.scores(tensors, dev)
    assert agreement.mean_rank_correlation(found, told) == pytest.approx(reached)
    again, _ = region_training.train(small_head(), lessons, dev)
    assert all((again[name] == value).all() for name, value in tensors.items())


def test_too_few_photos(flags):
    flags("--batch=4")
    with pytest.raises(Exception, match="3 photos are fewer than --batch=4"):
        region_training.train(small_head(), small_lessons(3, 0), [])

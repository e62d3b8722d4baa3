"""GAIC's stand-in: what it learns from, its loss by hand, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.gaic import anchors, cropper
from cagic_tf.baselines.gaic.network import GridAnchorHead
from cagic_tf.networks import checkpoints
from experiments import train_gaic
from experiments.training import agreement, grid_crops, grid_head
from experiments.training.grid_crops import GridPhoto, Lesson
from tests.experiments import commands, own_sizes, small_flickr8k

FOLDERS = "--data_dir=D", "--entities=E", "--work_dir=W", "--output=O"
WIDE, TALL = (256, 352), (384, 256)


@pytest.fixture
def flags(monkeypatch):
    """Sets the script's flags."""

    def set_flags(*arguments):
        values = commands.flags_of(train_gaic)
        values(["train_gaic", *FOLDERS, *arguments])
        monkeypatch.setattr(train_gaic, "FLAGS", values)

    return set_flags


def photo_of(name, looked_at):
    return GridPhoto(Path(name), looked_at, looked_at)


def test_the_loss_is_hubers_of_scores_less_the_photos_mean():
    random = np.random.default_rng(0)
    wanted, predicted = 2 * random.normal(size=(2, 2, 6)).astype(np.float32)
    counted = np.ones([2, 6], np.float32)
    counted[1, 4:] = 0
    total, every = 0.0, []
    for row, count in enumerate((6, 4)):
        own, told = predicted[row, :count], wanted[row, :count]
        off = np.abs((own - own.mean()) - (told - told.mean()))
        total += np.mean([0.5 * each**2 if each < 1 else each - 0.5 for each in off])
        every += off.tolist()
    assert min(every) < 1 < max(every)
    lesson = Lesson(wanted + np.float32([[5], [-3]]), counted)
    found = grid_head.smooth_l1(lesson, tf.constant(predicted))
    assert float(found) == pytest.approx(total, rel=1e-5)


def test_scales():
    lessons = [
        Lesson(np.array([1, 3, 99], np.float32), np.array([1, 1, 0], np.float32)),
        Lesson(np.array([8], np.float32), np.array([1], np.float32)),
    ]
    assert grid_head.deviation_of_scores(lessons) == pytest.approx(np.std([-1, 1, 0]))
    random = np.random.default_rng(0)
    grids = [random.normal(3, 2, size=(*size, 5)).astype(np.float16) for size in ((4, 6), (8, 2))]
    seen = grid_head.scale_of_features(grids)
    pixels = np.concatenate([each.reshape(-1, 5) for each in grids]).astype(np.float64)
    assert seen.mean == pytest.approx(pixels.mean(axis=0), rel=1e-5)
    assert seen.deviation == pytest.approx(pixels.std(axis=0), rel=1e-5)


def small_head(channels=6):
    return grid_head.initial(channels, 3, 8, 4, np.random.default_rng(0))


def test_photos_of_one_size_are_scored_together():
    head = GridAnchorHead(small_head())
    grids = tf.random.stateless_normal([3, 16, 22, 6], [1, 2])
    where = grid_crops.points(WIDE, head.points)
    found = grid_head.scores(head, grids, where).numpy()
    assert found.shape == (3, 87)
    for own, grid in zip(found, grids, strict=True):
        alone = head.scores(head.reduction(grid[None])[0], where).numpy()
        assert own == pytest.approx(alone, abs=1e-5)


def test_a_folded_head_sees_features_as_they_are():
    tensors = small_head()
    scale = grid_head.Scale(
        np.linspace(-3, 3, 6, dtype=np.float32), np.geomspace(0.2, 5, 6, dtype=np.float32)
    )
    grids = scale.mean + scale.deviation * tf.random.stateless_normal([2, 16, 22, 6], [1, 2])
    where = grid_crops.points(WIDE, 10)
    scaled = (grids - scale.mean) / scale.deviation
    expected = grid_head.scores(GridAnchorHead(tensors), scaled, where).numpy()
    found = grid_head.folded(tensors, scale)
    assert all(value.dtype == np.float16 for value in found.values())
    head = GridAnchorHead({name: np.float32(value) for name, value in found.items()})
    assert grid_head.scores(head, grids, where).numpy() == pytest.approx(expected, abs=0.02)


def test_a_step_takes_photos_of_one_size(flags):
    flags("--batch=4")
    photos = [photo_of(f"{number}.jpg", (WIDE, TALL)[number % 3 == 0]) for number in range(20)]
    found = train_gaic.batches(photos, np.random.default_rng(0))
    assert sorted(np.concatenate(found)) == list(range(20))
    for rows in found:
        assert len({photos[row].looked_at for row in rows}) == 1 and len(rows) <= 4
    other = train_gaic.batches(photos, np.random.default_rng(1))
    assert np.concatenate(found).tolist() != np.concatenate(other).tolist()


def made_up(count, seed):
    """Photos whose first channel is bright on the side where good crops are, and mirrored ones."""
    random = np.random.default_rng(seed)
    photos, grids, turned, lessons = [], [], [], []
    for number in range(count):
        looked_at, right = (WIDE, TALL)[number % 2], random.random() < 0.5
        height, width = (side // 16 for side in looked_at)
        grid = random.normal(size=(height, width, 6)).astype(np.float16)
        grid[:, width // 2 :, 0] += 2 if right else -2
        grid[:, : width // 2, 0] -= 2 if right else -2
        boxes = anchors.grid(*looked_at)
        centers = (boxes[:, 0] + boxes[:, 2]) / looked_at[1] - 1
        scores = 40 + 3 * (centers if right else -centers) + random.normal(size=len(boxes)) / 20
        photos.append(photo_of(f"{number}.jpg", looked_at))
        grids.append(grid)
        turned.append(grid[:, ::-1])
        lessons.append(Lesson(np.float32(scores), np.ones(len(boxes), np.float32)))
    pairs = zip(lessons, photos, strict=True)
    mirrored = [grid_crops.mirrored(lesson, photo.looked_at) for lesson, photo in pairs]
    return (
        train_gaic.Examples(photos, grids, lessons),
        train_gaic.Examples(photos, turned, mirrored),
    )


SMALL = "--batch=4", "--reduced=2", "--width=32", "--hidden=16", "--dropout=0"


def test_it_learns_what_photos_say(flags):
    flags("--epochs=8", "--learning_rate=0.005", *SMALL)
    sides, dev = made_up(32, 0), made_up(8, 1)[0]
    tensors, reached = train_gaic.train(sides, dev)
    assert all(value.dtype == np.float16 for value in tensors.values())
    backwards = [lesson._replace(scores=-lesson.scores) for lesson in dev.lessons]
    figures = train_gaic.measure(tensors, dev, backwards)

    def correlation(who=""):
        return figures[f"{agreement.CORRELATION}{who} (8 photos)"]

    assert correlation() == pytest.approx(reached) and reached > 0.9
    assert abs(correlation(", the area alone")) < 0.3
    assert correlation(", the teacher of the mirrored photo") == pytest.approx(-1)
    assert correlation(", with the mean of both") == 0  # It is 0 everywhere.
    # Its own scores have a deviation of about 1.
    every = [each - each.mean() for each in train_gaic.all_scores(tensors, dev)]
    assert 0.7 < np.concatenate(every).std() < 1.3


def test_the_same_seed_gives_the_same_bits(flags):
    flags("--epochs=1", *SMALL)
    sides, dev = made_up(8, 0), made_up(2, 1)[0]
    first, again = (train_gaic.train(sides, dev)[0] for _ in range(2))
    assert all((first[name] == again[name]).all() for name in first)


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
    settings = "--epochs=2", "--batch=2", "--boxes=3", "--reduced=2", "--width=8", "--hidden=4"
    commands.call(train_gaic, *folders, *settings)
    system = cropper.load(tmp_path / "out")
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    found = system.boxes(photo)
    assert len(found) == 87 and found[0].score > found[-1].score
    checkpoint = checkpoints.load(tmp_path / "out", "gaic")
    manifest = checkpoint.manifest
    assert "stand-in" in manifest["source"] and str(tmp_path) not in json.dumps(manifest)
    assert all(setting in manifest["command"].split() for setting in settings)
    assert manifest["teacher_deviation"] > 0
    expected = {f"{split}, {agreement.CORRELATION} (1 photos)" for split in ("dev", "test")}
    assert expected <= set(manifest["metrics"])
    # What is cached is used again, to the same weights.
    cached = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.npy")}
    commands.call(train_gaic, *folders, *settings)
    again = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.npy")}
    assert again == cached
    assert checkpoints.load(tmp_path / "out", "gaic").sha256 == checkpoint.sha256


def test_mistakes_are_one_line(tmp_path):
    data, entities = own_sizes.write(tmp_path, [])
    output = f"--work_dir={tmp_path}/work", f"--output={tmp_path}/out"
    folders = f"--data_dir={data}", f"--entities={entities}"
    message = commands.error_of(train_gaic, *folders, *output)
    assert "images has no photo of" in message
    message = commands.error_of(train_gaic, "--data_dir=nowhere", folders[1], *output)
    assert "No such file" in message
    assert not (tmp_path / "out").exists()

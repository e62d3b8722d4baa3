"""GAIC's stand-in: what it learns from, its loss by hand, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cagic_tf.baselines.gaic import alignment, anchors, cropper
from cagic_tf.baselines.gaic.network import GridAnchorHead
from cagic_tf.networks import bundle, checkpoints
from experiments import train_gaic
from experiments.training import agreement, grid_crops, grid_head
from experiments.training.grid_crops import GridPhoto, Lesson
from experiments.training.teacher import Teacher
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


class Area:
    """A teacher whose score of a box is its left edge and area; it counts photos."""

    sha256 = "head", "trunk"
    asked = 0

    def scores(self, photo, boxes):
        self.asked += 1
        return np.float32(boxes[:, 0] + 1000 * boxes[:, 2] * boxes[:, 3] / photo[..., 0].size)


@pytest.mark.parametrize("looked_at", [WIDE, TALL, (256, 608)])
def test_every_crop_has_its_mirror_image(looked_at):
    boxes, width = anchors.grid(*looked_at), looked_at[1]
    numbers = grid_crops.mirrored_numbers(looked_at)
    turned = boxes[numbers]
    assert turned[:, 0] == pytest.approx(width - boxes[:, 2], abs=1e-9)
    assert turned[:, 2] == pytest.approx(width - boxes[:, 0], abs=1e-9)
    assert (turned[:, [1, 3]] == boxes[:, [1, 3]]).all()
    assert (turned[:, 2] > turned[:, 0]).all()  # Unlike the original's when it was trained.
    assert sorted(numbers) == list(range(len(boxes)))
    lesson = Lesson(np.arange(len(boxes), dtype=np.float32), np.zeros(len(boxes), np.float32))
    assert (grid_crops.mirrored(lesson, looked_at).scores == numbers).all()


def test_a_mirrored_photo_is_read_where_the_mirrored_crops_are():
    """Of a map that says how far right a place is; so wide that no crop is read beyond it."""
    size = (256, 416)
    where, numbers = grid_crops.points(size, 10), grid_crops.mirrored_numbers(size)
    grid = np.broadcast_to(np.arange(26.0)[:, None], [16, 26, 1])
    kept, turned = (
        alignment.features(tf.constant(each), where).numpy()[:, 4, :, 0].mean(axis=1)
        for each in (grid, grid[:, ::-1])
    )
    # A pixel is at its whole number, and read one further at the end: half a pixel each, twice.
    assert turned[numbers] == pytest.approx(kept - 2, abs=1e-4)
    assert np.abs(turned - kept).max() > 2


def test_crops_of_the_file_are_those_of_the_system():
    photo = GridPhoto(Path("a.jpg"), (375, 500), anchors.looked_at(375, 500))
    boxes = grid_crops.pixel_boxes(photo, 500, 375)
    corners = anchors.in_photo(anchors.grid(*WIDE), WIDE, (375, 500))
    assert photo.looked_at == WIDE and boxes.shape == (87, 4)
    assert (boxes[:, :2] == corners[:, :2]).all()
    assert (boxes[:, :2] + boxes[:, 2:] == corners[:, 2:]).all()
    squashed = grid_crops.pixel_boxes(photo, 224, 224)
    assert squashed / 224 == pytest.approx(boxes / (500, 375, 500, 375), abs=1 / 224 + 1 / 375)


def test_crops_are_drawn_by_the_photos_name():
    first, again = (grid_crops.drawn(photo_of("a.jpg", WIDE), 30, 1) for _ in range(2))
    assert (first == again).all() and len(set(first.tolist())) == 30
    for other in (
        grid_crops.drawn(photo_of("b.jpg", WIDE), 30, 1),
        grid_crops.drawn(photo_of("a.jpg", WIDE), 30, 2),
    ):
        assert first.tolist() != other.tolist()
    every = grid_crops.drawn(photo_of("a.jpg", WIDE), grid_crops.MOST, 1)
    assert (every == np.arange(87)).all()


def test_which_photos_there_are(tmp_path):
    train = small_flickr8k.SPLITS["train"]
    data, entities = own_sizes.write(tmp_path, [train[0]])
    own = grid_crops.own_size_photos(data, entities, "train")
    assert own == [GridPhoto(entities / "images" / train[0], (60, 80), WIDE)]
    squashed = grid_crops.squashed_photos(data, entities, "train")
    assert squashed == [GridPhoto(data / "images" / train[1], (100, 100), (256, 256))]
    Image.new("RGB", (400, 100)).save(entities / "images" / train[1])  # Has no crops.
    assert grid_crops.own_size_photos(data, entities, "train") == own


def test_lessons_are_in_the_grids_order(tmp_path):
    train = small_flickr8k.SPLITS["train"]
    data, entities = own_sizes.write(tmp_path, [train[0]])
    photos = grid_crops.own_size_photos(data, entities, "train")
    photos += grid_crops.squashed_photos(data, entities, "train")
    teacher = Area()
    found = grid_crops.lessons(tmp_path / "kept", photos, teacher, 50, 3)
    for photo, lesson in zip(photos, found, strict=True):
        width, height = Image.open(photo.path).size
        boxes = grid_crops.pixel_boxes(photo, width, height)
        expected = boxes[:, 0] + 1000 * boxes[:, 2] * boxes[:, 3] / (width * height)
        chosen = np.isin(np.arange(len(boxes)), grid_crops.drawn(photo, 50, 3))
        assert (lesson.counted == chosen).all() and chosen.sum() == 50
        assert lesson.scores == pytest.approx(np.where(chosen, expected, 0), rel=1e-5)
    grid_crops.lessons(tmp_path / "kept", photos, teacher, 50, 3)
    assert teacher.asked == 2


def test_features_are_the_systems_and_kept_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(grid_crops, "PART", 2)
    train = small_flickr8k.NAMES[:3]
    data, entities = own_sizes.write(tmp_path, train)
    (data / "train.txt").write_text("\n".join(train) + "\n")
    pixels = np.random.default_rng(5).integers(0, 256, (90, 60, 3), np.uint8)
    Image.fromarray(pixels).save(entities / "images" / train[1])
    photos, teacher = grid_crops.own_size_photos(data, entities, "train"), Teacher()
    found = grid_crops.features(tmp_path / "kept", photos, teacher)
    assert [each.shape for each in found] == [(16, 22, 472), (24, 16, 472), (16, 22, 472)]
    trunk = bundle.build_trunk(teacher.trunk)
    picture = cropper.picture(pixels)
    expected = GridAnchorHead.joined(trunk.scales(tf.constant(picture)))[0]
    assert found[1].dtype == np.float16
    assert np.float32(found[1]) == pytest.approx(expected.numpy(), abs=0.05, rel=2e-3)
    turned = grid_crops.features(tmp_path / "kept", photos, teacher, True)
    expected = GridAnchorHead.joined(trunk.scales(tf.constant(picture[:, :, ::-1])))[0]
    assert np.float32(turned[1]) == pytest.approx(expected.numpy(), abs=0.05, rel=2e-3)
    # A run that was stopped goes on: what is kept is not computed again.
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").iterdir()}
    assert len(times) == 4
    gone = sorted(times)[0]
    gone.unlink()
    again = [
        grid_crops.features(tmp_path / "kept", photos, teacher, side) for side in (False, True)
    ]
    assert gone.is_file()
    assert all(path.stat().st_mtime_ns == times[path] for path in times if path != gone)
    for old, new in zip((found, turned), again, strict=True):
        assert all((first == second).all() for first, second in zip(old, new, strict=True))


def test_the_loss_is_hubers():
    random = np.random.default_rng(0)
    wanted, predicted = 2 * random.normal(size=(2, 2, 6)).astype(np.float32)
    counted = np.ones([2, 6], np.float32)
    counted[1, 4:] = 0
    total = 0.0
    for row, count in enumerate((6, 4)):
        off = np.abs(predicted - wanted)[row, :count]
        total += np.mean([0.5 * each**2 if each < 1 else each - 0.5 for each in off])
    assert (np.abs(predicted - wanted) > 1).any() and (np.abs(predicted - wanted) < 1).any()
    found = grid_head.smooth_l1(Lesson(wanted, counted), tf.constant(predicted))
    assert float(found) == pytest.approx(total, rel=1e-5)


def test_scales():
    lessons = [
        Lesson(np.array([1, 3, 99], np.float32), np.array([1, 1, 0], np.float32)),
        Lesson(np.array([8], np.float32), np.array([1], np.float32)),
    ]
    scale = grid_head.scale_of_scores(lessons)
    assert scale == pytest.approx((4, np.std([1, 3, 8])))
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
    figures = train_gaic.measure(tensors, dev)
    correlation = f"{agreement.CORRELATION} (8 photos)"
    assert figures[correlation] == pytest.approx(reached) and reached > 0.9
    assert abs(figures[f"{agreement.CORRELATION}, the area alone (8 photos)"]) < 0.3
    # Its own scores have a mean of about 0 and a deviation of about 1.
    every = np.concatenate(train_gaic.all_scores(tensors, dev))
    assert abs(every.mean()) < 0.3 and 0.7 < every.std() < 1.3


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
    assert set(manifest["teacher_scores"]) == {"mean", "deviation"}
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

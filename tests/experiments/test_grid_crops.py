"""What GAIC's stand-in learns from: crops of photos, their scores, and what the trunk shows."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cagic_tf.baselines.gaic import alignment, anchors, cropper
from cagic_tf.baselines.gaic.network import GridAnchorHead
from cagic_tf.networks import bundle
from experiments.training import grid_crops
from experiments.training.grid_crops import GridPhoto, Lesson
from experiments.training.teacher import Teacher
from tests.experiments import own_sizes, small_flickr8k

WIDE, TALL = (256, 352), (384, 256)


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


def test_the_mirrored_teacher_sees_the_same_crops():
    photo = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    boxes = np.array([(0, 0, 40, 30), (5, 3, 20, 20), (39, 29, 1, 1)])
    seen = []

    class Looking:
        sha256 = "head", "trunk"

        def scores(self, photo, boxes):
            seen.extend(photo[y : y + h, x : x + w] for x, y, w, h in boxes)
            return np.arange(len(boxes))

    teacher = grid_crops.InTheMirror(Looking())
    assert teacher.scores(photo, boxes).tolist() == [0, 1, 2]
    for (x, y, w, h), crop in zip(boxes, seen, strict=True):
        assert (crop == photo[y : y + h, x : x + w][:, ::-1]).all()
    assert teacher.sha256[:2] == Looking.sha256 and teacher.sha256 != Looking.sha256

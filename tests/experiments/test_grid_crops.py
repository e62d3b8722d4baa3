"""What GAIC's stand-in learns from: crops of photos, and their scores."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cagic_tf.baselines.gaic import anchors
from experiments.training import grid_crops
from experiments.training.grid_crops import GridPhoto
from tests.experiments import own_sizes, small_flickr8k

WIDE = 256, 352


def photo_of(name, looked_at):
    return GridPhoto(Path(name), looked_at, looked_at)


class Area:
    """A teacher whose score of a box is its left edge and area; it counts photos."""

    sha256 = "head", "trunk"
    asked = 0

    def scores(self, photo, boxes):
        self.asked += 1
        return np.float32(boxes[:, 0] + 1000 * boxes[:, 2] * boxes[:, 3] / photo[..., 0].size)


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


def test_scored_crops_are_in_the_grids_order(tmp_path):
    train = small_flickr8k.SPLITS["train"]
    data, entities = own_sizes.write(tmp_path, [train[0]])
    photos = grid_crops.own_size_photos(data, entities, "train")
    photos += grid_crops.squashed_photos(data, entities, "train")
    teacher = Area()
    found = grid_crops.scored(tmp_path / "kept", photos, teacher, 50, 3)
    for photo, each in zip(photos, found, strict=True):
        width, height = Image.open(photo.path).size
        boxes = grid_crops.pixel_boxes(photo, width, height)[grid_crops.drawn(photo, 50, 3)]
        expected = boxes[:, 0] + 1000 * boxes[:, 2] * boxes[:, 3] / (width * height)
        assert len(boxes) == 50 and (each.boxes == boxes).all()
        assert each.scores == pytest.approx(expected, rel=1e-5)
    grid_crops.scored(tmp_path / "kept", photos, teacher, 50, 3)
    assert teacher.asked == 2


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

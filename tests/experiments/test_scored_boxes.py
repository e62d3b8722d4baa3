"""The teacher's scores of boxes, and how they are kept."""

import numpy as np
import pytest
from PIL import Image

from cagic_tf.networks.bundle import Networks
from experiments.methods import sliding_window
from experiments.training import scored_boxes
from experiments.training.teacher import Teacher

BOXES = np.array([(0, 0, 40, 30), (5, 3, 20, 20), (39, 29, 1, 1)])


class Counting:
    """A teacher whose score of a box is its area by the photo's first level; it counts photos."""

    sha256 = "head", "trunk"
    asked = 0

    def scores(self, photo, boxes):
        self.asked += 1
        return np.float32(boxes[:, 2] * boxes[:, 3] * int(photo[0, 0, 0]))


def write_photos(folder, count):
    """So many photos of one colour, by which they differ."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((30, 40, 3), number + 1, np.uint8)).save(path)
    return paths


def some(name, width, height):
    """A rule: the photo `N.png` has N % 4 boxes."""
    assert (width, height) == (40, 30)
    return BOXES[: int(name.partition(".")[0]) % 4]


def test_scores_are_the_sliding_windows():
    photo = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    teacher, networks = Teacher(), Networks()
    found = teacher.scores(photo, BOXES)
    expected = sliding_window.scores(networks, photo, [tuple(box) for box in BOXES.tolist()])
    assert found.dtype == np.float32 and found == pytest.approx(expected, abs=1e-4)
    assert teacher.scores(photo, BOXES[:0]).shape == (0,)
    vectors = teacher.vectors(np.zeros([2, 224, 224, 3], np.float32))
    assert vectors.shape == (2, 49, 1280) and teacher.judge(vectors).shape == (2,)
    assert teacher.trunk.name == "lite0" and len(teacher.sha256) == 2


def test_each_photo_has_its_own_boxes_and_scores(tmp_path, monkeypatch):
    monkeypatch.setattr(scored_boxes, "PART", 3)
    paths = write_photos(tmp_path / "photos", 7)
    found = scored_boxes.of_photos(tmp_path / "kept", paths, some, Counting())
    assert len(found) == 7
    for number, each in enumerate(found):
        assert each.boxes.tolist() == BOXES[: number % 4].tolist()
        areas = BOXES[: number % 4, 2] * BOXES[: number % 4, 3]
        assert each.scores.tolist() == (areas * (number + 1)).tolist()


def test_a_stopped_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(scored_boxes, "PART", 2)
    paths, kept = write_photos(tmp_path / "photos", 6), tmp_path / "kept"

    class Killed(Counting):
        def scores(self, photo, boxes):
            if self.asked == 3:  # In the second part.
                raise KeyboardInterrupt
            return super().scores(photo, boxes)

    with pytest.raises(KeyboardInterrupt):
        scored_boxes.of_photos(kept, paths, some, Killed())
    teacher = Counting()
    found = scored_boxes.of_photos(kept, paths, some, teacher)
    assert teacher.asked == 4
    fresh = scored_boxes.of_photos(tmp_path / "fresh", paths, some, Counting())
    assert [each.scores.tolist() for each in found] == [each.scores.tolist() for each in fresh]


def test_what_scores_depend_on_is_scored_anew(tmp_path):
    paths, kept = write_photos(tmp_path / "photos", 4), tmp_path / "kept"
    teacher = Counting()

    def asked(rule=some):
        teacher.asked = 0
        scored_boxes.of_photos(kept, paths, rule, teacher)
        return teacher.asked

    assert asked() == 4 and asked() == 0
    assert asked(lambda *photo: some(*photo) + 1) == 4
    teacher.sha256 = "another head", "trunk"
    assert asked() == 4
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)).save(paths[0])
    assert asked() == 4 and asked() == 0


def test_own_sizes_come_first(tmp_path):
    own = tmp_path / "entities/images"
    own.mkdir(parents=True)
    write_photos(own, 1)
    found = scored_boxes.own_sizes(tmp_path / "flickr8k", tmp_path / "entities", ["0.png", "1.png"])
    assert found == [own / "0.png", tmp_path / "flickr8k/images/1.png"]

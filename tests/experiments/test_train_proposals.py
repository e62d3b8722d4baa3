"""Training proposals: what anchors are taught, and that boxes that are always there are found."""

import json

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.mattnet import lite_detector
from cagic_tf.networks import checkpoints, proposals
from cagic_tf.networks.trunks.lite0 import Lite0
from cagic_tf.system import resources
from experiments import train_proposals
from experiments.training import photo_grids, proposal_targets, regions
from tests.experiments import commands, small_entities, small_flickr8k

BOXES = np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], np.float32)
SETTINGS = ("--side=224", "--anchors=2", "--hidden=4", "--batch=2", "--epochs=30", "--most=40")


def test_overlaps_by_hand():
    others = np.array([[0, 0, 0.5, 0.25], [0.25, 0.25, 0.75, 0.75], [0.2, 0.2, 0.2, 0.9]])
    expected = [[0.5, 1 / 7, 0], [0, 1 / 7, 0]]
    np.testing.assert_allclose(proposal_targets.iou(BOXES, others), expected, atol=1e-7)


def test_what_anchors_are_taught():
    anchors = np.array(
        [
            [0, 0, 0.5, 0.4],  # 0.8 of the first box.
            [0, 0, 0.5, 0.225],  # 0.45: neither.
            [0, 0, 0.5, 0.1],  # 0.2: nothing.
            [0.7, 0.7, 1, 1],  # 0.36, but nothing else is as near the second box.
        ]
    )
    labels, number = proposal_targets.assign(anchors, BOXES)
    assert labels.tolist() == [1, -1, 0, 1]
    assert number[[0, 3]].tolist() == [0, 1]
    every, own = proposal_targets.batch(anchors, [BOXES, BOXES[:1]])
    assert every.tolist() == [[1, -1, 0, 1], [1, -1, 0, 0]]
    np.testing.assert_array_equal(own[0, [0, 3]], BOXES)


def test_anchors_are_like_the_boxes():
    rng = np.random.default_rng(0)
    sizes = np.array([[0.5, 0.3], [0.1, 0.6]])[np.arange(200) % 2] * rng.uniform(0.9, 1.1, (200, 2))
    low = rng.uniform(0, 0.4, (200, 2))
    found = proposal_targets.fit_anchors(np.concatenate([low, low + sizes], axis=1), 2, seed=3)
    np.testing.assert_allclose(found, [[0.1, 0.6], [0.5, 0.3]], rtol=0.03)


def test_the_loss_by_hand():
    anchors = np.array([[0, 0, 0.5, 0.4], [0.5, 0, 1, 0.4], [0, 0.5, 1, 1]], np.float32)
    labels = np.array([[1, -1, 0]])
    own = np.broadcast_to(BOXES[0], (1, 3, 4))
    logits = np.array([[0.3, 5, -1.2]], np.float32)
    deltas = np.zeros((1, 3, 4), np.float32)
    deltas[0, 0] = [0, 0.125 + 3, 0, np.log(1.25) - 0.5]  # What is right, but for 3 and 0.5.
    deltas[0, 1:] = 7  # Do not count.
    found = proposal_targets.loss(*map(tf.constant, (logits, deltas, labels, own, anchors)), 2.0)
    something, nothing = -np.log(1 / (1 + np.exp(-0.3))), -np.log(1 - 1 / (1 + np.exp(1.2)))
    assert float(found) == pytest.approx(something + 2 * nothing + (3 - 0.5) + 0.5**2 / 2, abs=1e-5)


def test_photos_boxes_and_phrases(tmp_path):
    small_entities.write(tmp_path)
    (photo,) = photo_grids.read(tmp_path, ["3.png", "no.png"])
    assert [thing.phrases for thing in photo.things] == [("a man",), ("a dog",)]
    np.testing.assert_allclose(photo.boxes, [small_entities.PERSON, small_entities.DOG], rtol=1e-6)
    assert [each.text for each in photo.descriptions] == ["A man", "a dog"]
    np.testing.assert_allclose(
        photo_grids.mirrored(np.array(small_entities.PERSON)), [0.6, 0.2, 0.9, 0.8]
    )


def data(folder):
    """A small data set's flags."""
    photos = small_flickr8k.write(folder)
    boxes = small_entities.write(folder / "entities")
    return f"--data_dir={photos}", f"--entities={boxes}", f"--work_dir={folder}/work"


def test_the_command_itself(tmp_path, monkeypatch):
    folders = data(tmp_path)
    commands.call(train_proposals, *folders, *SETTINGS, f"--output={tmp_path}/out")
    found = checkpoints.load(tmp_path / "out", proposals.KIND)
    assert {name: value.shape for name, value in found.tensors.items()} == proposals.shapes(
        112, 320, 4, 2
    )
    assert found.manifest["metrics"]["all dev boxes found"] == 1
    command = found.manifest["command"].split()
    assert {*SETTINGS, "--seed=1", "--overlap=0.6", "--output=out"} <= set(command)
    assert str(tmp_path) not in json.dumps(found.manifest)

    trunk = Lite0(checkpoints.load(resources.path("checkpoints") / "lite0").tensors)
    detector = lite_detector.LiteDetector(trunk, found.tensors, found.manifest)
    photo = regions.read_photo(tmp_path, tmp_path / "entities", "2.png")
    boxes = detector.detect(photo).boxes / 224
    boxes[:, 2:] += boxes[:, :2]
    truth = np.array([small_entities.PERSON, small_entities.DOG])
    assert (proposal_targets.iou(truth, boxes).max(axis=1) > 0.5).all()

    # Grids that are there are not computed again, but for the first of each file: of training
    # photos as they are and mirrored, and of dev photos; there are no others.
    read, shown = regions.read_photo, []
    monkeypatch.setattr(
        regions, "read_photo", lambda *given: shown.append(given[2]) or read(*given)
    )
    commands.call(train_proposals, *folders, *SETTINGS, f"--output={tmp_path}/again")
    assert shown == ["0.png", "0.png", "2.png"]
    again = checkpoints.load(tmp_path / "again")
    assert again.sha256 == found.sha256


def test_grids_go_on_where_they_stopped(tmp_path, monkeypatch):
    folders = [tmp_path / "work", small_flickr8k.write(tmp_path)]
    folders.append(small_entities.write(tmp_path / "entities"))
    tensors = checkpoints.load(resources.path("checkpoints") / "lite0").tensors
    trunk = Lite0(tensors)
    photos = photo_grids.read(folders[2], small_flickr8k.NAMES[:5])
    monkeypatch.setattr(photo_grids, "PART", 2)
    read, shown = regions.read_photo, []

    def read_some(data_dir, entities_dir, name):
        if len(shown) == 3:
            raise KeyboardInterrupt
        shown.append(name)
        return read(data_dir, entities_dir, name)

    monkeypatch.setattr(regions, "read_photo", read_some)
    with pytest.raises(KeyboardInterrupt):
        photo_grids.load(*folders, photos, trunk, 64)
    shown.clear()
    monkeypatch.setattr(
        regions, "read_photo", lambda *given: shown.append(given[2]) or read(*given)
    )
    fine, coarse = photo_grids.load(*folders, photos, trunk, 64)[[4, 1]]
    # The first of a file is looked at again, to see that what is kept is this trunk's.
    assert shown == ["0.png", "2.png", "3.png", "2.png", "4.png", "4.png"]
    other = Lite0({name: value * 1.1 for name, value in tensors.items()})
    with pytest.raises(checkpoints.CheckpointError, match="give another --work_dir"):
        photo_grids.load(*folders, photos, other, 64)
    for row, name in enumerate(("4.png", "1.png")):
        picture = lite_detector.picture(read(*folders[1:], name), 64)
        for found, expected in zip(
            (fine, coarse), trunk.grids(picture[None], (10, 15)), strict=True
        ):
            np.testing.assert_allclose(found[row], expected[0], rtol=2e-3, atol=2e-3)


def test_mistakes_are_one_line(tmp_path):
    folders = data(tmp_path)
    output = f"--output={tmp_path}/out"
    error = commands.error_of(train_proposals, *folders, output, "--batch=3")
    assert "2 photos with boxes are fewer than --batch=3" in error
    (tmp_path / "dev.txt").write_text("unknown.jpg\n")
    assert "has boxes of no photo" in commands.error_of(train_proposals, *folders, output)
    assert not (tmp_path / "out").exists()

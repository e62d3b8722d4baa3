"""Proposals, and a MAttNet that needs no other detector."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.mattnet import lite_detector, mattnet
from cagic_tf.networks import checkpoints, proposals
from cagic_tf.networks.trunks.lite0 import Lite0
from cagic_tf.photos import reading
from cagic_tf.system import resources
from tests.baselines import small_proposals


@pytest.fixture(scope="module")
def trunk():
    return Lite0(checkpoints.load(resources.path("checkpoints") / "lite0", "lite0").tensors)


@pytest.fixture(scope="module")
def detector(trunk):
    return lite_detector.LiteDetector(trunk, small_proposals.tensors(), small_proposals.MANIFEST)


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)


def test_anchors_by_hand():
    network = proposals.Proposals(small_proposals.tensors())
    expected = [
        [0.25 - 0.1, 0.5 - 0.2, 0.25 + 0.1, 0.5 + 0.2],
        [0.25 - 0.35, 0.5 - 0.25, 0.25 + 0.35, 0.5 + 0.25],
        [0.75 - 0.1, 0.5 - 0.2, 0.75 + 0.1, 0.5 + 0.2],
        [0.75 - 0.35, 0.5 - 0.25, 0.75 + 0.35, 0.5 + 0.25],
    ]
    np.testing.assert_allclose(network.anchors(1, 2), expected, atol=1e-6)
    np.testing.assert_allclose(network.anchors(2, 1)[0], [0.4, 0.05, 0.6, 0.45], atol=1e-6)


def test_boxes_by_hand():
    anchor = tf.constant([[0.2, 0.2, 0.6, 0.4]])
    # A quarter of 0.4 to the right, half of 0.2 up; twice as high.
    deltas = tf.constant([[0.25, -0.5, 0.0, np.log(2)]], tf.float32)
    np.testing.assert_allclose(proposals.decode(deltas, anchor), [[0.3, 0.0, 0.7, 0.4]], atol=1e-6)
    beyond = proposals.decode(tf.constant([[0.0, 0.0, 99.0, np.inf]]), anchor)
    np.testing.assert_array_equal(beyond, [[0, 0, 1, 1]])


def test_boxes_are_decoded_as_they_are_encoded():
    rng = np.random.default_rng(1)
    low = rng.uniform(0, 0.4, (2, 50, 2))
    boxes, anchors = np.concatenate([low, low + rng.uniform(0.1, 0.6, low.shape)], -1)
    deltas = proposals.encode(boxes, anchors)
    np.testing.assert_allclose(proposals.decode(deltas, anchors), boxes, atol=1e-12)


def test_what_overlaps_a_likelier_one_is_dropped():
    boxes = np.array(
        [
            [0, 0, 0.5, 0.5],
            [0, 0, 0.5, 0.4],  # IoU 0.8 with the first.
            [0, 0, 0.5, 0.25],  # 0.5 with the first, 0.625 with the second.
            [0.7, 0.7, 0.9, 0.9],
            [0.3, 0.1, 0.305, 0.9],  # No wider than a two-hundredth.
        ],
        np.float32,
    )
    logits = np.array([-2, -3, -1, -9, 5], np.float32)
    assert proposals.choose(logits, boxes, 9, 0.6).tolist() == [2, 0, 3]
    assert proposals.choose(logits, boxes, 9, 0.7).tolist() == [2, 0, 3]
    assert proposals.choose(logits, boxes, 9, 0.9).tolist() == [2, 0, 1, 3]
    assert proposals.choose(logits, boxes, 2, 0.6).tolist() == [2, 0]
    assert proposals.choose(logits[4:], boxes[4:], 2, 0.6).tolist() == []


def test_a_crop_samples_the_centres_of_bins():
    """Of a grid that is a plane, so that what lies between its places is known."""
    rows, columns = 5, 8
    y, x = (np.arange(count) + 0.5 for count in (rows, columns))
    plane = np.stack(np.meshgrid(x / columns, y / rows), axis=-1).astype(np.float32)
    grids = np.stack([plane * 0, plane])
    box = np.array([[0.2, 0.3, 0.8, 0.7]], np.float32)
    found = proposals.crop(grids, box, [1], 3).numpy()
    assert found.shape == (1, 3, 3, 2)
    np.testing.assert_allclose(found[0, 0, :, 0], [0.3, 0.5, 0.7], atol=1e-6)
    np.testing.assert_allclose(found[0, :, 0, 1], [0.3 + at * 0.4 / 3 + 0.2 / 3 for at in range(3)])
    whole = proposals.crop(grids, np.array([[0, 0, 1, 1]], np.float32), [1], 20).numpy()
    assert whole.min() == pytest.approx(0.5 / columns) and (whole > 0).all()
    assert not proposals.crop(grids, box, [0], 3).numpy().any()


def test_the_network_by_hand():
    """One hidden unit that is the sum of a place and of the coarse place around it."""
    found = small_proposals.tensors(fine=1, coarse=1, hidden=1)
    for name, value in found.items():
        if not name.endswith("anchors"):
            found[name] = np.zeros_like(value)
    for name in ("fine", "coarse"):
        found[f"proposals/{name}/kernel"][:] = 1
    found["proposals/hidden/kernel"][1, 1] = 1
    found["proposals/scores/kernel"][0, 0, 0] = [2, -1]
    found["proposals/deltas/kernel"][0, 0, 0] = np.arange(8)
    fine = np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1) - 6
    coarse = np.array([10, -1], np.float32).reshape(1, 1, 2, 1)
    logits, deltas = proposals.Proposals(found)(fine, coarse)
    hidden = np.maximum(fine[0, ..., 0] + [10, 10, -1, -1], 0).ravel()
    np.testing.assert_array_equal(logits, [np.outer(hidden, [2, -1]).ravel()])
    np.testing.assert_array_equal(deltas, [np.outer(hidden, np.arange(8)).reshape(-1, 4)])


def test_detections_of_a_photo(detector, photo):
    found = detector.detect(photo)
    assert 0 < len(found.boxes) <= 9
    assert not found.categories.any()
    assert found.pool5.shape == (len(found.boxes), 7, 7, 112)
    assert found.fc7.shape == (len(found.boxes), 7, 7, 320)
    ends = found.boxes[:, :2] + found.boxes[:, 2:]
    assert (found.boxes >= 0).all() and (ends <= [90 + 1e-4, 50 + 1e-4]).all()
    again = detector.describe(photo, found.boxes, found.categories)
    for ours, theirs in zip(again, found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (200, 7)])
def test_photos_of_any_size(detector, size):
    found = detector.detect(np.full((*size, 3), 200, np.uint8))
    assert len(found.boxes) and np.isfinite(found.pool5).all() and np.isfinite(found.fc7).all()


def test_a_checkpoint_with_its_own_proposals_needs_nothing_else(tmp_path, photo, detector):
    network = mattnet.load(small_proposals.write(tmp_path / "own"))
    found = network.boxes(photo, "a red dog")
    assert sorted(each.box for each in found) == sorted(
        map(tuple, detector.detect(photo).boxes.tolist())
    )
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True) and all(-1 <= score <= 1 for score in scores)
    assert network.boxes(photo, "a red dog") == found


def test_given_detections_count_before_its_own(tmp_path, photo, detector):
    given = detector.describe(photo, np.array([[9.0, 5, 36, 20]]), np.zeros(1, int))
    folder = small_proposals.write(tmp_path / "own")
    found = mattnet.load(folder, lambda _: given).boxes(photo, "dog")
    assert [each.box for each in found] == [(9, 5, 36, 20)]
    assert mattnet.load(folder).boxes(photo, "dog", given) == found


def test_without_proposals_a_detector_is_needed(tmp_path):
    folder = small_proposals.write(tmp_path / "none", own=False)
    with pytest.raises(checkpoints.CheckpointError, match="no proposals of its own") as error:
        mattnet.load(folder)
    assert str(folder) in str(error.value) and "\n" not in str(error.value)


def test_the_stand_in_that_ships():
    """On a sample photo: the woman fills most of it."""
    folder = resources.path("checkpoints") / "mattnet-lite0"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8e6
    photo = reading.read(resources.package_path("samples") / "astronaut.jpg")
    found = mattnet.load(folder).boxes(photo, "a woman")
    assert 1 < len(found) <= 20
    x, y, w, h = found[0].box
    shared = max(min(x + w, 370) - max(x, 20), 0) * max(min(y + h, 512) - max(y, 15), 0)
    assert shared / (w * h + 350 * 497 - shared) > 0.4

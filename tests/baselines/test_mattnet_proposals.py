"""A MAttNet that needs no other detector than proposals."""

import numpy as np
import pytest

from cagic_tf.baselines.mattnet import lite_detector, mattnet
from cagic_tf.networks import checkpoints
from cagic_tf.networks.trunks.lite0 import Lite0
from cagic_tf.photos import reading
from cagic_tf.system import resources
from tests.baselines import small_mattnet
from tests.networks import small_proposals


@pytest.fixture(scope="module")
def trunk():
    return Lite0(checkpoints.load(resources.path("checkpoints") / "lite0", "lite0").tensors)


@pytest.fixture(scope="module")
def detector(trunk):
    return lite_detector.LiteDetector(trunk, small_proposals.tensors(), small_mattnet.MANIFEST)


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)


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
    network = mattnet.load(small_mattnet.write(tmp_path / "own"))
    found = network.boxes(photo, "a red dog")
    assert sorted(each.box for each in found) == sorted(
        map(tuple, detector.detect(photo).boxes.tolist())
    )
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True) and all(-1 <= score <= 1 for score in scores)
    assert network.boxes(photo, "a red dog") == found


def test_given_detections_count_before_its_own(tmp_path, photo, detector):
    given = detector.describe(photo, np.array([[9.0, 5, 36, 20]]), np.zeros(1, int))
    folder = small_mattnet.write(tmp_path / "own")
    found = mattnet.load(folder, lambda _: given).boxes(photo, "dog")
    assert [each.box for each in found] == [(9, 5, 36, 20)]
    assert mattnet.load(folder).boxes(photo, "dog", given) == found


def test_without_proposals_a_detector_is_needed(tmp_path):
    folder = small_mattnet.write(tmp_path / "none", own=False)
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

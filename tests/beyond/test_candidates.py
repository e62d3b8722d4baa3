"""Non-maximum suppression over a search's crops, against figures computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagic_tf.beyond import candidates
from cagic_tf.method import geometry
from cagic_tf.method.search import Losses, Path, Step


def step(scale, center, loss, ends, end_losses):
    ends = np.array(ends, np.float32).reshape(-1, 2)
    starts, losses = np.zeros_like(ends), np.array(end_losses, np.float32)
    return Step(scale, np.array(center), Losses(loss), starts, ends, losses, losses, 1)


STEPS = [
    # Crops a quarter as large as the photo: its corners, and one a fifth of a side off the first.
    step(0.5, (0.0, 0.0), 9.0, [(-0.5, -0.5), (-0.3, -0.5), (0.5, 0.5)], [1.0, 1.5, 3.0]),
    step(0.25, (-0.5, -0.5), 2.0, [(0.75, -0.75), (0.0, 0.0)], [4.0, np.nan]),
]
PATH = Path(np.array([-0.5, -0.5, 0.5]), 1.0, STEPS, 7)


def test_tried_are_means_ends_and_what_was_scanned():
    assert candidates.tried(PATH)[:, 0].tolist() == [1, 1.5, 2, 3, 4, 9]  # NaN is none.
    rows = candidates.tried(PATH._replace(scanned=np.array([[2.5, 0.1, 0.2, 0.3]])))
    np.testing.assert_allclose(rows[3], [2.5, 0.1, 0.2, 0.3])
    np.testing.assert_allclose(rows[0], [1, -0.5, -0.5, 0.5])


def test_distinct():
    # (-0.3, -0.5) overlaps the first by 0.8 of it: IoU 0.8 / 1.2 = 2/3. (-0.5, -0.5) of half its
    # side lies in it: IoU 1/4. (0, 0) has a quarter of itself in common with it: 1/7.
    found = candidates.distinct(PATH, 10, (1.0, 1.0))
    expected = [(-0.5, -0.5, 0.5), (-0.5, -0.5, 0.25), (0.5, 0.5, 0.5), (0.75, -0.75, 0.25)]
    np.testing.assert_allclose(found, [*expected, (0, 0, 0.5)])
    np.testing.assert_allclose(candidates.distinct(PATH, 3, (1.0, 1.0)), expected[:3])
    np.testing.assert_allclose(candidates.distinct(PATH, 1, (1.0, 1.0)), expected[:1])


def test_windows_half_as_wide_overlap_less():
    # Crops 0.25 of the photo wide, 0.1 apart: IoU 0.15 / 0.35 is below a half.
    found = candidates.distinct(PATH, 2, (0.5, 1.0))
    np.testing.assert_allclose(found[1], (-0.3, -0.5, 0.5))


def test_the_result_is_first_whatever_was_scanned():
    scanned = np.array([[0.1, 0.5, -0.5, 0.5]])
    found = candidates.distinct(PATH._replace(scanned=scanned), 2, (1.0, 1.0))
    np.testing.assert_allclose(found, [PATH.theta, scanned[0, 1:]])


@given(st.integers(0, 1000), st.integers(1, 8), st.floats(0.2, 1), st.floats(0.2, 1))
def test_no_two_overlap_much_and_all_lie_inside(seed, count, width, height):
    rng = np.random.default_rng(seed)
    scales = rng.uniform(0.2, 1, 40)
    reach = 1 - scales[:, None] * [width, height]
    scanned = np.column_stack([rng.normal(size=40), rng.uniform(-1, 1, (40, 2)) * reach, scales])
    path = Path(scanned[0, 1:], scanned[0, 0], [], 40, scanned)
    found = candidates.distinct(path, count, (width, height))
    assert 1 <= len(found) <= count
    boxes = [geometry.pixel_box(t[:2], t[2], 10**6, 10**6, (width, height)) for t in found]
    for at, box in enumerate(boxes):
        assert 0 <= box[0] <= box[0] + box[2] <= 10**6 and 0 <= box[1] <= box[1] + box[3] <= 10**6
        assert all(geometry.iou(box, other) <= 0.5001 for other in boxes[:at])
    losses = [float(row[0]) for theta in found[1:] for row in scanned if (row[1:] == theta).all()]
    assert losses == sorted(losses) and len(losses) == pytest.approx(len(found) - 1)

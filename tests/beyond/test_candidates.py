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


def thetas(placed):
    return [crop.theta for crop in placed]


def test_tried_are_means_ends_and_what_was_scanned():
    found = thetas(candidates.tried(PATH, (1.0, 1.0)))  # By their losses 1, 1.5, 2, 3, 4 and 9.
    expected = [(-0.5, -0.5, 0.5), (-0.3, -0.5, 0.5), (-0.5, -0.5, 0.25), (0.5, 0.5, 0.5)]
    expected += [(0.75, -0.75, 0.25), (0, 0, 0.5)]  # The end whose loss is NaN is none.
    np.testing.assert_allclose(found, expected)
    scanned = PATH._replace(scanned=np.array([[2.5, 0.1, 0.2, 0.3]]))
    expected.insert(3, (0.1, 0.2, 0.3))
    np.testing.assert_allclose(thetas(candidates.tried(scanned, (1.0, 1.0))), expected)


def test_steps_have_the_shape_that_the_search_chose_and_the_scan_that_of_its_bounds():
    scanned = np.array([[2.5, 0.1, 0.2, 0.3], [np.inf, 0, 0, 1]])
    path = PATH._replace(scanned=scanned, base_size=(0.8, 1.0))
    found = candidates.tried(path, (1.0, 0.5))
    assert [crop.base_size for crop in found] == [(0.8, 1)] * 3 + [(1, 0.5)] + [(0.8, 1)] * 3
    fixed = candidates.tried(PATH._replace(scanned=scanned), (1.0, 0.5))
    assert {crop.base_size for crop in fixed} == {(1, 0.5)}
    np.testing.assert_array_equal(thetas(fixed), thetas(found))
    # The result comes first, in the shape that was chosen.
    first, second = candidates.distinct(path, 2, (1.0, 0.5))
    assert first.base_size == (0.8, 1) and tuple(first.theta) == (-0.5, -0.5, 0.5)
    assert second.base_size == (0.8, 1) and tuple(second.theta) == (-0.5, -0.5, 0.25)


def test_crops_of_two_shapes_are_compared_as_the_boxes_that_they_are():
    # Both centred: a square of a half, and a strip of it 0.5 by 0.3 (IoU 0.6) or 0.2 (IoU 0.4).
    path = Path(np.array([0, 0, 0.5]), 1.0, [], 2, np.array([[1.0, 0, 0, 0.5]]), (1.0, 0.6))
    assert len(candidates.distinct(path, 2, (1.0, 1.0))) == 1
    found = candidates.distinct(path._replace(base_size=(1.0, 0.4)), 2, (1.0, 1.0))
    assert [crop.base_size for crop in found] == [(1, 0.4), (1, 1)]


def test_distinct():
    # (-0.3, -0.5) overlaps the first by 0.8 of it: IoU 0.8 / 1.2 = 2/3. (-0.5, -0.5) of half its
    # side lies in it: IoU 1/4. (0, 0) has a quarter of itself in common with it: 1/7.
    found = thetas(candidates.distinct(PATH, 10, (1.0, 1.0)))
    expected = [(-0.5, -0.5, 0.5), (-0.5, -0.5, 0.25), (0.5, 0.5, 0.5), (0.75, -0.75, 0.25)]
    np.testing.assert_allclose(found, [*expected, (0, 0, 0.5)])
    for count in (3, 1):
        found = thetas(candidates.distinct(PATH, count, (1.0, 1.0)))
        np.testing.assert_allclose(found, expected[:count])


def test_windows_half_as_wide_overlap_less():
    # Crops 0.25 of the photo wide, 0.1 apart: IoU 0.15 / 0.35 is below a half.
    found = candidates.distinct(PATH, 2, (0.5, 1.0))
    np.testing.assert_allclose(found[1].theta, (-0.3, -0.5, 0.5))
    assert found[1].base_size == (0.5, 1)


def test_the_result_is_first_whatever_was_scanned():
    scanned = np.array([[0.1, 0.5, -0.5, 0.5]])
    found = candidates.distinct(PATH._replace(scanned=scanned), 2, (1.0, 1.0))
    np.testing.assert_allclose(thetas(found), [PATH.theta, scanned[0, 1:]])


@given(st.integers(0, 1000), st.integers(1, 8), st.floats(0.2, 1), st.floats(0.2, 1))
def test_no_two_overlap_much_and_all_lie_inside(seed, count, width, height):
    rng = np.random.default_rng(seed)
    scales = rng.uniform(0.2, 1, 40)
    reach = 1 - scales[:, None] * [width, height]
    scanned = np.column_stack([rng.normal(size=40), rng.uniform(-1, 1, (40, 2)) * reach, scales])
    path = Path(scanned[0, 1:], scanned[0, 0], [], 40, scanned)
    found = candidates.distinct(path, count, (width, height))
    assert 1 <= len(found) <= count
    assert {crop.base_size for crop in found} == {(width, height)}
    found = thetas(found)
    boxes = [geometry.pixel_box(t[:2], t[2], 10**6, 10**6, (width, height)) for t in found]
    for at, box in enumerate(boxes):
        assert 0 <= box[0] <= box[0] + box[2] <= 10**6 and 0 <= box[1] <= box[1] + box[3] <= 10**6
        assert all(geometry.iou(box, other) <= 0.5001 for other in boxes[:at])
    losses = [float(row[0]) for theta in found[1:] for row in scanned if (row[1:] == theta).all()]
    assert losses == sorted(losses) and len(losses) == pytest.approx(len(found) - 1)

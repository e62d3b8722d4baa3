"""Anchors, arithmetic of boxes and the choice among them, against figures by hand and loops."""

import numpy as np
import pytest

from cagic_tf.baselines.mattnet.detector import anchors, box_head, boxes, regions
from tests.baselines import detector_reference


def test_the_well_known_anchors():
    """The nine of py-faster-rcnn, which are those of Ren et al.'s MATLAB code less one pixel."""
    found = anchors.first_anchors()
    assert found.shape == (12, 4)
    np.testing.assert_array_equal(
        found[[1, 2, 3, 5, 6, 7, 9, 10, 11]],
        [
            [-84, -40, 99, 55],
            [-176, -88, 191, 103],
            [-360, -184, 375, 199],
            [-56, -56, 71, 71],
            [-120, -120, 135, 135],
            [-248, -248, 263, 263],
            [-36, -80, 51, 95],
            [-80, -168, 95, 183],
            [-168, -344, 183, 359],
        ],
    )
    np.testing.assert_array_equal(
        found[[0, 4, 8]], [[-38, -16, 53, 31], [-24, -24, 39, 39], [-14, -36, 29, 51]]
    )


def test_anchors_run_through_places_row_by_row():
    found = anchors.on_grid(2, 3)
    assert found.dtype == np.float32 and len(found) == 2 * 3 * 12
    np.testing.assert_array_equal(found, list(detector_reference.anchors(2, 3)))
    np.testing.assert_array_equal(found[12 * 4], anchors.first_anchors()[0] + [16, 16, 16, 16])


def test_decoding_by_hand():
    """A box of 10 x 20 pixels about (15, 30)."""
    box = [[10, 20, 19, 39]]
    found = boxes.decode(box, np.array([[[0, 0, 0, 0], [0.5, -0.25, np.log(2), np.log(0.5)]]]))
    assert found.dtype == np.float32 and found.shape == (1, 2, 4)
    np.testing.assert_allclose(found[0], [[10, 20, 20, 40], [10, 20, 30, 30]], atol=1e-5)
    assert boxes.decode(box, np.zeros((1, 4))).shape == (1, 4)
    endless = boxes.decode(box, np.array([[0, 0, 1e4, 0]]))
    np.testing.assert_array_equal(boxes.clip(endless, 50, 60), [[0, 20, 59, 40]])


def test_clipping_keeps_ends_within_the_picture():
    found = boxes.clip(np.array([[-3, -4, 700, 800], [650, 10, 660, 20]], np.float32), 480, 640)
    np.testing.assert_array_equal(found, [[0, 0, 639, 479], [639, 10, 639, 20]])


def test_overlaps_count_the_ends():
    """Boxes of 10 x 10 pixels; the second shares 4 x 10 of them, the third none."""
    found = boxes.overlaps(
        np.array([0, 0, 9, 9], np.float32),
        np.array([[0, 0, 9, 9], [6, 0, 15, 9], [10, 0, 19, 9]], np.float32),
    )
    np.testing.assert_allclose(found, [1, 40 / 160, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("limit", "at_limit", "kept"),
    [
        (0.25, True, [1, 2]),
        (0.25, False, [1, 0, 2]),
        (0.24, False, [1, 2]),
        (0.26, True, [1, 0, 2]),
    ],
)
def test_an_overlap_at_the_limit(limit, at_limit, kept):
    """By both of the authors' rules: detections at the limit are dropped, regions are not."""
    given = np.array([[0, 0, 9, 9], [6, 0, 15, 9], [30, 0, 39, 9]], np.float32)
    scores = np.array([0.5, 0.9, 0.1], np.float32)
    assert boxes.distinct(given, scores, limit, at_limit=at_limit).tolist() == kept


def test_what_is_dropped_drops_nothing_and_equal_scores_keep_their_order():
    given = np.array([[0, 0, 9, 9], [4, 0, 13, 9], [8, 0, 17, 9], [50, 0, 59, 9]], np.float32)
    chain = boxes.distinct(given, np.array([0.9, 0.8, 0.7, 0.7]), 0.3, at_limit=True)
    assert chain.tolist() == [0, 2, 3]
    equal = boxes.distinct(given, np.full(4, 0.5), 0.3, at_limit=True)
    assert equal.tolist() == [0, 2, 3]
    assert boxes.distinct(given, np.full(4, 0.5), 0.3, at_limit=True, most=2).tolist() == [0, 2]
    assert boxes.distinct(given[:0], np.zeros(0), 0.3, at_limit=True).tolist() == []


def test_regions_are_the_best_distinct_ones():
    """Of 6,480 anchors, of which only the best 6,000 take part."""
    rng = np.random.default_rng(0)
    likely = rng.permutation(540 * 12).astype(np.float32) / 6480
    deltas = (rng.standard_normal((540 * 12, 4)) * [0.3, 0.3, 0.4, 0.4]).astype(np.float32)
    found = regions.choose(likely, deltas, (9, 60), (130, 950))
    expected = detector_reference.choose(likely, deltas, (9, 60), (130, 950))
    assert found.shape == (300, 4) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_only_6000_regions_take_part():
    """On a grid whose anchors are all moved to where they do not meet, the rest are left out."""
    likely, deltas = np.linspace(1, 0, 7200, dtype=np.float32), np.zeros((7200, 4), np.float32)
    deltas[:, 2:] = -20  # Far smaller than a pixel.
    deltas[:6000, 2:] = 10  # The whole picture.
    assert len(regions.choose(likely, deltas, (1, 600), (16, 9600))) == 1
    deltas[5999, 2:] = -20
    assert len(regions.choose(likely, deltas, (1, 600), (16, 9600))) == 2


def test_selection_by_hand():
    """Class 1: regions 0 and 1 are one thing, 2 is another. Class 2: region 0 once more."""
    one, near, far = [0, 0, 99, 99], [10, 0, 109, 99], [200, 0, 299, 99]
    candidates = np.array([[one] * 3, [near] * 3, [far] * 3], np.float32)
    candidates[0, 2] = [5, 6, 7, 8]
    probabilities = np.array([[0, 0.7, 0.65], [0, 0.8, 0.2], [0.3, 0.66, 0.04]], np.float32)
    found = box_head.select(probabilities, candidates)
    np.testing.assert_array_equal(found.boxes, [near, far, [5, 6, 7, 8]])
    assert found.classes.tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("best", "second", "count"),
    [(0.65, 0.64, 1), (0.64, 0.55, 2), (0.56, 0.54, 1), (0.5, 0.45, 2), (0.04, 0.0, 4)],
)
def test_the_threshold_is_lowered_until_something_is_left(best, second, count):
    probabilities = np.array([[0.2, best, 0], [0.9, 0, second]], np.float32)
    candidates = np.array([[[0, 0, 9, 9]] * 3, [[50, 0, 59, 9]] * 3], np.float32)
    assert len(box_head.select(probabilities, candidates).classes) == count


def test_selection_is_that_of_loops():
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 60, (40, 5, 2))
    candidates = np.concatenate([corners, corners + rng.uniform(5, 40, (40, 5, 2))], axis=-1)
    candidates = candidates.astype(np.float32)
    for sharpness in (0.3, 3):
        scores = rng.standard_normal((40, 5)) * sharpness
        probabilities = detector_reference.softmax(scores, 1).astype(np.float32)
        found = box_head.select(probabilities, candidates)
        ends, classes = detector_reference.select(probabilities, candidates)
        np.testing.assert_array_equal(found.boxes, ends)
        assert found.classes.tolist() == classes and len(classes) > 1


def test_cocos_categories():
    assert len(box_head.CATEGORIES) == 80
    assert box_head.CATEGORIES[:12] == (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13)
    assert box_head.CATEGORIES[-3:] == (88, 89, 90) and box_head.CATEGORIES[60] == 67

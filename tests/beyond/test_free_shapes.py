"""Crops of free shape: sides moved for a higher utility, against searches over all boxes."""

import numpy as np
import pytest

from cagic_tf.beyond import coarse_to_fine, grounded_picking, picking
from cagic_tf.beyond.grounded_picking import HighestExpectedUtility, Limits, stretched
from cagic_tf.method import geometry

SCALES = (0.32, 0.5, 0.7, 0.9)
GRID = coarse_to_fine.scan_grid(SCALES, 5)
FAST = {"temperature": 0.16, "likely_scale": 0.7, "scale_spread": 0.35, "agreement": 5.0}
NO_LEAST = (0.0, 0.0)


def fit_to(*boxes, weights=None, wholeness=0.24):
    """Fit to boxes, corners: the utility that crops are stretched for."""
    rows = np.array(boxes, np.float64).reshape(-1, 4)
    weights = np.full(len(rows), 1 / len(rows)) if weights is None else weights
    return lambda crops: grounded_picking.utility(crops, rows, weights, wholeness)


def lattice(count):
    """All boxes, corners, whose edges are multiples of `1 / count`."""
    edges = np.linspace(0, 1, count + 1)
    rows = np.stack(np.meshgrid(*[edges] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    return rows[(rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])]


LATTICE = lattice(20)


def possible(crop, stretch, scales, least):
    """Whether a crop is within limits, by their definition."""
    width, height = crop[2] - crop[0], crop[3] - crop[1]
    inside = min(crop) >= 0 and max(crop) <= 1
    alike = 1 / stretch - 1e-8 <= width / height <= stretch + 1e-8
    long = scales[0] - 1e-8 <= max(width, height) <= scales[1] + 1e-8
    return inside and alike and long and width >= least[0] - 1e-8 and height >= least[1] - 1e-8


def said(seed, grid=GRID):
    """A scan's losses and a grounder's boxes."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.1, 0.8, (int(rng.integers(1, 12)), 2))
    low = rng.uniform(0, 1 - size)
    meant = picking.Meant(np.hstack([low, low + size]), 2 * rng.standard_normal(len(size)))
    return 0.3 * rng.standard_normal(len(grid)), meant


def corners_of(picked, base_size=(1.0, 1.0)):
    return grounded_picking.corners(picked.theta[np.newaxis], picked.base_size or base_size)[0]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("least", [NO_LEAST, (0.5, 0.25)])
def test_against_a_search_over_all_boxes(seed, least):
    grid = GRID[GRID[:, 2] >= max(least)]  # As `Bounds` has it where sides have a least length.
    scales = grid[:, 2].min(), 0.9
    losses, meant = said(seed, grid)
    rule = HighestExpectedUtility(**FAST, wholeness=0.24, most_stretch=1.5)
    found = rule(losses, grid, (1.0, 1.0), meant, least)
    fixed = rule(losses, grid, (1.0, 1.0), meant)
    np.testing.assert_array_equal(found.ranks, fixed.ranks)
    assert fixed.base_size is None and max(found.base_size) == 1
    crop = corners_of(found)
    weights = rule.box_weights(
        meant, grounded_picking.corners(grid, (1, 1)), rule.likely(losses, grid)
    )
    fit = fit_to(*meant.boxes, weights=weights)
    reached, before = fit(crop[np.newaxis])[0], fit(corners_of(fixed)[np.newaxis])[0]
    allowed = Limits(1.5, scales, least).allow(LATTICE)
    assert allowed.tolist()[::97] == [possible(b, 1.5, scales, least) for b in LATTICE[::97]]
    best = fit(LATTICE[allowed]).max()
    # A climb may end on a lower hill than the highest: here by 0.02 and 0.044 of 16 searches.
    assert reached >= best - 0.05
    # Unlikely boxes have no say in the choice, which may cost as much as they weigh.
    assert reached >= before - 1e-3
    assert possible(crop, 1.5, scales, least)


@pytest.mark.parametrize(
    "box", [(0.1, 0.2, 0.6, 0.55), (0.7, 0, 1, 0.45), (0.3, 0.3, 0.8, 0.8), (0.05, 0, 0.95, 0.9)]
)
@pytest.mark.parametrize("other_axis", [False, True])
def test_a_certain_box_within_the_limits_is_the_crop(box, other_axis):
    box = tuple(box[at] for at in (1, 0, 3, 2)) if other_axis else box
    meant = picking.Meant(np.array([box], np.float32), np.zeros(1, np.float32))
    rule = HighestExpectedUtility(wholeness=0.1, most_stretch=1.5)
    found = rule(np.zeros(len(GRID)), GRID, (1.0, 1.0), meant, NO_LEAST)
    np.testing.assert_allclose(corners_of(found), box, atol=0.01)
    # The box has the same place as `geometry` has it: theta and base size belong together.
    placed = geometry.normalized_box(found.theta[:2], found.theta[2], found.base_size)
    np.testing.assert_allclose(placed, corners_of(found), atol=1e-12)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("stretch", [1.25, 1.5, 2.0])
def test_a_longer_box_is_approached_up_to_the_limit(wide, stretch):
    box = (0.1, 0.4, 0.9, 0.6) if wide else (0.4, 0.1, 0.6, 0.9)  # Four times as long as wide.
    start = np.array([0.25, 0.25, 0.75, 0.75])
    limits = Limits(stretch, (0.32, 0.9), NO_LEAST)
    found = stretched(fit_to(box, wholeness=0), start, limits)
    width, height = found[2:] - found[:2]
    long, short = (width, height) if wide else (height, width)
    assert stretch - 0.05 < long / short <= stretch + 1e-8  # One step of a side before it at most.


@pytest.mark.parametrize(
    ("least", "expected"), [(NO_LEAST, (0.4, 0.32)), ((0.5, 0.0), (0.5, 1 / 3)), ((0.0, 0.4), None)]
)
def test_sides_stop_at_the_least(least, expected):
    start, box = np.array([0.2, 0.2, 0.8, 0.8]), (0.3, 0.34, 0.7, 0.66)
    found = stretched(fit_to(box), start, Limits(1.5, (0.32, 0.9), least))
    sides = found[2:] - found[:2]
    assert (sides >= np.array(least) - 1e-8).all()
    if expected:  # As near to the box as the sides may come.
        assert sides == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("box", [(0.45, 0.45, 0.5, 0.5), (0, 0, 1, 1)])
def test_the_longer_side_stays_within_the_scales(box):
    limits = Limits(1.5, (0.4, 0.7), NO_LEAST)
    found = stretched(fit_to(box, wholeness=0), np.array([0.2, 0.2, 0.7, 0.7]), limits)
    sides = found[2:] - found[:2]
    assert max(sides) == pytest.approx(0.4 if box[0] else 0.7, abs=0.006)
    assert possible(found, 1.5, (0.4, 0.7), NO_LEAST)


def test_without_stretch_the_shape_stays():
    """And what is gained at all is gained by places and scales."""
    for seed in range(4):
        losses, meant = said(seed)
        rule = HighestExpectedUtility(**FAST, wholeness=0.24)
        found = rule(losses, GRID, (1.0, 1.0), meant, NO_LEAST)
        assert found.base_size == pytest.approx((1, 1), abs=1e-8)
        fixed = rule(losses, GRID, (1.0, 1.0), meant)
        np.testing.assert_allclose(found.theta, fixed.theta, atol=0.1)


def test_a_crop_whose_side_is_a_limit_moves_all_the_same():
    """Of a scan of one scale every crop is at both limits, and rounding must not freeze it."""
    rng = np.random.default_rng(1)
    for scale in rng.uniform(0.4, 0.95, 60):
        x, y = rng.uniform(-1, 1, 2) * (1 - scale)
        start = grounded_picking.corners(np.array([[x, y, scale]]), (1, 1))[0]
        box = start - [0, 0, 0, 0.25 * scale]  # Its upper three quarters.
        found = stretched(fit_to(box), start, Limits(1.5, (scale, scale), NO_LEAST))
        np.testing.assert_allclose(found, box, atol=0.006)


def test_the_start_stays_where_nothing_is_better_or_possible():
    start = np.array([0.2, 0.3, 0.7, 0.8])
    limits = Limits(1.5, (0.32, 0.9), NO_LEAST)
    np.testing.assert_array_equal(
        stretched(lambda crops: np.zeros(len(crops)), start, limits), start
    )
    nothing = Limits(1.5, (0.32, 0.9), (1.0, 1.0))
    np.testing.assert_array_equal(stretched(fit_to((0, 0, 1, 1)), start, nothing), start)
    whole = np.array([0.0, 0, 1, 1])
    small = fit_to((0.4, 0.4, 0.6, 0.6))
    np.testing.assert_array_equal(stretched(small, whole, Limits(1.5, (1, 1), (1, 1))), whole)


def test_without_boxes_there_is_no_other_shape():
    losses, _ = said(0)
    rule = HighestExpectedUtility(**FAST, most_stretch=1.5)
    found = rule(losses, GRID, (1.0, 1.0), None, NO_LEAST)
    expected = picking.HighestExpectedIoU(0.16, 0.7, 0.35)(losses, GRID, (1.0, 1.0))
    assert found.base_size is None
    np.testing.assert_array_equal(found.theta, expected.theta)
    np.testing.assert_array_equal(found.ranks, expected.ranks)


@pytest.mark.parametrize(
    ("value", "message"),
    [(0.5, "at least 1"), (0, "positive"), ("wide", ""), (float("nan"), ""), (float("inf"), "")],
)
def test_a_wrong_stretch_is_said_in_a_line(value, message):
    shown = repr(value) if isinstance(value, str) else value
    expected = rf"^HighestExpectedUtility\.most_stretch is {shown}; .*{message}"
    with pytest.raises(ValueError, match=expected) as error:
        HighestExpectedUtility(most_stretch=value)
    assert "\n" not in str(error.value)

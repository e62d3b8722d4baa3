"""The crop of the highest expected utility, against a search crop by crop and box by box."""

import itertools

import numpy as np
import pytest

from cagic_tf.beyond import coarse_to_fine, grounded_picking, picking
from cagic_tf.beyond.grounded_picking import HighestExpectedUtility
from cagic_tf.method import geometry

SCALES = (0.32, 0.5, 0.7, 0.9)
SHAPES = [(1.0, 1.0), (1.0, 0.75), (0.5625, 1.0)]


def scan(base_size=(1.0, 1.0)):
    return coarse_to_fine.scan_grid(SCALES, 5, base_size)


def meant(boxes, logits=None):
    logits = np.zeros(len(boxes)) if logits is None else logits
    return picking.Meant(np.array(boxes, np.float32), np.array(logits, np.float32))


def as_box(theta, base_size):
    x0, y0, x1, y1 = geometry.normalized_box(theta[:2], theta[2], base_size)
    return x0, y0, x1 - x0, y1 - y0


def share(crop, box):
    """How much of a box, corners, a crop `(x, y, w, h)` shows."""
    across = min(crop[0] + crop[2], box[2]) - max(crop[0], box[0])
    down = min(crop[1] + crop[3], box[3]) - max(crop[1], box[1])
    return max(across, 0) * max(down, 0) / ((box[2] - box[0]) * (box[3] - box[1]))


def utility(theta, base_size, boxes, weights, wholeness):
    crop, total = as_box(theta, base_size), 0.0
    for (x0, y0, x1, y1), weight in zip(boxes.tolist(), weights, strict=True):
        whole = min(max((share(crop, (x0, y0, x1, y1)) - 0.75) / 0.2, 0), 1)
        total += weight * (geometry.iou(crop, (x0, y0, x1 - x0, y1 - y0)) + wholeness * whole)
    return total


def box_weights(rule, said, losses, grid, base_size):
    likely = rule.likely(losses, grid)
    crops = [as_box(theta, base_size) for theta in grid]
    shown = [np.dot(likely, [share(crop, box) for crop in crops]) for box in said.boxes.tolist()]
    weights = (
        np.exp(said.logits / rule.box_temperature) * (np.array(shown) + 1e-3) ** rule.agreement
    )
    weights[weights <= 1e-4 * weights.max()] = 0
    return weights / weights.sum()


def everywhere(base_size, steps=15):
    """Crops inside the photo, evenly spaced."""
    for scale in np.linspace(SCALES[0], SCALES[-1], steps):
        across, down = (np.linspace(-1, 1, steps) * (1 - scale * side) for side in base_size)
        yield from ((x, y, scale) for x, y in itertools.product(across, down))


@pytest.mark.parametrize("base_size", SHAPES)
@pytest.mark.parametrize(
    "settings", [{}, {"box_temperature": 0.5, "agreement": 1.0, "wholeness": 0.4}]
)
def test_against_a_search_crop_by_crop(base_size, settings):
    rng = np.random.default_rng(4)
    grid = scan(base_size)
    losses = rng.standard_normal(len(grid))
    losses[[3, 40]] = np.nan
    low = rng.uniform(0, 0.6, (5, 2))
    high = np.minimum(low + rng.uniform(0.15, 0.6, (5, 2)), 1)
    said = meant(np.hstack([low, high]), rng.standard_normal(5))
    rule = HighestExpectedUtility(0.5, 0.7, 0.35, **settings)
    found = rule(losses, grid, base_size, said)
    weights = box_weights(rule, said, losses, grid, base_size)
    ranks = [
        1 + rule.wholeness - utility(theta, base_size, said.boxes, weights, rule.wholeness)
        for theta in grid
    ]
    exists = np.isfinite(losses)
    np.testing.assert_allclose(found.ranks[exists], np.array(ranks)[exists], atol=1e-6)
    assert (found.ranks[~exists] == np.inf).all()
    reached = utility(found.theta, base_size, said.boxes, weights, rule.wholeness)
    best = max(
        utility(theta, base_size, said.boxes, weights, rule.wholeness)
        for theta in everywhere(base_size)
    )
    assert reached > best - 0.01
    for centre, side in zip(found.theta[:2], base_size, strict=True):
        assert abs(centre) + found.theta[2] * side <= 1 + 1e-9
    assert SCALES[0] <= found.theta[2] <= SCALES[-1]


@pytest.mark.parametrize("base_size", SHAPES)
@pytest.mark.parametrize("box", [(0.1, 0.2, 0.6, 0.7), (0.7, 0, 1, 1), (0.3, 0.3, 0.5, 0.5)])
def test_of_a_certain_box_the_crop_that_overlaps_it_most(base_size, box):
    said = meant([box, (0, 0, 0.2, 0.2)], [0, -100])
    grid = scan(base_size)
    rule = HighestExpectedUtility(wholeness=0)
    found = rule(np.zeros(len(grid)), grid, base_size, said).theta
    target = (box[0], box[1], box[2] - box[0], box[3] - box[1])
    best = max(geometry.iou(as_box(theta, base_size), target) for theta in everywhere(base_size))
    assert geometry.iou(as_box(found, base_size), target) > best - 0.01


def test_a_crop_of_the_boxs_own_shape_is_the_box():
    box = (0.2, 0.1, 0.7, 0.6)
    found = HighestExpectedUtility()(np.zeros(len(scan())), scan(), (1, 1), meant([box])).theta
    np.testing.assert_allclose(geometry.normalized_box(found[:2], found[2]), box, atol=0.01)


def test_wholeness_keeps_a_wide_box_inside():
    box, grid = (0.1, 0.4, 0.8, 0.6), scan()
    crops = [
        as_box(
            HighestExpectedUtility(wholeness=worth)(np.zeros(len(grid)), grid, (1, 1), said)[0],
            (1, 1),
        )
        for worth, said in ((0, meant([box])), (1, meant([box])))
    ]
    cut, whole = (share(crop, box) for crop in crops)
    assert cut < 0.8 and whole > 0.94


@pytest.mark.parametrize("likely", [(-0.6, 0.0), (0.6, 0.0)])
def test_a_scan_vetoes_a_box_that_no_likely_crop_shows(likely):
    grid = scan()
    losses = np.square(grid - [*likely, 0.32]).sum(axis=1)
    left, right = (0.05, 0.35, 0.35, 0.65), (0.65, 0.35, 0.95, 0.65)
    wrong = 0 if likely[0] > 0 else 1
    said = meant([left, right], [2.0, 0.0] if wrong == 0 else [0.0, 2.0])
    for agreement, side in ((0, -likely[0]), (2, likely[0])):
        rule = HighestExpectedUtility(0.05, agreement=agreement)
        assert np.sign(rule(losses, grid, (1, 1), said).theta[0]) == np.sign(side)


def test_of_two_boxes_far_apart_one_is_taken():
    said = meant([(0, 0.35, 0.3, 0.65), (0.7, 0.35, 1, 0.65)], [0.1, 0])
    found = HighestExpectedUtility()(np.zeros(len(scan())), scan(), (1, 1), said).theta
    assert geometry.iou(as_box(found, (1, 1)), (0, 0.35, 0.3, 0.3)) > 0.8


@pytest.mark.parametrize("base_size", SHAPES)
def test_without_boxes_it_is_the_highest_expected_iou(base_size):
    grid = scan(base_size)
    losses = np.random.default_rng(2).standard_normal(len(grid))
    losses[5] = np.nan
    settings = {"temperature": 0.16, "likely_scale": 0.7, "scale_spread": 0.35}
    found = HighestExpectedUtility(**settings)(losses, grid, base_size)
    expected = picking.HighestExpectedIoU(**settings)(losses, grid, base_size)
    np.testing.assert_array_equal(found.theta, expected.theta)
    np.testing.assert_array_equal(found.ranks, expected.ranks)
    # And that one does not read boxes.
    said = meant([(0, 0, 0.2, 0.2)])
    again = picking.HighestExpectedIoU(**settings)(losses, grid, base_size, said)
    np.testing.assert_array_equal(again.theta, expected.theta)
    smooth = picking.LowestMean()
    np.testing.assert_array_equal(
        smooth(losses, grid, base_size, said).ranks, smooth(losses, grid, base_size).ranks
    )


def test_a_scan_without_losses_has_no_say():
    box, grid = (0.5, 0.5, 1, 1), scan()
    found = HighestExpectedUtility()(np.full(len(grid), np.nan), grid, (1, 1), meant([box]))
    assert (found.ranks == np.inf).all()
    assert geometry.iou(as_box(found.theta, (1, 1)), (0.5, 0.5, 0.5, 0.5)) > 0.95


def many_boxes(count):
    """Boxes of many places and shapes; the last is the whole photo."""
    rng = np.random.default_rng(count)
    size = rng.uniform(0.05, 1, (count, 2))
    low = rng.uniform(0, 1 - size)
    boxes = np.hstack([low, low + size]).astype(np.float32)
    boxes[-1] = 0, 0, 1, 1
    return boxes


def test_many_crops_in_parts_are_as_all_at_once():
    """A panorama's scan has thousands of crops."""
    rng = np.random.default_rng(3)
    boxes = many_boxes(500)
    crops = grounded_picking.corners(scan((1.0, 0.05)), (1.0, 0.05))
    crops = np.concatenate([crops, boxes, boxes[::-1]])
    weights = rng.dirichlet(np.ones(len(boxes)))
    found = grounded_picking.utility(crops, boxes, weights, 0.1)
    assert len(crops) > 4 * grounded_picking.ROWS
    np.testing.assert_array_equal(found[-len(boxes) :], found[-2 * len(boxes) : -len(boxes)][::-1])
    for at in (0, 255, 256, 700):
        alone = grounded_picking.utility(crops[at : at + 1], boxes, weights, 0.1)
        np.testing.assert_array_equal(alone, found[at : at + 1])


def test_many_boxes_at_once_and_the_same_bits():
    grid, said = scan(), meant(many_boxes(500))
    first, second = (
        HighestExpectedUtility()(np.zeros(len(grid)), grid, (1, 1), said) for _ in "ab"
    )
    np.testing.assert_array_equal(first.theta, second.theta)
    assert np.isfinite(first.ranks).all() and (first.ranks > 0).all()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("temperature", 0),
        ("likely_scale", -1),
        ("scale_spread", -0.1),
        ("box_temperature", 0),
        ("agreement", -1),
        ("wholeness", float("nan")),
    ],
)
def test_settings_out_of_range(setting, value):
    with pytest.raises(ValueError, match=rf"^HighestExpectedUtility\.{setting} is {value}; it "):
        HighestExpectedUtility(**{setting: value})

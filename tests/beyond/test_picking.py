"""The crop of the highest expected IoU."""

import numpy as np
import pytest

from cagic_tf.beyond import coarse_to_fine, picking
from cagic_tf.method import geometry

GRID = coarse_to_fine.scan_grid((0.3, 0.5, 0.7), 5)


def box(theta, base_size=(1.0, 1.0)):
    x0, y0, x1, y1 = geometry.normalized_box(theta[:2], theta[2], base_size)
    return x0, y0, x1 - x0, y1 - y0


def test_probabilities():
    losses = np.where(GRID[:, 2] == 0.5, 1.0, 2.0)
    found = picking.probabilities(losses, GRID, 0.5)
    assert found.sum() == pytest.approx(1)
    by_scale = [found[GRID[:, 2] == scale].sum() for scale in (0.3, 0.5, 0.7)]
    np.testing.assert_allclose(np.log(by_scale[1] / np.array(by_scale)), [2, 0, 2])
    # A crop without a loss is not meant.
    losses[3] = np.nan
    assert picking.probabilities(losses, GRID, 0.5)[3] == 0
    without_any = picking.probabilities(np.full(len(GRID), np.nan), GRID, 0.5)
    np.testing.assert_allclose(without_any, 1 / len(GRID))


def test_a_scale_with_more_centres_is_no_likelier():
    grid = np.array([[0, 0, 0.3], [0.1, 0, 0.3], [-0.1, 0, 0.3], [0, 0, 0.7]])
    np.testing.assert_allclose(picking.probabilities(np.ones(4), grid, 1), [1 / 6] * 3 + [1 / 2])
    prior = np.log([0.9, 0.9, 0.9, 0.1])
    np.testing.assert_allclose(picking.probabilities(np.ones(4), grid, 1, prior)[3], 0.1)


@pytest.mark.parametrize("base_size", [(1.0, 1.0), (0.5, 1.0)])
def test_expected_iou_is_the_mean_of_ious(base_size):
    rng = np.random.default_rng(0)
    scales = rng.uniform(0.2, 1, 12)
    reach = 1 - scales[:, np.newaxis] * base_size
    thetas = np.column_stack([rng.uniform(-1, 1, (12, 2)) * reach, scales])
    weights = rng.dirichlet(np.ones(8))
    units = np.array([*base_size, 1.0])
    found = picking.expected_iou(thetas[8:] / units, thetas[:8] / units, weights)
    for value, candidate in zip(found, thetas[8:], strict=True):
        ious = [geometry.iou(box(candidate, base_size), box(t, base_size)) for t in thetas[:8]]
        assert value == pytest.approx(weights @ ious, abs=1e-12)


@pytest.mark.parametrize("at", [0, 12, 30, 55, 74])
def test_a_sure_crop_is_taken(at):
    weights = np.zeros(len(GRID))
    weights[at] = 1
    found = picking.most_overlapping(GRID, weights)
    assert geometry.iou(box(found), box(GRID[at])) > 0.97


def test_of_two_dogs_far_apart_one_is_taken():
    grid = np.array([[-0.6, 0, 0.3], [0.6, 0, 0.3]])
    found = picking.most_overlapping(grid, np.array([0.55, 0.45]))
    assert geometry.iou(box(found), box(grid[0])) > 0.95


def test_of_crops_that_overlap_the_middle_is_taken():
    grid = np.array([[-0.1, 0, 0.5], [0.1, 0, 0.5]])
    found = picking.most_overlapping(grid, np.array([0.5, 0.5]))
    mean = np.mean([geometry.iou(box(found), box(theta)) for theta in grid])
    assert mean > 0.8 > geometry.iou(box(grid[0]), box(grid[1]))


@pytest.mark.parametrize("base_size", [(1.0, 1.0), (0.4, 1.0), (1.0, 0.25)])
def test_picked_crops_are_inside_the_photo(base_size):
    grid = coarse_to_fine.scan_grid((0.4, 0.9), 5, base_size)
    rng = np.random.default_rng(1)
    for _ in range(10):
        x, y, scale = picking.most_overlapping(
            grid, rng.dirichlet(np.full(len(grid), 0.1)), base_size
        )
        assert abs(x) + scale * base_size[0] <= 1 + 1e-9
        assert abs(y) + scale * base_size[1] <= 1 + 1e-9
        assert 0.4 <= scale <= 0.9


@pytest.mark.parametrize("base_size", [(1.0, 1.0), (0.5, 1.0)])
def test_the_rule_has_a_temperature_and_a_prior(base_size):
    grid = coarse_to_fine.scan_grid((0.4, 0.6, 0.8), 5, base_size)
    losses = np.square(grid - [0.2, 0.1, 0.6]).sum(axis=1)
    losses[7] = np.nan
    rule = picking.HighestExpectedIoU(0.1, 0.5, 0.3)
    found = rule(losses, grid, base_size)
    prior = -0.5 * (np.log(grid[:, 2] / 0.5) / 0.3) ** 2
    weights = picking.probabilities(losses, grid, 0.1, prior)
    expected = picking.most_overlapping(grid, weights, base_size)
    np.testing.assert_allclose(found.theta, expected)
    assert found.ranks[7] == np.inf and np.isfinite(np.delete(found.ranks, 7)).all()
    assert ((found.ranks[np.arange(len(grid)) != 7] > 0) & (found.ranks[7 + 1] < 1)).all()


@pytest.mark.parametrize(
    "settings", [{"temperature": 0}, {"likely_scale": -1}, {"scale_spread": -0.1}]
)
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        picking.HighestExpectedIoU(**settings)
    with pytest.raises(ValueError, match="sigma"):
        picking.LowestMean(-1)


def test_smoothing_leaves_out_what_has_no_loss():
    rng = np.random.default_rng(0)
    losses, grid = rng.standard_normal(18), rng.uniform(-1, 1, (18, 3))
    losses[[5, 12]] = np.nan
    exists = np.isfinite(losses)
    found = picking.smooth(losses, grid, 0.7)
    for at in range(18):
        weights = np.exp(-0.5 * ((grid[exists] - grid[at]) ** 2).sum(1) / 0.7**2)
        expected = np.average(losses[exists], weights=weights) if exists[at] else np.inf
        assert found[at] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_array_equal(picking.smooth(losses, grid, 0)[exists], losses[exists])

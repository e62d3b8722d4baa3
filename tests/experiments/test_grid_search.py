"""Exhaustive search against minima planted in losses made here."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method.search import Bounds, Losses
from experiments.methods import grid_search


def bowl(problem, theta):
    distance = tf.reduce_sum(tf.square(theta - problem), axis=1)
    return Losses(distance, {"caption": 2 * distance, "aesthetic": 3 * distance})


SEARCH = grid_search.GridSearch().compile(bowl, tf.TensorSpec([3], tf.float32))


def test_grid_search_finds_a_planted_minimum():
    seen = []
    target = np.array([0.21, -0.33, 0.57])
    path = SEARCH(tf.constant(target, tf.float32), 0, lambda *told: seen.append(told[:2]))
    # The nearest scale is 0.56, with ten centres a side, k / 9 of 0.44 for k = -9, -7, ..., 9.
    expected = np.array([0.44 * 5 / 9, -0.44 * 7 / 9, 0.56])
    np.testing.assert_allclose(path.theta, expected, atol=1e-12)
    assert path.loss == pytest.approx(np.sum((expected - target) ** 2), abs=1e-6)
    assert seen == [(number, 16) for number in range(1, 17)]
    # Sides at the 16 scales 0.4, 0.44, ..., 1: ceil(2 (1 - s) / 0.1) + 1.
    sides = [13, 13, 12, 11, 10, 9, 9, 8, 7, 6, 5, 5, 4, 3, 2, 1]
    assert path.evaluations == sum(side**2 for side in sides)
    best = path.steps[4]
    assert best.scale == 0.56
    assert best.losses.terms["aesthetic"] == pytest.approx(3 * path.loss, rel=1e-5)
    assert len(best.start_losses) == len(best.starts) == 100


def test_grid_search_passes_over_what_is_no_number():
    def loss(problem, theta):
        value = tf.where(theta[:, 0] < 0.1, tf.constant(np.nan), bowl(problem, theta).total)
        return Losses(value)

    search = grid_search.GridSearch((0.5,), 0.25).compile(loss, tf.TensorSpec([3], tf.float32))
    path = search(tf.constant([-0.4, 0.2, 0.5]), 0)
    np.testing.assert_allclose(path.theta, [0.25, 0.25, 0.5])


def test_centers_a_side():
    for scale, expected in ((1.0, 1), (0.95, 2), (0.9, 3), (0.4, 13), (0.44, 13)):
        assert grid_search.centers_a_side(scale, 0.1) == expected


def test_grid_search_keeps_to_bounds():
    path = SEARCH(tf.constant([0.0, 0.0, 0.5]), 0, bounds=Bounds((1.0, 0.5), smallest_scale=0.9))
    assert [step.scale for step in path.steps] == [0.9, 0.92, 0.96, 1.0]
    # The crop of scale 1 is half as high as the photo: its centre is free from -0.5 to 0.5.
    assert sorted({float(y) for y in path.steps[-1].starts[:, 1]})[0] == -0.5
    assert set(path.steps[-1].starts[:, 0]) == {0.0}

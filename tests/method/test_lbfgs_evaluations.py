"""Where L-BFGS asks for the function, and how often it is computed."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import evaluation_cache, lbfgs
from tests.method.minimizations import THOROUGH, bowl, box, minimize, starts, waves, wells


def test_first_step_is_that_times_the_gradient():
    places = []

    def function(x):
        tf.py_function(lambda value: places.append(value.numpy()), [x], [])
        return 3 * x[:, 0] - 4 * x[:, 1]

    lower, upper = box([-1, -1], [1, 1])
    minimizer = lbfgs.Minimizer(max_iterations=1, first_step=0.05)
    minimize(minimizer, function, tf.constant([[0.1, 0.2]]), lower, upper)
    np.testing.assert_allclose(places[0], [[0.1, 0.2]], atol=1e-6)
    expected = [[0.1 - 0.05 * 3, 0.2 + 0.05 * 4]]
    assert min(np.abs(place - expected).max() for place in places) < 1e-6


@pytest.mark.parametrize(
    ("count", "minimizer", "function"),
    [
        (1, lbfgs.Minimizer(), waves),
        (10, lbfgs.Minimizer(), waves),
        (3, THOROUGH, waves),
        (3, THOROUGH, bowl((0.3, 0.2))),
        (4, lbfgs.Minimizer(), lambda x: 0 * x[:, 0]),
    ],
)
def test_evaluations_are_the_counted_ones(count, minimizer, function):
    points = []

    def counted(x):
        tf.py_function(lambda value: points.extend(value.numpy()), [x], [])
        return function(x)

    lower, upper = box([-1, -1], [1, 1])
    found = minimize(minimizer, counted, starts(count), lower, upper)
    assert int(tf.reduce_sum(found.evaluations)) == len(points)
    assert len(points) >= count
    if function is waves:  # No member gets a point twice, and no two members meet there.
        assert len({point.tobytes() for point in points}) == len(points)


class Forgetful(evaluation_cache.EvaluationCache):
    """Computes every point that it is asked for."""

    def __call__(self, compute, points, wanted):
        self.add(wanted)
        return compute(points, tf.range(tf.shape(points)[0]))


def test_memory_changes_nothing():
    """The same minima, bit for bit, as when every point is computed each time it is asked for."""
    lower, upper = box([-1, -1], [1, 1])
    for minimizer in (lbfgs.Minimizer(), THOROUGH):
        begin = starts(10, 0.9)
        found = minimize(minimizer, wells, begin, lower, upper)
        without = minimizer(lambda x, _: wells(x), begin, lower, upper, Forgetful(10, 2))
        for field in ("positions", "losses", "start_losses", "iterations"):
            np.testing.assert_array_equal(getattr(found, field), getattr(without, field))
        assert (found.evaluations <= without.evaluations).numpy().all()


def test_limits_bound_the_evaluations():
    lower, upper = box([-1, -1], [1, 1])
    used = [
        int(minimize(lbfgs.Minimizer(limit, 3), waves, starts(4), lower, upper).iterations)
        for limit in (1, 2, 5)
    ]
    assert used == [1, 2, 5]

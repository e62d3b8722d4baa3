import functools

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import joint_search, lbfgs
from cagic_tf.method.search import Bounds, Losses

SIGNATURE = tf.TensorSpec([3], tf.float32)
SETTINGS = {
    "smallest_scale": 0.3,
    "minimizer": lbfgs.Minimizer(max_iterations=50, max_line_search_iterations=20),
}


def bowl(problem, theta):
    """Lowest, 0, at `theta == problem`."""
    distance = tf.reduce_sum(tf.square(theta[:, :2] - problem[:2]), axis=1)
    size = 2 * tf.square(theta[:, 2] - problem[2])
    return Losses(distance + size, {"distance": distance, "size": size})


@functools.lru_cache
def traced(settings):
    return settings.compile(bowl, SIGNATURE)


def compiled(**settings):
    return traced(joint_search.JointSearch(**{**SETTINGS, **settings}))


def run(target, scale, **settings):
    return compiled(**settings)(tf.constant([*target, scale], tf.float32), 0)


@pytest.mark.parametrize(
    ("target", "scale", "expected"),
    [
        ((0.2, -0.1), 0.6, (0.2, -0.1, 0.6)),
        ((0.0, 0.0), 0.8, (0.0, 0.0, 0.8)),  # It begins there.
        ((0.1, 0.1), 0.1, (0.1, 0.1, 0.3)),  # The smallest scale.
        ((0.0, 0.0), 1.5, (0.0, 0.0, 1.0)),
    ],
)
def test_known_minimum(target, scale, expected):
    path = run(target, scale)
    np.testing.assert_allclose(path.theta, expected, rtol=0, atol=2e-3)
    value = bowl(np.float32([*target, scale]), tf.constant([expected]))[0]
    assert path.loss == pytest.approx(float(value[0]), abs=1e-4)


def test_centre_that_the_border_holds_pulls_the_scale():
    # At the border x = 1 - s; the least of (1 - s - 0.9)^2 + 2 (s - 0.6)^2 is at s = 1.3 / 3.
    path = run((0.9, 0.0), 0.6)
    np.testing.assert_allclose(path.theta, [1 - 1.3 / 3, 0, 1.3 / 3], rtol=0, atol=2e-3)


def test_centre_of_a_window_that_the_border_holds():
    # Half as wide: x = 1 - s / 2; the least of (1 - s / 2 - 0.9)^2 + 2 (s - 0.6)^2 is where
    # s / 2 - 0.1 + 4 (s - 0.6) = 0: s = 2.5 / 4.5.
    search = compiled()
    path = search(tf.constant([0.9, 0.0, 0.6]), 0, bounds=Bounds((0.5, 1.0)))
    np.testing.assert_allclose(path.theta, [1 - 2.5 / 9, 0, 2.5 / 4.5], rtol=0, atol=2e-3)
    path = search(tf.constant([0.0, 0.0, 0.3]), 0, bounds=Bounds(smallest_scale=0.85))
    np.testing.assert_allclose(path.theta, [0, 0, 0.85], rtol=0, atol=2e-3)
    whole, given = run((0.9, 0.2), 0.6), search(tf.constant([0.9, 0.2, 0.6]), 0, None)
    tf.nest.map_structure(np.testing.assert_array_equal, given, whole)


@pytest.mark.parametrize("target", [(0.2, -0.1), (3.0, 3.0), (-0.9, 0.4)])
@pytest.mark.parametrize(
    "start",
    [(0.0, 0.0, 0.8), (0.9, -0.9, 1.0), pytest.param((-0.3, 0.2, 0.3), marks=pytest.mark.slow)],
)
def test_record_is_true(target, start):
    path = run(target, 0.5, start=start)
    (step,) = path.steps
    inside = np.append(np.clip(start[:2], start[2] - 1, 1 - start[2]), start[2])
    problem = tf.constant([*target, 0.5], tf.float32)
    first = bowl(problem, tf.constant([inside], tf.float32))[0]
    np.testing.assert_allclose(step.starts, [inside[:2]], rtol=0, atol=1e-6)
    np.testing.assert_allclose(step.start_losses, first, rtol=1e-5)
    assert path.loss <= float(first[0]) * (1 + 1e-6)
    assert path.loss == step.end_losses[0]
    at_end = bowl(problem, tf.constant(path.theta[None], tf.float32))
    for found, value in zip(tf.nest.flatten(step.losses), tf.nest.flatten(at_end), strict=True):
        np.testing.assert_allclose(found, value[0], rtol=1e-5, atol=1e-7)
    assert path.loss == pytest.approx(float(at_end[0][0]), rel=1e-4, abs=1e-6)
    np.testing.assert_array_equal(path.theta, np.append(step.center, np.float32(step.scale)))
    np.testing.assert_array_equal(step.ends, [step.center])
    assert np.abs(path.theta[:2]).max() <= 1 - path.theta[2] + 1e-6
    assert 0.3 - 1e-6 <= path.theta[2] <= 1


def test_evaluations_traces_and_progress():
    counted, traces, seen = [], [], []

    def loss(problem, theta):
        traces.append(1)
        tf.py_function(lambda rows: counted.append(len(rows)), [theta], [])
        return bowl(problem, theta)

    search = joint_search.JointSearch(**SETTINGS).compile(loss, SIGNATURE)
    path = search(tf.constant([0.2, 0.1, 0.6]), 0, lambda *told: seen.append(told))
    assert path.evaluations == path.steps[0].evaluations == sum(counted)
    assert seen == [(1, 1, path.loss)]
    traced = len(traces)
    again = search(tf.constant([0.2, 0.1, 0.6]), 7)
    np.testing.assert_array_equal(again.theta, path.theta)
    assert search(tf.constant([-0.2, 0.1, 0.6]), 0).theta[0] < 0
    assert len(traces) == traced


@pytest.mark.parametrize(
    "settings",
    [
        {"start": (0, 0)},
        {"start": (0, 0, 0.5, 1)},
        {"start": (0, 0, 0.2)},
        {"start": (0, 0, 1.1)},
        {"smallest_scale": 0.9},
    ],
)
def test_bad_settings(settings):
    with pytest.raises(ValueError, match="JointSearch.start is"):
        joint_search.JointSearch(**settings)

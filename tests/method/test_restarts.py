import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import restarts

CENTER = (0.25, -0.5)
ALL = [restarts.Normal(), restarts.AddedNoise(), restarts.Uniform(), restarts.Uniform(-1, 1)]
COUNT = 20000


def draw(draw_starts, center=CENTER, count=COUNT, seed=(1, 2), dtype=tf.float64):
    points = draw_starts(tf.constant(center, dtype), count, tf.constant(seed, tf.int32))
    assert points.shape == (count, 2) and points.dtype == dtype
    return points.numpy()


@pytest.mark.parametrize("sigma", [0.1, 0.3, 2.0])
def test_normal(sigma):
    points = (draw(restarts.Normal(sigma)) - CENTER) / sigma
    # Four standard errors of each estimate, from 20,000 draws.
    assert np.abs(points.mean(0)).max() < 4 / np.sqrt(COUNT)
    assert np.abs(points.std(0) - 1).max() < 4 / np.sqrt(2 * COUNT)
    assert np.abs((points**4).mean(0) - 3).max() < 4 * np.sqrt(96 / COUNT)
    assert abs(np.corrcoef(points.T)[0, 1]) < 4 / np.sqrt(COUNT)


def test_normal_without_spread_begins_at_the_centre():
    points = draw(restarts.Normal(0.0), count=5)
    np.testing.assert_array_equal(points, np.tile(CENTER, (5, 1)))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.5, 0.5), (-1, 0.25)])
@pytest.mark.parametrize(
    ("kind", "origin"), [(restarts.AddedNoise, CENTER), (restarts.Uniform, (0, 0))]
)
def test_uniform_noise(kind, origin, low, high):
    points = (draw(kind(low, high)) - origin - low) / (high - low)
    assert points.min() >= -1e-12 and points.max() < 1 + 1e-12
    # Kolmogorov-Smirnov: above 1.95 / sqrt(n) once in a thousand seeds.
    expected = (np.arange(COUNT) + 0.5) / COUNT
    assert np.abs(np.sort(points, axis=0) - expected[:, None]).max() < 1.95 / np.sqrt(COUNT)
    assert abs(np.corrcoef(points.T)[0, 1]) < 4 / np.sqrt(COUNT)


def test_defaults_are_the_papers_numbers():
    assert restarts.AddedNoise() == restarts.AddedNoise(0.0, 1.0)
    assert restarts.Uniform() == restarts.Uniform(0.0, 1.0)


def test_which_of_them_follow_the_centre():
    for kind, follows in [(ALL[0], True), (ALL[1], True), (ALL[2], False)]:
        here, there = draw(kind, (0, 0), 50), draw(kind, (0.5, -0.25), 50)
        expected = here + [0.5, -0.25] if follows else here
        np.testing.assert_allclose(there, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("draw_starts", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_same_seed_same_points(draw_starts, dtype):
    first = draw(draw_starts, count=7, dtype=dtype)
    np.testing.assert_array_equal(draw(draw_starts, count=7, dtype=dtype), first)
    for seed in [(1, 3), (2, 2), (0, 0), (-1, 2)]:
        assert (draw(draw_starts, count=7, seed=seed, dtype=dtype) != first).all()
    traced = tf.function(lambda center, seed: draw_starts(center, 7, seed))
    in_graph = traced(tf.constant(CENTER, dtype), tf.constant((1, 2), tf.int32))
    np.testing.assert_array_equal(in_graph, first)


@pytest.mark.parametrize("draw_starts", ALL, ids=repr)
def test_global_seed_has_no_part(draw_starts):
    tf.random.set_seed(1)
    first = draw(draw_starts, count=7)
    tf.random.set_seed(2)
    np.testing.assert_array_equal(draw(draw_starts, count=7), first)

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import evaluation_cache, lbfgs
from tests.method.minimizations import (
    THOROUGH,
    bowl,
    box,
    check,
    memory,
    minimize,
    starts,
    waves,
    wells,
)

SLOW = pytest.mark.slow
MEMORIES = {
    dtype: evaluation_cache.EvaluationCache(6, 2, dtype) for dtype in (tf.float32, tf.float64)
}


@tf.function(reduce_retracing=True)
def thorough_in_bowl(center, curvature, begin, lower, upper):
    def function(x):
        return tf.reduce_sum(curvature * tf.square(x - center), axis=1)

    return THOROUGH(lambda x, _: function(x), begin, lower, upper, MEMORIES[begin.dtype])


@pytest.mark.parametrize("dtype", [tf.float32, pytest.param(tf.float64, marks=SLOW)])
@pytest.mark.parametrize("curvature", [(1.0, 1.0), (1.0, 30.0)])
@pytest.mark.parametrize(
    ("center", "expected"),
    [
        ((0.3, -0.2), (0.3, -0.2)),
        ((0.0, 0.0), (0.0, 0.0)),
        ((2.0, -0.2), (0.5, -0.2)),
        ((0.3, -3.0), (0.3, -0.5)),
        ((-2.0, 2.0), (-0.5, 0.5)),
        ((0.5, -0.5), (0.5, -0.5)),
    ],
)
def test_quadratic(dtype, curvature, center, expected):
    lower, upper = box([-0.5, -0.5], [0.5, 0.5], dtype)
    begin = starts(6, dtype=dtype.as_numpy_dtype)  # Some of them outside the box.
    settings = tf.constant(center, dtype), tf.constant(curvature, dtype)
    found = thorough_in_bowl(*settings, begin, lower, upper)
    check(found, bowl(center, curvature), begin, lower, upper)
    tolerance = 1e-7 if dtype == tf.float64 else 2e-4
    np.testing.assert_allclose(found.positions, [expected] * 6, rtol=0, atol=tolerance)


def test_quadratic_whose_axes_are_not_the_boxs():
    # A valley around (0.9, 0.1): at the border x = 0.5 the lowest y has d/dy = 0.
    matrix = tf.constant([[2.0, 0.9], [0.9, 1.0]], tf.float64)
    center = tf.constant([0.9, 0.1], tf.float64)

    def function(x):
        return tf.einsum("ni,ij,nj->n", x - center, matrix, x - center)

    lower, upper = box([-0.5, -0.5], [0.5, 0.5], tf.float64)
    begin = starts(5, 0.5, dtype=np.float64)
    found = minimize(THOROUGH, function, begin, lower, upper)
    check(found, function, begin, lower, upper)
    expected = [0.5, 0.1 + 0.9 * 0.4]
    np.testing.assert_allclose(found.positions[:, 0], [0.5] * 5, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.positions[:, 1], [expected[1]] * 5, rtol=0, atol=1e-6)


def test_rosenbrock():
    def function(x):
        return tf.square(1 - x[:, 0]) + 100 * tf.square(x[:, 1] - tf.square(x[:, 0]))

    lower, upper = box([-2, -2], [2, 2], tf.float64)
    begin = tf.constant([[-1.2, 1.0], [0.0, 0.0], [1.5, -1.5]], tf.float64)
    minimizer = lbfgs.Minimizer(first_step=1e-3, tolerance=1e-10, least_gain=0)
    found = minimize(minimizer, function, begin, lower, upper)
    check(found, function, begin, lower, upper)
    np.testing.assert_allclose(found.positions, np.ones((3, 2)), rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.start_losses, function(begin), rtol=1e-12)
    assert 10 < found.iterations < 200


@pytest.mark.slow  # Below, too, nothing of a member shows in the others.
@pytest.mark.parametrize(
    ("minimizer", "function"),
    [(THOROUGH, bowl((2.0, 0.1), (1.0, 5.0))), (lbfgs.Minimizer(), wells)],
    ids=["thorough-bowl", "default-wells"],
)
def test_batch_equals_single_runs(minimizer, function):
    lower, upper = box([-0.7, -0.7], [0.7, 0.7])
    begin = starts(8)
    known = {count: evaluation_cache.EvaluationCache(count, 2) for count in (1, 8)}
    run = tf.function(
        lambda begin: minimizer(lambda x, _: function(x), begin, lower, upper, known[len(begin)])
    )
    together = run(begin)
    check(together, function, begin, lower, upper)
    alone = [run(begin[at : at + 1]) for at in range(8)]
    # Bit for bit: rows never meet, and members that have converged stand still.
    # (A sine would not do: TensorFlow computes it otherwise in a vector than alone.)
    for field in ("positions", "losses", "start_losses"):
        expected = np.concatenate([getattr(single, field) for single in alone])
        np.testing.assert_array_equal(getattr(together, field), expected)
    assert together.iterations == max(single.iterations for single in alone)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e6])
def test_flat_function(value):
    lower, upper = box([-0.5, -0.5], [0.5, 0.5])
    begin = starts(4)
    found = minimize(
        lbfgs.Minimizer(max_iterations=20),
        lambda x: value + 0 * tf.reduce_sum(x, axis=1),
        begin,
        lower,
        upper,
    )
    np.testing.assert_array_equal(found.positions, np.clip(begin, -0.5, 0.5))
    np.testing.assert_array_equal(found.losses, np.full(4, value, np.float32))
    np.testing.assert_array_equal(found.start_losses, np.full(4, value, np.float32))


@pytest.mark.parametrize(
    ("bad", "minimizer"),
    [(np.nan, lbfgs.Minimizer()), (np.inf, lbfgs.Minimizer()), (np.nan, THOROUGH)],
    ids=["nan", "inf", "nan-thorough"],
)
def test_function_with_a_region_that_is_no_number(bad, minimizer):
    # A bowl whose left half does not exist; some starts lie in it, its minimum does too.
    inner = bowl((-0.3, 0.2))

    def function(x):
        return tf.where(x[:, 0] < 0, tf.constant(bad, x.dtype), inner(x))

    lower, upper = box([-1, -1], [1, 1])
    begin = tf.constant([[0.8, -0.5], [-0.5, 0.1], [0.1, 0.9], [-0.9, -0.9], [0.5, 0.2]])
    found = minimize(minimizer, function, begin, lower, upper)
    positions, losses = found.positions.numpy(), found.losses.numpy()
    assert np.isfinite(positions).all() and (np.abs(positions) <= 1).all()
    good = begin.numpy()[:, 0] >= 0
    assert (losses[good] <= inner(begin).numpy()[good]).all()
    assert (positions[good, 0] >= 0).all()
    np.testing.assert_allclose(losses[good], inner(found.positions).numpy()[good], rtol=1e-5)
    # Nothing shows a start there where to go; it stays, and says so.
    np.testing.assert_array_equal(positions[~good], begin.numpy()[~good])
    assert not np.isfinite(losses[~good]).any()


def test_bad_member_does_not_disturb_the_others():
    lower, upper = box([-1, -1], [1, 1])

    def function(x):
        return tf.where(x[:, 0] < -0.8, tf.constant(np.nan), wells(x))

    begin = tf.concat([starts(5, 0.6), [[-0.9, 0.0]]], axis=0)
    found = minimize(lbfgs.Minimizer(), function, begin, lower, upper)
    assert np.isnan(found.losses[5])
    without = minimize(lbfgs.Minimizer(), function, begin[:5], lower, upper)
    np.testing.assert_array_equal(found.positions[:5], without.positions)
    np.testing.assert_array_equal(found.losses[:5], without.losses)


@pytest.mark.parametrize("first_step", [1e-4, 0.01, 100.0])
def test_never_worse_than_the_start(first_step):
    lower, upper = box([-0.8, -0.6], [0.9, 0.7])
    begin = starts(200, seed=5)
    found = minimize(lbfgs.Minimizer(first_step=first_step), waves, begin, lower, upper)
    check(found, waves, begin, lower, upper)
    start, end = found.start_losses.numpy(), found.losses.numpy()
    if first_step <= 1:
        assert (end < start).mean() > 0.25
    same = end == start
    np.testing.assert_array_equal(found.positions.numpy()[same], np.clip(begin, lower, upper)[same])


@pytest.mark.parametrize(
    ("minimizer", "run"),
    [
        pytest.param(lbfgs.Minimizer(), lambda search: search(), id="default"),
        pytest.param(THOROUGH, lambda search: tf.function(search)(), id="thorough", marks=SLOW),
    ],
)
def test_positions_are_numbers(minimizer, run):
    lower, upper = box([-0.7, -0.7], [0.7, 0.7])
    begin = starts(300)
    known = memory(begin)
    found = run(lambda: minimizer(lambda x, _: waves(x), begin, lower, upper, known))
    assert np.isfinite(found.losses).all()
    assert np.isfinite(found.positions).all()
    check(found, waves, begin, lower, upper)


def test_box_without_room():
    lower, upper = box([0.0, 0.0], [0.0, 0.0])  # At scale 1 only one centre is possible.
    found = minimize(lbfgs.Minimizer(), bowl((0.5, 0.5)), starts(3), lower, upper)
    np.testing.assert_array_equal(found.positions, np.zeros((3, 2)))
    np.testing.assert_allclose(found.losses, [0.5] * 3, rtol=1e-6)


@pytest.mark.parametrize("dimensions", [1, 3])
def test_other_dimensions(dimensions):
    begin = tf.zeros([2, dimensions], tf.float64)
    bound = tf.ones([dimensions], tf.float64)
    center = np.linspace(0.2, 0.7, dimensions)
    found = minimize(THOROUGH, bowl(center, [2.0] * dimensions), begin, -bound, bound)
    np.testing.assert_allclose(found.positions, [center] * 2, rtol=0, atol=1e-6)


@pytest.mark.parametrize("first_step", [0, -0.01])
def test_bad_settings(first_step):
    with pytest.raises(ValueError, match="Minimizer.first_step is"):
        lbfgs.Minimizer(first_step=first_step)

"""L-BFGS beyond TFP's: curvature is used, choices are held, the memory keeps what it should."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import lbfgs, lbfgs_memory, sampling
from cagic_tf.method.borders import Box
from cagic_tf.method.search import Minimized
from tests.method.minimizations import THOROUGH, box, memory, minimize, starts

ALL = tf.constant([True, True])


def valley(x):
    """Its curvatures differ by a factor of 300, along axes that are not those of the box."""
    a, b = x[:, 0] + x[:, 1], x[:, 0] - x[:, 1]
    return 300 * tf.square(a - 0.1) + tf.square(b + 0.2)


def ridges(x):
    """Four unknowns whose curvatures differ by a factor of 300."""
    curvatures = tf.constant([1.0, 8.0, 50.0, 300.0], x.dtype)
    return tf.reduce_sum(curvatures * tf.square(x - 0.1), axis=1)


def picture_loss(x):
    """How far crops of a smooth picture are from its own crop at (0.1, -0.05)."""
    down, across = np.meshgrid(np.linspace(0, 1, 81), np.linspace(0, 1, 101), indexing="ij")
    waves = [np.sin(3 * across + 2 * down), np.cos(4 * across * down), np.sin(5 * down - across)]
    picture = tf.constant(0.5 + 0.5 * np.stack(waves, axis=-1), x.dtype)

    def crops(centers):
        scales = tf.fill([tf.shape(centers)[0], 1], tf.constant(0.5, x.dtype))
        return sampling.crop(picture, tf.concat([centers, scales], axis=1), (24, 24), (1.0, 1.0))

    target = crops(tf.constant([[0.1, -0.05]], x.dtype))
    return 100 * tf.reduce_mean(tf.square(crops(x) - target), axis=[1, 2, 3])


@pytest.mark.parametrize(("function", "dimensions"), [(ridges, 4), (picture_loss, 2)])
def test_past_steps_are_used(function, dimensions):
    """Where members are depends on how many past steps the Hessian is approximated by."""
    upper = tf.fill([dimensions], tf.constant(0.5, tf.float64))
    lower = -upper
    begin = tf.constant(np.random.default_rng(0).uniform(-0.3, 0.3, (4, dimensions)))
    found = {}
    for pairs in (1, 5):
        for limit in (1, 4):
            minimizer = dataclasses.replace(
                THOROUGH, correction_pairs=pairs, max_iterations=limit, first_step=1e-3
            )
            found[pairs, limit] = minimize(minimizer, function, begin, lower, upper).positions
    np.testing.assert_array_equal(found[1, 1], found[5, 1])  # The first step has no past.
    assert np.abs(found[1, 4] - found[5, 4]).max() > 1e-5


def test_curvature_makes_few_iterations_enough():
    """Steepest descent needs hundreds where curvatures differ by 300."""
    lower, upper = box([-0.5, -0.5], [0.5, 0.5], tf.float64)
    begin = starts(8, 0.4, dtype=np.float64)
    minimizer = dataclasses.replace(THOROUGH, first_step=1e-3)
    found = minimize(minimizer, valley, begin, lower, upper)
    np.testing.assert_allclose(found.positions, [[-0.05, 0.15]] * 8, rtol=0, atol=1e-7)
    assert found.converged.numpy().all() and not found.failed.numpy().any()
    assert found.iterations < 20


def steps(x, choices):
    """A bowl around (0, 0.1), and steps of 0.05: choices of which its slope knows nothing."""
    bowl = x[:, 0] * x[:, 0] + (x[:, 1] - 0.1) * (x[:, 1] - 0.1)
    return bowl + 0.05 * tf.cast(choices % 2, x.dtype)


def choices_of(x):
    return tf.cast(tf.floor(12 * x[:, 0] + 0.5), tf.int32)


STEPS = Minimized(
    lambda x, _: steps(x, choices_of(x)),
    lambda x, _: (steps(x, choices_of(x)), choices_of(x)),
    lambda x, _, choices: steps(x, choices),
)


@pytest.mark.parametrize("hold", lbfgs.HOLD)
def test_held_choices_are_not_seen_by_the_line_search(hold):
    lower, upper = box([-0.9, -0.9], [0.9, 0.9])
    begin = starts(12, 0.9, seed=3)
    minimizer = lbfgs.Minimizer(hold_words=hold)
    found = minimizer(STEPS, begin, lower, upper, memory(begin))
    # Whatever was held, the losses are those of the positions with their own choices.
    own = STEPS.value(found.positions, None)
    np.testing.assert_allclose(found.losses, own, rtol=1e-5, atol=1e-6)
    assert (found.losses <= found.start_losses).numpy().all()
    if hold == "evaluation":
        assert found.failed_searches.numpy().any()
    else:
        assert found.converged.numpy().all()
        np.testing.assert_allclose(found.positions, [[0, 0.1]] * 12, rtol=0, atol=5e-3)


@pytest.mark.parametrize("hold", ["iteration", "restart"])
def test_evaluations_with_choices_are_the_counted_ones(hold):
    points = []

    def counted(function):
        def count(x, *rest):
            tf.py_function(lambda value: points.extend(value.numpy()), [x], [])
            return function(x, *rest)

        return count

    lower, upper = box([-0.9, -0.9], [0.9, 0.9])
    begin = starts(5, 0.9)
    counting = Minimized(*map(counted, STEPS))
    found = lbfgs.Minimizer(hold_words=hold)(counting, begin, lower, upper, memory(begin))
    assert int(tf.reduce_sum(found.evaluations)) == len(points)


@pytest.mark.parametrize("hold", lbfgs.HOLD)
def test_members_with_choices_know_nothing_of_each_other(hold):
    lower, upper = box([-0.7, -0.7], [0.7, 0.7])
    begin = starts(6, 0.9)
    minimizer = lbfgs.Minimizer(hold_words=hold)
    together = minimizer(STEPS, begin, lower, upper, memory(begin))
    for at in range(6):
        own = begin[at : at + 1]
        alone = minimizer(STEPS, own, lower, upper, memory(own))
        for field in ("positions", "losses", "converged", "failed", "failed_searches"):
            together_s = getattr(together, field).numpy()[at]
            np.testing.assert_array_equal(getattr(alone, field).numpy()[0], together_s)


def test_without_choices_there_is_nothing_to_hold():
    lower, upper = box([-0.9, -0.9], [0.9, 0.9])
    begin = starts(4, 0.9)
    nothing = Minimized(
        lambda x, _: valley(x), lambda x, _: (valley(x), ()), lambda *_: pytest.fail("held")
    )
    found = lbfgs.Minimizer()(nothing, begin, lower, upper, memory(begin))
    plain = minimize(lbfgs.Minimizer(), valley, begin, lower, upper)
    np.testing.assert_array_equal(found.positions, plain.positions)


@pytest.mark.parametrize("extend", [False, True])
def test_beyond_the_border(extend):
    unit = tf.constant(0.1, tf.float64)
    lower, upper = box([-0.5, -0.5], [0.5, 0.5], tf.float64)
    region = Box(tf.zeros([4, 2], tf.float64), lower, upper, unit, extend)
    # Inside; 0.2 beyond on the right; on the right border, led out; on the lower border, led in.
    scaled = tf.constant([[1.0, 2.0], [7.0, 0.0], [5.0, 0.0], [0.0, -5.0]], tf.float64)
    gradients = tf.constant([[3.0, -4.0], [-2.0, 1.0], [-2.0, 1.0], [0.0, -6.0]], tf.float64)
    losses = tf.constant([1.0, 2.0, 3.0, 4.0], tf.float64)
    values, slopes = region.extend(scaled, losses, gradients)
    spring = 0.5 * 2.0**2
    tangent = -2.0 * 0.2 if extend else 0.0
    np.testing.assert_allclose(values, [1, 2 + spring + tangent, 3, 4], atol=1e-12)
    along = [-0.2 + 2, -0.2] if extend else [2, 0]
    expected = [[0.3, -0.4], [along[0], 0.1], [along[1], 0.1], [0, -0.6]]
    np.testing.assert_allclose(slopes, expected, atol=1e-12)
    without = region.without_extension(scaled, values, slopes)
    np.testing.assert_allclose(without, losses, atol=1e-12)
    led_out = [[False, False], [True, False], [True, False], [False, False]]
    np.testing.assert_array_equal(region.leads_out(scaled, gradients), led_out)
    np.testing.assert_array_equal(region.snapped(scaled)[1], [5, 0])


@dataclasses.dataclass
class State:
    """The part of TFP's state that the memory is in."""

    position: tf.Tensor
    position_deltas: tf.Tensor
    gradient_deltas: tf.Tensor
    converged: tf.Tensor
    failed: tf.Tensor

    def _replace(self, **values):
        return dataclasses.replace(self, **values)


def state(position_deltas, gradient_deltas, converged=(False, False), failed=(False, False)):
    deltas = (tf.constant(each, tf.float64) for each in (position_deltas, gradient_deltas))
    return State(tf.zeros([2, 2], tf.float64), *deltas, tf.constant(converged), tf.constant(failed))


def test_an_empty_memory_is_the_identity():
    one, two = [[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]
    emptied = lbfgs_memory.emptied(state([one, two], [two, one]), tf.constant([True, False]))
    expected = [[[0, 0], [3, 4]], [[1, 1], [7, 8]]]
    np.testing.assert_array_equal(emptied.position_deltas, expected)
    np.testing.assert_array_equal(emptied.gradient_deltas, [[[0, 0], [7, 8]], [[1, 1], [3, 4]]])


def test_steps_without_curvature_are_left_out():
    zero, old = [[0.0, 0.0]] * 2, [[1.0, 0.0], [0.0, 1.0]]
    new, bent = [[0.5, 0.0], [0.5, 0.0]], [[2.0, 0.0], [-2.0, 0.0]]  # The second's slope falls.
    before, after = state([zero, old], [zero, old]), state([old, new], [old, bent])
    kept, fresh = lbfgs_memory.with_curvature(before, after, tf.constant([False, False]))
    expected = [[old[0], zero[1]], [new[0], old[1]]]
    np.testing.assert_array_equal(kept.position_deltas, expected)
    np.testing.assert_array_equal(kept.gradient_deltas[1], [bent[0], old[1]])
    np.testing.assert_array_equal(fresh, [False, False])
    # Of a memory that was empty only the new step stays.
    kept, fresh = lbfgs_memory.with_curvature(before, after, tf.constant([True, True]))
    np.testing.assert_array_equal(kept.position_deltas, [zero, [new[0], old[1]]])
    np.testing.assert_array_equal(fresh, [False, True])
    # TFP adds no step of members that have ended.
    ended = state([zero, old], [zero, old], converged=(True, True))
    kept, fresh = lbfgs_memory.with_curvature(before, ended, ALL)
    np.testing.assert_array_equal(kept.position_deltas, [zero, old])
    np.testing.assert_array_equal(fresh, ALL)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_iterations": 0}, "max_iterations is 0; at least 1"),
        ({"max_line_search_iterations": 0}, "max_line_search_iterations is 0"),
        ({"correction_pairs": 0}, "correction_pairs is 0"),
        ({"least_gain": -1e-4}, "least_gain is -0.0001"),
        ({"hold_words": "never"}, "hold_words is 'never'; one of evaluation, iteration, restart"),
    ],
)
def test_bad_settings(values, message):
    with pytest.raises(ValueError, match=message):
        lbfgs.Minimizer(**values)

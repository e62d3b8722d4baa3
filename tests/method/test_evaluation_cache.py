import numpy as np
import tensorflow as tf

from cagic_tf.method import evaluation_cache

EVERY = tf.constant([True])


def make(members):
    asked = []

    def compute(points, members):
        asked.append(points.numpy().tolist())
        return tf.reduce_sum(points, axis=1), 2 * points

    known = evaluation_cache.EvaluationCache(members, 2)
    known.clear()
    return known, compute, asked


def test_only_new_points_are_computed():
    known, compute, asked = make(3)
    first = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    second = tf.constant([[1.0, 2.0], [9.0, 9.0], [5.0, 6.0]])
    for points in (first, second, first, second):
        values, gradients = known(compute, points, EVERY)
        np.testing.assert_array_equal(values, tf.reduce_sum(points, 1))
        np.testing.assert_array_equal(gradients, 2 * points)
    assert asked == [first.numpy().tolist(), [[9.0, 9.0]]]
    assert known.computed.numpy().tolist() == [1, 2, 1]


def test_a_point_of_another_member_is_not_this_ones():
    known, compute, asked = make(2)
    known(compute, tf.constant([[1.0, 1.0], [2.0, 2.0]]), EVERY)
    values, _ = known(compute, tf.constant([[2.0, 2.0], [1.0, 1.0]]), EVERY)
    np.testing.assert_array_equal(values, [4, 2])
    assert len(asked) == 2


def test_clear_forgets():
    known, compute, asked = make(1)
    known(compute, tf.ones([1, 2]), EVERY)
    known.clear()
    assert int(known.computed[0]) == 0
    values, _ = known(lambda points, _: (tf.constant([7.0]), points), tf.ones([1, 2]), EVERY)
    np.testing.assert_array_equal(values, [7])
    assert len(asked) == 1


def test_the_oldest_is_forgotten_first():
    known, compute, asked = make(1)
    for number in range(evaluation_cache.SIZE + 1):
        known(compute, tf.constant([[number, 0.0]]), EVERY)
    known(compute, tf.constant([[1.0, 0.0]]), EVERY)
    assert len(asked) == evaluation_cache.SIZE + 1
    values, _ = known(compute, tf.constant([[0.0, 0.0]]), EVERY)
    np.testing.assert_array_equal(values, [0])
    assert len(asked) == evaluation_cache.SIZE + 2


def test_no_number_is_remembered_too():
    known, _, _ = make(1)
    calls = []

    def compute(points, members):
        calls.append(1)
        return tf.constant([np.nan]), points

    for _ in range(2):
        assert np.isnan(known(compute, tf.ones([1, 2]), EVERY)[0])
    assert len(calls) == 1

"""The optimizer on the CPU that calls losses of many problems, as it does for a GPU."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import host_loop, lbfgs
from cagic_tf.method.search import Losses

CENTERS = np.array([[0.3, -0.2], [-0.4, 0.1], [0.9, 0.9]], np.float32)
LOWEST = [[0.3, -0.2], [-0.4, 0.1], [0.5, 0.5]]  # In the box.
STARTS = np.random.default_rng(0).uniform(-0.5, 0.5, (45, 2)).astype(np.float32)


class Places(NamedTuple):
    """Problems side by side, each a place."""

    centers: tf.Tensor

    def of(self, owners):
        return tf.gather(self.centers, owners)


class Bowls:
    """The squared distance from a problem's place, stretched."""

    batch_signature = Places(tf.TensorSpec([None, 2], tf.float32))

    def __call__(self, problem, theta):
        return Losses(tf.reduce_sum([1.0, 4.0] * tf.square(theta[:, :2] - problem), axis=1))


class Steps(Bowls):
    """The same, and higher by a half on the left; on which side a crop is can be held."""

    def __call__(self, problem, theta, choices=None):
        (left,) = choices or self.choose(problem, theta)[1]
        return Losses(
            super().__call__(problem, theta).total + 0.5 * tf.cast(left[:, 0], tf.float32)
        )

    def choose(self, problem, theta):
        left = tf.cast(theta[:, :1] < problem[:, :1], tf.int32)
        return self(problem, theta, (left,)), (left,)


def make(loss, minimizer, members=45):
    def crops(problem, _, xy):
        return problem, tf.pad(xy, [[0, 0], [0, 1]])

    return host_loop.HostLoop(minimizer, loss, crops, members, 2)


def minimize(loss, minimizer):
    return run(make(loss, minimizer))


def run(loop):
    limit = tf.constant(0.5, shape=[45, 2])
    return loop(Places(tf.constant(CENTERS)), tf.zeros([3, 1]), tf.constant(STARTS), -limit, limit)


@pytest.mark.parametrize("loss", [Bowls(), Steps()])
def test_each_member_finds_the_minimum_of_its_problem(loss):
    found = minimize(loss, lbfgs.Minimizer(tolerance=1e-6, least_gain=1e-9))
    expected = np.repeat(LOWEST, 15, axis=0)
    np.testing.assert_allclose(found.positions[:, 1], expected[:, 1], atol=2e-3)
    if isinstance(loss, Bowls) and not isinstance(loss, Steps):
        np.testing.assert_allclose(found.positions, expected, atol=2e-3)
    owners = np.repeat(np.arange(3), 15)
    theta = tf.pad(found.positions, [[0, 0], [0, 1]])
    np.testing.assert_allclose(
        found.losses, loss(tf.gather(CENTERS, owners), theta).total, rtol=1e-4, atol=1e-6
    )
    begun = loss(tf.gather(CENTERS, owners), tf.pad(tf.constant(STARTS), [[0, 0], [0, 1]])).total
    np.testing.assert_allclose(found.start_losses, begun, rtol=1e-5)
    assert (found.evaluations.numpy() > 1).all()


def test_members_know_nothing_of_each_other():
    """A third of them alone arrives where it does among all."""
    minimizer = lbfgs.Minimizer()
    together = minimize(Bowls(), minimizer)
    loop = make(Bowls(), minimizer, 15)
    limit = tf.constant(0.5, shape=[15, 2])
    alone = loop(Places(tf.constant(CENTERS[1:2])), tf.zeros([1, 1]), STARTS[15:30], -limit, limit)
    np.testing.assert_allclose(alone.positions, together.positions[15:30], atol=1e-6)
    np.testing.assert_allclose(alone.losses, together.losses[15:30], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(alone.converged, together.converged[15:30])


def test_a_few_numbers_of_rows():
    assert host_loop.row_counts(1) == [1]
    assert host_loop.row_counts(40) == [40]
    assert host_loop.row_counts(45) == [40, 45]
    assert host_loop.row_counts(640) == [40, 160, 640]


def test_memory_that_runs_out_is_told_as_such():
    loop = make(Bowls(), lbfgs.Minimizer(1, 1))
    run(loop)

    def executable(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory for 640 crops")

    loop._executables["value"] = executable
    with pytest.raises(tf.errors.ResourceExhaustedError, match="no memory for 640 crops"):
        run(loop)

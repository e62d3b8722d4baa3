"""Convolutions in terms that XLA fuses are TensorFlow's convolutions."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import fused

X = tf.constant(np.random.default_rng(0).normal(size=(2, 9, 9, 4)))


def both(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
        total = tf.reduce_sum(tf.sin(y))
    return y, tape.gradient(total, x)


def check(ours, theirs, x=X):
    for found, expected in zip(both(ours, x), both(theirs, x), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [8, 9])
def test_depthwise(taps, stride, side):
    kernel = tf.constant(np.random.default_rng(1).normal(size=(taps, taps, 4, 1)))
    check(
        lambda x: fused.depthwise(x, kernel, stride),
        lambda x: tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME"),
        X[:, :side, :side],
    )


def test_pointwise():
    kernel = tf.constant(np.random.default_rng(2).normal(size=(1, 1, 4, 7)))
    check(lambda x: fused.pointwise(x, kernel), lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"))

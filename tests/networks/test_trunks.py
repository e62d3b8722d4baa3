"""What the goldens cannot show of the trunks: gradients, batches, and AlexNet's own layers."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import layers
from cagic_tf.networks.trunks import alexnet, bottlenecks, resnet50, vgg16


def random_tensors(shapes):
    rng = np.random.default_rng(0)
    return {
        name: rng.standard_normal(shape) * (2 / np.prod(shape[:-1])) ** 0.5
        if len(shape) > 1
        else rng.standard_normal(shape) * 0.1
        for name, shape in shapes.items()
    }


def test_local_response_normalization_is_tensorflows():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 9)).astype(np.float32) * 300
    expected = tf.nn.local_response_normalization(x, 2, bias=1.0, alpha=2e-5, beta=0.75)
    found = alexnet.local_response_normalization(tf.constant(x))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.abs(found.numpy() - x).max() > 1  # It does something at this size.


def test_groups_do_not_see_each_other():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 5, 5, 6))
    kernel, bias = rng.standard_normal((3, 3, 3, 4)), rng.standard_normal(4)
    weights = layers.constants({"c/kernel": kernel, "c/bias": bias}, tf.float64)
    found = layers.convolution(tf.constant(x), weights, "c", 2, groups=2, activation=tf.identity)
    for half in range(2):
        part, own = x[..., 3 * half : 3 * half + 3], kernel[..., 2 * half : 2 * half + 2]
        expected = tf.nn.conv2d(part, own, 2, "SAME") + bias[2 * half : 2 * half + 2]
        np.testing.assert_allclose(found[..., 2 * half : 2 * half + 2], expected, rtol=1e-12)


def test_alexnet_gradient_is_the_finite_difference():
    trunk = alexnet.AlexNet(random_tensors(alexnet.shapes()), tf.float64)
    rng = np.random.default_rng(1)
    image = tf.constant(rng.uniform(0, 1, (1, 227, 227, 3)))
    readout = tf.constant(rng.standard_normal((1, 169, 256)))
    direction = tf.constant(rng.standard_normal(image.shape))

    def value(step):
        return tf.reduce_sum(trunk(image + step * direction) * readout)

    step = tf.Variable(0.0, dtype=tf.float64)
    with tf.GradientTape() as tape:
        total = value(step)
    gradient = float(tape.gradient(total, step))
    numeric = float(value(1e-7) - value(-1e-7)) / 2e-7
    assert abs(gradient) > 1e-3
    assert gradient == pytest.approx(numeric, rel=1e-4)


def test_vgg16_has_the_sizes_of_its_table():
    """Simonyan and Zisserman, Table 2 (D): 138 million, of them 123,642,856 in fc6-fc8."""
    count = sum(int(np.prod(shape)) for shape in vgg16.shapes().values())
    assert count == 138_357_544 - 123_642_856
    assert list(vgg16.shapes())[-2:] == ["conv5_3/kernel", "conv5_3/bias"]


def test_resnet50_has_53_convolutions_and_16_blocks():
    """He et al., Table 1: 49 convolutions and four projections; 25.5 million parameters with fc."""
    shapes = resnet50.kernel_shapes()
    assert len(shapes) == 53 and len(list(bottlenecks.blocks(resnet50.STAGES))) == 16
    kernels = sum(int(np.prod(shape)) for shape in shapes.values())
    norms = sum(2 * shape[3] for shape in shapes.values())
    assert kernels + norms == 25_557_032 - (2048 * 1000 + 1000)

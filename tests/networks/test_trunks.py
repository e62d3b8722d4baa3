"""What the goldens cannot show of the trunks: gradients, batches, and AlexNet's own layers."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import layers
from cagic_tf.networks.trunks import alexnet, resnet50, vgg16


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


@pytest.mark.parametrize(("padding", "dilation", "side"), [("VALID", 1, 5), ("SAME", 2, 7)])
def test_padding_and_dilation_by_hand(padding, dilation, side):
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((1, 7, 7, 2)), rng.standard_normal((3, 3, 2, 4))
    weights = layers.constants({"c/kernel": kernel, "c/bias": np.ones(4)}, tf.float64)
    found = layers.convolution(
        tf.constant(x), weights, "c", activation=tf.identity, padding=padding, dilation=dilation
    )
    around = dilation if padding == "SAME" else 0
    padded = np.pad(x[0], [(around, around), (around, around), (0, 0)])
    expected = np.ones((side, side, 4))
    for row in range(3):
        for column in range(3):
            top, left = row * dilation, column * dilation
            expected += padded[top : top + side, left : left + side] @ kernel[row, column]
    np.testing.assert_allclose(found[0], expected, atol=1e-12)


def test_vgg16_gives_its_blocks_and_takes_another_range_of_pixels():
    tensors = random_tensors(vgg16.shapes()) | {vgg16.PIXEL_MEAN: np.array([1.0, 2, 3])}
    images = tf.constant(np.random.default_rng(0).uniform(0, 1, (1, 33, 20, 3)))
    trunk = vgg16.VGG16(tensors, tf.float64)
    np.testing.assert_array_equal(trunk.pixels(images), images * 255 - [1.0, 2, 3])
    grids = trunk.blocks(images)
    sizes = [(33, 20, 64), (17, 10, 128), (9, 5, 256), (5, 3, 512), (3, 2, 512)]
    assert [grid.shape[1:] for grid in grids] == sizes
    np.testing.assert_array_equal(trunk(images), tf.reshape(grids[-1], [1, 6, 512]))
    scaled = vgg16.VGG16(tensors | {vgg16.PIXEL_SCALE: np.array(256.0)}, tf.float64)
    np.testing.assert_array_equal(scaled.pixels(images), images * 256 - [1.0, 2, 3])


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
    assert len(shapes) == 53 and len(list(resnet50.blocks())) == 16
    kernels = sum(int(np.prod(shape)) for shape in shapes.values())
    norms = sum(2 * shape[3] for shape in shapes.values())
    assert kernels + norms == 25_557_032 - (2048 * 1000 + 1000)

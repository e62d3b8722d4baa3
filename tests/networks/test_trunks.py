"""What the goldens cannot show of the trunks: gradients, batches, and AlexNet's own layers."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import checkpoints, layers, protocols
from cagic_tf.networks.trunks import (
    alexnet,
    bottlenecks,
    lite0,
    mobilenetv2,
    resnet50,
    shufflenetv2,
    vgg16,
)
from cagic_tf.system import resources

LITE0 = resources.path("checkpoints") / "lite0"


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
    assert len(shapes) == 53 and len(list(bottlenecks.blocks(resnet50.STAGES))) == 16
    kernels = sum(int(np.prod(shape)) for shape in shapes.values())
    norms = sum(2 * shape[3] for shape in shapes.values())
    assert kernels + norms == 25_557_032 - (2048 * 1000 + 1000)


@pytest.mark.parametrize(
    ("trunk", "count", "beyond"),
    [
        # The last convolution with its batch norm, and the classifier.
        (mobilenetv2, 3_504_872, 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000),
        (shufflenetv2, 2_278_604, 464 * 1024 + 2 * 1024 + 1024 * 1000 + 1000),
    ],
)
def test_small_trunks_have_the_sizes_of_the_known_ones(trunk, count, beyond):
    """Of PyTorch's networks, in whose batch norms each channel has two numbers."""
    found = 0
    for name, shape in trunk.kernel_shapes().items():
        channels = shape[2] if name.endswith("depthwise") else shape[3]
        found += int(np.prod(shape)) + 2 * channels
    assert found == count - beyond


def small_tensors(trunk):
    tensors = {}
    for name, shape in trunk.kernel_shapes().items():
        tensors[f"{name}/kernel"] = shape
        tensors[f"{name}/bias"] = shape[2:3] if name.endswith("depthwise") else shape[3:]
    return random_tensors(tensors) | {"pixel_scale": np.ones(3), "pixel_mean": np.full(3, 0.5)}


@pytest.mark.parametrize(
    ("network", "channels"),
    [
        (lambda: mobilenetv2.MobileNetV2(small_tensors(mobilenetv2)), (32, 96, 320)),
        (lambda: shufflenetv2.ShuffleNetV2(small_tensors(shufflenetv2)), (116, 232, 464)),
        (lambda: lite0.Lite0(checkpoints.load(LITE0).tensors), (40, 112, 320)),
    ],
    ids=["mobilenetv2", "shufflenetv2", "lite0"],
)
def test_three_scales(network, channels):
    trunk = network()
    assert isinstance(trunk, protocols.MultiScaleTrunk)
    images = tf.constant(np.random.default_rng(0).uniform(0, 1, (2, 64, 96, 3)), tf.float32)
    scales = trunk.scales(images)
    for grid, width, stride in zip(scales, channels, (8, 16, 32), strict=True):
        assert grid.shape == (2, 64 // stride, 96 // stride, width)
    alone = trunk.scales(images[1:])
    for grid, own in zip(scales, alone, strict=True):
        np.testing.assert_allclose(grid[1:], own, rtol=1e-4, atol=1e-4)
    vectors = trunk(tf.zeros([1, *trunk.input_size, 3]))
    assert vectors.shape[:2] == (1, 49)


def test_channels_are_shuffled_in_turn():
    left = np.arange(3.0).reshape(1, 1, 1, 3)
    found = shufflenetv2.shuffled(tf.constant(left), tf.constant(left + 10))
    assert found.numpy().ravel().tolist() == [0, 10, 1, 11, 2, 12]


def test_borders_are_padded_on_both_sides():
    """A strided convolution of an even side begins one pixel outside, as PyTorch's do."""
    x = tf.reshape(tf.range(1.0, 5.0), [1, 1, 4, 1])
    weights = layers.constants({"c/kernel": np.ones((3, 3, 1, 1)), "c/bias": [0.0]}, tf.float32)
    found = layers.depthwise(layers.padded(x), weights, "c", 2, tf.identity, "VALID")
    assert found.numpy().ravel().tolist() == [3, 9]  # 0 + 1 + 2, 2 + 3 + 4.
    found = layers.depthwise(x, weights, "c", 2, tf.identity)
    assert found.numpy().ravel().tolist() == [6, 7]  # 1 + 2 + 3, 3 + 4 + 0.

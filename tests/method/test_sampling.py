import math

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import sampling
from cagic_tf.system import devices

SIZES = [(1, 1), (1, 7), (6, 1), (2, 2), (5, 9), (12, 8)]
THETAS = np.array(
    [
        [0, 0, 1],
        [0.13, -0.21, 0.37],
        [-0.5, 0.5, 0.5],  # At the border.
        [0.63, 0.63, 0.37],
        [0.4, -0.4, 0.6],  # In a corner.
        [0.02, 0.01, 1e-3],  # Far within one pixel.
    ]
)


def picture(height, width, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (height, width, 3))


def halves(image, dtype=np.float64):
    """A picture without pyramid and blur, as crops are taken of it."""
    return sampling.pyramid_mean(tf.constant(image, dtype), (1,), 0)


def hats(place, length):
    """What each pixel along an axis has in the value at a place, in pixels from the first one."""
    return np.maximum(0, 1 - np.abs(np.arange(length) - min(max(place, 0), length - 1)))


def bilinear_crop(image, theta, size, window=(1, 1), photo_size=None):
    """Every output pixel by itself: hat functions around the clamped position on each axis.

    `photo_size` is that of the photo in pixels of the image, which may have been rounded.
    """
    height, width = photo_size or image.shape[:2]
    x, y, scale = theta
    crop = np.zeros((*size, 3))
    for i in range(size[0]):
        row = (y + scale * window[1] * ((i + 0.5) / size[0] * 2 - 1) + 1) / 2 * height - 0.5
        for j in range(size[1]):
            reach = scale * window[0] * ((j + 0.5) / size[1] * 2 - 1)
            column = (x + reach + 1) / 2 * width - 0.5
            down, across = hats(row, image.shape[0]), hats(column, image.shape[1])
            crop[i, j] = np.einsum("h,w,hwc->c", down, across, image)
    return crop


def resize(image, size, steps=None):
    """Antialiased bilinear: a triangle as wide as the step between output pixels, normalized."""
    for axis, target in enumerate(size):
        length = image.shape[axis]
        step = steps[axis] if steps else length / target
        centers = (np.arange(target) + 0.5) * step - 0.5
        distance = np.abs(np.arange(length) - centers[:, None]) / max(step, 1)
        weights = np.maximum(0, 1 - distance)
        weights /= weights.sum(1, keepdims=True)
        image = np.moveaxis(np.tensordot(weights, image, (1, axis)), 0, axis)
    return image


def blur(image, sigma):
    """One axis after the other, edges mirrored with the edge pixel repeated."""
    radius = min(int(np.ceil(3 * sigma)), *image.shape[:2])
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2) if sigma else np.ones(1)
    kernel /= kernel.sum()
    for axis in (0, 1):
        length = image.shape[axis]
        blurred = np.zeros_like(image)
        for offset, weight in zip(offsets, kernel, strict=True):
            at = np.arange(length) + offset
            at = np.where(at < 0, -1 - at, np.where(at >= length, 2 * length - 1 - at, at))
            blurred += weight * np.take(image, at, axis)
        image = blurred
    return image


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 2e-6)])
def test_crop_is_bilinear(size, dtype, tolerance):
    image = picture(*size)
    theta = THETAS.astype(dtype)
    for crop_size in [(4, 4), (3, 5), (1, 1)]:
        crops = sampling.crop(halves(image, dtype), tf.constant(theta), crop_size)
        assert crops.dtype == dtype and crops.shape == (len(theta), *crop_size, 3)
        expected = [bilinear_crop(image, row, crop_size) for row in theta.astype(np.float64)]
        # The position is rounded in the picture's pixels, where the slope is at most 1.
        np.testing.assert_allclose(crops, expected, rtol=0, atol=tolerance * max(size))


@pytest.mark.parametrize("window", [(0.6, 1.0), (1.0, 0.3), (0.5, 0.8)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 2e-6)])
def test_crop_of_another_shape_is_bilinear(window, dtype, tolerance):
    image = picture(12, 8)
    for crop_size in [(4, 4), (3, 5), (1, 1)]:
        theta, sides = tf.constant(THETAS, dtype), tf.constant(window, dtype)
        crops = sampling.crop(halves(image, dtype), theta, crop_size, sides)
        expected = [bilinear_crop(image, row, crop_size, window) for row in THETAS]
        np.testing.assert_allclose(crops, expected, rtol=0, atol=tolerance * 12)


@pytest.mark.parametrize("crop", [sampling._crop_and_resize, sampling._crop_separably])
def test_the_photos_own_shape_has_the_bits_of_no_shape(crop):
    """Values and gradients: the paper's method is what it was before there were shapes."""
    image = halves(picture(31, 23), np.float32)

    def both(theta, window):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            pixels = crop(image, theta, (7, 9), window)
            total = tf.reduce_sum(tf.sin(9 * pixels))
        return pixels, tape.gradient(total, theta)

    theta = tf.constant(THETAS, tf.float32)
    given = tf.function(both)(theta, tf.constant([1.0, 1.0]))
    left_out = tf.function(lambda rows: both(rows, (1.0, 1.0)))(theta)
    for found, expected in zip(given, left_out, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("size", [(5, 9), (12, 8), (1, 7), (1, 1), (224, 224)])
# On each axis a position of up to 226 pixels is rounded three times, and the slope is at most 1.
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2 * 3 * 226 * 2**-24)]
)
def test_whole_picture_at_its_own_size_is_the_picture(size, dtype, tolerance):
    image = picture(*size).astype(dtype)
    crop = sampling.crop(halves(image, dtype), tf.constant([[0, 0, 1]], dtype), size)[0]
    np.testing.assert_allclose(crop, image, rtol=0, atol=tolerance)


def test_crop_on_whole_pixels_is_that_part_of_the_picture():
    image = picture(12, 16)
    # Rows 3 to 9 and columns 4 to 12: centre (0, 0), half of each side.
    theta = tf.constant([[0, 0, 0.5], [-0.5, 0.5, 0.5], [0.25, 0, 0.5]], tf.float64)
    crops = sampling.crop(halves(image), theta, (6, 8))
    expected = [image[3:9, 4:12], image[6:12, 0:8], image[3:9, 6:14]]
    np.testing.assert_allclose(crops, expected, rtol=0, atol=1e-14)


def test_crops_of_a_batch_are_those_of_single_calls():
    image = halves(picture(12, 8), np.float32)
    theta = tf.constant(THETAS, tf.float32)
    crops = sampling.crop(image, theta, (4, 5))
    for at in range(len(THETAS)):
        single = sampling.crop(image, theta[at : at + 1], (4, 5))[0]
        np.testing.assert_array_equal(crops[at], single)


@pytest.mark.parametrize("size", [(24, 36), (33, 50), (5, 9), (3, 2), (1, 7), (1, 1)])
@pytest.mark.parametrize("factors", [(1 / 4, 1 / 3, 1 / 2, 1), (1 / 5, 1 / 2), (1 / 3,)])
def test_crop_is_the_mean_of_the_crops_of_the_levels(size, factors):
    """Eq. 1, also where no level's sides are whole shares of the photo's."""
    image = tf.constant(picture(*size))
    found = sampling.crop(
        sampling.pyramid_mean(image, factors, 0.7), tf.constant(THETAS), (5, 4), (0.9, 1.0)
    )
    levels = sampling.build_pyramid(image, factors, 0.7)
    expected = np.zeros((len(THETAS), 5, 4, 3))
    for level, factor in zip(levels, factors, strict=True):
        photo_size = [max(1, side * factor) for side in size]
        for at, theta in enumerate(THETAS):
            crop = bilinear_crop(level.numpy(), theta, (5, 4), (0.9, 1.0), photo_size)
            expected[at] += crop / len(factors)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_pyramid_mean_is_that_of_the_levels_at_half_pixels(dtype, tolerance):
    """Also where the levels' pixels lie elsewhere."""
    image, factors = tf.constant(picture(13, 22), dtype), (0.3, 0.77)
    found = sampling.pyramid_mean(image, factors, 0.7)
    assert found.dtype == dtype and found.shape == (27, 45, 3)
    expected = np.zeros(found.shape)
    levels = sampling.build_pyramid(image, factors, 0.7)
    for level, factor in zip(levels, factors, strict=True):
        height, width = level.shape[:2]
        rows = np.array([hats(i / 2 * factor - 0.5, height) for i in range(27)])
        columns = np.array([hats(i / 2 * factor - 0.5, width) for i in range(45)])
        expected += np.einsum("ih,jw,hwc->ijc", rows, columns, level) / 2
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("window", [(1.0, 1.0), (0.7, 1.0), (0.9, 0.6)])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("axis", [0, 1, 2], ids=["x", "y", "s"])
def test_gradient_is_the_finite_difference(size, axis, window):
    mean = sampling.pyramid_mean(tf.constant(picture(*size)), (1 / 4, 1 / 2, 1), 0.7)
    rng = np.random.default_rng(4)
    # Of the last two, edge pixels are repeated, with derivative zero.
    theta = np.array([[0.1234, -0.2, 0.4], [-0.31, 0.27, 0.61], [0.48, 0.3, 0.5], [0, -0.18, 0.8]])
    theta += rng.uniform(-0.01, 0.01, theta.shape)
    weights = rng.normal(size=(len(theta), 5, 6, 3))

    def function(values):
        crops = sampling.crop(mean, values, (5, 6), window)
        return tf.reduce_sum(weights * tf.sin(3 * crops), axis=[1, 2, 3])

    variable = tf.constant(theta)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        value = function(variable)
    gradient = tape.gradient(value, variable)[:, axis]
    step = np.zeros(3)
    step[axis] = 1e-6  # The crop is piecewise linear; none of these steps crosses a kink.
    difference = (function(theta + step) - function(theta - step)) / 2e-6
    np.testing.assert_allclose(gradient, difference, rtol=1e-6, atol=1e-7)
    if size[1] > 2 and axis == 0 or size[0] > 2 and axis == 1:
        assert np.abs(difference).min() > 1e-3  # Not zero against zero.


def test_gradient_is_the_same_in_a_graph_and_in_single_precision():
    image, size = picture(12, 8), (6, 6)
    theta = THETAS[[1, 2, 4]] + 0.003

    def gradient(dtype, wrap):
        mean = sampling.pyramid_mean(tf.constant(image, dtype), (1 / 2, 1), 1.0)

        def function(values):
            with tf.GradientTape() as tape:
                tape.watch(values)
                total = tf.reduce_sum(sampling.crop(mean, values, size) ** 2)
            return tape.gradient(total, values)

        return wrap(function)(tf.constant(theta, dtype)).numpy()

    exact = gradient(tf.float64, lambda function: function)
    np.testing.assert_allclose(gradient(tf.float64, tf.function), exact, rtol=1e-12)
    single = gradient(tf.float32, tf.function)
    np.testing.assert_allclose(single, exact, rtol=1e-4, atol=1e-3)


@pytest.mark.skipif(devices.on_gpu(), reason="on a GPU crops are sampled otherwise")
def test_a_crop_is_one_sample_whatever_the_pyramid():
    @tf.function(input_signature=[tf.TensorSpec([9, 7, 3]), tf.TensorSpec([None, 3])])
    def gradient(image, theta):
        mean = sampling.pyramid_mean(image, (1 / 4, 1 / 3, 1 / 2, 1), 1.0)
        with tf.GradientTape() as tape:
            tape.watch(theta)
            crops = sampling.crop(mean, theta, (5, 4))
        return tape.gradient(crops, theta)

    operations = [each.type for each in gradient.get_concrete_function().graph.get_operations()]
    assert operations.count("CropAndResize") == operations.count("CropAndResizeGradBoxes") == 1


@pytest.mark.parametrize("theta", [(0, 0, 0.875), (0.1, 0.2, 0.7), (0, 0, 0.5), (0, 0, 1)])
def test_slope_at_a_value_of_the_picture_is_the_one_behind_it(theta):
    """Some or all places of these crops are whole steps of the picture."""
    image = np.cumsum(picture(192, 256), axis=1) / 256  # To tell left from right.

    def gradient(crop, dtype):
        values = tf.constant([theta], dtype)
        with tf.GradientTape() as tape:
            tape.watch(values)
            crops = crop(halves(image, dtype), values, (56, 56), (1.0, 1.0))
            total = tf.reduce_sum(crops**2)
        return tape.gradient(total, values)[0]

    exact = gradient(sampling._crop_separably, np.float64)
    found = gradient(sampling._crop_and_resize, np.float32)
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-3 * np.abs(exact).max())


def test_photo_is_a_constant():
    image, theta = tf.constant(picture(5, 6)), tf.constant(THETAS)
    with tf.GradientTape() as tape:
        tape.watch([image, theta])
        value = tf.reduce_sum(sampling.crop(image, theta, (3, 3)) ** 2)
    by_image, by_theta = tape.gradient(value, [image, theta])
    assert by_image is None
    assert np.abs(by_theta).max() > 0.1


@pytest.mark.parametrize("size", [*SIZES, (3, 40)])
@pytest.mark.parametrize("sigma", [0, 0.4, 1, 2.5])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_gaussian_blur(size, sigma, dtype, tolerance):
    image = picture(*size)
    blurred = sampling.gaussian_blur(tf.constant(image, dtype), sigma)
    assert blurred.dtype == dtype
    np.testing.assert_allclose(blurred, blur(image, sigma), rtol=0, atol=tolerance)


def test_gaussian_blur_spreads_a_point_by_its_sigma():
    image = np.zeros((41, 51, 3))
    image[20, 25] = 1
    blurred = sampling.gaussian_blur(tf.constant(image), 2.0).numpy()[..., 0]
    assert blurred.sum() == pytest.approx(1, abs=1e-12)
    rows, columns = np.mgrid[-20:21, -25:26]
    # A Gaussian cut at three standard deviations has 0.973 of its variance left.
    assert (blurred * rows**2).sum() == pytest.approx(4 * 0.973, rel=0.02)
    assert (blurred * columns**2).sum() == pytest.approx(4 * 0.973, rel=0.02)
    assert (blurred[np.abs(rows) > 6] == 0).all() and (blurred[np.abs(columns) > 6] == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 9), (33, 50)])
def test_pyramid_levels(size):
    image, factors = picture(*size), (1 / 4, 1 / 3, 1 / 2, 1)
    levels = sampling.build_pyramid(tf.constant(image), factors, 1.0)
    for level, factor in zip(levels, factors, strict=True):
        target = [max(1, math.ceil(side * factor - 0.5)) for side in size]
        steps = [min(1 / factor, side) for side in size]
        expected = blur(resize(image, target, steps), 1.0)
        # TensorFlow resizes in single precision.
        np.testing.assert_allclose(level, expected, rtol=0, atol=1e-6)


def test_pyramid_without_resize_and_blur_is_the_picture():
    image = tf.constant(picture(5, 9))
    (level,) = sampling.build_pyramid(image, [1], 0)
    np.testing.assert_array_equal(level, image)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 9), (33, 50), (15, 30)])
@pytest.mark.parametrize("sigma", [0, 1.0, 3.0])
# At 0.9 and 0.45 the last pixel's centre would be on the border of 15 and 30 pixels.
@pytest.mark.parametrize("factors", [(1 / 4, 1 / 3, 1 / 2, 1), (0.9, 0.45)])
def test_constant_picture_stays_constant(size, sigma, factors):
    image = tf.fill([*size, 3], tf.constant(0.7, tf.float32))
    mean = sampling.pyramid_mean(image, factors, sigma)
    theta = tf.constant(THETAS, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(theta)
        crops = sampling.crop(mean, theta, (4, 4))
    np.testing.assert_allclose(crops, np.full(crops.shape, 0.7), rtol=0, atol=1e-6)
    # Rounding of a level's pixels times half its side, over 48 values.
    np.testing.assert_allclose(tape.gradient(crops, theta), np.zeros((6, 3)), rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [(1, 7), (20, 9), (33, 50), (50, 33)])
def test_reduced_picture_has_its_shorter_side(size):
    image = picture(*size)
    found = sampling.reduce(tf.constant(image), 12)
    factor = min(1, 12 / min(size))
    assert min(found.shape[:2]) == min(12, min(size))
    expected = resize(image, [round(side * factor) for side in size])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_pyramid_traces_once_for_all_sizes():
    spec = tf.TensorSpec([None, None, 3], tf.float32)
    build = tf.function(
        lambda image: sampling.pyramid_mean(image, (1 / 2, 1), 1.0), input_signature=[spec]
    )
    for size in [(1, 1), (5, 9), (33, 50)]:
        image = tf.constant(picture(*size), tf.float32)
        eager = sampling.pyramid_mean(image, (1 / 2, 1), 1.0)
        np.testing.assert_allclose(build(image), eager, rtol=0, atol=1e-6)
    assert build.experimental_get_tracing_count() == 1

"""The pyramid of Eq. 1: blur, levels, and their mean."""

import math

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import sampling
from cagic_tf.system import devices
from tests.method.sampling_reference import (
    SIZES,
    THETAS,
    bilinear_crop,
    blur,
    hats,
    picture,
    resize,
)

# TensorFlow resizes in single precision: a place among 50 pixels is rounded on each axis.
RESIZED = 2 * 50 * 2**-23


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


@pytest.mark.parametrize("size", [*SIZES, (3, 40)])
@pytest.mark.parametrize("sigma", [0, 0.4, 1, 2.5])
# On each axis 17 products are rounded and summed at most.
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 4e-6)])
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
        np.testing.assert_allclose(level, expected, rtol=0, atol=RESIZED)


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
    np.testing.assert_allclose(crops, np.full(crops.shape, 0.7), rtol=0, atol=4e-6)
    # Rounding of a level's pixels times half its side, over 48 values.
    np.testing.assert_allclose(tape.gradient(crops, theta), np.zeros((6, 3)), rtol=0, atol=5e-3)


@pytest.mark.parametrize("size", [(1, 7), (20, 9), (33, 50), (50, 33)])
def test_reduced_picture_has_its_shorter_side(size):
    image = picture(*size)
    found = sampling.reduce(tf.constant(image), 12)
    factor = min(1, 12 / min(size))
    assert min(found.shape[:2]) == min(12, min(size))
    expected = resize(image, [round(side * factor) for side in size])
    np.testing.assert_allclose(found, expected, rtol=0, atol=RESIZED)


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

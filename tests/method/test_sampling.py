"""Crops of a picture, and their gradients."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import sampling
from tests.method.sampling_reference import SIZES, THETAS, bilinear_crop, picture


def halves(image, dtype=np.float64):
    """A picture without pyramid and blur, as crops are taken of it."""
    return sampling.pyramid_mean(tf.constant(image, dtype), (1,), 0)


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


@pytest.mark.parametrize("crop", [sampling._crop_and_resize, sampling._crop_gathered])
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

    exact = gradient(sampling._crop_gathered, np.float64)
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

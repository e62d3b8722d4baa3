"""Arrays as photos."""

import numpy as np
import pytest
from PIL import Image

from cagic_tf.photos import reading


def check_rgb(pixels, shape):
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*shape, 3)


def error(source):
    with pytest.raises(reading.ImageError) as caught:
        reading.read(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[0, 128, 255]], np.uint8), [0, 128, 255]),
        (np.array([[0, 255, 256, 65535]], np.uint16), [0, 0, 1, 255]),
        (np.array([[0, 0.2, 0.5001, 1]], np.float16), [0, 51, 128, 255]),
        (np.array([[0, 0.2, 0.5001, 1]], np.float32), [0, 51, 128, 255]),
        (np.array([[0, 0.2, 0.5001, 1]], np.float64), [0, 51, 128, 255]),
    ],
)
@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_arrays(array, expected, channels):
    if channels:
        array = array[..., None].repeat(channels, -1)
    if channels == 4:  # Opaque.
        array[..., 3] = 1 if np.issubdtype(array.dtype, np.floating) else np.iinfo(array.dtype).max
    before = array.copy()
    pixels = reading.read(array)
    check_rgb(pixels, array.shape[:2])
    np.testing.assert_array_equal(pixels, np.array([expected])[..., None].repeat(3, -1))
    np.testing.assert_array_equal(array, before)


def test_array_that_is_a_view():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    np.testing.assert_array_equal(reading.read(pixels[::2, ::-1]), pixels[::2, ::-1])
    np.testing.assert_array_equal(
        reading.read(pixels.transpose(1, 0, 2)), pixels.transpose(1, 0, 2)
    )


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint32, bool, complex, object])
def test_array_of_another_dtype(dtype):
    assert str(np.dtype(dtype)) in error(np.zeros((4, 4, 3), dtype))


@pytest.mark.parametrize(
    "shape", [(), (4,), (4, 4, 2), (4, 4, 5), (1, 4, 4, 3), (0, 4, 3), (4, 0), (4, 4, 0)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_array_of_another_shape(shape, dtype):
    assert str(shape) in error(np.zeros(shape, dtype))


@pytest.mark.parametrize("value", [-0.01, 1.01, 255, np.nan, np.inf, -np.inf])
def test_array_of_floats_out_of_range(value):
    array = np.full((4, 4, 3), 0.5)
    array[1, 2, 0] = value
    assert "[0, 1]" in error(array)


def test_picture_of_floats():
    assert "floats" in error(Image.fromarray(np.zeros((4, 4), np.float32)))

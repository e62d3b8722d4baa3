"""OpenCV's bilinear resizing of 8-bit pictures, bit for bit."""

import zlib

import numpy as np
import pytest

from cagic_tf.baselines import opencv_resize


def picture(old, new):
    return np.random.default_rng([*old, *new]).integers(0, 256, (*old, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ((1, 1), (256, 256), 587225515),
        ((2, 3), (256, 384), 3475956780),
        ((37, 1000), (32, 96), 623661802),
        ((300, 451), (256, 384), 964969048),
        ((512, 768), (256, 384), 2305141983),
        ((768, 1152), (256, 384), 2581692768),
        ((200, 300), (333, 77), 3272810474),
        ((256, 400), (256, 384), 2570308975),
    ],
)
def test_the_bytes_are_opencvs(old, new, expected):
    """The sums of what `cv2.resize` of OpenCV 5.0.0 gave."""
    found = opencv_resize.resize(picture(old, new), *new)
    assert found.shape == (*new, 3) and found.dtype == np.uint8
    assert zlib.crc32(found.tobytes()) == expected


def test_opencv_itself():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    for _ in range(50):
        old, new = rng.integers(1, 700, 2).tolist(), rng.integers(1, 400, 2).tolist()
        photo = picture(old, new)
        np.testing.assert_array_equal(
            opencv_resize.resize(photo, *new), cv2.resize(photo, tuple(new[::-1]))
        )


def test_the_same_size_is_a_copy():
    photo = picture((20, 30), (20, 30))
    found = opencv_resize.resize(photo, 20, 30)
    np.testing.assert_array_equal(found, photo)
    assert not np.shares_memory(found, photo)


def test_halves_are_means_of_four_rounded_up():
    photo = np.array([[[0], [1]], [[0], [1]]], np.uint8)
    assert opencv_resize.resize(photo, 1, 1).tolist() == [[[1]]]

import numpy as np
import pytest

from cagic_tf.method import geometry


@pytest.mark.parametrize(
    ("center", "scale", "expected"),
    [
        ((0, 0), 1, (0, 0, 1, 1)),
        ((0, 0), 0.5, (0.25, 0.25, 0.75, 0.75)),
        ((-0.5, 0.5), 0.5, (0, 0.5, 0.5, 1)),
        ((0.75, -0.25), 0.25, (0.75, 0.25, 1, 0.5)),
        ((1, -1), 0.5, (0.75, 0, 1, 0.25)),  # Cut to the photo.
    ],
)
def test_normalized_box(center, scale, expected):
    assert geometry.normalized_box(center, scale) == expected


def test_normalized_box_has_the_centre_and_the_side_of_the_crop():
    rng = np.random.default_rng(0)
    for scale in rng.uniform(0.05, 1, 100):
        x, y = rng.uniform(scale - 1, 1 - scale, 2)
        x0, y0, x1, y1 = geometry.normalized_box((x, y), scale)
        np.testing.assert_allclose([x1 - x0, y1 - y0], scale, rtol=0, atol=1e-14)
        np.testing.assert_allclose([x0 + x1 - 1, y0 + y1 - 1], [x, y], rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("center", "scale", "size", "expected"),
    [
        ((0, 0), 1, (640, 480), (0, 0, 640, 480)),
        ((0, 0), 0.5, (640, 480), (160, 120, 320, 240)),
        ((-0.5, 0.5), 0.5, (640, 480), (0, 240, 320, 240)),
        ((0.5, 0.5), 0.5, (7, 7), (3, 3, 4, 4)),  # 3.5 wide; 4 fit only from 3 on.
        ((0, 0), 0.001, (10, 10), (5, 5, 1, 1)),
        ((0.999, 0.999), 0.001, (10, 10), (9, 9, 1, 1)),
        ((0, 0), 0.3, (1, 1), (0, 0, 1, 1)),
        ((0.2, 0), 0.8, (1, 100), (0, 10, 1, 80)),
    ],
)
def test_pixel_box(center, scale, size, expected):
    assert geometry.pixel_box(center, scale, *size) == expected


@pytest.mark.parametrize(
    ("corners", "size", "expected"),
    [
        ((0, 0, 1, 1), (640, 480), (0, 0, 640, 480)),
        ((0.25, 0.5, 0.5, 0.75), (8, 16), (2, 8, 2, 4)),
        ((0.24, 0.1, 0.52, 0.9), (10, 10), (2, 1, 3, 8)),  # Edges at 2.4 and 5.2.
        ((-0.5, 0.5, 2, 3), (10, 10), (0, 5, 10, 5)),  # Cut to the photo.
        ((0.31, 0.999, 0.32, 1), (10, 10), (3, 9, 1, 1)),  # At least a pixel.
    ],
)
def test_whole_pixels(corners, size, expected):
    assert geometry.whole_pixels(corners, *size) == expected


def test_pixel_box_is_within_the_photo_and_within_a_pixel_of_the_crop():
    rng = np.random.default_rng(1)
    for _ in range(2000):
        width, height = (int(side) for side in rng.integers(1, 50, 2))
        scale = rng.uniform(0.01, 1)
        center = rng.uniform(scale - 1, 1 - scale, 2)
        box = geometry.pixel_box(center, scale, width, height)
        assert all(type(value) is int for value in box)
        x, y, w, h = box
        assert 0 <= x and x + w <= width and w >= 1
        assert 0 <= y and y + h <= height and h >= 1
        sides = np.array([width, height, width, height])
        exact = geometry.normalized_box(center, scale) * sides
        # Place and side are rounded, half a pixel each; a side below half a pixel grows to one.
        slack = 1 + np.maximum(0, 0.5 - scale * sides)
        assert (np.abs([x, y, x + w, y + h] - exact) <= slack + 1e-9).all()


@pytest.mark.parametrize(
    ("box", "other", "expected"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1),
        ((0, 0, 2, 2), (1, 0, 2, 2), 1 / 3),
        ((0, 0, 4, 4), (1, 1, 2, 2), 1 / 4),
        ((0, 0, 2, 2), (2, 0, 2, 2), 0),  # They share an edge.
        ((0, 0, 2, 2), (5, 5, 1, 1), 0),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0),
        ((1, 1, 0, 2), (0, 0, 4, 4), 0),
        ((0, 0, 0.5, 0.5), (0.25, 0.25, 0.5, 0.5), 0.0625 / 0.4375),
    ],
)
def test_iou(box, other, expected):
    assert geometry.iou(box, other) == pytest.approx(expected, abs=1e-15)
    assert geometry.iou(other, box) == pytest.approx(expected, abs=1e-15)


def test_iou_equals_counted_pixels():
    rng = np.random.default_rng(3)
    for _ in range(300):
        masks, boxes = [], []
        for _ in range(2):
            x, y, w, h = (*rng.integers(0, 8, 2), *rng.integers(1, 8, 2))
            mask = np.zeros((16, 16), bool)
            mask[y : y + h, x : x + w] = True
            masks.append(mask)
            boxes.append((x, y, w, h))
        counted = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
        assert geometry.iou(*boxes) == pytest.approx(counted, abs=1e-15)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 20, 4, 4), True),
        ((8, 18, 4, 4), True),  # Its centre is the target's corner.
        ((7, 18, 4, 4), False),
        ((18, 38, 4, 4), False),
        ((18, 39, 4, 4), False),
        ((0, 0, 30, 60), True),
        ((0, 0, 100, 100), False),
    ],
)
def test_contains_center(box, expected):
    assert geometry.contains_center(box, (10, 20, 10, 20)) is expected

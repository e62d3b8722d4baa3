"""Shapes from text, their base_sizes, and boxes of any shape in any photo."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagic_tf.batch import manifest
from cagic_tf.beyond import shapes
from cagic_tf.method import geometry


def test_parse():
    assert shapes.parse("original") == shapes.ORIGINAL == shapes.Shape("original", None, None)
    assert shapes.parse("Free") == shapes.FREE == shapes.Shape("free", None, None)
    assert shapes.parse("4:5") == shapes.Shape("4:5", 0.8)
    assert shapes.parse("1.91:1") == shapes.Shape("1.91:1", 1.91)
    assert shapes.parse("1200x628") == shapes.Shape("1200x628", 1200 / 628, (1200, 628))
    found = shapes.parse_list("16:9, 1:1,original,1:1")
    assert [shape.name for shape in found] == ["16:9", "1:1", "original"]
    assert [shape.suffix for shape in found] == ["-16x9", "-1x1", ""]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "16",
        "16:",
        "0:9",
        "16:0",
        "-1:2",
        "101:1",
        "1:101",
        "a:b",
        "16:9:4",
        "1e3:1",
        "1200 x 628",
    ]
    + ["20000x10000", "0x5", "1,1", "nan:1", "٣:٤", "٣x٤"],
)
def test_bad_shapes_are_named(text):
    with pytest.raises(ValueError, match="is needed|are possible") as error:
        shapes.parse(text)
    assert text in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "size", "base_size"),
    [
        ("original", (300, 200), (1, 1)),
        ("free", (300, 200), (1, 1)),
        ("3:2", (300, 200), (1, 1)),
        ("1:1", (300, 200), (2 / 3, 1)),
        ("1:1", (200, 300), (1, 2 / 3)),
        ("3:1", (300, 200), (1, 0.5)),
        ("150x100", (600, 200), (0.5, 1)),
    ],
)
def test_base_size(name, size, base_size):
    assert shapes.parse(name).base_size(*size) == pytest.approx(base_size, rel=1e-12)


sides = st.integers(1, 5000)
ratios = st.tuples(st.integers(1, 100), st.integers(1, 100))
unit = st.floats(-1, 1)


@given(sides, sides, ratios, st.floats(1e-4, 1), unit, unit)
def test_boxes_lie_inside_and_have_the_ratio_within_a_pixel(width, height, ratio, scale, x, y):
    shape = shapes.parse("{}:{}".format(*ratio))
    base_size = shape.base_size(width, height)
    assert max(base_size) == 1 and min(base_size) > 0
    reach = 1 - scale * np.array(base_size)
    center = reach * (x, y)  # Anywhere where the crop is inside.
    left, top, w, h = geometry.pixel_box(center, scale, width, height, base_size)
    assert 0 <= left < left + w <= width and 0 <= top < top + h <= height
    # A rectangle of exactly this ratio whose sides are less than a pixel away.
    exact_w, exact_h = scale * base_size[0] * width, scale * base_size[1] * height
    assert exact_w / exact_h == pytest.approx(ratio[0] / ratio[1], rel=1e-9)
    assert abs(w - exact_w) < 1 and abs(h - exact_h) < 1
    x0, y0, x1, y1 = geometry.normalized_box(center, scale, base_size)
    assert 0 <= x0 <= x1 <= 1 and 0 <= y0 <= y1 <= 1
    assert abs(left - x0 * width) <= 1 and abs(top - y0 * height) <= 1
    assert (x1 - x0) * width == pytest.approx(exact_w, abs=1e-6)
    assert (y1 - y0) * height == pytest.approx(exact_h, abs=1e-6)


@given(sides, sides, ratios, st.integers(1, 500))
def test_the_smallest_scale_has_the_smallest_side(width, height, ratio, smallest):
    base_size = shapes.parse("{}:{}".format(*ratio)).base_size(width, height)
    shorter = min(base_size[0] * width, base_size[1] * height)
    scale = min(1.0, smallest / shorter)
    _, _, w, h = geometry.pixel_box((0, 0), scale, width, height, base_size)
    assert min(w, h) >= min(smallest, round(shorter))


def test_rows_in_shapes():
    rows = manifest.single("a.jpg", "dog")
    found = manifest.in_shapes(rows, shapes.parse_list("original,16:9,50x50"))
    assert [row.id for row in found] == ["a-dog", "a-dog-16x9", "a-dog-50x50"]
    assert [row.shape.name for row in found] == ["original", "16:9", "50x50"]
    assert rows[0].shape is None and found[0] == manifest.in_shape(rows[0], shapes.ORIGINAL)
    # What crops a row says its shape only where nobody else has, and the id stays as it is.
    assert [manifest.in_shape(row, shapes.FREE) for row in found] == found
    assert manifest.in_shape(rows[0], shapes.FREE).id == "a-dog"
    (free,) = manifest.in_shapes(rows, [shapes.FREE])
    assert (free.id, free.shape) == ("a-dog-free", shapes.FREE)
    clash = [*rows, manifest.Row("a-dog-16x9", "b.jpg", rows[0].path, "dog")]
    assert len(manifest.in_shapes(clash, shapes.parse_list("16:9"))) == 2
    with pytest.raises(manifest.ManifestError, match="'a-dog-16x9' would be that of two crops"):
        manifest.in_shapes(clash, shapes.parse_list("original,16:9"))

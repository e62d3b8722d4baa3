"""Whose record a row's is."""

from pathlib import Path

import pytest

from cagic_tf.batch import manifest, records, up_to_date
from cagic_tf.beyond import shapes

ROW = manifest.Row("a", "a.png", Path("a.png"), "a dog")


@pytest.mark.parametrize(
    ("shape", "recorded", "another"),
    [
        (None, "free", False),  # Whatever cropped it has said of what shape.
        (None, None, False),
        (shapes.FREE, "free", False),
        (shapes.FREE, "original", True),
        (shapes.FREE, None, True),  # From before there were shapes: the photo's.
        (shapes.ORIGINAL, None, False),
        (shapes.ORIGINAL, "free", True),
        (shapes.parse("16:9"), "4:5", True),
    ],
)
def test_shapes_tell_rows_apart(shape, recorded, another):
    row = manifest.in_shape(ROW, shape) if shape else ROW
    record = records.Record("a", "a.png", "a dog", "ok", shape=recorded)
    assert up_to_date.is_of_another(record, row) is another


@pytest.mark.parametrize("other", [("b.png", "a dog"), ("a.png", "a cat"), ("a.png", None)])
def test_so_do_photos_and_captions(other):
    record = records.Record("a", *other, "ok", shape="free")
    assert up_to_date.is_of_another(record, ROW)

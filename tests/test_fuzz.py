"""Whatever comes in, readers give their own one-line errors; boxes stay in their pictures."""

import csv
import io
import json
import pickle
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from cagic_tf.batch import manifest
from cagic_tf.method import geometry
from cagic_tf.networks import checkpoints
from cagic_tf.photos import crop_files, reading, tags
from cagic_tf.port import npy, vocabulary_csv
from tests import odd_files, tagged_files

FINITE = {"allow_nan": False, "allow_infinity": False}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
BOXES = st.lists(st.lists(st.integers() | st.floats(), max_size=5))
SIDES = st.integers(1, 5000)


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def rows_or_one_line(path, data):
    """The rows of a manifest; what else it says must be a line."""
    path.write_bytes(data)
    try:
        rows = manifest.read(path)
    except manifest.ManifestError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return None
    assert rows and len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert row.id == manifest.safe_name(row.id) and "/" not in row.id
        json.dumps([row.id, row.image, row.caption], ensure_ascii=False).encode()
        for box in row.crops + row.people:
            assert len(box) == 4 and geometry.iou(box, box) == pytest.approx(1)
    return rows


@given(data=st.binary(), ending=st.sampled_from(["jsonl", "csv"]))
@example(data=b"image,caption\na,\xff", ending="csv")
@example(data=b'image,caption\n"a,b', ending="csv")
def test_manifest_of_any_bytes(folder, data, ending):
    rows_or_one_line(folder / f"m.{ending}", data)


@given(
    entry=st.fixed_dictionaries(
        {"image": st.text() | JSON, "caption": st.text() | JSON},
        optional={
            "id": st.text() | st.integers() | JSON,
            "crops": BOXES | JSON,
            "people": BOXES | JSON,
            "other": JSON,
        },
    )
)
def test_manifest_of_any_json(folder, entry):
    rows_or_one_line(folder / "m.jsonl", json.dumps(entry).encode())


@given(texts=st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1))
def test_what_csv_writes_comes_back(folder, texts):
    texts = [(a, b) for a, b in texts if not set("\0\r") & set(a + b)]
    texts = [(a, b) for a, b in texts if (a + b).isprintable()]
    # Spaces at a cell's start are left out, as spreadsheets write them behind commas.
    texts = [(a.lstrip(" "), b.lstrip(" ")) for a, b in texts if a.strip(" ")]
    if not texts:
        return
    made = io.StringIO(newline="")
    writer = csv.writer(made)
    writer.writerows([("id", "image", "caption")])
    writer.writerows([(number, *row) for number, row in enumerate(texts)])
    rows = rows_or_one_line(folder / "m.csv", made.getvalue().encode())
    assert [(row.image, row.caption) for row in rows] == texts


def deeprnn_file():
    """A file as DeepRNN writes them."""
    content = {"w:0": np.arange(6, dtype=np.float32).reshape(2, 3), "step:0": np.int32(7)}
    made = io.BytesIO()
    np.save(made, np.array(content, dtype=object), allow_pickle=True)
    return made.getvalue()


NPY = deeprnn_file()
PICKLE_AT = NPY.index(b"\n") + 1


def arrays_or_one_line(path, data):
    path.write_bytes(data)
    try:
        found = npy.read(path)
    except checkpoints.CheckpointError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert all(type(value) is np.ndarray for value in found.values())
        assert all(value.dtype.kind in "fiub" for value in found.values())


@given(data=st.binary())
def test_npy_of_any_bytes(folder, data):
    arrays_or_one_line(folder / "w.npy", data)


@given(data=st.binary(max_size=60))
def test_npy_of_any_pickle(folder, data):
    arrays_or_one_line(folder / "w.npy", NPY[:PICKLE_AT] + data)


def test_npy_of_a_few_bytes_takes_little_memory(folder):
    (folder / "w.npy").write_bytes(NPY[:PICKLE_AT] + b"Nr\xff\xff\xff\x07.")  # 128 million objects.
    tracemalloc.start()
    try:
        with pytest.raises(checkpoints.CheckpointError, match="no dict"):
            npy.read(folder / "w.npy")
        assert tracemalloc.get_traced_memory()[1] < 2**26  # They would take 2 ** 30 bytes.
    finally:
        tracemalloc.stop()


@settings(max_examples=8 * settings.default.max_examples)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(NPY) - 1), st.integers(0, 255)), max_size=4),
    end=st.integers(0, len(NPY)) | st.just(len(NPY)),
)
def test_npy_with_changed_bytes(folder, changes, end):
    data = bytearray(NPY)
    for place, value in changes:
        data[place] = value
    arrays_or_one_line(folder / "w.npy", bytes(data[:end]))


@given(content=JSON)
def test_npy_of_other_content(folder, content):
    arrays_or_one_line(folder / "w.npy", NPY[:PICKLE_AT] + pickle.dumps(content))


@given(data=st.binary() | st.text().map(lambda text: f"word,index\n{text}".encode()))
def test_vocabulary_of_any_bytes(folder, data):
    path = folder / "vocabulary.csv"
    path.write_bytes(data)
    try:
        words = vocabulary_csv.read(path)
    except checkpoints.CheckpointError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert len(set(words)) == len(words) and "." in words


@given(data=st.binary(), magic=st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"II*\0", b"GIF89a"]))
def test_photo_of_any_bytes(folder, data, magic):
    path = folder / "photo.jpg"
    path.write_bytes(magic + data)
    with pytest.raises(reading.ImageError) as caught:
        reading.read(path)
    assert "\n" not in str(caught.value)


def exif_with_all(order):
    """EXIF with tags of many types in all its directories."""
    made = tagged_files.block(order)
    made.main |= {274: made.number(1, 3), 271: tags.Tag(2, b"Maker\0")}
    made.exif |= {40962: made.number(60), 37380: tags.Tag(10, struct.pack(order + "ll", -1, 3))}
    return made.encoded()


@settings(max_examples=15 * settings.default.max_examples)  # 3000 of the profile "full".
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    order=st.sampled_from("<>"),
    changes=st.lists(
        st.tuples(st.integers(6, 500), st.sampled_from([0, 1, 2, 3, 5, 12]) | st.integers(0, 255)),
        min_size=1,
        max_size=20,
    ),
    end=st.just(1000) | st.integers(6, 500),
)
def test_photo_with_changed_exif(folder, kind, order, changes, end):
    """Whatever its EXIF is, a photo is read and cut, and its crop is a file that Pillow reads."""
    data = bytearray(exif_with_all(order))
    for place, value in changes:
        data[place % len(data)] = value
    data[:6] = b"Exif\0\0"
    options = {"lossless": True} if kind == "WEBP" else {}
    made = io.BytesIO()
    odd_files.RGB.save(made, kind, exif=bytes(data[:end]), **options)
    path = folder / "changed exif"
    path.write_bytes(made.getvalue())
    pixels = reading.read(path)
    assert sorted(pixels.shape) == [3, 40, 60]
    assert reading.upright_size(path) == pixels.shape[1::-1]
    if kind != "JPEG":  # As they are or turned.
        assert np.array_equal(np.sort(pixels, None), np.sort(odd_files.PIXELS, None))
    for choice in ("same", "png"):
        crop = reading.read(Image.open(io.BytesIO(crop_files.cut(path, (7, 5, 30, 20), choice))))
        assert crop.shape == (20, 30, 3)
        if choice == "png":
            np.testing.assert_array_equal(crop, pixels[5:25, 7:37])


@given(
    center=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    scale=st.floats(0, 1, exclude_min=True),
    width=SIDES,
    height=SIDES,
)
def test_boxes_lie_in_their_pictures(center, scale, width, height):
    x, y, w, h = geometry.pixel_box(center, scale, width, height)
    assert all(isinstance(value, int) for value in (x, y, w, h))
    assert 0 <= x < x + w <= width and 0 <= y < y + h <= height
    assert abs(w - scale * width) <= 1 and abs(h - scale * height) <= 1  # The photo's own ratio.
    inside = np.clip(center, scale - 1, 1 - scale)
    x0, y0, x1, y1 = geometry.normalized_box(inside, scale)
    assert x1 - x0 == pytest.approx(scale) and y1 - y0 == pytest.approx(scale)


@given(
    corners=st.tuples(*[st.floats(-2, 3, **FINITE)] * 4).map(
        lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
    ),
    width=SIDES,
    height=SIDES,
)
def test_any_box_in_whole_pixels_lies_in_its_picture(corners, width, height):
    x, y, w, h = geometry.whole_pixels(corners, width, height)
    assert 0 <= x < x + w <= width and 0 <= y < y + h <= height


@given(data=st.data(), orientation=st.integers(1, 8))
def test_a_box_survives_orientation(folder, data, orientation):
    width, height = (data.draw(st.integers(1, 12)) for _ in range(2))
    stored = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    exif = Image.Exif()
    exif[274] = orientation
    path = folder / "turned.png"
    Image.fromarray(stored).save(path, exif=exif)
    pixels = reading.read(path)
    assert reading.upright_size(path) == pixels.shape[1::-1]
    down, across = pixels.shape[:2]
    x, y = data.draw(st.integers(0, across - 1)), data.draw(st.integers(0, down - 1))
    w, h = data.draw(st.integers(1, across - x)), data.draw(st.integers(1, down - y))
    crop = reading.read(Image.open(io.BytesIO(crop_files.cut(path, (x, y, w, h)))))
    np.testing.assert_array_equal(crop, pixels[y : y + h, x : x + w])

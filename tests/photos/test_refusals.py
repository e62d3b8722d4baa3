"""What is not read is named: a HEIC photo's extra, other kinds of pictures, raw photos."""

import struct

import pytest
from PIL import Image

from cagic_tf.photos import reading, tags
from tests.odd_files import RGB, encoded

HEIC = struct.pack(">L4s4sL4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic") + bytes(200)
KINDS = {
    "JPEG 2000": encoded(RGB, "JPEG2000"),
    "JPEG XL": b"\xff\x0a" + bytes(60),
    "Photoshop": b"8BPS\0\1" + bytes(60),
    "SVG": b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "PDF": b"%PDF-1.7\n%%EOF\n",
    "PostScript": encoded(RGB, "EPS"),
    "PNM": encoded(RGB, "PPM"),
    "ICO": encoded(RGB, "ICO"),
    "ICNS": b"icns\0\0\1\0" + bytes(60),
    "PCX": encoded(RGB, "PCX"),
    "DDS": encoded(RGB, "DDS"),
    "TGA": encoded(RGB, "TGA"),
    "SGI": encoded(RGB, "SGI"),
    "OpenEXR": b"v/1\1\2\0\0\0" + bytes(60),
    "DICOM": bytes(128) + b"DICM" + bytes(60),
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(60),
    "RAF": b"FUJIFILMCCD-RAW 0201" + bytes(60),
    "RW2": b"IIU\0\x18\0\0\0" + bytes(60),
}


def message(tmp_path, data):
    (tmp_path / "photo.jpg").write_bytes(data)
    with pytest.raises(reading.ImageError) as caught:
        reading.read(tmp_path / "photo.jpg")
    assert "\n" not in str(caught.value) and str(tmp_path / "photo.jpg") in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"hevc"])
def test_heic_without_its_reader(tmp_path, monkeypatch, brand):
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    text = message(tmp_path, HEIC[:8] + brand + HEIC[12:])
    assert text.endswith("it is a HEIC photo, which an extra reads: pip install pillow-heif")


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_of_pictures_are_named(tmp_path, kind):
    text = message(tmp_path, KINDS[kind])
    assert kind in text and "is not supported; JPEG, PNG, WEBP" in text


@pytest.mark.parametrize(
    "data", [b"text", b"P1 is a road", b"PK\3\4" + bytes(60), b"<?xml version='1.0'?><a/>"]
)
def test_what_is_no_picture_is_none(tmp_path, data):
    assert "it holds no picture; JPEG, PNG" in message(tmp_path, data)


def raw(small=1, **more):
    """A TIFF that a camera could write: a small preview, and elsewhere the photo."""
    found = {254: tags.Tag(4, struct.pack("<L", small)), 330: tags.Tag(4, bytes(8))}
    found |= {int(number): tags.Tag(1, data) for number, data in more.items()}
    return tags.Block("<", found).into_tiff(encoded(RGB, "TIFF"))


def test_a_raw_photo_is_not_its_preview(tmp_path):
    assert "raw camera picture" in message(tmp_path, raw())
    assert "raw camera (DNG) picture" in message(tmp_path, raw(**{"50706": b"\1\4\0\0"}))
    data = encoded(RGB, "TIFF")
    assert "CR2" in message(tmp_path, data[:8] + b"CR\2\0" + data[12:])
    (tmp_path / "photo.jpg").write_bytes(raw(small=0))  # The photo itself, with smaller versions.
    assert reading.read(tmp_path / "photo.jpg").shape == (40, 60, 3)


def test_the_reader_says_what_is_wrong(tmp_path):
    data = encoded(RGB, "PNG")
    text = message(tmp_path, data[:33] + b"\0\0\0\0a\0bc" + data[33:])
    assert "its PNG data cannot be read: broken PNG file" in text

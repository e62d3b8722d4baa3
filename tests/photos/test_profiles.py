"""Colour profiles: what one does counts, not its name, and it stays with its own colours."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from cagic_tf.photos import colours, crop_files, reading
from tests import odd_files
from tests.odd_files import PIXELS, RGB, encoded

BOX = (7, 5, 40, 30)
KINDS = ("jpeg", "png", "webp", "tiff", "avif")
SPACES = {"GRAY": {"L", "LA", "I;16", "1"}, "RGB": {"RGB", "RGBA", "P"}, "CMYK": {"CMYK"}}


def grey_profile(gamma, name="grey"):
    """A grey ICC profile of a gamma, made by hand: its white point and its curve."""
    text = name.encode("utf-16-be")
    description = b"mluc" + struct.pack(">4xLL4sLL", 1, 12, b"enUS", len(text), 28) + text
    white = b"XYZ " + struct.pack(">4x3l", 63190, 65536, 54061)
    curve = b"curv" + struct.pack(">4xLH", 1, round(gamma * 256))
    return _profile(b"GRAY", {b"desc": description, b"wtpt": white, b"kTRC": curve})


def rgb_profile(gamma, name):
    """An RGB profile with sRGB's colours and a gamma of its own."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = {}
    for at in range(struct.unpack_from(">L", srgb, 128)[0]):
        tag, place, size = struct.unpack_from(">4sLL", srgb, 132 + 12 * at)
        found[tag] = srgb[place : place + size]
    text = name.encode("utf-16-be")
    found[b"desc"] = b"mluc" + struct.pack(">4xLL4sLL", 1, 12, b"enUS", len(text), 28) + text
    if gamma:
        curve = b"curv" + struct.pack(">4xLH", 1, round(gamma * 256))
        found |= {tag: curve for tag in (b"rTRC", b"gTRC", b"bTRC")}
    return _profile(b"RGB ", found)


def _profile(space, found):
    table, content = struct.pack(">L", len(found)), b""
    for tag, data in found.items():
        table += struct.pack(">4sLL", tag, 132 + 12 * len(found) + len(content), len(data))
        content += data + b"\0" * (-len(data) % 4)
    size = 128 + len(table) + len(content)
    head = struct.pack(">L4sL4s4s4s", size, b"lcms", 0x04200000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3l", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + content


def srgb_of(linear):
    """Brightnesses of light in [0, 1] as sRGB's numbers in 0..255 (IEC 61966-2-1)."""
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return 255 * curved


def saved(tmp_path, data):
    (tmp_path / "photo").write_bytes(data)
    return tmp_path / "photo"


@pytest.mark.parametrize("name", ["sRGB linear", "linear"])
def test_a_profile_is_what_it_does(tmp_path, name):
    data = encoded(RGB, "PNG", icc_profile=rgb_profile(1, name))
    seen = reading.read(saved(tmp_path, data))
    assert np.abs(seen - srgb_of(PIXELS / 255)).max() <= 1


@pytest.mark.parametrize("name", ["sRGB", "c2", "Display"])
def test_srgb_by_another_name_changes_nothing(tmp_path, name):
    data = encoded(RGB, "PNG", icc_profile=rgb_profile(None, name))
    np.testing.assert_array_equal(reading.read(saved(tmp_path, data)), PIXELS)
    assert not colours.ToSrgb(rgb_profile(None, name)).needed
    assert colours.ToSrgb(rgb_profile(2.2, "sRGB")).needed  # Another in the shadows.


def test_a_grey_profile(tmp_path):
    grey = RGB.convert("L")
    data = encoded(grey, "PNG", icc_profile=grey_profile(1))
    expected = srgb_of(np.asarray(grey)[..., None] / 255)
    assert np.abs(reading.read(saved(tmp_path, data)) - expected).max() <= 1


PHOTOS = {
    "grey": (RGB.convert("L"), grey_profile(1)),
    "grey with alpha": (odd_files.with_alpha(RGB.convert("L")), grey_profile(1)),
    "grey of 16 bits": (Image.fromarray(odd_files.GREY_16), grey_profile(1)),
    "grey of a camera of colours": (RGB.convert("L"), rgb_profile(1, "camera")),
    "grey alpha of colours": (odd_files.with_alpha(RGB.convert("L")), rgb_profile(1, "camera")),
    "grey and sRGB": (RGB.convert("L"), rgb_profile(None, "sRGB")),
    "black and white": (RGB.convert("1"), grey_profile(1)),
    "colours": (RGB, rgb_profile(1, "camera")),
    "colours with alpha": (odd_files.with_alpha(RGB), rgb_profile(1, "camera")),
    "palette": (RGB.convert("P", palette=Image.Palette.ADAPTIVE), rgb_profile(1, "camera")),
    "colours of a grey profile": (RGB, grey_profile(1)),
    "inks of a grey profile": (RGB.convert("CMYK"), grey_profile(1)),
    "inks of colours": (RGB.convert("CMYK"), rgb_profile(1, "camera")),
    "damaged": (RGB, rgb_profile(1, "camera")[:200]),
}


@pytest.mark.parametrize("size", [None, (40, 30)])
@pytest.mark.parametrize("choice", KINDS)
@pytest.mark.parametrize("name", PHOTOS)
def test_a_profile_stays_with_its_own_colours(tmp_path, name, choice, size):
    image, profile = PHOTOS[name]
    path = saved(tmp_path, encoded(image, "TIFF", icc_profile=profile))
    crop = Image.open(io.BytesIO(crop_files.cut(path, BOX, choice, size=size)))
    crop.load()
    kept = crop.info.get("icc_profile")
    if kept:
        assert kept == profile and crop.mode in SPACES[kept[16:20].decode().strip()]
    # The crop looks as its part of the photo, whatever its colours are called.
    seen = reading.read(crop).astype(int)
    difference = np.abs(seen - reading.read(path)[5:35, 7:47])
    assert difference.mean() <= (2.5 if choice in ("png", "tiff") else 6)
    plain = Image.open(io.BytesIO(crop_files.cut(path, BOX, choice, strip_metadata=True)))
    assert "icc_profile" not in plain.info
    difference = np.abs(reading.read(plain).astype(int) - reading.read(path)[5:35, 7:47])
    assert difference.mean() <= (2.5 if choice in ("png", "tiff") else 6)


def test_lab(tmp_path):
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.applyTransform(RGB, ImageCms.buildTransform(srgb, lab, "RGB", "LAB"))
    path = saved(tmp_path, encoded(image, "TIFF"))
    inside = ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))
    np.testing.assert_array_equal(reading.read(path), np.asarray(inside))
    assert np.abs(reading.read(path).astype(int) - PIXELS).mean() <= 3  # Some are out of its range.
    crop = Image.open(io.BytesIO(crop_files.cut(path, BOX)))
    np.testing.assert_array_equal(np.asarray(crop), reading.read(path)[5:35, 7:47])

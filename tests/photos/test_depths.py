"""Grey pictures of any bits are seen and cut at their own brightness, or refused with a reason."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from cagic_tf.photos import crop_files, reading
from tests import odd_files

Y, X = np.mgrid[:24, :32]
RAMP = (X + 32 * Y) / (24 * 32 - 1)  # From black to white.
BOX = (3, 2, 20, 15)


def tiff(values, bits, sample_format=1, order="<", white_is_zero=False, compression=1, more=()):
    """A TIFF of grey written by hand; Pillow writes few of these kinds."""
    height, width = values.shape
    if bits in (2, 4, 10, 12, 14):  # The numbers' bits one after the other, rows in whole bytes.
        texts = ["".join(f"{value:0{bits}b}" for value in row) for row in values.astype(int)]
        texts = [text.ljust(-(-len(text) // 8) * 8, "0") for text in texts]
        data = b"".join(int(text, 2).to_bytes(len(text) // 8, "big") for text in texts)
    else:
        kind = {1: "u", 2: "i", 3: "f"}[sample_format]
        data = values.astype(f"{order}{kind}{bits // 8}").tobytes()
    entries = [(256, width), (257, height), (258, bits), (259, compression)]
    entries += [(262, int(not white_is_zero)), (273, 8), (277, 1), (278, height)]
    entries += [(279, len(data)), (339, sample_format), *more]
    found = struct.pack(order + "H", len(entries))
    for tag, value in sorted(entries):
        kind = "LL" if tag in (273, 279) or value > 65535 else "LHxx"
        found += struct.pack(f"{order}HH{kind}", tag, 4 if kind == "LL" else 3, 1, value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", 8 + len(data))
    return head + data + found + bytes(4)


def numbers(white, start=0):
    return np.round(start + RAMP * (white - start)).astype(np.int64)


GOOD = {
    "2 bits": (tiff(numbers(3), 2), 3),
    "4 bits": (tiff(numbers(15), 4), 15),
    "8 bits": (tiff(numbers(255), 8), 255),
    "8 bits, white 0": (tiff(255 - numbers(255), 8, white_is_zero=True), 255),
    "8 bits, signed": (tiff(numbers(127), 8, 2), 127),
    "12 bits": (tiff(numbers(4095), 12), 4095),
    "16 bits": (tiff(numbers(65535), 16), 65535),
    "16 bits, big first": (tiff(numbers(65535), 16, order=">"), 65535),
    "16 bits, white 0": (tiff(65535 - numbers(65535), 16, white_is_zero=True), 65535),
    "16 bits that say 10": (tiff(numbers(1023), 16, more=[(281, 1023)]), 1023),
    "16 bits that say 12": (tiff(numbers(4095), 16, more=[(281, 4095)]), 4095),
    "16 bits that say 14": (tiff(numbers(16383), 16, order=">", more=[(281, 16383)]), 16383),
    "16 bits, signed": (tiff(numbers(32767), 16, 2), 32767),
    "16 bits, signed, big first": (tiff(numbers(32767), 16, 2, ">"), 32767),
    "16 bits, signed, that say 12": (tiff(numbers(4095), 16, 2, more=[(341, 4095)]), 4095),
    "32 bits": (tiff(numbers(2**32 - 1), 32), 2**32 - 1),
    "32 bits of 8": (tiff(numbers(255), 32), 255),
    "32 bits of 16": (tiff(numbers(65535), 32), 65535),
    "32 bits that say 20": (tiff(numbers(2**20 - 1), 32, 2, more=[(341, 2**20 - 1)]), 2**20 - 1),
    "32 bits, signed": (tiff(numbers(2**31 - 1), 32, 2), 2**31 - 1),
    "32 bits, signed, big first": (tiff(numbers(2**31 - 1), 32, 2, ">"), 2**31 - 1),
}
BAD = {
    "10 bits": (tiff(numbers(1023), 10), "10 bits"),
    "12 bits, white 0": (tiff(numbers(4095), 12, white_is_zero=True), "12 bits"),
    "14 bits": (tiff(numbers(16383), 14), "14 bits"),
    "8 bits, negative": (tiff(numbers(127, -128), 8, 2), "negative"),
    "16 bits, negative": (tiff(numbers(32767, -32768), 16, 2), "negative"),
    "32 bits, negative": (tiff(numbers(2**31 - 1, -(2**31)), 32, 2), "negative"),
    "32 bits of 20": (tiff(numbers(2**20 - 1), 32), "1048575"),
    "16-bit floats": (tiff(RAMP, 16, 3), "floating-point 16 bits"),
    "32-bit floats": (tiff(RAMP, 32, 3), "floats"),
    "64-bit floats": (tiff(RAMP, 64, 3), "floating-point 64 bits"),
    "64 bits": (tiff(numbers(2**32), 64), "64 bits"),
}


def saved(tmp_path, data):
    (tmp_path / "photo.tif").write_bytes(data)
    return tmp_path / "photo.tif"


@pytest.mark.parametrize("name", GOOD)
def test_seen_and_cut_at_their_own_brightness(tmp_path, name):
    data, white = GOOD[name]
    expected = 255 * numbers(white) / white
    path = saved(tmp_path, data)
    pixels = reading.read(path)
    assert np.abs(pixels - expected[..., None]).max() <= 1
    for choice in ("same", "png", "jpeg", "webp"):
        crop = Image.open(io.BytesIO(crop_files.cut(path, BOX, choice)))
        seen = reading.read(crop).astype(int)[..., 0]
        assert np.abs(seen - expected[2:17, 3:23]).max() <= (1 if choice in ("same", "png") else 6)
        if white > 255 and choice in ("same", "png"):
            found = np.asarray(crop).astype(int)
            exact = 65535 * numbers(white)[2:17, 3:23] / white
            assert crop.mode == "I;16" and np.abs(found - exact).max() <= 1
    size = reading.read(Image.open(io.BytesIO(crop_files.cut(path, (0, 0, 32, 24), size=(8, 6)))))
    assert np.abs(size.mean() - expected.mean()) <= 3


@pytest.mark.parametrize("name", BAD)
def test_refused_with_the_reason(tmp_path, name):
    data, reason = BAD[name]
    for call in (reading.read, lambda path: crop_files.cut(path, BOX)):
        with pytest.raises(reading.ImageError, match=reason) as caught:
            call(saved(tmp_path, data))
        assert "\n" not in str(caught.value) and "holds no picture" not in str(caught.value)


def test_dark_photos_of_16_bits_stay_dark(tmp_path):
    """What is white in 16 bits is known, however few of them a photo uses."""
    dark = (RAMP * 4095).astype(np.uint16)
    for kind in ("PNG", "TIFF"):
        path = saved(tmp_path, odd_files.encoded(Image.fromarray(dark), kind))
        np.testing.assert_array_equal(reading.read(path)[..., 0], dark >> 8)
        crop = Image.open(io.BytesIO(crop_files.cut(path, BOX)))
        np.testing.assert_array_equal(np.asarray(crop), dark[2:17, 3:23])


def test_the_largest_value_of_a_photo_is_not_its_white(tmp_path):
    """TIFF's MaxSampleValue is a statistic, but where it says how many bits are used."""
    path = saved(tmp_path, tiff(numbers(20_000), 16, more=[(281, 20_000)]))
    np.testing.assert_array_equal(reading.read(path)[..., 0], numbers(20_000) >> 8)


def test_colours_of_16_bits_that_use_12(tmp_path):
    for largest, reason in ((4095, "16 bits and end at 4095"), (4000, None)):
        rgb = np.stack([numbers(65535)] * 3, -1).reshape(24, 96)
        data = tiff(rgb, 16, more=[(281, largest)])
        data = bytearray(data)
        for tag, value in ((256, 32), (262, 2), (277, 3)):
            at = data.rindex(struct.pack("<HHL", tag, 3, 1))
            data[at + 8 : at + 10] = struct.pack("<H", value)
        path = saved(tmp_path, bytes(data))
        if reason:
            with pytest.raises(reading.ImageError, match=reason):
                reading.read(path)
        else:
            np.testing.assert_array_equal(reading.read(path)[..., 0], numbers(65535) >> 8)


def test_a_jpeg_of_12_bits_says_so(tmp_path):
    data = bytearray(odd_files.encoded(odd_files.RGB, "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 4] = 12
    with pytest.raises(reading.ImageError, match="12-bit"):
        reading.read(saved(tmp_path, bytes(data)))

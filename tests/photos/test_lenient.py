"""Files that browsers open are opened: an end or a chunk that is off, and nothing of the pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cagic_tf.photos import crop_files, reading
from tests import odd_files
from tests.odd_files import PIXELS, RGB, encoded

BOX = (7, 5, 40, 30)
PNG = encoded(RGB, "PNG")
LONG = bytes(2_000_000)  # More than Pillow reads in a text.


def chunk(kind, data, check=None):
    check = zlib.crc32(kind + data) if check is None else check
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


CHUNKS = {
    "a text with a wrong sum": chunk(b"tEXt", b"Title\0dog", 1),
    "a long text": chunk(b"zTXt", b"Title\0\0" + zlib.compress(LONG)),
    "a long international text": chunk(b"iTXt", b"Title\0\1\0\0\0" + zlib.compress(LONG)),
    "many long texts": chunk(b"zTXt", b"Title\0\0" + zlib.compress(LONG[:1_000_000])) * 70,
    "a resolution that ends": chunk(b"pHYs", b"\0"),
    "a long profile": chunk(b"iCCP", b"name\0\0" + zlib.compress(LONG)),
    "a profile with a wrong sum": chunk(b"iCCP", b"name\0\0" + zlib.compress(LONG), 7),
}


def saved(tmp_path, data):
    (tmp_path / "photo").write_bytes(data)
    return tmp_path / "photo"


def check(path, far=0):
    assert np.abs(reading.read(path).astype(int) - PIXELS).max() <= far
    assert reading.upright_size(path) == RGB.size
    crop = reading.read(Image.open(io.BytesIO(crop_files.cut(path, BOX))))
    assert np.abs(crop.astype(int) - PIXELS[5:35, 7:47]).max() <= 2 * far
    assert crop_files.ending(path) in crop_files.ENDINGS.values()


@pytest.mark.parametrize("place", [33, len(PNG) - 12])
@pytest.mark.parametrize("name", CHUNKS)
def test_chunks_of_png(tmp_path, name, place):
    check(saved(tmp_path, PNG[:place] + CHUNKS[name] + PNG[place:]))


@pytest.mark.parametrize("end", [-12, -4, -1])
def test_png_without_its_end(tmp_path, end):
    check(saved(tmp_path, PNG[:end]))


def test_a_long_profile_counts(tmp_path):
    profile = odd_files.profile("other") + bytes(1_500_000)
    profile = struct.pack(">L", len(profile)) + profile[4:]
    data = PNG[:33] + chunk(b"iCCP", b"name\0\0" + zlib.compress(profile)) + PNG[33:]
    seen = reading.read(saved(tmp_path, data)).astype(int)
    assert np.abs(seen - PIXELS[..., [1, 0, 2]]).max() <= 2  # Its red is sRGB's green.


def test_what_is_whole_beside_a_damaged_chunk_is_kept(tmp_path):
    data = encoded(RGB, "PNG", dpi=(300, 300), exif=odd_files.exif(Artist="me", Orientation=3))
    path = saved(tmp_path, data[:33] + CHUNKS["a long text"] + data[33:])
    np.testing.assert_array_equal(reading.read(path), PIXELS[::-1, ::-1])
    crop = Image.open(io.BytesIO(crop_files.cut(path, BOX)))
    assert crop.getexif()[315] == "me" and round(crop.info["dpi"][0]) == 300


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "quality": 30}])
@pytest.mark.parametrize("end", [-1, -2])
def test_jpeg_without_its_end(tmp_path, options, end):
    options = {"quality": 95} | options
    check(
        saved(tmp_path, encoded(RGB, "JPEG", **options)[:end]),
        60 if "subsampling" in options else 12,
    )


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("end", [-4, -8, -20, -100])
def test_jpeg_without_its_last_pixels_is_damaged(tmp_path, options, end):
    noise = np.random.default_rng(0).integers(0, 256, PIXELS.shape, np.uint8)
    data = encoded(Image.fromarray(noise), "JPEG", quality=95, **options)
    with pytest.raises(reading.ImageError, match="truncated"):
        reading.read(saved(tmp_path, data[:end]))


@pytest.mark.parametrize("size", [0, 20, 10_000, 2**32 - 1])
@pytest.mark.parametrize("options", [{}, {"exif": odd_files.exif(Artist="me")}])
def test_webp_of_another_size(tmp_path, size, options):
    data = encoded(RGB, "WEBP", lossless=True, **options)
    data = data[:4] + struct.pack("<I", size) + data[8:]
    check(saved(tmp_path, data))
    with pytest.raises(reading.ImageError):
        reading.read(saved(tmp_path, data[:-40]))


@pytest.mark.parametrize(
    "name", [b"Exif\0\0", b"Photoshop 3.0\0", b"MPF\0", b"ICC_PROFILE\0", b"JFIF\0"]
)
@pytest.mark.parametrize("content", [b"", b"II*\0", b"8BIM", b"MM\0*\0\0\0\x08\xff\xff", b"\1\1"])
def test_segments_of_jpeg_that_end_early(tmp_path, name, content):
    data = encoded(RGB, "JPEG", quality=95)
    marker = {b"Photoshop 3.0\0": b"\xff\xed", b"MPF\0": b"\xff\xe2", b"ICC_PROFILE\0": b"\xff\xe2"}
    added = (
        marker.get(name, b"\xff\xe1") + struct.pack(">H", 2 + len(name + content)) + name + content
    )
    check(saved(tmp_path, data[:20] + added + data[20:]), 12)


def test_the_process_stays_as_it_was(tmp_path):
    from PIL import ImageFile, PngImagePlugin

    before = ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK
    reading.read(saved(tmp_path, PNG[:33] + CHUNKS["a long text"] + PNG[33:]))
    assert (ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK) == before

"""Photos become upright sRGB of 8 bits, whatever their file holds."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cagic_tf.photos import reading


def photo(height=3, width=5):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def on_white(colour, alpha):
    alpha = np.asarray(alpha, np.float64) / 255
    return np.asarray(colour) * alpha + 255 * (1 - alpha)


def check_rgb(pixels, shape):
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*shape, 3)


def test_path_and_its_text_and_the_opened_picture(tmp_path):
    Image.fromarray(photo()).save(tmp_path / "photo.png")
    for source in [tmp_path / "photo.png", str(tmp_path / "photo.png"), Image.fromarray(photo())]:
        pixels = reading.read(source)
        check_rgb(pixels, (3, 5))
        np.testing.assert_array_equal(pixels, photo())


def test_alpha_is_laid_on_white(tmp_path):
    rgba = np.random.default_rng(1).integers(0, 256, (16, 16, 4), np.uint8)
    rgba[0, :, 3], rgba[1, :, 3] = 0, 255
    Image.fromarray(rgba).save(tmp_path / "photo.png")
    expected = on_white(rgba[..., :3], rgba[..., 3:])
    for source in [tmp_path / "photo.png", Image.fromarray(rgba), rgba]:
        pixels = reading.read(source)
        check_rgb(pixels, (16, 16))
        assert (pixels[0] == 255).all()
        np.testing.assert_array_equal(pixels[1], rgba[1, :, :3])
        assert np.abs(pixels - expected).max() <= 1


def test_grey_with_alpha(tmp_path):
    grey = np.array([[[0, 255], [200, 0], [100, 51]]], np.uint8)
    Image.fromarray(grey).save(tmp_path / "photo.png")
    pixels = reading.read(tmp_path / "photo.png")
    np.testing.assert_array_equal(pixels, [[[0] * 3, [255] * 3, [224] * 3]])


def test_palette():
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    np.testing.assert_array_equal(reading.read(image), [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]])


@pytest.mark.parametrize(
    ("transparency", "alpha"), [(1, [255, 0, 255]), (bytes([255, 51, 0]), [255, 51, 0])]
)
@pytest.mark.parametrize("suffix", ["png", None])
def test_palette_with_transparency(tmp_path, transparency, alpha, suffix):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    colours = [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    image.putpalette(sum(colours, []))
    image.info["transparency"] = transparency
    if suffix:
        image.save(tmp_path / "photo.png", transparency=transparency)
        image = tmp_path / "photo.png"
    pixels = reading.read(image)
    check_rgb(pixels, (1, 3))
    assert np.abs(pixels - on_white(colours, np.array(alpha)[:, None])).max() <= 1


def test_gif_with_transparency(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "photo.gif", transparency=1)
    np.testing.assert_array_equal(
        reading.read(tmp_path / "photo.gif"), [[[10, 20, 30], [255, 255, 255]]]
    )


def test_transparent_colour(tmp_path):
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png", transparency=(4, 5, 6))
    np.testing.assert_array_equal(
        reading.read(tmp_path / "photo.png"), [[[1, 2, 3], [255, 255, 255]]]
    )


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_grey(tmp_path, suffix):
    grey = np.full((8, 16), 77, np.uint8)
    Image.fromarray(grey).save(tmp_path / f"photo.{suffix}")
    np.testing.assert_array_equal(
        reading.read(tmp_path / f"photo.{suffix}"), np.full((8, 16, 3), 77)
    )


def test_black_and_white():
    image = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1")
    np.testing.assert_array_equal(
        reading.read(image), np.array([[0, 255], [255, 0]])[..., None].repeat(3, -1)
    )


GREY_16 = np.array([[0, 255, 256, 0x1234], [0x8000, 0xFEFF, 0xFF00, 0xFFFF]], np.uint16)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey(tmp_path, suffix):
    Image.fromarray(GREY_16).save(tmp_path / f"photo.{suffix}")
    expected = (GREY_16 // 256)[..., None].repeat(3, -1)
    np.testing.assert_array_equal(reading.read(tmp_path / f"photo.{suffix}"), expected)
    np.testing.assert_array_equal(reading.read(Image.fromarray(GREY_16)), expected)


def test_32_bit_integers_that_hold_16_bits():
    image = Image.fromarray(GREY_16.astype(np.int32))
    np.testing.assert_array_equal(reading.read(image)[..., 0], GREY_16 // 256)


def write_16_bit_png(path, samples):
    """A PNG written by hand: Pillow writes no 16-bit colours."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bit_colours_and_alpha(tmp_path, channels):
    samples = np.random.default_rng(2).integers(0, 2**16, (7, 5, channels), np.uint16)
    if channels != 3:
        samples[0, :, -1] = 0xFFFF
    write_16_bit_png(tmp_path / "photo.png", samples)
    pixels = reading.read(tmp_path / "photo.png")
    check_rgb(pixels, (7, 5))
    colours = samples[..., : {2: 1}.get(channels, 3)] / 257
    if channels != 3:
        colours = on_white(colours, samples[..., -1:] / 257)
    assert np.abs(pixels - colours).max() <= 2


def test_cmyk(tmp_path):
    inks = [[[0, 0, 0, 0], [0, 0, 0, 255], [0, 255, 255, 0], [255, 0, 255, 0], [255, 255, 0, 0]]]
    inks = np.array(inks, np.uint8)
    expected = [[[255] * 3, [0] * 3, [255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    Image.frombytes("CMYK", (5, 1), inks.tobytes()).save(tmp_path / "photo.tif")
    np.testing.assert_array_equal(reading.read(tmp_path / "photo.tif"), expected)
    blocks = np.kron(inks, np.ones((16, 16, 1), np.uint8))
    Image.frombytes("CMYK", (80, 16), blocks.tobytes()).save(
        tmp_path / "photo.jpg", quality=100, subsampling=0
    )
    pixels = reading.read(tmp_path / "photo.jpg").astype(int)
    assert np.abs(pixels - np.kron(expected, np.ones((16, 16, 1)))).max() <= 4


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp"])
def test_write_is_exact(tmp_path, suffix):
    path = tmp_path / f"crop{suffix}"
    path.write_bytes(b"old")
    for pixels in [photo(), Image.fromarray(photo())]:
        reading.write(path, pixels)
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), photo())
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_write_jpeg(tmp_path, suffix):
    ramp = np.linspace(0, 255, 64).astype(np.uint8)[None, :, None].repeat(64, 0).repeat(3, 2)
    reading.write(tmp_path / f"crop{suffix}", ramp)
    with Image.open(tmp_path / f"crop{suffix}") as image:
        assert image.format == "JPEG"
        assert np.abs(np.asarray(image).astype(int) - ramp).max() <= 3


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    reading.write(tmp_path / "crop.png", photo())

    def fail(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        reading.write(tmp_path / "crop.png", 255 - photo())
    np.testing.assert_array_equal(reading.read(tmp_path / "crop.png"), photo())

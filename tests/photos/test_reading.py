import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cagic_tf.photos import reading

# Where row 0 and column 0 of the stored picture are seen (EXIF 2.3, tag 0x0112).
ORIENTATIONS = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def photo(height=3, width=5):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def upright(stored, orientation):
    """Puts every stored pixel where the standard says that it is seen."""
    rows, columns = stored.shape[:2]
    shape = (rows, columns, 3) if orientation < 5 else (columns, rows, 3)
    seen = np.zeros(shape, np.uint8)
    for i in range(rows):
        for j in range(columns):
            place = {}
            for side, index, last in zip(
                ORIENTATIONS[orientation], (i, j), (rows - 1, columns - 1), strict=True
            ):
                axis = "y" if side in ("top", "bottom") else "x"
                place[axis] = index if side in ("top", "left") else last - index
            seen[place["y"], place["x"]] = stored[i, j]
    return seen


def error(source):
    with pytest.raises(reading.ImageError) as caught:
        reading.read(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def on_white(colour, alpha):
    alpha = np.asarray(alpha, np.float64) / 255
    return np.asarray(colour) * alpha + 255 * (1 - alpha)


def check_rgb(pixels, shape):
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*shape, 3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_exif_orientation(tmp_path, orientation, suffix):
    image = Image.fromarray(photo())
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(
        tmp_path / f"photo.{suffix}", exif=exif, **{"lossless": True} if suffix == "webp" else {}
    )
    expected = upright(photo(), orientation)
    np.testing.assert_array_equal(reading.read(tmp_path / f"photo.{suffix}"), expected)
    assert reading.upright_size(tmp_path / f"photo.{suffix}") == expected.shape[1::-1]
    with Image.open(tmp_path / f"photo.{suffix}") as opened:
        np.testing.assert_array_equal(reading.read(opened), expected)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_exif_orientation_of_jpeg(tmp_path, orientation):
    stored = np.kron(photo(), np.ones((16, 16, 1), np.uint8))  # Whole blocks: little is lost.
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0}
    Image.fromarray(stored).save(tmp_path / "photo.jpg", exif=exif, **options)
    pixels = reading.read(tmp_path / "photo.jpg").astype(int)
    assert np.abs(pixels - upright(stored, orientation)).max() <= 4
    assert reading.upright_size(tmp_path / "photo.jpg") == pixels.shape[1::-1]


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


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[0, 128, 255]], np.uint8), [0, 128, 255]),
        (np.array([[0, 255, 256, 65535]], np.uint16), [0, 0, 1, 255]),
        (np.array([[0, 0.2, 0.5001, 1]], np.float16), [0, 51, 128, 255]),
        (np.array([[0, 0.2, 0.5001, 1]], np.float32), [0, 51, 128, 255]),
        (np.array([[0, 0.2, 0.5001, 1]], np.float64), [0, 51, 128, 255]),
    ],
)
@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_arrays(array, expected, channels):
    if channels:
        array = array[..., None].repeat(channels, -1)
    if channels == 4:  # Opaque.
        array[..., 3] = 1 if np.issubdtype(array.dtype, np.floating) else np.iinfo(array.dtype).max
    before = array.copy()
    pixels = reading.read(array)
    check_rgb(pixels, array.shape[:2])
    np.testing.assert_array_equal(pixels, np.array([expected])[..., None].repeat(3, -1))
    np.testing.assert_array_equal(array, before)


def test_array_that_is_a_view():
    pixels = photo(6, 8)
    np.testing.assert_array_equal(reading.read(pixels[::2, ::-1]), pixels[::2, ::-1])
    np.testing.assert_array_equal(
        reading.read(pixels.transpose(1, 0, 2)), pixels.transpose(1, 0, 2)
    )


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint32, bool, complex, object])
def test_array_of_another_dtype(dtype):
    assert str(np.dtype(dtype)) in error(np.zeros((4, 4, 3), dtype))


@pytest.mark.parametrize(
    "shape", [(), (4,), (4, 4, 2), (4, 4, 5), (1, 4, 4, 3), (0, 4, 3), (4, 0), (4, 4, 0)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_array_of_another_shape(shape, dtype):
    assert str(shape) in error(np.zeros(shape, dtype))


@pytest.mark.parametrize("value", [-0.01, 1.01, 255, np.nan, np.inf, -np.inf])
def test_array_of_floats_out_of_range(value):
    array = np.full((4, 4, 3), 0.5)
    array[1, 2, 0] = value
    assert "[0, 1]" in error(array)


def test_picture_of_floats():
    assert "floats" in error(Image.fromarray(np.zeros((4, 4), np.float32)))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "gif"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_file(tmp_path, suffix, share):
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(photo(64, 64)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    message = error(path)
    assert message.startswith("cannot read ") and str(path) in message


@pytest.mark.parametrize(
    "content", [b"", b"A text, not a photo.\n", b"\xff\xd8\xff", b"\x89PNG\r\n"]
)
def test_file_without_a_picture(tmp_path, content):
    (tmp_path / "photo.jpg").write_bytes(content)
    assert "photo.jpg" in error(tmp_path / "photo.jpg")


def test_missing_file(tmp_path):
    assert error(tmp_path / "nowhere.jpg") == f"no photo at {tmp_path / 'nowhere.jpg'}"
    with pytest.raises(reading.ImageError, match="no photo at"):
        reading.upright_size(tmp_path / "nowhere.jpg")


def test_folder(tmp_path):
    assert error(tmp_path) == f"{tmp_path} is a folder; a photo is needed"


@pytest.mark.parametrize("source", [None, 5, [[1, 2], [3, 4]]])
def test_something_else(source):
    assert "cannot read" in error(source)


@pytest.mark.parametrize("limit", [10, 19])
def test_picture_that_is_too_large(tmp_path, monkeypatch, limit):
    Image.fromarray(photo(4, 5)).save(tmp_path / "photo.png")
    monkeypatch.setattr(reading, "MAX_PIXELS", limit)
    assert f"more than {limit} pixels" in error(tmp_path / "photo.png")


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

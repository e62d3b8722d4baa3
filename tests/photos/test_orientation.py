"""EXIF's orientation: photos are upright, and their crops too, without a pixel of loss."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from cagic_tf.photos import crop_files, reading
from tests import odd_files
from tests.odd_files import PIXELS

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
    shape = (rows, columns) if orientation < 5 else (columns, rows)
    seen = np.zeros((*shape, *stored.shape[2:]), stored.dtype)
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


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_crop_of_a_lying_photo(tmp_path, orientation):
    path = tmp_path / "photo.png"
    path.write_bytes(odd_files.lying(orientation, "PNG"))
    np.testing.assert_array_equal(reading.read(path), PIXELS)
    crop = Image.open(io.BytesIO(crop_files.cut(path, (7, 5, 40, 30))))
    np.testing.assert_array_equal(np.asarray(crop), PIXELS[5:35, 7:47])
    assert crop.getexif().get(ExifTags.Base.Orientation, 1) == 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_crops_of_lying_photos_keep_their_mode_and_values(mode, orientation):
    pixels = Image.fromarray(odd_files.GREY_16) if mode == "I;16" else odd_files.RGB.convert(mode)
    seen = upright(np.asarray(pixels), orientation)
    pixels.getexif()[ExifTags.Base.Orientation] = orientation
    crop = reading.Orientation.of(pixels).cut(pixels, (3, 2, 20, 15))
    assert crop.mode == mode and crop.size == (20, 15)
    np.testing.assert_array_equal(np.asarray(crop), seen[2:17, 3:23])
    if mode == "P":
        assert crop.getpalette() == pixels.getpalette()


@pytest.mark.parametrize("value", [0, 9, 99, "6", 3.5, None, (6,)])
def test_what_exif_does_not_define_is_upright(value):
    image = Image.fromarray(photo())
    image.getexif()[ExifTags.Base.Orientation] = value
    assert reading.Orientation.of(image) == reading.Orientation(1)
    np.testing.assert_array_equal(reading.read(image), photo())


@pytest.mark.parametrize("orientation", [3, 6])
def test_only_bands_and_crops_are_turned_never_the_photo(monkeypatch, orientation):
    """A large photo is in memory as often as an upright one."""
    turned, transpose = [], Image.Image.transpose

    def watched(image, method):
        turned.append(image.size)
        return transpose(image, method)

    image = Image.open(io.BytesIO(odd_files.lying(orientation, "PNG")))
    monkeypatch.setattr(reading, "_BAND_PIXELS", 240)
    monkeypatch.setattr(Image.Image, "transpose", watched)
    np.testing.assert_array_equal(reading.read(image), PIXELS)
    assert len(turned) == 10 and {w * h for w, h in turned} == {240}
    turned.clear()
    crop_files.cut(image, (7, 5, 20, 10))
    assert [w * h for w, h in turned] == [200]

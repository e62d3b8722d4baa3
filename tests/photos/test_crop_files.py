"""Crops keep what their photos have; odd and bad files."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngImageFile

from cagic_tf.photos import captions, crop_files, reading
from tests import odd_files
from tests.odd_files import PIXELS, RGB, encoded

BOX = (7, 5, 40, 30)
CROP = PIXELS[5:35, 7:47]
GOOD, BAD = odd_files.good(), odd_files.bad()


def cut(path, *arguments, **options):
    image = Image.open(io.BytesIO(crop_files.cut(path, BOX, *arguments, **options)))
    image.load()
    return image


def saved(tmp_path, content, name="photo"):
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


def test_there_are_many_kinds():
    assert len(GOOD) + len(BAD) >= 40


@pytest.mark.parametrize("name", GOOD)
def test_odd_files_are_read_and_cut(tmp_path, name):
    content, far = GOOD[name]
    path = saved(tmp_path, content, name)
    pixels = reading.read(path)
    assert pixels.shape == PIXELS.shape and pixels.dtype == np.uint8
    assert reading.upright_size(path) == RGB.size
    if far is not None:
        assert np.abs(pixels.astype(int) - PIXELS).max() <= far
    region = pixels[5:35, 7:47].astype(int)
    for choice in crop_files.CHOICES:
        crop = cut(path, choice)
        assert crop.size == (40, 30)
        assert crop_files.ENDINGS[crop.format] == crop_files.ending(path, choice)
        # Read as a photo, the crop is the photo's part, as far as lossy formats allow.
        difference = np.abs(reading.read(crop).astype(int) - region)
        assert difference.mean() <= (1 if crop.format in ("PNG", "TIFF", "BMP") else 9)
        assert crop.getexif().get(ExifTags.Base.Orientation, 1) == 1


@pytest.mark.parametrize("name", GOOD)
def test_odd_files_are_resized(tmp_path, name):
    """Enlarged to twice the pixels and seen through a box of 2 x 2, a crop is what it was."""
    path = saved(tmp_path, GOOD[name][0], name)
    for choice in crop_files.CHOICES:
        before = reading.read(cut(path, choice)).astype(int)
        crop = cut(path, choice, size=(80, 60))
        assert crop.size == (80, 60)
        assert crop_files.ENDINGS[crop.format] == crop_files.ending(path, choice)
        after = reading.read(crop).reshape(30, 2, 40, 2, 3).mean((1, 3))
        # Of dots of black and white, between which pixels were drawn, less is left.
        assert np.abs(after - before).mean() <= (60 if "black and white" in name else 14), choice


def test_resizing_keeps_16_bits_and_does_not_mix_in_hidden_colours():
    grey = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    content = encoded(Image.fromarray(grey), "PNG")
    whole = crop_files.cut(Image.open(io.BytesIO(content)), (0, 0, 64, 48), "png", size=(128, 96))
    found = np.asarray(Image.open(io.BytesIO(whole))).astype(int)
    assert found.max() > 255 and found.shape == (96, 128)
    middle = found[8:-8, 8:-8]
    expected = grey.astype(int)[4:-4, 4:-4].repeat(2, 0).repeat(2, 1)
    assert np.abs(middle - expected).max() <= 64 * 21 / 4 + 21  # A quarter of a row's step.
    pixels = np.zeros((48, 64, 4), np.uint8)
    pixels[:, 32:] = (200, 100, 50, 255)
    pixels[:, :32, 1] = 255  # Green, and not to be seen.
    data = crop_files.cut(pixels, (0, 0, 64, 48), "png", size=(31, 23))
    small = np.asarray(Image.open(io.BytesIO(data))).astype(int)
    seen = small[small[..., 3] > 20][:, :3]
    # Brighter or darker at the edge, as Lanczos makes it, but of the same hue.
    assert np.abs(seen[:, 1] - seen[:, 0] / 2).max() <= 2 and seen[:, 0].min() >= 180


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_one_line(tmp_path, name):
    path = saved(tmp_path, BAD[name], name)
    for call in (reading.read, lambda path: crop_files.cut(path, BOX)):
        with pytest.raises(reading.ImageError) as caught:
            call(path)
        assert "\n" not in str(caught.value)
    message = str(caught.value)
    assert name == "floats.tif" or str(path) in message
    assert ("empty" in message) == (name == "empty.jpg")
    assert ("more than 100,000,000 pixels" in message) == (name in ("bomb.png", "huge.png"))


@pytest.mark.parametrize("choice", ["same", "webp"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_kept(tmp_path, kind, choice):
    options = {"lossless": True} if kind == "WEBP" else {}
    image = odd_files.with_alpha(RGB)
    crop = cut(saved(tmp_path, encoded(image, kind, **options)), choice)
    assert crop.mode == "RGBA"
    expected = np.asarray(image)[5:35, 7:47]
    np.testing.assert_array_equal(np.asarray(crop)[..., 3], expected[..., 3])
    if crop.format != "WEBP":
        np.testing.assert_array_equal(np.asarray(crop), expected)


def test_alpha_on_white_where_the_format_has_none(tmp_path):
    image = Image.new("RGBA", RGB.size, (10, 20, 30, 51))
    path = saved(tmp_path, encoded(image, "PNG"))
    expected = np.broadcast_to([206, 208, 210], (30, 40, 3))  # A fifth of it, 4 of white.
    assert np.abs(np.asarray(cut(path, "jpeg")).astype(int) - expected).max() <= 2
    np.testing.assert_array_equal(reading.read(path)[5:35, 7:47], expected)


def test_modes_are_kept(tmp_path):
    for kind, image in {
        "PNG": RGB.convert("P"),
        "TIFF": RGB.convert("CMYK"),
        "BMP": RGB.convert("L"),
        "GIF": RGB.convert("P"),
    }.items():
        crop = cut(saved(tmp_path, encoded(image, kind)))
        assert (crop.format, crop.mode) == (kind, image.mode)
        expected = image.crop((7, 5, 47, 35)).convert("RGB")
        np.testing.assert_array_equal(np.asarray(crop.convert("RGB")), np.asarray(expected))
    grey = Image.fromarray(odd_files.GREY_16)
    for kind in ("PNG", "TIFF"):
        crop = cut(saved(tmp_path, encoded(grey, kind)))
        np.testing.assert_array_equal(np.asarray(crop), odd_files.GREY_16[5:35, 7:47])
        crop = cut(saved(tmp_path, encoded(grey, kind)), "jpeg")
        expected = odd_files.GREY_16[5:35, 7:47] // 256
        assert np.abs(np.asarray(crop).astype(int) - expected).max() <= 4


def test_colours_of_another_profile(tmp_path):
    profile = odd_files.profile("other")
    path = saved(tmp_path, encoded(RGB, "PNG", icc_profile=profile))
    seen = reading.read(path).astype(int)
    swapped = PIXELS[..., [1, 0, 2]].astype(int)  # Its red is sRGB's green.
    assert np.abs(seen - swapped).max() <= 2
    for choice in ("same", "webp", "jpeg"):
        assert cut(path, choice).info["icc_profile"] == profile
    np.testing.assert_array_equal(np.asarray(cut(path)), CROP)
    plain = cut(path, strip_metadata=True)
    assert "icc_profile" not in plain.info
    np.testing.assert_array_equal(np.asarray(plain), seen[5:35, 7:47])
    layered = odd_files.with_alpha(RGB)
    path = saved(tmp_path, encoded(layered, "PNG", icc_profile=profile))
    plain = np.asarray(cut(path, strip_metadata=True))
    np.testing.assert_array_equal(plain[..., :3], seen[5:35, 7:47])
    np.testing.assert_array_equal(plain[..., 3], np.asarray(layered)[5:35, 7:47, 3])
    grey = encoded(RGB.convert("L"), "PNG", icc_profile=profile)  # A grey photo of such a camera.
    assert np.ptp(reading.read(saved(tmp_path, grey)).astype(int), axis=-1).max() <= 1


def test_srgb_is_not_converted(tmp_path):
    path = saved(tmp_path, encoded(RGB, "PNG", icc_profile=odd_files.profile()))
    np.testing.assert_array_equal(reading.read(path), PIXELS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_is_kept_and_stripped(tmp_path, kind):
    exif = odd_files.exif(ImageDescription="a dog", Orientation=1, Make="Maker")
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner.update({ExifTags.Base.MakerNote: b"preview" * 9, ExifTags.Base.ExifImageWidth: 60})
    inner[ExifTags.Base.DateTimeOriginal] = "2020:01:01 00:00:00"
    exif[ExifTags.IFD.Exif] = inner
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (1.0, 2.0, 3.0)})
    exif[ExifTags.IFD.GPSInfo] = exif.get_ifd(ExifTags.IFD.GPSInfo)
    path = saved(tmp_path, encoded(RGB, kind, exif=exif))
    assert captions.in_photo(path) == "a dog"
    found = cut(path).getexif()
    assert found[ExifTags.Base.ImageDescription] == "a dog"
    assert found[ExifTags.Base.Make] == "Maker"
    assert found.get_ifd(ExifTags.IFD.GPSInfo)[2] == (1.0, 2.0, 3.0)
    assert found.get_ifd(ExifTags.IFD.Exif) == {
        ExifTags.Base.DateTimeOriginal: "2020:01:01 00:00:00",
        ExifTags.Base.ExifImageWidth: 40,
    }
    assert b"preview" not in crop_files.cut(path, BOX)
    data = crop_files.cut(path, BOX, strip_metadata=True)
    assert b"a dog" not in data and b"Maker" not in data and b"2020" not in data


def test_quality(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, PIXELS.shape, np.uint8)
    path = saved(tmp_path, encoded(Image.fromarray(noise), "PNG"))
    for choice in ("jpeg", "webp"):
        sizes = [len(crop_files.cut(path, BOX, choice, quality)) for quality in (10, 50, 95)]
        assert sizes == sorted(set(sizes))


def test_arrays_and_pictures():
    for source in (PIXELS, RGB):
        crop = cut(source)
        assert crop.format == "PNG"
        np.testing.assert_array_equal(np.asarray(crop), CROP)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_tiny_photos(tmp_path, size):
    image = Image.new("RGB", size, (1, 2, 3))
    path = saved(tmp_path, encoded(image, "PNG"))
    np.testing.assert_array_equal(reading.read(path), np.asarray(image))
    assert len(crop_files.cut(path, (0, 0, 1, 1))) > 20


def test_heic_where_its_reader_is(tmp_path):
    pytest.importorskip("pillow_heif")
    for image, kind in ((RGB, "JPEG"), (odd_files.with_alpha(RGB), "PNG")):
        path = saved(tmp_path, encoded(image, "HEIF", quality=95))
        assert reading.upright_size(path) == RGB.size
        crop = cut(path)
        assert (crop.format, crop.size) == (kind, (40, 30))
        assert np.abs(reading.read(crop).astype(int) - reading.read(image)[5:35, 7:47]).mean() < 5


def test_a_photo_is_decoded_once_for_all_its_crops(tmp_path, monkeypatch):
    path = saved(tmp_path, odd_files.lying(6, "PNG"))
    boxes = [(0, 0, 9, 7), BOX, (20, 10, 40, 30)]
    one_by_one = [crop_files.cut(path, box, "jpeg", 80) for box in boxes]
    decoded, prepare = [], PngImageFile.load_prepare

    def counted(image):
        decoded.append(image.filename)
        prepare(image)

    monkeypatch.setattr(PngImageFile, "load_prepare", counted)
    assert crop_files.cut_all(path, boxes, "jpeg", 80) == one_by_one
    assert decoded == [str(path)]
    assert crop_files.cut_all(path, []) == []


def test_each_of_several_crops_has_its_own_size_in_its_exif(tmp_path):
    exif = odd_files.exif(Make="Maker")
    exif.get_ifd(ExifTags.IFD.Exif).update({ExifTags.Base.ExifImageWidth: 60})
    exif[ExifTags.IFD.Exif] = exif.get_ifd(ExifTags.IFD.Exif)
    path = saved(tmp_path, encoded(RGB, "JPEG", exif=exif))
    for data, width in zip(crop_files.cut_all(path, [(0, 0, 9, 7), BOX]), (9, 40), strict=True):
        found = Image.open(io.BytesIO(data)).getexif()
        assert found.get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.ExifImageWidth: width}

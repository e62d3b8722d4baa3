"""Crops are encoded like their photos: chroma, losslessness, alpha, packing."""

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from cagic_tf.photos import crop_files, reading
from tests import odd_files
from tests.odd_files import PIXELS, RGB, encoded

BOX = (7, 5, 40, 30)
STRIPES = np.zeros((48, 64, 3), np.uint8)
STRIPES[:, ::2] = (230, 40, 40)  # As bright as the others, so that they are in the chroma alone.
STRIPES[:, 1::2] = (20, 110, 200)


def saved(tmp_path, data):
    (tmp_path / "photo").write_bytes(data)
    return tmp_path / "photo"


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("chroma", [0, 1, 2])
def test_chroma_of_jpegs(tmp_path, chroma):
    path = saved(
        tmp_path, encoded(Image.fromarray(STRIPES), "JPEG", quality=95, subsampling=chroma)
    )
    data = crop_files.cut(path, (8, 8, 40, 32))
    assert JpegImagePlugin.get_sampling(opened(data)) == chroma
    if chroma == 0:
        assert np.abs(np.asarray(opened(data)).astype(int) - STRIPES[8:40, 8:48]).mean() < 6
        data = crop_files.cut(path, (8, 8, 40, 32), "avif")
        assert np.abs(np.asarray(opened(data)).astype(int) - STRIPES[8:40, 8:48]).mean() < 12


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP"])
def test_a_jpeg_of_a_lossless_photo_has_all_chroma(tmp_path, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    path = saved(tmp_path, encoded(Image.fromarray(STRIPES), kind, **options))
    found = opened(crop_files.cut(path, (8, 8, 40, 32), "jpeg"))
    assert JpegImagePlugin.get_sampling(found) == 0
    assert np.abs(np.asarray(found).astype(int) - STRIPES[8:40, 8:48]).mean() < 4
    found = opened(crop_files.cut(STRIPES, (8, 8, 40, 32), "jpeg"))
    assert JpegImagePlugin.get_sampling(found) == 0


@pytest.mark.parametrize("chroma", ["4:4:4", "4:2:2", "4:2:0"])
def test_chroma_of_avif(tmp_path, chroma):
    data = encoded(Image.fromarray(STRIPES), "AVIF", quality=95, subsampling=chroma)
    path = saved(tmp_path, data)
    crop = crop_files.cut(path, (8, 8, 40, 32))
    flags = [part[part.index(b"av1C") + 6] & 12 for part in (data, crop)]
    assert flags[0] == flags[1]
    crop = opened(crop_files.cut(path, (8, 8, 40, 32), "jpeg"))
    assert JpegImagePlugin.get_sampling(crop) == ["4:4:4", "4:2:2", "4:2:0"].index(chroma)


@pytest.mark.parametrize("chroma", [444, 422, 420])
def test_chroma_of_heic(tmp_path, chroma):
    pytest.importorskip("pillow_heif")
    data = encoded(Image.fromarray(STRIPES), "HEIF", quality=95, chroma=chroma)
    crop = opened(crop_files.cut(saved(tmp_path, data), (8, 8, 40, 32)))
    assert JpegImagePlugin.get_sampling(crop) == [444, 422, 420].index(chroma)


@pytest.mark.parametrize("with_more", [False, True])
def test_lossless_webp(tmp_path, with_more):
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 4), np.uint8)
    noise[:10, :, 3] = 0  # Hidden colours stay, too.
    more = {"exif": odd_files.exif(Artist="me"), "icc_profile": odd_files.profile("other")}
    options = {"lossless": True, "exact": True} | (more if with_more else {})
    path = saved(tmp_path, encoded(Image.fromarray(noise), "WEBP", **options))
    for source in (path, Image.open(path)):
        crop = opened(crop_files.cut(source, BOX))
        np.testing.assert_array_equal(np.asarray(crop), noise[5:35, 7:47])
    lossy = encoded(Image.fromarray(noise), "WEBP", quality=50)
    data = crop_files.cut(saved(tmp_path, lossy), BOX, quality=30)
    assert b"VP8L" not in data and len(data) < len(lossy)


def test_lossless_frame_of_an_animation(tmp_path):
    red = Image.new("RGB", RGB.size, "red")
    data = encoded(RGB, "WEBP", save_all=True, append_images=[red], lossless=True)
    crop = opened(crop_files.cut(saved(tmp_path, data), BOX))
    np.testing.assert_array_equal(np.asarray(crop.convert("RGB")), PIXELS[5:35, 7:47])


@pytest.mark.parametrize("source", ["PNG", "WEBP", "TIFF", "AVIF", "BMP", "GIF"])
@pytest.mark.parametrize("choice", ["png", "webp", "tiff", "avif", "bmp", "gif"])
def test_alpha_in_every_format_that_can_have_it(tmp_path, source, choice):
    image = RGB.convert("RGBA")
    image.putalpha(
        Image.fromarray(np.where(np.arange(60) < 30, 0, 255).astype(np.uint8)[None].repeat(40, 0))
    )
    content = crop_files.cut(image, (0, 0, 60, 40), "bmp") if source == "BMP" else None
    options = {"lossless": True} if source == "WEBP" else {}
    path = saved(tmp_path, content or encoded(image, source, **options))
    crop = opened(crop_files.cut(path, BOX, choice))
    alpha = np.asarray(crop.convert("RGBA"))[..., 3]
    assert np.abs(alpha.astype(int) - np.asarray(image)[5:35, 7:47, 3]).max() <= 2
    np.testing.assert_allclose(reading.read(crop), reading.read(path)[5:35, 7:47], atol=60)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("packing", ["tiff_lzw", "tiff_adobe_deflate", "packbits", None])
def test_packing_of_tiff(tmp_path, mode, packing):
    image = Image.fromarray(odd_files.GREY_16) if mode == "I;16" else RGB.convert(mode)
    options = {"compression": packing} if packing else {}
    path = saved(tmp_path, encoded(image, "TIFF", **options))
    crop = opened(crop_files.cut(path, BOX))
    assert crop.mode == mode and crop.info["compression"] == (packing or "raw")
    expected = image.crop((7, 5, 47, 35))
    np.testing.assert_array_equal(np.asarray(crop), np.asarray(expected))
    assert opened(crop_files.cut(path, BOX, "png")).size == (40, 30)


@pytest.mark.parametrize("choice", ["same", "png", "webp", "tiff", "avif"])
def test_a_grey_value_of_16_bits_that_stands_for_nothing(tmp_path, choice):
    grey = np.full((40, 60), 20_000, np.uint16)
    grey[:20] = 40_000
    path = saved(tmp_path, encoded(Image.fromarray(grey), "PNG", transparency=40_000))
    assert (reading.read(path)[:20] == 255).all() and (reading.read(path)[20:] == 78).all()
    found = reading.read(opened(crop_files.cut(path, BOX, choice)))
    assert (found[:12] > 240).all() and (found[18:] < 90).all()


def test_premultiplied_grey(tmp_path):
    image = odd_files.with_alpha(RGB.convert("L"))
    expected = reading.read(image).astype(int)
    assert np.abs(reading.read(image.convert("La")) - expected).max() <= 2

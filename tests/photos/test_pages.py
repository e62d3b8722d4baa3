"""Files of several pictures: the photo is taken, and it is said that the others are not."""

import io

import numpy as np
import pytest
from PIL import Image

from cagic_tf.photos import crop_files, reading
from tests import odd_files
from tests.odd_files import PIXELS, RGB, encoded

RED = Image.new("RGB", RGB.size, "red")
SMALL = RED.resize((20, 13))


def pages(tmp_path, *images, kinds=()):
    """A TIFF of pages, and what kind each says that it is."""
    path, made = tmp_path / "photo.tif", []
    for at, image in enumerate(images):
        image = image.copy()
        image.encoderinfo = {"tiffinfo": {254: kinds[at]} if kinds else {}}
        made.append(image)
    first, *others = made
    first.save(path, save_all=True, append_images=others, **first.encoderinfo)
    return path


@pytest.mark.parametrize("kinds", [(), (1, 0)])
def test_a_thumbnail_first_is_passed_over(tmp_path, kinds):
    path = pages(tmp_path, SMALL, RGB, kinds=kinds)
    np.testing.assert_array_equal(reading.read(path), PIXELS)
    assert reading.upright_size(path) == RGB.size
    crop = Image.open(io.BytesIO(crop_files.cut(path, (7, 5, 40, 30))))
    np.testing.assert_array_equal(np.asarray(crop), PIXELS[5:35, 7:47])
    assert reading.note(path) == ""


def test_the_largest_of_its_kind_is_taken(tmp_path):
    path = pages(tmp_path, SMALL, RED.resize((30, 20)), RGB, RED.resize((90, 20)))
    np.testing.assert_array_equal(reading.read(path), PIXELS)
    assert reading.note(path) == "only picture 3 of the 4 in the file was cropped"


@pytest.mark.parametrize("size", [(60, 40), (70, 50), (40, 120), (100, 66)])
def test_pages_of_other_sizes_are_not_the_photo(tmp_path, size):
    path = pages(tmp_path, RGB, RED.resize(size))
    np.testing.assert_array_equal(reading.read(path), PIXELS)
    assert reading.note(path) == "only picture 1 of the 2 in the file was cropped"


def test_smaller_versions_are_not_pages(tmp_path):
    path = pages(tmp_path, RGB, RED.resize((30, 20)), RED.resize((15, 10)))
    np.testing.assert_array_equal(reading.read(path), PIXELS)
    assert reading.note(path) == ""


def test_a_thumbnail_of_a_lying_photo(tmp_path):
    exif = odd_files.exif(Orientation=6)
    first, lying = SMALL.rotate(90, expand=True), RGB.transpose(Image.Transpose.ROTATE_90)
    path = tmp_path / "photo.tif"
    first.save(path, save_all=True, append_images=[lying], exif=exif)
    np.testing.assert_array_equal(reading.read(path), PIXELS)
    assert reading.upright_size(path) == RGB.size


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF", "MPO"])
def test_one_frame_of_an_animation(tmp_path, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(RGB, kind, save_all=True, append_images=[RED, RED.rotate(9)], **options)
    (tmp_path / "photo").write_bytes(data)
    assert reading.note(tmp_path / "photo") == "only picture 1 of the 3 in the file was cropped"
    (tmp_path / "photo").write_bytes(encoded(RGB, kind))
    assert reading.note(tmp_path / "photo") == ""


def test_a_damaged_second_page_does_not_lose_the_first(tmp_path):
    path = pages(tmp_path, RGB, RED)
    data = bytearray(path.read_bytes())
    second = Image.open(path)
    second.seek(1)
    at = second.tag_v2.offset
    second.close()
    for place in range(at + 2, at + 60):
        data[place] = 0xFF
    path.write_bytes(bytes(data))
    np.testing.assert_array_equal(reading.read(path), PIXELS)
    assert reading.note(path) == ""


def test_a_picture_that_was_opened_stays_at_its_frame(tmp_path):
    image = Image.open(pages(tmp_path, SMALL, RGB, RED))
    image.seek(2)
    np.testing.assert_array_equal(reading.read(image), np.asarray(RED))

"""What is no photo is one line; what is wrong in our own code is not called a bad photo."""

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from cagic_tf.photos import captions, colours, crop_files, metadata, reading
from tests import odd_files


def photo(height=3, width=5):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def error(source):
    with pytest.raises(reading.ImageError) as caught:
        reading.read(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


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


def broken(*_, **__):
    raise TypeError("a mistake of ours")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize(
    ("module", "step", "call"),
    [
        (colours, "ToSrgb", reading.read),
        (colours, "split_alpha", reading.read),
        (reading.Orientation, "cut", reading.read),
        (reading.Orientation, "upright_size", reading.upright_size),
        (reading, "_check", captions.in_photo),
        (crop_files, "_format", crop_files.ending),
        (crop_files, "_prepared", lambda path: crop_files.cut(path, (0, 0, 5, 5))),
        (crop_files, "_resized", lambda path: crop_files.cut(path, (0, 0, 5, 5), size=(9, 9))),
        (metadata, "of", lambda path: crop_files.cut(path, (0, 0, 5, 5))),
    ],
)
def test_our_own_mistakes_come_as_they_are(tmp_path, monkeypatch, module, step, call, suffix):
    path = tmp_path / f"photo.{suffix}"
    odd_files.RGB.save(path, exif=odd_files.exif(Artist="me", Orientation=6))
    call(path)
    monkeypatch.setattr(module, step, broken)
    with pytest.raises(TypeError, match="a mistake of ours"):
        call(path)


def test_an_error_in_the_block_is_the_callers(tmp_path):
    Image.fromarray(photo()).save(tmp_path / "photo.png")
    with pytest.raises(ZeroDivisionError), reading.opened(tmp_path / "photo.png") as image:
        1 / (image.width - 5)
    assert image.fp is None  # Closed all the same.


@pytest.mark.parametrize("error", [OSError, SyntaxError, MemoryError, TypeError, IndexError])
def test_all_that_pillow_raises_while_it_decodes_is_one_line(tmp_path, monkeypatch, error):
    Image.fromarray(photo()).save(tmp_path / "photo.png")

    def fail(self):
        raise error("in the\ndecoder")

    monkeypatch.setattr(PngImageFile, "load", fail)
    for call in (reading.read, lambda path: crop_files.cut(path, (0, 0, 2, 2))):
        with pytest.raises(reading.ImageError, match="photo.png as a photo: in the decoder"):
            call(tmp_path / "photo.png")

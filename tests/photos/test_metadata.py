"""What a photo's file says goes along with its crops, byte for byte, but for what is no crop's."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from cagic_tf.photos import crop_files, reading, tag_reading, tags
from tests import odd_files
from tests.odd_files import RGB, encoded
from tests.tagged_files import NAME, block, exif_in

BOX = (7, 5, 40, 30)
KINDS = ("jpeg", "png", "webp", "tiff", "avif")


def saved(tmp_path, data, name="photo"):
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("choice", KINDS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_tags_are_the_bytes_that_they_were(tmp_path, kind, choice, order):
    made = block(order)
    data = encoded(RGB, kind, **({} if kind == "TIFF" else {"exif": made.encoded()}))
    if kind == "TIFF":
        data = made.into_tiff(data)
    data = crop_files.cut(saved(tmp_path, data), BOX, choice)
    found = exif_in(data)
    expected = made.in_order(found.order)
    for name in ("main", "exif", "gps", "interop"):
        assert getattr(found, name) == getattr(expected, name), name
    assert NAME + b"\0" in data
    image = Image.open(io.BytesIO(data))  # Pillow's own reader agrees.
    assert image.getexif()[33432].encode("latin-1") == NAME
    assert image.getexif().get_ifd(ExifTags.IFD.GPSInfo)[2] == (300, 300, 300)
    assert image.getexif().get_ifd(ExifTags.IFD.Exif)[42034] == (24, 70, 2.8, 2.8)


def test_in_another_order_numbers_are_the_same():
    turned = block("<").in_order(">")
    assert turned.main[282].data == struct.pack(">LL", 300, 1)
    assert turned.exif[42034].data == struct.pack(">4d", 24, 70, 2.8, 2.8)
    assert turned.main[33432] == block().main[33432] and turned.in_order("<") == block("<")


@pytest.mark.parametrize("choice", KINDS)
def test_a_damaged_tag_is_left_out_alone(tmp_path, choice):
    made = block()
    made.main[271] = tags.Tag(2, b"Maker\0")
    data = bytearray(made.encoded())
    at = data.index(struct.pack("<HH", 271, 2))
    data[at + 8 : at + 12] = b"\xff\xff\xff\x7f"  # The text lies behind the end.
    path = saved(tmp_path, encoded(RGB, "JPEG", exif=bytes(data)))
    found = exif_in(crop_files.cut(path, BOX, choice))
    assert {271: tags.Tag(2, b"Maker\0"), **found.main} == made.in_order(found.order).main
    assert found.gps == block().in_order(found.order).gps


def test_a_tag_that_pillow_stumbles_over_does_not_lose_the_photo(tmp_path):
    """A resolution that is no number, beside an orientation that counts."""
    made = block()
    made.main |= {282: tags.Tag(1, b"\0"), 274: made.number(3, 3)}
    turned = RGB.transpose(Image.Transpose.ROTATE_180)
    data = encoded(turned, "JPEG", quality=95, exif=made.encoded())
    with pytest.raises(Image.UnidentifiedImageError):
        Image.open(io.BytesIO(data))
    path = saved(tmp_path, data)
    assert np.abs(reading.read(path).astype(int) - odd_files.PIXELS).max() <= 12
    found = exif_in(crop_files.cut(path, BOX))
    assert found.main == {n: tag for n, tag in block().main.items() if n != 282}
    assert found.exif == block().exif


@pytest.mark.parametrize("choice", KINDS)
def test_what_shows_the_rest_of_the_photo_stays_behind(tmp_path, choice):
    made = block()
    made.exif |= {37500: tags.Tag(7, b"note" * 9), 37396: tags.Tag(3, bytes(8))}
    made.main[50000] = tags.Tag(7, b"a preview: " + encoded(RGB, "JPEG"))
    made.main |= {274: made.number(1, 3), 33922: tags.Tag(12, bytes(48))}
    whole = made.encoded()
    at = 14 + 2 + 12 * struct.unpack_from("<H", whole, 14)[0]  # Where the next directory is said.
    thumbnail = struct.pack("<HHHLLL", 1, 513, 4, 1, 8, 0) + b"thumbnail"
    whole = whole[:at] + struct.pack("<L", len(whole) - 6) + whole[at + 4 :] + thumbnail
    data = crop_files.cut(saved(tmp_path, encoded(RGB, "JPEG", exif=whole)), BOX, choice)
    assert exif_in(data) == block().in_order(exif_in(data).order)
    assert b"thumbnail" not in data and b"notenote" not in data and b"preview" not in data


def test_sizes_and_colours_are_those_of_the_crop(tmp_path):
    made = block(">")
    made.exif |= {40962: made.number(60, 3), 40963: made.number(40), 40961: made.number(65535, 3)}
    profile = odd_files.profile("other")
    data = encoded(RGB.convert("CMYK"), "JPEG", exif=made.encoded())
    found = exif_in(crop_files.cut(saved(tmp_path, data), BOX, "png", size=(20, 15)))
    assert found.exif[40962] == found.number(20) and found.exif[40963] == found.number(15)
    data = encoded(RGB, "JPEG", exif=made.encoded(), icc_profile=profile)
    assert exif_in(crop_files.cut(saved(tmp_path, data), BOX)).exif[40961] == made.number(65535, 3)


def test_tags_that_are_too_long_for_a_jpeg_go_one_by_one(tmp_path):
    made = block()
    made.main |= {50001: tags.Tag(7, b"x" * 60_000), 50002: tags.Tag(7, b"y" * 30_000)}
    path = saved(tmp_path, encoded(RGB, "PNG", exif=made.encoded()))
    assert exif_in(crop_files.cut(path, BOX)) == made
    found = exif_in(crop_files.cut(path, BOX, "jpeg"))
    assert set(found.main) == set(made.main) - {50001}


@pytest.mark.parametrize("choice", KINDS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
def test_resolution(tmp_path, kind, choice):
    """Across and down differ, and the photo lies: what is across in it is down in the crop."""
    exif = odd_files.exif(Orientation=6)
    made = {"JPEG": {"dpi": (300, 150)}, "WEBP": {}}.get(kind, {"dpi": (300, 150)})
    if kind == "WEBP":
        exif[282], exif[283], exif[296] = 300.0, 150.0, 2
    if kind != "BMP":
        made["exif"] = exif
    path = saved(tmp_path, encoded(RGB.resize((60, 60)), kind, **made))
    data = crop_files.cut(path, (7, 5, 40, 30), choice)
    image = Image.open(io.BytesIO(data))
    expected = (300, 150) if kind == "BMP" else (150, 300)
    if choice in ("jpeg", "png", "tiff"):
        assert np.allclose(image.info["dpi"], expected, atol=0.02)
    else:
        assert np.allclose(exif_in(data).density(), expected, atol=0.02)
    data = crop_files.cut(path, (7, 5, 40, 30), choice, strip_metadata=True)
    assert exif_in(data).density() is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
def test_no_resolution_is_made_up(tmp_path, kind):
    data = encoded(RGB, kind, **({"dpi": (0, 0)} if kind == "BMP" else {}))
    if kind == "JPEG":
        data = encoded(RGB, kind, exif=odd_files.exif(Artist="me"))  # Pillow says 72 of it.
    for choice in (*KINDS, "bmp"):
        made = crop_files.cut(saved(tmp_path, data), BOX, choice)
        image = Image.open(io.BytesIO(made))
        assert image.info.get("jfif_density", (1, 1)) == (1, 1)
        assert image.info.get("dpi") in (None, (1, 1), (72, 72)) and exif_in(made).density() is None


def test_cmyk_jpegs_have_no_place_for_it_but_exif(tmp_path):
    data = encoded(RGB.convert("CMYK"), "TIFF", dpi=(300, 300))
    made = crop_files.cut(saved(tmp_path, data), BOX, "jpeg")
    assert np.allclose(Image.open(io.BytesIO(made)).info["dpi"], (300, 300))


def test_texts_of_png_and_comments(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Copyright", "© José")
    info.add_text("Author", "José Müller", zip=True)
    info.add_itxt("Title", "写真", "zh", "标题")
    info.add_text("Thumb::URI", "file:///home/me")
    path = saved(tmp_path, encoded(RGB, "PNG", pnginfo=info))
    found = Image.open(io.BytesIO(crop_files.cut(path, BOX))).text
    assert found == {"Copyright": "© José", "Author": "José Müller", "Title": "写真"}
    assert found["Title"].lang == "zh"
    data = crop_files.cut(path, BOX, strip_metadata=True)
    assert Image.open(io.BytesIO(data)).text == {}
    for kind in ("JPEG", "GIF"):
        path = saved(tmp_path, encoded(RGB, kind, comment="© José".encode()))
        data = crop_files.cut(path, BOX)
        assert Image.open(io.BytesIO(data)).info["comment"] == "© José".encode()
        assert "José".encode() not in crop_files.cut(path, BOX, strip_metadata=True)


def test_exif_in_a_text_of_png_and_in_memory(tmp_path):
    data = block().encoded()
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n")
    path = saved(tmp_path, encoded(RGB, "PNG", pnginfo=info))
    assert exif_in(crop_files.cut(path, BOX)) == block()
    image = RGB.copy()
    image.getexif()[ExifTags.Base.Artist] = "me"
    assert Image.open(io.BytesIO(crop_files.cut(image, BOX))).getexif()[315] == "me"


def test_a_block_that_points_at_itself_ends(tmp_path):
    made = block()
    data = bytearray(made.encoded())
    at = data.index(struct.pack("<HH", ExifTags.IFD.Exif, 4))
    data[at + 8 : at + 12] = struct.pack("<L", 8)
    count = struct.pack("<HHL", 7, 7, 2**31) + struct.pack("<L", 8)
    many = b"II*\0\x08\0\0\0" + struct.pack("<H", 65535) + count * 3000
    for odd in (
        bytes(data),
        many,
        b"",
        b"Exif\0\0",
        b"MM\0*",
        b"II*\0" + b"\xff" * 4,
        zlib.compress(many),
    ):
        assert isinstance(tag_reading.of_exif(odd), tags.Block)


def test_a_tiff_that_was_loaded_before_has_its_tags(tmp_path):
    path = saved(tmp_path, block().into_tiff(encoded(RGB, "TIFF")))
    image = Image.open(path)
    image.load()
    assert image.fp is None
    assert exif_in(crop_files.cut(image, BOX)) == block()
    image = Image.open(io.BytesIO(path.read_bytes()))
    image.load()
    assert Image.open(io.BytesIO(crop_files.cut(image, BOX))).info["dpi"] == (300, 300)

"""XMP and IPTC, such as rights and captions, stay with a crop."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from cagic_tf.photos import captions, crop_files, reading, tags
from tests.odd_files import RGB, encoded
from tests.tagged_files import block, exif_in

BOX = (7, 5, 40, 30)
KINDS = ("jpeg", "png", "webp", "tiff", "avif")

XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description xmpRights:Marked="True"'
    b' tiff:Orientation="6" exif:PixelXDimension="60">'
    b"<dc:rights>\xc2\xa9 Jos\xc3\xa9</dc:rights><xmp:Thumbnails><rdf:Alt>/9j/whole photo</rdf:Alt>"
    b"</xmp:Thumbnails><crs:Crop>1</crs:Crop></rdf:Description></rdf:RDF></x:xmpmeta>"
    b'<?xpacket end="w"?>'
)
IIM = b"\x1c\x02\x74\x00\x06(c) me\x1c\x02\x78\x00\x05a dog"  # Rights and a caption.


def saved(tmp_path, data, name="photo"):
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


def jpeg_with(xmp=b"", resources=b""):
    data = encoded(RGB, "JPEG", exif=block().encoded())
    added = b""
    for marker, content in ((b"\xff\xe1", xmp), (b"\xff\xed", resources)):
        if content:
            added += marker + struct.pack(">H", len(content) + 2) + content
    return data[:2] + added + data[2:]


def photoshop(*resources):
    """Photoshop's resources: number and content of each."""
    packed = b"".join(
        b"8BIM" + struct.pack(">HHL", number, 0, len(data)) + data + b"\0" * (len(data) % 2)
        for number, data in resources
    )
    return b"Photoshop 3.0\0" + packed


def xmp_in(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp", "").encode()
    return xmp if isinstance(xmp, bytes) else xmp.encode()


@pytest.mark.parametrize("choice", KINDS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_xmp(tmp_path, kind, choice):
    expected = XMP.replace(b' tiff:Orientation="6" exif:PixelXDimension="60"', b"")
    start, end = expected.index(b"<xmp:Thumb"), expected.index(b"</rdf:Description")
    expected = expected[:start] + expected[end:]
    options = {"xmp": XMP}
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP)
        options = {"pnginfo": info}
    square = RGB.resize((60, 60))  # Turned by what XMP says where nothing else does.
    data = encoded(square, kind, **({} if kind in ("JPEG", "TIFF") else options))
    if kind == "JPEG":
        content = b"http://ns.adobe.com/xap/1.0/\0" + XMP
        data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + data[2:]
    elif kind == "TIFF":
        data = tags.Block("<", {700: tags.Tag(1, XMP)}).into_tiff(data)
    path = saved(tmp_path, data)
    made = crop_files.cut(path, BOX, choice)
    assert xmp_in(made) == expected
    # Turned once, not once more by what the crop's file says.
    crop = reading.read(saved(tmp_path, made, "crop")).astype(int)
    assert np.abs(crop - reading.read(path)[5:35, 7:47]).max() <= 20
    assert b"Jos" not in crop_files.cut(path, BOX, choice, strip_metadata=True)


def test_iptc_and_the_flag_of_rights(tmp_path):
    thumbnail = encoded(RGB, "JPEG")
    own = photoshop((0x0404, IIM), (0x0409, thumbnail), (0x040A, b"\1"), (0x040B, b"http://me"))
    kept = photoshop((0x0404, IIM), (0x040A, b"\1"), (0x040B, b"http://me"))
    path = saved(tmp_path, jpeg_with(resources=own))
    for _ in range(2):  # The crop of a crop, too.
        data = crop_files.cut(path, BOX, "jpeg")
        assert kept in data and data.count(b"\xff\xd8\xff") == 1
        assert captions.in_photo(saved(tmp_path, data, "crop.jpg")) == "a dog"
        path = saved(tmp_path, crop_files.cut(path, (0, 0, 60, 40), "tiff"))
    tiff = Image.open(path)
    assert tiff.tag_v2[33723] == IIM and tiff.tag_v2[34377] == kept[14:]
    path = saved(tmp_path, crop_files.cut(path, (0, 0, 60, 40), "png"))
    text = Image.open(path).text["Raw profile type iptc"].split("\n")
    assert text[1] == "iptc" and bytes.fromhex("".join(text[3:])) == kept[14:]
    assert int(text[2]) == len(kept) - 14
    assert kept in crop_files.cut(path, (0, 0, 40, 30), "jpeg")
    assert IIM not in crop_files.cut(path, (0, 0, 40, 30), "jpeg", strip_metadata=True)


@pytest.mark.parametrize(
    "content", [b"8BIM", b"8BIM\x04\x04\xff", b"8BIM\x04\x04\0\0\xff\xff\xff\xff"]
)
def test_damaged_iptc_loses_neither_photo_nor_exif(tmp_path, content):
    path = saved(tmp_path, jpeg_with(resources=b"Photoshop 3.0\0" + content))
    assert reading.read(path).shape == (40, 60, 3)
    assert exif_in(crop_files.cut(path, BOX)) == block()

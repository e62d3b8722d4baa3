import pytest
from PIL.PngImagePlugin import PngInfo

from cagic_tf.photos import captions, reading
from tests import odd_files
from tests.odd_files import RGB, encoded

LANGUAGES = (
    '<rdf:li xml:lang="x-default">ein Hund</rdf:li><rdf:li xml:lang="fr">un chien</rdf:li>'
    '<rdf:li xml:lang="en-GB">a café dog</rdf:li>'
)


def iptc(*texts):
    """A JPEG's segment with IPTC captions (record 2, data set 120)."""
    record = b"".join(b"\x1c\x02\x78" + len(text).to_bytes(2, "big") + text for text in texts)
    record += b"\0" * (len(record) % 2)
    block = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(record).to_bytes(4, "big") + record
    return b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block


def xmp(inside, attributes=""):
    """An XMP packet with this in its description's element."""
    text = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" {attributes}>'
        f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">no</rdf:li></rdf:Alt></dc:title>{inside}'
        '</rdf:Description></rdf:RDF></x:xmpmeta>  <?xpacket end="w"?>'
    )
    return text.encode()


def described(items):
    return xmp(f"<dc:description><rdf:Alt>{items}</rdf:Alt></dc:description>")


def item(text):
    return f'<rdf:li xml:lang="x-default">{text}</rdf:li>'


def jpeg(exif=None, inside=None, packet=None, **tags):
    """A JPEG with these captions in EXIF, IPTC and XMP."""
    tags |= {} if exif is None else {"ImageDescription": exif}
    options = {"exif": odd_files.exif(**tags)} if tags else {}
    data = encoded(RGB, "JPEG", **options, **({"xmp": packet} if packet else {}))
    return data if inside is None else data[:2] + iptc(*inside) + data[2:]


def caption_of(tmp_path, data):
    (tmp_path / "photo").write_bytes(data)
    return captions.in_photo(tmp_path / "photo")


@pytest.mark.parametrize(
    ("exif", "inside", "expected"),
    [
        (None, None, ""),
        ("a dog", None, "a dog"),
        ("a dog", [b"a cat"], "a cat"),
        ("a dog", [b" \0"], "a dog"),
        (" \n", [b"a cat"], "a cat"),
        (None, ["a café".encode()], "a café"),
        (None, ["a café".encode("latin-1")], "a café"),
        (None, ["“a dog”".encode("cp1252")], "“a dog”"),
        (None, [b"a cat", b"a dog"], "a cat"),
        ("two\r\nlines\0", None, "two lines"),
    ],
)
def test_iptc_comes_before_exif(tmp_path, exif, inside, expected):
    assert caption_of(tmp_path, jpeg(exif, inside)) == expected


@pytest.mark.parametrize("key", ["iptc", "exif"])
def test_what_imagemagick_writes_into_a_png(tmp_path, key):
    """IPTC and EXIF as hexadecimal text."""
    tags = odd_files.exif(ImageDescription="a dog").tobytes()
    data = {"iptc": iptc(b"a dog")[18:], "exif": tags}[key]
    texts = PngInfo()
    texts.add_text(f"Raw profile type {key}", f"\n{key}\n{len(data):8}\n{data.hex()}\n", zip=True)
    assert caption_of(tmp_path, encoded(RGB, "PNG", pnginfo=texts)) == "a dog"


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (described(item("a cat")), "a cat"),
        (described(LANGUAGES), "a café dog"),
        (described(LANGUAGES.split('<rdf:li xml:lang="en')[0]), "ein Hund"),
        (xmp("<dc:description>a cat</dc:description>"), "a cat"),
        (xmp("", 'dc:description="a cat"'), "a cat"),
        (described(item("a\n  cat &amp; a dog")), "a cat & a dog"),
        (described(item(" ")), "in EXIF"),
        (xmp(""), "in EXIF"),
        (b"<x:xmpmeta", "in EXIF"),
        (b"\xff\xfe\0", "in EXIF"),
        (b'<!DOCTYPE x [<!ENTITY a "a cat">]>' + described(item("&a;")), "in EXIF"),
    ],
)
def test_xmp_comes_before_exif(tmp_path, packet, expected):
    assert caption_of(tmp_path, jpeg("in EXIF", packet=packet)) == expected
    assert caption_of(tmp_path, jpeg("in EXIF", [b"in IPTC"], packet)) == "in IPTC"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_xmp_of_other_formats(tmp_path, kind):
    packet = described(item("a cat"))
    if kind == "TIFF":
        data = encoded(RGB, kind, tiffinfo={700: packet})
    elif kind == "PNG":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", packet.decode())
        data = encoded(RGB, kind, pnginfo=text)
    else:
        data = encoded(RGB, kind, xmp=packet)
    assert caption_of(tmp_path, data) == "a cat"


@pytest.mark.parametrize(
    "written",
    [
        "OLYMPUS DIGITAL CAMERA         ",
        "SONY DSC",
        "KODAK Digital Still Camera",
        "DCIM\\100\\1.JPG",
    ]
    + ["MOULTRIE DIGITAL GAME CAMERA", "<KENOX S1050  / Samsung S1050>", "SAMSUNG CAMERA PICTURES"]
    + ["KONICA MINOLTA DIGITAL CAMERA", "MEDION DIGITAL CAMERA", "Digital Camera", "dav", "hdrpl"]
    + ["My beautiful picture", "Acme", "ACME X-100", "X-100", "DSC_0012.JPG", "default"],
)
def test_what_cameras_write_is_no_caption(tmp_path, written):
    camera = {"Make": "Acme", "Model": "X-100"}
    assert caption_of(tmp_path, jpeg(written, **camera)) == ""
    assert caption_of(tmp_path, jpeg(written, [b"a dog on the grass"], **camera)) == (
        "a dog on the grass"
    )
    assert caption_of(tmp_path, jpeg("a dog", [written.encode()], **camera)) == "a dog"


@pytest.mark.parametrize(
    "written",
    ["a digital camera on a desk", "camera", "an olympus camera", "a red hp printer", "a burst"]
    + ["smart dog", "pictures of a game", "canon fires at a castle"],
)
def test_what_people_write_is_one(tmp_path, written):
    assert caption_of(tmp_path, jpeg(written)) == written


def test_damaged_parts_count_as_absent(tmp_path):
    exif = odd_files.exif(ImageDescription="a dog").tobytes()
    data = encoded(RGB, "JPEG", exif=exif)
    assert caption_of(tmp_path, data) == "a dog"
    # The tag says that its text has 2^31 letters.
    broken = data.replace(b"\x01\x0e\x00\x02\x00\x00", b"\x01\x0e\x00\x02\x80\x00").replace(
        b"\x0e\x01\x02\x00\x06\x00\x00\x00", b"\x0e\x01\x02\x00\x06\x00\x00\x80"
    )
    assert broken != data and caption_of(tmp_path, broken) == ""
    assert caption_of(tmp_path, broken[:2] + iptc(b"a cat") + broken[2:]) == "a cat"
    with pytest.raises(reading.ImageError, match="holds no picture"):
        caption_of(tmp_path, b"no picture")

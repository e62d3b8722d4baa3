"""The caption that a photo's file holds: what a person wrote, and not what a camera did."""

import os
import re
from collections.abc import Iterator
from xml.etree import ElementTree

from PIL import ExifTags

from cagic_tf.photos import metadata, reading

_IPTC_CAPTION = bytes([2, 120])
_TAGS = (ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model)
_LONGEST_XMP = 4_000_000  # Bytes.
_DC, _RDF = "{http://purl.org/dc/elements/1.1/}", "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

# What cameras and programs write as a description of their own accord. Collected from what users
# of iNaturalist (github.com/inaturalist/inaturalist/issues/1323) and of PhotoPrism
# (github.com/photoprism/photoprism/pull/5078 and internal/meta/sanitize.go) found in their photos.
_BOILERPLATE = frozenset(
    [
        *("created by imlib", "default", "exif_jpeg_picture", "hellomoto", "iclarified"),
        *("my beautiful picture", "digital camera", "digital still camera", "dcim"),
        # Huawei's and Honor's modes of taking a picture.
        *("_cuva", "bsh", "btf", "btfhdr", "btfmdn", "btr", "burst", "cof", "dav", "edf", "fbt"),
        *("fbthdr", "frem", "frontbhdp", "fshbty", "hdr", "hdrpl", "mde", "mde_soft", "mon"),
        *("nor", "oznor", "oznorwo", "ptr", "qrf", "rbt", "rhdr", "rpt", "sdr_hdrb", "smart"),
    ]
)
# A text of these words alone, of a maker and of cameras, is a camera's: "SONY DSC".
_MAKERS = frozenset(
    "casio canon epson fuji fujifilm hp jenoptik kodak konica kyocera leica medion minolta "
    "moultrie nikon olympus panasonic pentax polaroid ricoh samsung sanyo sony vivitar".split()
)
_OF_CAMERAS = frozenset("camera co corporation digital dsc game imaging ltd pictures still".split())
_NAMES = re.compile(
    r"dcim[\\/].*"  # A path on the card.
    r"|<.* / samsung .*>|<digimax .*>"
    r"|(img|dsc|dscn|dscf|pict|pxl|dji)[_-]?\d+(\.\w+)?"  # The name of the photo's own file.
)


def in_photo(path: str | os.PathLike) -> str:
    """The caption inside a photo's file; "" for none.

    The first that there is of the IPTC caption, XMP's dc:description (in English, if it is there in
    several languages) and EXIF's ImageDescription. What cameras write there of their own accord,
    such as "OLYMPUS DIGITAL CAMERA" or their own name, is none. Parts of the file that are damaged
    count as absent.

    Args:
      path: The photo.

    Raises:
      reading.ImageError: No such file, or no picture in it.
    """
    with reading.opened(path) as image:
        block, xmp, resources = metadata.described(image)
    exif, make, model = (_text(block.main[tag].data) if tag in block.main else "" for tag in _TAGS)
    for text in (_of_iptc(resources.get(metadata.IPTC, b"")), _of_xmp(xmp), exif):
        caption = " ".join(text.split())
        if caption and not is_boilerplate(caption, (make, model, f"{make} {model}")):
            return caption
    return ""


def is_boilerplate(caption: str, cameras: tuple[str, ...] = ()) -> bool:
    """Whether a camera or a program wrote it of its own accord, not a person.

        >>> is_boilerplate("OLYMPUS DIGITAL CAMERA"), is_boilerplate("a digital camera on a desk")
        (True, False)

    Args:
      caption: The text, without white space around it.
      cameras: Names that the camera has in the photo's file.
    """
    text = " ".join(caption.casefold().split())
    words = set(re.findall(r"\w+", text))
    return (
        text in _BOILERPLATE
        or text in {" ".join(camera.casefold().split()) for camera in cameras}
        or bool(words & _MAKERS and words <= _MAKERS | _OF_CAMERAS)
        or _NAMES.fullmatch(text) is not None
    )


def _of_iptc(data: bytes) -> str:
    """The caption in IPTC's parts: a mark, two numbers, a length of two bytes, and the content."""
    at = 0
    while data[at : at + 1] == b"\x1c":
        end = at + 5 + int.from_bytes(data[at + 3 : at + 5], "big")
        if data[at + 1 : at + 3] == _IPTC_CAPTION:
            return _text(data[at + 5 : end])
        at = end
    return ""


def _of_xmp(data: bytes) -> str:
    if not 0 < len(data) <= _LONGEST_XMP:
        return ""
    if b"<!DOCTYPE" in data.replace(b"\0", b""):  # XMP has none; its entities can fill the memory.
        return ""
    try:
        root = ElementTree.fromstring(data.strip(b"\0 \r\n\t"))
    except (ElementTree.ParseError, ValueError, LookupError):  # Of an encoding that is none.
        return ""
    texts = list(_descriptions(root))  # Language and text.
    languages = [language.lower().partition("-")[0] for language, _ in texts]
    for wanted in ("en", "x"):  # "x-default"
        if wanted in languages:
            return texts[languages.index(wanted)][1]
    return texts[0][1] if texts else ""


def _descriptions(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for described in root.iter(f"{_RDF}Description"):
        if text := described.get(f"{_DC}description", "").strip():
            yield "", text
    for described in root.iter(f"{_DC}description"):
        for item in [*described.iter(f"{_RDF}li"), described]:
            if text := (item.text or "").strip():
                yield item.get(_LANGUAGE, ""), text


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    return text.replace("\0", " ")

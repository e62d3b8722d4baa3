"""The caption that a photo's file holds: what a person wrote, and not what a camera did."""

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from cagic_tf.photos import reading, tag_reading

_IPTC_CAPTION = (2, 120)
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
        cameras = _cameras(image)
        for text in (_iptc(image), _xmp(image), _exif(image, ExifTags.Base.ImageDescription)):
            caption = " ".join(text.replace("\0", " ").split())
            if caption and not is_boilerplate(caption, cameras):
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


def _cameras(image: Image.Image) -> tuple[str, ...]:
    make, model = _exif(image, ExifTags.Base.Make), _exif(image, ExifTags.Base.Model)
    return make, model, f"{make} {model}"


def _exif(image: Image.Image, tag: int) -> str:
    found: Any = None
    data = image.info.get("exif")
    if isinstance(data, bytes):  # Read as bytes: another tag that is damaged does not matter then.
        there = tag_reading.of_exif(data).main.get(tag)
        found = there.data if there else None
    else:
        with _damage_counts_as_absent():
            found = image.getexif().get(tag)
    if isinstance(found, str):  # Pillow reads EXIF's texts as Latin-1; most are UTF-8 now.
        found = found.encode("latin-1", "replace")
    return _decoded(found.rstrip(b"\0")) if isinstance(found, bytes) else ""


def _iptc(image: Image.Image) -> str:
    found: Any = None
    if isinstance(image, ImageFile.ImageFile):
        with _damage_counts_as_absent():
            found = (IptcImagePlugin.getiptcinfo(image) or {}).get(_IPTC_CAPTION)
    if isinstance(found, list):  # It is there more than once.
        found = found[0]
    return _decoded(found) if isinstance(found, bytes) else ""


def _xmp(image: Image.Image) -> str:
    data = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    data = data.encode(errors="replace") if isinstance(data, str) else data
    if not isinstance(data, bytes) or not 0 < len(data) <= _LONGEST_XMP:
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


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


@contextlib.contextmanager
def _damage_counts_as_absent() -> Iterator[None]:
    """Only what reads a part of a file belongs in it; readers of damaged ones raise anything."""
    with contextlib.suppress(Exception):
        yield

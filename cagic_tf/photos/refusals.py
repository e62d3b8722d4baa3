"""What a file is that is not read: which kind of picture, and why."""

import functools
import io
import os
import re
from collections.abc import Callable

from PIL import Image

from cagic_tf.photos import tag_reading

_HEAD = 4096
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
# Where a mark begins, the mark, and what it is.
_KINDS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"8BPS", "Photoshop (PSD)"),
    (0, b"gimp xcf", "GIMP (XCF)"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"\x8aMNG", "MNG"),
    (0, b"\x8bJNG", "JNG"),
    (0, b"qoif", "QOI"),
    (0, b"DDS ", "DDS"),
    (0, b"icns", "ICNS"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"\0\0\2\0", "CUR"),
    (0, b"v/1\1", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"#?RGBE", "Radiance HDR"),
    (0, b"SIMPLE  =", "FITS"),
    (128, b"DICM", "DICOM"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"FLIF", "FLIF"),
    (0, b"\x01\xda", "SGI"),
    (0, b"\x59\xa6\x6a\x95", "Sun raster"),
    (0, b"/* XPM */", "XPM"),
    (0, b"\xd7\xcd\xc6\x9a", "WMF"),
    (40, b" EMF", "EMF"),
    (8, b"CR\2\0", "raw camera (CR2)"),
    (4, b"ftypcrx", "raw camera (CR3)"),
    (0, b"FUJIFILMCCD-RAW", "raw camera (RAF)"),
    (0, b"IIRO", "raw camera (ORF)"),
    (0, b"IIRS", "raw camera (ORF)"),
    (0, b"MMOR", "raw camera (ORF)"),
    (0, b"IIU\0", "raw camera (RW2)"),
    (0, b"FOVb", "raw camera (X3F)"),
)
_TGA_END = b"TRUEVISION-XFILE.\0"
_PNM = re.compile(rb"P(?:[1-6]\s+[#\d]|7\nWIDTH|[Ff]\s+\d)")
_PCX = (b"\x0a\x05\x01", b"\x0a\x03\x01", b"\x0a\x02\x01")
_SUBFILE_TYPE, _BITS, _SUB_DIRECTORIES, _FORMAT, _DNG = 254, 258, 330, 339, 50706


def reason(path: str | os.PathLike, formats: tuple[str, ...]) -> str:
    """Why a file is not read, in a few words, such as "it holds no picture; JPEG, ... are read".

    Args:
      path: The file, which is there.
      formats: The formats that are read, by Pillow's names.
    """
    read = f"{', '.join(formats)} are read"
    with open(path, "rb") as file:
        head = file.read(_HEAD)
        if not head:
            return f"it is empty; {read}"
        is_heic = head[4:8] == b"ftyp" and head[8:12] in _HEIC and b"avif" not in head[:64]
        if is_heic and "HEIF" not in Image.OPEN:
            return "it is a HEIC photo, which an extra reads: pip install pillow-heif"
        file.seek(-min(len(head), len(_TGA_END)), os.SEEK_END)
        if kind := "TGA" if file.read() == _TGA_END else _kind(head):
            return f"a picture of the kind {kind} is not supported; {read}"
        if told := _told(file, head, formats):
            return told
    return f"it holds no picture; {read}"


def raw_kind(image: Image.Image) -> str:
    """Which raw photo it is whose small preview Pillow has opened; "" where it is none."""
    if image.format != "TIFF":
        return ""
    file, found = getattr(image, "fp", None), getattr(image, "tag_v2", {})
    is_preview = found.get(_SUBFILE_TYPE, 0) == 1
    if file is not None and not file.closed:
        before = file.tell()
        file.seek(0)
        head = file.read(16)
        file.seek(before)
        if kind := _kind(head):
            return kind
    if is_preview and (_DNG in found or _SUB_DIRECTORIES in found):
        return "raw camera (DNG)" if _DNG in found else "raw camera"
    return ""


def _kind(head: bytes) -> str:
    for at, mark, kind in _KINDS:
        if head.startswith(mark, at):
            return kind
    if _PNM.match(head):
        return "PNM"
    if head.startswith(_PCX) and len(head) >= 128:
        return "PCX"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    is_svg = text.startswith((b"<?xml", b"<!--", b"<!doctype svg", b"<svg")) and b"<svg" in text
    return "SVG" if is_svg else ""


def _told(file: io.BufferedReader, head: bytes, formats: tuple[str, ...]) -> str:
    """What the reader of its format says."""
    for name in formats:
        make, accept = Image.OPEN.get(name, (None, None))
        answer = accept(head[:16]) if make and accept else False
        if isinstance(answer, str):  # Pillow was built without it.
            return " ".join(answer.split())
        if make is None or not answer:
            continue
        file.seek(0)
        text = _error(functools.partial(make, file, ""))
        if text == "unknown pixel mode":
            return _unknown_samples(file)
        return f"its {name} data cannot be read: {text}" if text else ""
    return ""


def _error(call: Callable[[], object]) -> str:
    try:
        call()
    except Exception as error:  # Readers raise errors of many kinds.
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _unknown_samples(file: io.BufferedReader) -> str:
    """What a TIFF's pixels are that Pillow has no name for."""
    found = tag_reading.numbers(file, 0, (_BITS, _FORMAT, _SUB_DIRECTORIES, _DNG, _SUBFILE_TYPE))
    if _DNG in found or (found.get(_SUBFILE_TYPE) == (1,) and _SUB_DIRECTORIES in found):
        return "a raw camera picture is not supported; save it as JPEG or TIFF"
    kind = {2: "signed ", 3: "floating-point "}.get(found.get(_FORMAT, (1,))[0], "")
    bits = " and ".join(map(str, sorted(set(found.get(_BITS, (1,))))[:4]))
    return (
        f"a TIFF of {kind}{bits} bits a sample of this kind is not supported; save it as RGB or "
        "grey of 8 or 16 bits"
    )

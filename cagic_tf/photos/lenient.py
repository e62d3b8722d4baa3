"""Files that browsers open and Pillow does not: odd metadata, a chunk's limit, a missing end.

Nothing is guessed: each returns the whole picture, or None. Pillow's own leniency is a setting of
the whole process and takes half a photo for a whole one.
"""

import io
import os
import re
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

_EXIF = b"Exif\0\0"
# What JPEG's segments are called that Pillow reads, and stumbles over.
_SEGMENTS = (_EXIF, b"Photoshop 3.0\0", b"MPF\0", b"ICC_PROFILE\0", b"")
_END = b"\xff\xd9"
_FILLINGS = (b"", b"\x55" * 512, b"\xaa" * 512)  # What would be pixels, were some missing.
_PNG = b"\x89PNG\r\n\x1a\n"
_MENDED = re.compile(
    rb"\xff\xd8|\x89PNG\r\n\x1a\n|RIFF....WEBP|....ftyp(?:avi|mif1|msf1|hei)", re.DOTALL
)
_SHORTEST = {b"pHYs": 9, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"acTL": 8, b"tRNS": 1}
_LONGEST_PROFILE, _LONGEST_TEXT = 2**24, 2**20  # Bytes.


def opened(path: str | os.PathLike, formats: list[str]) -> Image.Image | None:
    """A picture that Pillow refused to open, or to decode.

    Args:
      path: The file.
      formats: Pillow's names of what it may be.

    Returns:
      The picture, not yet loaded, with what its file says of itself as far as it can be read.
    """
    data = _content(path)
    for version in _versions(data):
        try:
            image = Image.open(io.BytesIO(version), formats=formats)
        except Exception:  # Of many kinds.
            continue
        image.filename = os.fspath(path)  # Whose bytes say how it is encoded.
        if version.startswith(b"\xff\xd8") and "exif" not in image.info:
            if exif := _segment(data, _EXIF):
                image.info["exif"] = exif
        if version.startswith(_PNG) and "icc_profile" not in image.info:
            image.info["icc_profile"] = _png_profile(data)
        return image
    return None


def decoded(path: str | os.PathLike, formats: list[str]) -> Image.Image | None:
    """A picture, loaded, that Pillow could open and not decode.

    A JPEG without its end is one if nothing but the end is missing: then what comes in its place
    changes no pixel.
    """
    data = _content(path)
    if not data.startswith(b"\xff\xd8"):
        image = opened(path, formats)
        return image if image and _is_loaded(image) else None
    body = data[:-1] if data.endswith(b"\xff") else data
    found = []
    for filling in _FILLINGS:
        image = Image.open(io.BytesIO(body + filling + _END), formats=formats)
        if not _is_loaded(image):
            return None
        found.append(image)
    first, *others = found
    return first if all(first.tobytes() == other.tobytes() for other in others) else None


def _content(path: str | os.PathLike) -> bytes:
    """A file's content, if it is one of those that are mended here."""
    with open(path, "rb") as file:
        head = file.read(12)
        return head + file.read() if _MENDED.match(head) else b""


def _is_loaded(image: Image.Image) -> bool:
    try:
        image.load()
    except Exception:  # Of many kinds.
        return False
    return True


def _versions(data: bytes) -> Iterator[bytes]:
    """A file's content without what may keep Pillow from reading it."""
    if data.startswith(b"\xff\xd8"):
        for name in _SEGMENTS:
            yield _without_segments(data, name)
    elif data.startswith(_PNG):
        yield _png_without_damage(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        yield _webp_of_its_size(data)
    elif data[4:8] == b"ftyp":  # AVIF and HEIF: EXIF becomes an item of no known kind.
        yield data[:65536].replace(b"Exif", b"skip") + data[65536:]


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Place and end of the content of each of a JPEG's segments APP1 to APP13."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        if data[at + 1] == 0xFF:  # What fills up.
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xE1 <= data[at + 1] <= 0xED:
            yield at + 4, at + 2 + length
        at += 2 + length


def _segment(data: bytes, name: bytes) -> bytes:
    """The content of the first segment of a name."""
    places = ((at, end) for at, end in _segments(data) if data.startswith(name, at))
    at, end = next(places, (0, 0))
    return data[at:end]


def _without_segments(data: bytes, name: bytes) -> bytes:
    found = bytearray(data)
    for at, end in _segments(data):
        if data.startswith(name, at) and end - at >= 4:
            found[at : at + 4] = b"skip"
    return bytes(found)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and end of the content of each of a PNG's chunks."""
    at = len(_PNG)
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], at + 8, at + 8 + length
        at += 12 + length


def _png_without_damage(data: bytes) -> bytes:
    """The PNG's picture, and of what else it says what is whole and not too long for Pillow."""
    parts = [_PNG]
    for name, at, end in _chunks(data):
        is_needed = not name[0] & 0x20
        content = data[at:end]
        is_whole = data[end : end + 4] == struct.pack(">I", zlib.crc32(name + content))
        is_long = name in (b"zTXt", b"iCCP") or (name == b"iTXt" and len(content) > _LONGEST_TEXT)
        is_long |= name == b"iTXt" and content[content.find(b"\0") + 1 :][:1] == b"\1"
        is_short = len(content) < _SHORTEST.get(name, 0)
        if is_needed or (is_whole and not is_long and not is_short):
            parts.append(data[at - 8 : end + 4])
    return b"".join(parts)


def _png_profile(data: bytes) -> bytes | None:
    for name, at, end in _chunks(data):
        if name == b"iCCP":
            packed = data[at:end]
            try:
                reader = zlib.decompressobj()
                found = reader.decompress(packed[packed.index(b"\0") + 2 :], _LONGEST_PROFILE)
            except (ValueError, zlib.error):
                return None
            return found if reader.eof else None
    return None


def _webp_of_its_size(data: bytes) -> bytes:
    """The WebP with the size that it has, which libwebp checks; its parts have to be whole."""
    at = 12
    while at + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 4)
        if at + 8 + size > len(data):
            return b""
        at += 8 + size + size % 2
    data = data[:at].ljust(at, b"\0")
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]

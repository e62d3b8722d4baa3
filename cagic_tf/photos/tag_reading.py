"""Reads tag blocks, EXIF's and TIFF's: a damaged tag is left out alone, what is no tag is none."""

import io
import re
import struct
from collections.abc import Callable, Iterable
from typing import BinaryIO, Literal

from PIL import ExifTags

from cagic_tf.photos import tags
from cagic_tf.photos.tags import DENSITY, EXIF, GPS, INTEROP, Directory, Tag

_BASE = ExifTags.Base
_ORIENTATION = int(_BASE.Orientation)
XMP, IPTC, PHOTOSHOP = 700, 33723, 34377  # Of a TIFF; other formats have other places for them.
_SIZES_BIG = tags.SIZES | {16: 8, 17: 8, 18: 8}  # Only pointers of these are read.
# Of TIFF's own tags those that describe the photo; the others say how its file was laid out.
_BASELINE = range(254, 700)
_DESCRIBE = {269, 270, 271, 272, 285, 305, 306, 315, 316, *DENSITY}
# Above these: pointers and what is kept elsewhere; where the photo's pixels lie on a map; layers,
# raw data and previews of Photoshop and DNG, and how tags were moved.
_ELSEWHERE = {XMP, IPTC, PHOTOSHOP, 34675, 37724, 50341, 59932, 59933, EXIF, GPS, INTEROP}
_ON_A_MAP = {33550, 33920, 33922, 34264, 34735, 34736, 34737}
_RAW = (range(33421, 33424), range(50706, 53000))
# The maker's note can show what was cropped away, and the subject's place is one in the photo.
_NOT_OF_A_CROP = {int(_BASE.MakerNote), 37396, 41492, 59933, INTEROP}
_DENSITY_TYPES = ((tags.RATIONAL, 8), (tags.RATIONAL, 8), (tags.SHORT, 2))
_PICTURE = b"\xff\xd8\xff"  # A JPEG in a tag: a preview of the whole photo.


def of_exif(data: bytes) -> tags.Block:
    """The block of EXIF's bytes, with its prefix or without; an empty one of what is none."""
    return of_tiff(io.BytesIO(re.sub(b"^(Exif\0\0){1,2}", b"", data)))


def of_tiff(file: BinaryIO, at: int | None = None) -> tags.Block:
    """The block of a TIFF file, or of EXIF without its prefix.

    Args:
      file: Where to read.
      at: Where its first directory lies; None: the header says it.
    """
    reader = _Reader(file)
    place = reader.first if at is None else at
    if reader.order == "" or not place:
        return tags.Block()
    pointers: dict[int, int] = {}
    main = _without_pictures(reader.directory(place, _is_kept_of_main, pointers))
    for number, right in zip(DENSITY, _DENSITY_TYPES, strict=True):
        if number in main and (main[number].type, len(main[number].data)) != right:
            del main[number]  # Readers stop at them; Pillow calls such a file no picture.
    exif = reader.directory(pointers.get(EXIF, 0), _is_kept_of_exif, pointers)
    gps = reader.directory(pointers.get(GPS, 0), lambda number: True, {})
    interop = reader.directory(pointers.get(INTEROP, 0), lambda number: True, {})
    exif, gps, interop = map(_without_pictures, (exif, gps, interop))
    orientation = main.pop(_ORIENTATION, None)
    value = 1
    if orientation:
        value = int.from_bytes(orientation.data[: tags.SIZES[orientation.type]], reader.endian)
    return tags.Block(reader.order, main, exif, gps, interop, value if 1 <= value <= 8 else 1)


class _Reader:
    """Reads directories of tags; what is damaged is not there."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._left = file.seek(0, io.SEEK_END)  # Bytes of values, so that none are read for ever.
        file.seek(0)
        head = file.read(16)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "") if len(head) >= 8 else ""
        self.endian: Literal["little", "big"] = "little" if self.order == "<" else "big"
        self._big = b"\x2b" in head[2:4]
        self.first = int.from_bytes(head[8:16] if self._big else head[4:8], self.endian)

    def directory(
        self, at: int, is_kept: Callable[[int], bool], pointers: dict[int, int]
    ) -> Directory:
        """The tags of a directory at a place that are kept; pointers in it are put beside them."""
        length, long, count_size = (20, 8, 8) if self._big else (12, 4, 2)
        sizes = _SIZES_BIG if self._big else tags.SIZES
        found: Directory = {}
        if not at:
            return found
        count = int.from_bytes(self._bytes(at, count_size), self.endian)
        entries = self._bytes(at + count_size, min(count, 65_535) * length)
        for start in range(0, len(entries) - length + 1, length):
            number, kind = struct.unpack_from(self.order + "HH", entries, start)
            field = entries[start + length - long : start + length]
            size = sizes.get(kind, 0) * int.from_bytes(
                entries[start + 4 : start + length - long], self.endian
            )
            if number in (EXIF, GPS, INTEROP) and size:
                pointers.setdefault(number, int.from_bytes(field[: sizes[kind]], self.endian))
            if not size or number in found or not is_kept(number) or kind not in tags.SIZES:
                continue
            data = field[:size]
            if size > long:
                if size > self._left:
                    continue
                self._left -= size
                data = self._bytes(int.from_bytes(field, self.endian), size)
            if len(data) == size:
                found[number] = Tag(kind, data)
        return found

    def _bytes(self, at: int, size: int) -> bytes:
        if at >= 2**63:
            return b""
        self._file.seek(at)
        return self._file.read(size)


def _is_kept_of_main(number: int) -> bool:
    if number in _BASELINE:
        return number in _DESCRIBE or number == _ORIENTATION
    return number not in _ELSEWHERE | _ON_A_MAP and not any(number in each for each in _RAW)


def _is_kept_of_exif(number: int) -> bool:
    return number not in _NOT_OF_A_CROP


def _without_pictures(found: Directory) -> Directory:
    return {number: tag for number, tag in found.items() if _PICTURE not in tag.data}


def numbers(file: BinaryIO, at: int, wanted: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """Whole numbers of a TIFF's directory, such as how many bits its samples have.

    Args:
      file: The file.
      at: Where the directory lies; 0: the header says it.
      wanted: Numbers of the tags; those of other types than whole numbers are left out.
    """
    reader, wanted = _Reader(file), set(wanted)
    found = reader.directory(at or reader.first, lambda number: number in wanted, {})
    letters = {1: "B", 3: "H", 4: "L", 8: "h", 9: "l"}
    values = {}
    for number, tag in found.items():
        if letter := letters.get(tag.type):
            count = len(tag.data) // tags.SIZES[tag.type]
            values[number] = struct.unpack(f"{reader.order}{count}{letter}", tag.data)
    return values


def contents(file: BinaryIO, at: int, wanted: Iterable[int]) -> dict[int, bytes]:
    """The bytes of tags of a TIFF's directory, for those of some numbers that it has.

    Args:
      file: The file.
      at: Where the directory lies.
      wanted: The tags' numbers.
    """
    wanted = set(wanted)
    found = _Reader(file).directory(at, lambda number: number in wanted, {})
    return {number: tag.data for number, tag in found.items()}

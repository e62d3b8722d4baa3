"""Tag blocks, EXIF's and TIFF's, as their bytes: what nobody changes is written as it was read.

Pillow reads tags as values and encodes these again, which turns "é" into "??" and fails for all
tags where one is odd. `tag_reading` reads the blocks.
"""

import dataclasses
import struct
from typing import NamedTuple

import numpy as np
from PIL import ExifTags

_PREFIX = b"Exif\0\0"
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}  # What byte orders turn round.
SHORT, LONG, RATIONAL, UNDEFINED = 3, 4, 5, 7

_BASE = ExifTags.Base
EXIF, GPS, INTEROP = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop
DENSITY = (int(_BASE.XResolution), int(_BASE.YResolution), int(_BASE.ResolutionUnit))
_COLOUR_SPACE, _WIDTH, _HEIGHT = 40961, 40962, 40963


class Tag(NamedTuple):
    """A tag's type, one of TIFF's numbers, and its value's bytes."""

    type: int
    data: bytes


Directory = dict[int, Tag]


@dataclasses.dataclass
class Block:
    """What is kept of a photo's tags: what describes it, and not its file or its thumbnail.

    Attributes:
      order: "<" or ">", of the values' bytes.
      main: Tags of the first directory, by their numbers.
      exif: Those of EXIF's own.
      gps: Those of the place.
      interop: Which of two colour spaces is meant, mostly.
      orientation: EXIF's, if it is there and whole; it is no tag of `main`.
    """

    order: str = "<"
    main: Directory = dataclasses.field(default_factory=dict)
    exif: Directory = dataclasses.field(default_factory=dict)
    gps: Directory = dataclasses.field(default_factory=dict)
    interop: Directory = dataclasses.field(default_factory=dict)
    orientation: int = 1

    def __bool__(self) -> bool:
        return any((self.main, self.exif, self.gps, self.interop))

    def number(self, value: int, kind: int = LONG) -> Tag:
        """A tag of one whole number."""
        return Tag(kind, struct.pack(self.order + ("H" if kind == SHORT else "L"), value))

    def density(self) -> tuple[float, float] | None:
        """Pixels an inch, across and down; None where it is not said."""
        tags = [self.main.get(number) for number in DENSITY]
        sides = []
        for tag in tags[:2]:
            if tag is None or tag.type != RATIONAL or len(tag.data) != 8:
                return None
            above, below = struct.unpack(self.order + "LL", tag.data)
            if not above or not below:
                return None
            sides.append(above / below)
        unit = tags[2].data[:2] if tags[2] else b""
        if unit and struct.unpack(self.order + "H", unit.ljust(2, b"\0"))[0] not in (2, 3):
            return None  # A ratio, not a density.
        factor = 2.54 if unit and b"\3" in unit else 1
        return sides[0] * factor, sides[1] * factor

    def of_crop(
        self,
        size: tuple[int, int],
        turned: bool,
        density: tuple[float, float] | None,
        in_srgb: bool,
    ) -> "Block":
        """The block as a crop has it.

        Args:
          size: The crop's width and height in pixels.
          turned: Whether what was across in the photo's file is down in the crop.
          density: Pixels an inch of the photo's file, written where no tag says it; or None.
          in_srgb: Whether the crop was converted to sRGB from other colours.
        """
        main, exif, interop = dict(self.main), dict(self.exif), dict(self.interop)
        across, down, unit = DENSITY
        if density and not self.density():
            for number, value in ((across, density[0]), (down, density[1])):
                fraction = struct.pack(self.order + "LL", min(round(value * 1000), 2**32 - 1), 1000)
                main[number] = Tag(RATIONAL, fraction)
            main[unit] = self.number(2, SHORT)
        if turned:
            swapped = {across: main.get(down), down: main.get(across)}
            main = {n: tag for n, tag in (main | swapped).items() if tag is not None}
        sides = {_WIDTH: self.number(size[0]), _HEIGHT: self.number(size[1])}
        exif |= {number: tag for number, tag in sides.items() if number in exif}
        if in_srgb:
            exif |= {_COLOUR_SPACE: self.number(1, SHORT)} if _COLOUR_SPACE in exif else {}
            interop = {}
        return dataclasses.replace(self, main=main, exif=exif, interop=interop)

    def in_order(self, order: str) -> "Block":
        """The block with its values' bytes in another order, where types say how."""
        if order == self.order:
            return self
        main, exif, gps, interop = map(
            _turned_round, (self.main, self.exif, self.gps, self.interop)
        )
        return Block(order, main, exif, gps, interop)

    def encoded(self, longest: int | None = None) -> bytes:
        """The block as EXIF, prefix and all; b"" where there is nothing.

        Args:
          longest: Bytes that it may have: the longest tags are left out until it fits.
        """
        block = dataclasses.replace(
            self, main=dict(self.main), exif=dict(self.exif), gps=dict(self.gps)
        )
        head = (b"II*\0\x08\0\0\0" if self.order == "<" else b"MM\0*\0\0\0\x08") if self else b""
        while block:
            data = _PREFIX + head + block._tree({}, 8)
            if longest is None or len(data) <= longest:
                return data
            directories = [each for each in (block.main, block.exif, block.gps) if each]
            if not directories:
                break
            where = max(directories, key=lambda tags: max(len(tag.data) for tag in tags.values()))
            del where[max(where, key=lambda number: len(where[number].data))]
        return b""

    def _tree(self, others: dict[int, bytes], at: int) -> bytes:
        """The directories, the first of them at a place, with entries of others in it."""
        main, exif = dict(self.main), dict(self.exif)
        nowhere = Tag(LONG, bytes(4))
        if self.interop:
            exif[INTEROP] = nowhere
        main |= {EXIF: nowhere} if exif else {}
        main |= {GPS: nowhere} if self.gps else {}
        below = at + len(self._packed(main, at, others))
        parts = []
        if exif:
            main[EXIF] = self.number(below)
            if self.interop:
                exif[INTEROP] = self.number(below + len(self._packed(exif, below)))
            parts.append(self._packed(exif, below))
            parts.append(self._packed(self.interop, below + len(parts[0])) if self.interop else b"")
        if self.gps:
            here = below + sum(map(len, parts))
            main[GPS] = self.number(here)
            parts.append(self._packed(self.gps, here))
        return self._packed(main, at, others) + b"".join(parts)

    def _packed(self, tags: Directory, at: int, others: dict[int, bytes] | None = None) -> bytes:
        """A directory that lies at a place: its entries, and behind them the longer values."""
        entries, values = dict(others or {}), []
        start = at + 2 + 12 * len({**entries, **tags}) + 4
        for number, (kind, data) in sorted(tags.items()):
            field = data.ljust(4, b"\0")
            if len(data) > 4:
                field = struct.pack(self.order + "L", start)
                values.append(data + b"\0" * (len(data) % 2))
                start += len(values[-1])
            head = struct.pack(self.order + "HHL", number, kind, len(data) // SIZES[kind])
            entries[number] = head + field
        count = struct.pack(self.order + "H", len(entries))
        return b"".join([count, *(entries[n] for n in sorted(entries)), bytes(4), *values])

    def into_tiff(self, data: bytes) -> bytes:
        """The content of a TIFF file, not of the big kind, with these tags beside its own."""
        block = self.in_order("<" if data.startswith(b"II") else ">")
        order, place = block.order, len(data) + len(data) % 2
        (first,) = struct.unpack_from(order + "L", data, 4)
        (count,) = struct.unpack_from(order + "H", data, first)
        own = [data[first + 2 + 12 * at : first + 14 + 12 * at] for at in range(count)]
        others = {struct.unpack_from(order + "H", entry)[0]: entry for entry in own}
        tree = block._tree(others, place)
        parts = [data[:4], struct.pack(order + "L", place), data[8:], b"\0" * (len(data) % 2), tree]
        return b"".join(parts)


def _turned_round(tags: Directory) -> Directory:
    """The tags with the bytes of each number the other way round."""
    found = {}
    for number, (kind, data) in tags.items():
        if word := _WORDS.get(kind):
            whole = len(data) // word * word
            data = np.frombuffer(data[:whole], f"u{word}").byteswap().tobytes()
        found[number] = Tag(kind, data)
    return found

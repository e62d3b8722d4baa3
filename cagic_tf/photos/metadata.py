"""What a photo's file says beside its pixels, and how a crop's file says it again.

Its tags, XMP, IPTC, resolution, comment and texts go along as the bytes that they are. Left out is
what would show or describe the part that was cropped away: thumbnails, the maker's note, regions.
"""

import dataclasses
import os
import re
import struct
from typing import Any, BinaryIO

from PIL import Image, PngImagePlugin

from cagic_tf.photos import tag_reading, tags

_LONGEST_SEGMENT = 65_533  # Bytes of a JPEG's segment.
_MOST_DENSE = 65_535  # Pixels an inch that a JPEG can say.
_XMP_SEGMENT, _IPTC_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"
_XMP_TEXT, _IPTC_TEXT = "XML:com.adobe.xmp", "Raw profile type iptc"  # Keys of a PNG's texts.
IPTC, _COPYRIGHT_FLAG, _COPYRIGHT_URL = 0x0404, 0x040A, 0x040B  # Photoshop's resources.
_RESOLUTION = 0x03ED
_KEPT_RESOURCES = (IPTC, _COPYRIGHT_FLAG, _COPYRIGHT_URL)
# Of XMP: sizes and orientation of the photo's file, thumbnails, faces and other regions, panoramas,
# depth, films behind the picture, and how a raw photo was developed, which would be done again.
_NOT_OF_A_CROP = (
    rb"(?:tiff:(?:Orientation|ImageWidth|ImageLength)|exif:Pixel[XY]Dimension"
    rb"|(?:xmp|xap):Thumbnails|xmpNote:HasExtendedXMP|mwg-rs:Regions|MP:RegionInfo"
    rb"|(?:crs|GPano|GCamera|GDepth|GImage|GContainer|Container|hdrgm):[\w-]+)"
)
_ELEMENT = re.compile(rb"<(%s)\b(?:[^>]*/>|[^>]*>.*?</\1\s*>)" % _NOT_OF_A_CROP, re.DOTALL)
_ATTRIBUTE = re.compile(rb"\s%s\s*=\s*(?:\"[^\"]*\"|'[^']*')" % _NOT_OF_A_CROP)
_PADDING = re.compile(rb"\s+(?=<\?xpacket end)")


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a photo's file says.

    Attributes:
      block: EXIF, or what a TIFF has of it.
      xmp: A packet of XMP.
      resources: Photoshop's by number: IPTC, whether there are rights, and where to read of them.
      density: Pixels an inch, across and down in the file; None where nothing says it.
      comment: A JPEG's or a GIF's.
      texts: A PNG's.
    """

    block: tags.Block = dataclasses.field(default_factory=tags.Block)
    xmp: bytes = b""
    resources: dict[int, bytes] = dataclasses.field(default_factory=dict)
    density: tuple[float, float] | None = None
    comment: bytes = b""
    texts: dict[str, str] = dataclasses.field(default_factory=dict)

    def of_crop(
        self, size: tuple[int, int], turned: bool, in_srgb: bool, needs_tags: bool
    ) -> "Metadata":
        """What the file of an upright crop says.

        Args:
          size: Its width and height in pixels.
          turned: Whether what is across in the photo's file is down in the crop.
          in_srgb: Whether it was converted to sRGB.
          needs_tags: Whether its file has no other place for the resolution than tags.
        """
        block = self.block.of_crop(size, turned, self.density if needs_tags else None, in_srgb)
        density = self.density[::-1] if self.density and turned else self.density
        return dataclasses.replace(self, block=block, density=density)

    def options(self, kind: str) -> dict[str, Any]:
        """What Pillow's `save` is told for a format."""
        found: dict[str, Any] = {}
        if kind in ("JPEG", "PNG", "BMP"):  # Of a BMP it would say 96 where nothing is known.
            found |= {"dpi": self.density or (0, 0)} if self.density or kind == "BMP" else {}
        if kind in ("JPEG", "GIF") and self.comment:
            found["comment"] = self.comment[:_LONGEST_SEGMENT]
        if kind in ("JPEG", "PNG", "WEBP", "AVIF") and self.block:
            found["exif"] = self.block.encoded(_LONGEST_SEGMENT if kind == "JPEG" else None)
        if kind in ("WEBP", "AVIF") and self.xmp:
            found["xmp"] = self.xmp
        if kind == "PNG":
            found["pnginfo"] = self._png_texts()
        return found

    def _png_texts(self) -> PngImagePlugin.PngInfo:
        info = PngImagePlugin.PngInfo()
        for key, text in self.texts.items():
            info.add_text(key, text)
        if self.xmp:
            info.add_itxt(_XMP_TEXT, self.xmp)
        if self.resources:  # As ImageMagick writes it and others read it.
            data = _packed(self.resources)
            lines = re.sub("(.{72})", r"\1\n", data.hex())
            info.add_text(_IPTC_TEXT, f"\niptc\n{len(data):8}\n{lines}\n", zip=True)
        return info

    def into(self, data: bytes, kind: str) -> bytes:
        """The content of a file that Pillow wrote, with what its `save` cannot write as it is."""
        if kind == "TIFF":
            return self._with_tiffs_own().into_tiff(data)
        if kind != "JPEG":
            return data
        xmp = self.xmp
        if len(xmp) + len(_XMP_SEGMENT) + 2 > _LONGEST_SEGMENT:
            xmp = _PADDING.sub(b"\n", xmp)
        segments = [(b"\xff\xe1", _XMP_SEGMENT + xmp if xmp else b"")]
        segments += [(b"\xff\xed", _IPTC_SEGMENT + _packed(self.resources))]
        at = 2
        while data[at : at + 2] in (b"\xff\xe0", b"\xff\xe1"):  # JFIF's and EXIF's come first.
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        made = [
            marker + (len(content) + 2).to_bytes(2, "big") + content
            for marker, content in segments
            if content not in (b"", _IPTC_SEGMENT) and len(content) + 2 <= _LONGEST_SEGMENT
        ]
        return b"".join([data[:at], *made, data[at:]])

    def _with_tiffs_own(self) -> tags.Block:
        main = dict(self.block.main)
        if self.xmp:
            main[tag_reading.XMP] = tags.Tag(1, self.xmp)
        if iptc := self.resources.get(IPTC):
            main[tag_reading.IPTC] = tags.Tag(tags.UNDEFINED, iptc)
        if self.resources:
            main[tag_reading.PHOTOSHOP] = tags.Tag(1, _packed(self.resources))
        return dataclasses.replace(self.block, main=main)


def of(image: Image.Image) -> Metadata:
    """What the file of a picture says; a TIFF's before it is loaded, others' after."""
    block, xmp, resources = described(image)
    texts = image.text if isinstance(image, PngImagePlugin.PngImageFile) else {}
    comment = image.info.get("comment") or b""
    return Metadata(
        block,
        _ATTRIBUTE.sub(b"", _ELEMENT.sub(b"", xmp)),
        {number: data for number, data in resources.items() if number in _KEPT_RESOURCES},
        _density(image, block, resources),
        comment.encode() if isinstance(comment, str) else comment,
        {key: text for key, text in texts.items() if not _is_kept_elsewhere(key)},
    )


def described(image: Image.Image) -> tuple[tags.Block, bytes, dict[int, bytes]]:
    """Tags, XMP and Photoshop's resources of a picture's file, without decoding its pixels."""
    if image.format == "TIFF":
        return _of_tiff(image)
    xmp = image.info.get("xmp") or image.info.get(_XMP_TEXT) or b""
    resources = _resources(_unhexed(image.info.get(_IPTC_TEXT, "")))
    for segment, content in getattr(image, "applist", ()):
        if segment == "APP1" and content.startswith(_XMP_SEGMENT):
            xmp = content[len(_XMP_SEGMENT) :]
        elif segment == "APP13" and content.startswith(_IPTC_SEGMENT):
            resources = _resources(content[len(_IPTC_SEGMENT) :]) | resources
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    return tag_reading.of_exif(_exif(image)), xmp, resources


def _exif(image: Image.Image) -> bytes:
    data = image.info.get("exif") or _unhexed(image.info.get("Raw profile type exif", ""))
    return data if data or getattr(image, "filename", "") else _exif_in_memory(image)


def _exif_in_memory(image: Image.Image) -> bytes:
    """EXIF that a program gave to a picture, as Pillow writes it."""
    try:
        exif = image.getexif()
        return exif.tobytes() if len(exif) else b""
    except Exception:  # Of many kinds, for values of many types.
        return b""


def _of_tiff(image: Any) -> tuple[tags.Block, bytes, dict[int, bytes]]:
    name = getattr(image, "filename", "")
    if image.fp is not None and not image.fp.closed:
        before = image.fp.tell()
        found = _of_tiff_file(image.fp, image.tag_v2.offset)
        image.fp.seek(before)
        return found
    if name and os.path.isfile(name):  # Of a picture that was loaded before.
        with open(name, "rb") as file:
            return _of_tiff_file(file, image.tag_v2.offset)
    return tag_reading.of_exif(_exif_in_memory(image)), b"", {}


def _of_tiff_file(file: BinaryIO, at: int) -> tuple[tags.Block, bytes, dict[int, bytes]]:
    block = tag_reading.of_tiff(file, at)
    wanted = (tag_reading.XMP, tag_reading.IPTC, tag_reading.PHOTOSHOP)
    found = tag_reading.contents(file, at, wanted)
    resources = _resources(found.get(tag_reading.PHOTOSHOP, b""))
    if iptc := found.get(tag_reading.IPTC):
        resources[IPTC] = iptc
    return block, found.get(tag_reading.XMP, b""), resources


def _density(
    image: Image.Image, block: tags.Block, resources: dict[int, bytes]
) -> tuple[float, float] | None:
    """What the file itself says; Pillow's "dpi" is a guess where there is none."""
    said = [block.density()]
    if image.info.get("jfif_unit") in (1, 2) or image.format in ("PNG", "BMP"):
        said.insert(0, image.info.get("dpi"))
    if len(data := resources.get(_RESOLUTION, b"")) >= 12:
        across, down = struct.unpack(">I4xI", data[:12])
        said.append((across / 65536, down / 65536))
    for pair in said:
        if pair and 0 < min(pair) <= max(pair) <= _MOST_DENSE:
            return float(pair[0]), float(pair[1])
    return None


def _is_kept_elsewhere(key: str) -> bool:
    return key == _XMP_TEXT or key.startswith(("Raw profile type", "Thumb::"))


def _unhexed(text: str) -> bytes:
    """The bytes of a PNG's "Raw profile type": a name, a length, and hexadecimal digits."""
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""


def _resources(data: bytes) -> dict[int, bytes]:
    """Photoshop's resources by number; IPTC alone is one of them."""
    if data.startswith(b"\x1c"):
        return {IPTC: data}
    found, at = {}, 0
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        at += 6 + (data[at + 6] // 2 + 1) * 2  # A name, padded with its length to an even one.
        size = int.from_bytes(data[at : at + 4], "big")
        found[number] = data[at + 4 : at + 4 + size]
        at += 4 + size + size % 2
    return found


def _packed(resources: dict[int, bytes]) -> bytes:
    return b"".join(
        b"8BIM" + struct.pack(">HHL", number, 0, len(data)) + data + b"\0" * (len(data) % 2)
        for number, data in sorted(resources.items())
    )

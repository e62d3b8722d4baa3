"""How a photo's file is encoded, so that its crop's loses no more."""

import os
import struct
from typing import Any, BinaryIO

from PIL import Image, JpegImagePlugin

_LOSSLESS_TIFF = {
    "tiff_lzw": "tiff_lzw",
    "tiff_adobe_deflate": "tiff_adobe_deflate",
    "tiff_deflate": "tiff_adobe_deflate",
    "packbits": "packbits",
}
_AVIF_HEAD = 65_536  # Bytes in which an AVIF says how it is coded.


def options(image: Image.Image, kind: str) -> dict[str, Any]:
    """What Pillow's `save` is told, so that a crop is encoded like its photo.

    Args:
      image: The photo as Pillow has opened it.
      kind: The crop's format, by Pillow's name.

    Returns:
      For JPEG and AVIF the photo's own chroma, all of it where the photo has all; for WebP whether
      it is lossless; for TIFF how it is packed, if without loss.
    """
    if kind in ("JPEG", "AVIF"):
        return {"subsampling": _chroma(image)}
    if kind == "WEBP" and image.format == "WEBP" and _is_lossless_webp(image):
        return {"lossless": True, "exact": True}
    packing = _LOSSLESS_TIFF.get(str(image.info.get("compression")))
    return {"compression": packing} if kind == image.format == "TIFF" and packing else {}


def _chroma(image: Image.Image) -> str:
    """The photo's own chroma; all where it has all, or nobody knows."""
    if image.format == "AVIF":
        return _avif_chroma(image)
    if image.format == "WEBP":
        return "4:4:4" if _is_lossless_webp(image) else "4:2:0"
    if image.format == "HEIF":
        return {"422": "4:2:2", "420": "4:2:0"}.get(str(image.info.get("chroma")), "4:4:4")
    return {1: "4:2:2", 2: "4:2:0"}.get(JpegImagePlugin.get_sampling(image), "4:4:4")


def _file(image: Image.Image) -> BinaryIO | None:
    """The picture's file from its beginning, if it has one."""
    name = getattr(image, "filename", "")
    return open(name, "rb") if name and os.path.isfile(name) else None


def _is_lossless_webp(image: Image.Image) -> bool:
    file = _file(image)
    if file is None:
        return False
    with file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, size = head[:4], struct.unpack("<I", head[4:])[0]
            if name in (b"VP8 ", b"VP8L"):
                return name == b"VP8L"
            if name == b"ANMF":  # A frame: what it says of itself, then parts of its own.
                size = 16
            file.seek(size + size % 2, os.SEEK_CUR)
    return False


def _avif_chroma(image: Image.Image) -> str:
    """Which chroma an AVIF has, by the first part that says how it is coded."""
    file = _file(image)
    if file is None:
        return "4:4:4"
    with file:
        head = file.read(_AVIF_HEAD)
    at = head.find(b"av1C")
    flags = head[at + 6] if 0 <= at < len(head) - 6 else 0
    return {8: "4:2:2", 12: "4:2:0"}.get(flags & 12, "4:4:4")

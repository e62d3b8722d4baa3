"""Crops as files: cut from the photo's own pixels, with its alpha, bits, ICC profile and EXIF."""

import dataclasses
import io
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from cagic_tf.photos import colours, reading

ENDINGS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "GIF": ".gif",
    "BMP": ".bmp",
    "AVIF": ".avif",
}
CHOICES = ("same", "jpeg", "png", "webp")


@dataclasses.dataclass(frozen=True)
class SaveOptions:
    """How crops are written; see `cut`.

    Attributes:
      name: The file's name without ending; "{id}" in it is the row's id.
      choice: One of `CHOICES`.
      quality: 1 to 100, of JPEG, WebP and AVIF.
      strip_metadata: Whether EXIF and the ICC profile are left out.
    """

    name: str = "{id}_crop"
    choice: str = "same"
    quality: int = 95
    strip_metadata: bool = False


# Modes that a format holds as they are; alpha, beside these, in those that have "RGBA".
_HOLDS = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"),
    "GIF": ("1", "L", "P", "RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "AVIF": ("RGB", "RGBA"),
}
_TAG = ExifTags.Base
# What describes the photo. Not kept: how its file was laid out, and its thumbnail and the maker's
# note, which can show what was cropped away.
_KEPT = (
    (_TAG.ImageDescription, _TAG.Make, _TAG.Model, _TAG.XResolution, _TAG.YResolution)
    + (_TAG.ResolutionUnit, _TAG.Software, _TAG.DateTime, _TAG.Artist, _TAG.Copyright)
    + (_TAG.HostComputer, _TAG.Rating, _TAG.XPTitle, _TAG.XPComment, _TAG.XPAuthor)
    + (_TAG.XPKeywords, _TAG.XPSubject)
)
_DROPPED = (_TAG.MakerNote, ExifTags.IFD.Interop)
_DAMAGED_EXIF = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OSError,
    SyntaxError,
    struct.error,
)
_LONGEST_EXIF = 65_000  # Bytes: what a JPEG's segment holds.


def ending(source: reading.Source, choice: str = "same") -> str:
    """The ending that a crop's file gets, such as ".jpg"; reads the photo's header only.

    Args:
      source: A path, a PIL image, or an array (see `reading.read`).
      choice: One of `CHOICES`; "same" is the photo's own format, or where crops are not written
        in it PNG for a photo with alpha and for what is no file, and JPEG for others.

    Raises:
      reading.ImageError: The photo cannot be read.
    """
    with reading.opened(source) as image:
        return ENDINGS[_format(image, choice)]


def cut(
    source: reading.Source,
    box: tuple[int, int, int, int],
    choice: str = "same",
    quality: int = 95,
    strip_metadata: bool = False,
    size: tuple[int, int] | None = None,
) -> bytes:
    """Cuts a crop out of a photo's own pixels, as the content of a file.

    Colours stay as they are and the ICC profile goes along; they become sRGB where the format
    cannot hold them (CMYK outside JPEG and TIFF). Transparency stays where the format has it and
    is laid on white where not. 16-bit grey stays so in PNG and TIFF; 16-bit colours are reduced to
    8, which is all that Pillow reads.

    Args:
      source: A path, a PIL image, or an array (see `reading.read`).
      box: `(x, y, w, h)` in pixels of the upright photo.
      choice: The format, see `ending`.
      quality: 1 to 100, of JPEG, WebP and AVIF.
      strip_metadata: Leaves out EXIF and the ICC profile; colours become sRGB, so that they look
        the same without.
      size: Width and height in pixels to which the crop is resized; None: it is not. Palettes
        become colours, black and white becomes grey, and a grey value of 16 bits that stands for
        transparency is one like others.

    Returns:
      The file's content. EXIF has no orientation other than upright, no thumbnail and no maker's
      note.

    Raises:
      reading.ImageError: The photo cannot be read, or the format cannot hold the crop.
    """
    return cut_all(source, [box], choice, quality, strip_metadata, size)[0]


def cut_all(
    source: reading.Source,
    boxes: Sequence[tuple[int, int, int, int]],
    choice: str = "same",
    quality: int = 95,
    strip_metadata: bool = False,
    size: tuple[int, int] | None = None,
) -> list[bytes]:
    """Cuts several crops out of a photo that is decoded once; see `cut`, for each of `boxes`."""
    with reading.opened(source) as image:
        with reading.decoding(source):
            exif = image.getexif()
        # Before `load`, which closes the file: what a TIFF's EXIF points to is read from there.
        description = None if strip_metadata else _description(exif)
        with reading.decoding(source):
            image.load()
            orientation = reading.Orientation.of(image)
        kind, found = _format(image, choice), []
        for box in boxes:
            crop, profile = orientation.cut(image, box), image.info.get("icc_profile")
            if size:
                crop = _resized(crop, size)
            crop, profile = _prepared(crop, kind, profile, strip_metadata)
            exif_bytes = _exif_bytes(description, *(size or box[2:])) if description else b""
            found.append(
                _encode(crop, kind, quality, exif_bytes, None if strip_metadata else profile)
            )
        return found


def _prepared(
    crop: Image.Image, kind: str, profile: bytes | None, strip_metadata: bool
) -> tuple[Image.Image, bytes | None]:
    """The crop as the format holds it, without what its photo's file said; the profile it needs."""
    to_srgb = colours.ToSrgb(profile)
    if crop.mode in ("I", "I;16B", "I;16L") and "I;16" in _HOLDS[kind]:
        crop = Image.fromarray(np.clip(np.asarray(crop), 0, 65535).astype(np.uint16))
    if (strip_metadata and to_srgb.needed) or not _holds(kind, crop):
        crop, profile = _fit(kind, crop, to_srgb, profile, strip_metadata)
    keep = ("transparency",) if crop.mode != "RGBA" else ()
    crop.info = {key: crop.info[key] for key in keep if key in crop.info}
    return crop, profile


def _resized(crop: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The crop in that size, its bits, alpha and kind of colours kept where they can be."""
    if crop.mode.startswith("I"):  # 16 bits, which Pillow resizes as floats.
        grey = Image.fromarray(np.asarray(crop).astype(np.float32))
        values = np.asarray(grey.resize(size, Image.Resampling.LANCZOS))
        return Image.fromarray(np.clip(np.round(values), 0, 65535).astype(np.uint16))
    if crop.mode in ("P", "1") or "transparency" in crop.info:
        has_alpha = colours.has_alpha(crop)
        crop = crop.convert("RGBA" if has_alpha else "RGB" if crop.mode == "P" else "L")
    return crop.resize(size, Image.Resampling.LANCZOS)


def _format(image: Image.Image, choice: str) -> str:
    if choice != "same":
        return choice.upper()
    own = "JPEG" if image.format == "MPO" else image.format  # What phones write as .jpg.
    if own in ENDINGS:
        return own
    return "PNG" if own is None or colours.has_alpha(image) else "JPEG"


def _holds(kind: str, crop: Image.Image) -> bool:
    if "transparency" in crop.info and kind not in ("PNG", "GIF"):
        return False
    return crop.mode in _HOLDS[kind]


def _fit(
    kind: str, crop: Image.Image, to_srgb: colours.ToSrgb, profile: bytes | None, convert: bool
) -> tuple[Image.Image, bytes | None]:
    """The crop in a mode that the format holds, and the profile that it still needs."""
    opaque, alpha = colours.split_alpha(crop)
    if convert or opaque.mode not in ("1", "L", "RGB"):
        if opaque.mode not in _HOLDS[kind] or (convert and to_srgb.needed):
            opaque, profile = to_srgb(opaque), None
    elif opaque.mode not in _HOLDS[kind]:
        opaque = opaque.convert("RGB")
    if alpha is None:
        return opaque, profile
    if "RGBA" not in _HOLDS[kind]:
        return colours.on_white(opaque, alpha), profile
    opaque = opaque.convert("RGB")
    opaque.putalpha(alpha)
    return opaque, profile


def _description(exif: Image.Exif) -> Image.Exif | None:
    """What describes the photo in its EXIF; None where there is nothing or EXIF is damaged."""
    try:
        kept = Image.Exif()
        kept.update({int(tag): exif[tag] for tag in _KEPT if tag in exif})
        for name in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            inner = {tag: v for tag, v in exif.get_ifd(name).items() if tag not in _DROPPED}
            if inner:
                kept.get_ifd(name).update(inner)
                kept[name] = kept.get_ifd(name)
        return kept or None
    except _DAMAGED_EXIF:
        return None


def _exif_bytes(description: Image.Exif, width: int, height: int) -> bytes:
    """The description of an upright crop of this size; nothing where it cannot be written."""
    try:
        inner = description.get_ifd(ExifTags.IFD.Exif)
        sides = {_TAG.ExifImageWidth: width, _TAG.ExifImageHeight: height}
        inner.update({int(tag): side for tag, side in sides.items() if tag in inner})
        description[_TAG.Orientation] = 1
        data = description.tobytes()
    except _DAMAGED_EXIF:
        return b""
    return data if len(data) <= _LONGEST_EXIF else b""


def _encode(
    crop: Image.Image, kind: str, quality: int, exif: bytes, profile: bytes | None
) -> bytes:
    options: dict[str, Any] = {}
    if kind in ("JPEG", "WEBP", "AVIF"):
        options["quality"] = quality
    if kind not in ("GIF", "BMP"):
        options |= {"exif": exif} if exif else {}
        options |= {"icc_profile": profile} if profile else {}
    buffer = io.BytesIO()
    try:
        crop.save(buffer, format=kind, **options)
    except Exception as error:  # Formats have limits of their own, such as WebP's 16383 pixels.
        text = " ".join(str(error).split()) or type(error).__name__
        raise reading.ImageError(f"cannot write the crop as {kind}: {text}") from error
    return buffer.getvalue()

"""Crops as files: cut from the photo's own pixels, with its alpha, bits, colours and metadata."""

import dataclasses
import io
import struct
from collections.abc import Sequence

import numpy as np
from PIL import Image

from cagic_tf.photos import colours, metadata, photo_encoding, reading

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
      strip_metadata: Whether what the photo's file says, and the ICC profile, are left out.
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
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
}


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
    is laid on white where not. Grey of more than 8 bits has 16 in PNG and TIFF; 16-bit colours are
    reduced to 8, which is all that Pillow reads. The crop is encoded like its photo
    (`photo_encoding`) and says what its file says (`metadata`).

    Args:
      source: A path, a PIL image, or an array (see `reading.read`).
      box: `(x, y, w, h)` in pixels of the upright photo.
      choice: The format, see `ending`.
      quality: 1 to 100, of JPEG, WebP and AVIF.
      strip_metadata: Leaves out all that the photo's file says, and the ICC profile; colours become
        sRGB, so that they look the same without.
      size: Width and height in pixels to which the crop is resized; None: it is not. Palettes
        become colours, black and white becomes grey, and a grey value of 16 bits that stands for
        transparency is one like others.

    Returns:
      The file's content. It is upright, and has no thumbnail and no maker's note.

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
        kind, said = _format(image, choice), metadata.Metadata()
        if not strip_metadata and image.format == "TIFF":  # Loading closes the file.
            said = metadata.of(image)
        image, pixels, orientation = reading.loaded(image, source)
        if not strip_metadata and image.format != "TIFF":
            said = metadata.of(image)
        # A TIFF is turned while it is loaded.
        lies = said.block.orientation if image.format == "TIFF" else orientation.value
        profile, found = image.info.get("icc_profile"), []
        to_srgb = colours.ToSrgb(profile)
        for box in boxes:
            crop = orientation.cut(pixels, box)
            if size:
                crop = _resized(crop, size)
            crop, kept, in_srgb = _prepared(crop, kind, to_srgb, profile, strip_metadata)
            needs_tags = kind not in ("JPEG", "PNG", "BMP") or crop.mode == "CMYK"
            its = said.of_crop(crop.size, lies > 4, in_srgb, needs_tags)
            found.append(_encode(crop, kind, quality, its, kept, image))
        return found


def _prepared(
    crop: Image.Image,
    kind: str,
    to_srgb: colours.ToSrgb,
    profile: bytes | None,
    strip_metadata: bool,
) -> tuple[Image.Image, bytes | None, bool]:
    """The crop as the format holds it, without what its photo's file said.

    Also the profile that it needs, one of its own colours or None, and whether it was converted
    to sRGB by the one that it had.
    """
    profile = profile if to_srgb.space else None
    if to_srgb.space == "RGB" and colours.space(crop.mode) == "L" and to_srgb.needed:
        opaque, alpha = colours.split_alpha(crop)  # A grey photo of a camera that has colours.
        crop = _layered(opaque.convert("RGB"), alpha)
    if (strip_metadata and to_srgb.needed) or not _holds(kind, crop):
        crop, profile = _fit(kind, crop, to_srgb, profile, strip_metadata)
    if colours.space(crop.mode) != to_srgb.space:
        profile = None
    keep = ("transparency",) if crop.mode != "RGBA" else ()
    crop.info = {key: crop.info[key] for key in keep if key in crop.info}
    return crop, None if strip_metadata else profile, to_srgb.needed and profile is None


def _layered(opaque: Image.Image, alpha: Image.Image | None) -> Image.Image:
    if alpha is not None:
        opaque.putalpha(alpha)
    return opaque


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
    has_alpha = alpha is not None and "RGBA" in _HOLDS[kind]
    if (convert and to_srgb.needed) or (has_alpha or opaque.mode not in _HOLDS[kind]):
        if opaque.mode != "RGB" or (convert and to_srgb.needed):
            opaque, profile = to_srgb(opaque), None
    if has_alpha or alpha is None:
        return _layered(opaque, alpha), profile
    return colours.on_white(opaque, alpha), profile


def _encode(
    crop: Image.Image,
    kind: str,
    quality: int,
    said: metadata.Metadata,
    profile: bytes | None,
    photo: Image.Image,
) -> bytes:
    if kind == "BMP" and crop.mode == "RGBA":
        return _bmp_with_alpha(crop, said.density or (0, 0))
    options = said.options(kind) | photo_encoding.options(photo, kind)
    if kind in ("JPEG", "AVIF") or (kind == "WEBP" and "lossless" not in options):
        options["quality"] = quality
    if kind not in ("GIF", "BMP") and profile:
        options["icc_profile"] = profile
    buffer = io.BytesIO()
    try:
        crop.save(buffer, format=kind, **options)
    except Exception as error:  # Formats have limits of their own, such as WebP's 16383 pixels.
        text = " ".join(str(error).split()) or type(error).__name__
        raise reading.ImageError(f"cannot write the crop as {kind}: {text}") from error
    return said.into(buffer.getvalue(), kind)


def _bmp_with_alpha(crop: Image.Image, density: tuple[float, float]) -> bytes:
    """A BMP whose header says that it has alpha, which Pillow does not write."""
    width, height = crop.size
    rows = crop.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes("raw", "BGRA")
    a_metre = [round(side / 0.0254) for side in density]
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(rows), *a_metre, 0, 0)
    header += struct.pack("<4I4s", *masks, b"BGRs") + bytes(48)  # The colours are sRGB.
    return struct.pack("<2sIHHI", b"BM", 122 + len(rows), 0, 0, 122) + header + rows

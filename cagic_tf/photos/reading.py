"""Photos from and to files: always upright sRGB in memory, always whole files on disk."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from cagic_tf.photos import colours, depths, lenient, pages, refusals
from cagic_tf.photos.orientation import Orientation
from cagic_tf.system import files

with contextlib.suppress(ImportError):  # The extra "heic".
    import pillow_heif

    pillow_heif.register_heif_opener()

MAX_PIXELS = 100_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "HEIF")  # No EPS: it is code.
_BAND_PIXELS = 4_000_000
_LONGEST_PATH = 4096  # Characters; a longer one may be a file's content.

Source = str | os.PathLike | Image.Image | np.ndarray


class ImageError(Exception):
    """A photo is missing or cannot be read; the message is one line."""


def read(source: Source) -> np.ndarray:
    """Reads a photo as upright sRGB.

    EXIF orientation is applied, colours are converted by the photo's ICC profile, transparency is
    laid on white, grey, CMYK and palette pictures become RGB, 16-bit pictures are reduced to 8
    bits. The format is what the file's content says, whatever its name's ending.

    Args:
      source: A path, a PIL image, or an array `[H, W]`, `[H, W, 1]`, `[H, W, 3]` or `[H, W, 4]`:
        uint8 in 0..255, uint16 in 0..65535, or float in [0, 1].

    Returns:
      `[H, W, 3]` uint8.

    Raises:
      ImageError: No such file, no picture of `FORMATS` in it, one of more than `MAX_PIXELS`, or an
        array of another shape or range.
    """
    if isinstance(source, np.ndarray) and source.dtype == np.uint8 and source.size:
        if source.shape[2:] == (3,):
            return source.copy()
    with opened(source) as image:
        found = loaded(image, source)
        image, orientation = found.pixels, found.orientation
        width, height = orientation.upright_size(image)
        pixels = np.empty((height, width, 3), np.uint8)
        to_srgb = colours.ToSrgb(image.info.get("icc_profile"))
        rows = max(1, _BAND_PIXELS // width)
        for top in range(0, height, rows):  # In bands: a large photo is there twice at most.
            band = orientation.cut(image, (0, top, width, min(rows, height - top)))
            opaque, alpha = colours.split_alpha(band)
            pixels[top : top + rows] = np.asarray(colours.on_white(to_srgb(opaque), alpha))
        return pixels


def reduced(photo: np.ndarray, longest_side: int) -> np.ndarray:
    """A photo as the networks' samplers take it.

    Args:
      photo: `[H, W, 3]` uint8.
      longest_side: Pixels that its longer side has at most; 0 for any number.

    Returns:
      `[H', W', 3]` float32 in [0, 1], means of the photo's pixels.
    """
    longer = max(photo.shape[:2])
    if longest_side and longer > longest_side:
        factor = longest_side / longer
        size = max(1, round(photo.shape[1] * factor)), max(1, round(photo.shape[0] * factor))
        photo = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BOX))
    return photo.astype(np.float32) / 255


def upright_size(path: str | os.PathLike) -> tuple[int, int]:
    """Width and height in pixels of the photo that `read` returns, without decoding its pixels.

    Raises:
      ImageError: No such file, or no picture in it.
    """
    with opened(path) as image:
        with decoding(path):
            if image.format == "TIFF":
                image.load()  # Here Pillow itself turns them, and its versions differ in when.
            orientation = Orientation.of(image)
        return orientation.upright_size(image)


class Loaded(NamedTuple):
    """A photo in memory.

    Attributes:
      image: As Pillow has decoded it, with what its file says.
      pixels: The same at its own brightness, see `depths.settled`.
      orientation: How its pixels lie.
    """

    image: Image.Image
    pixels: Image.Image
    orientation: Orientation


def loaded(image: Image.Image, source: Source) -> Loaded:
    """Decodes a photo that `opened` has opened.

    Raises:
      ImageError: Its pixels are damaged, or what is black and white in it is not known.
    """
    with decoding(source):
        try:
            image.load()
        except Exception:
            if not isinstance(source, str | os.PathLike):
                raise
            mended = lenient.decoded(source, _formats())
            if mended is None:
                raise
            image = mended
        orientation = Orientation.of(image)
    try:
        return Loaded(image, depths.settled(image), orientation)
    except depths.DepthError as error:
        raise ImageError(f"cannot read {_shown(source)} as a photo: {error}") from error


def note(path: str | os.PathLike) -> str:
    """That a photo is one of several pictures of its file, in a few words; "" where it is not.

    Raises:
      ImageError: No such file, or no picture in it.
    """
    with opened(path) as image, decoding(path):
        return pages.note(image)


def write(path: Path, pixels: np.ndarray | Image.Image) -> None:
    """Writes a picture atomically, in the format of the path's ending."""
    files.write_atomically(path, encoded(pixels, path.suffix))


def encoded(pixels: np.ndarray | Image.Image, ending: str) -> bytes:
    """A picture as the content of a file, in the format of an ending such as ".jpg"."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    options = {"quality": 95} if ending.lower() in (".jpg", ".jpeg") else {}
    image.save(buffer, format=Image.registered_extensions()[ending.lower()], **options)
    return buffer.getvalue()


@contextlib.contextmanager
def opened(source: Source) -> Iterator[Image.Image]:
    """Opens a photo, whose pixels are decoded when it is loaded, and closes its file at the end.

    What goes wrong in the `with` block stays what it is; see `decoding`.

    Raises:
      ImageError: The photo cannot be opened, or is too large.
    """
    if isinstance(source, np.ndarray):
        yield _from_array(source)
    elif isinstance(source, Image.Image):
        _check(source, source)
        yield source
    elif isinstance(source, str) and (len(source) > _LONGEST_PATH or "\0" in source):
        raise ImageError(f"a text of {len(source)} characters is no path of a photo")
    elif isinstance(source, str | os.PathLike):
        with decoding(source):
            image = _open(source)
        with image:
            with decoding(source):
                pages.choose(image)
                raw = refusals.raw_kind(image)
            if raw:
                raise ImageError(
                    f"cannot read {source} as a photo: it is a {raw} picture, of which only a "
                    "small preview can be read; save it as JPEG or TIFF"
                )
            _check(image, source)
            yield image
    else:
        raise ImageError(
            f"cannot read {type(source).__name__} as a photo: a path, a PIL image or an array is "
            "needed"
        )


@contextlib.contextmanager
def decoding(source: Source) -> Iterator[None]:
    """Turns all that is raised in the `with` block into a one-line `ImageError`.

    Only Pillow's own reading of a file belongs in it (open, load, getexif): its decoders raise
    errors of many kinds for damaged files, which cannot be told from those of wrong code.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise ImageError(f"no photo at {source}") from error
    except IsADirectoryError as error:
        raise ImageError(f"{source} is a folder; a photo is needed") from error
    except UnidentifiedImageError as error:
        why = refusals.reason(str(source), tuple(_formats()))
        raise ImageError(f"cannot read {source} as a photo: {why}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_too_large(source)) from error
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"cannot read {source} as a photo: {text}") from error


def _formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _open(path: str | os.PathLike) -> Image.Image:
    """The picture in a file, also where Pillow alone stumbles over what is said beside it."""
    try:
        return Image.open(path, formats=_formats())
    except (FileNotFoundError, IsADirectoryError, PermissionError, Image.DecompressionBombError):
        raise
    except Exception:
        image = lenient.opened(path, _formats())
        if image is None:
            raise
        return image


def _shown(source: Source) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else "a picture"


def _check(image: Image.Image, source: Source) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(_too_large(source))
    if image.mode == "F":
        raise ImageError("a picture of floats has no known range; save it with 8 or 16 bits")


def _too_large(source: Source) -> str:
    return f"cannot read {source} as a photo: it has more than {MAX_PIXELS:,} pixels; reduce it"


def _from_array(array: np.ndarray) -> Image.Image:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or 0 in array.shape:
        raise ImageError(
            f"an array of shape {array.shape} is no photo; [H, W] or [H, W, 1, 3 or 4] is needed"
        )
    if np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise ImageError("a float array must lie in [0, 1]")
        array = np.round(array * 255).astype(np.uint8)
    elif array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise ImageError(f"an array of {array.dtype} is no photo; uint8, uint16 or float is needed")
    return Image.fromarray(array[..., 0] if channels == 1 and array.ndim == 3 else array)

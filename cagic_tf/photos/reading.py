"""Photos from and to files: always upright sRGB in memory, always whole files on disk."""

import contextlib
import dataclasses
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from cagic_tf.photos import colours
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
        with decoding(source):
            image.load()
            orientation = Orientation.of(image)
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


@dataclasses.dataclass(frozen=True)
class Orientation:
    """How a picture's stored pixels lie: EXIF's orientation, of which Pillow knows how to turn.

    Only boxes are moved in here, so that a crop is turned and never the whole photo.

    Attributes:
      value: 1, upright, to 8.
    """

    value: int = 1

    @classmethod
    def of(cls, image: Image.Image) -> "Orientation":
        """Of a picture, a TIFF's after `load`; what EXIF does not define is upright."""
        value = image.getexif().get(ExifTags.Base.Orientation)
        return cls(value if isinstance(value, int) and 1 <= value <= 8 else 1)

    def upright_size(self, image: Image.Image) -> tuple[int, int]:
        """Width and height of the upright picture in pixels."""
        return image.size if self.value < 5 else (image.height, image.width)

    def cut(self, image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
        """The upright crop `(x, y, w, h)` of a stored picture, in its own mode."""
        x, y, w, h = box if self.value < 5 else (box[1], box[0], box[3], box[2])
        x = image.width - x - w if self.value in (2, 3, 7, 8) else x
        y = image.height - y - h if self.value in (3, 4, 6, 7) else y
        crop = image.crop((x, y, x + w, y + h))
        if self.value == 1:
            return crop
        # All the EXIF that Pillow then reads, so that damaged parts of the photo's do not matter.
        crop.info = {key: crop.info[key] for key in crop.info if key in ("transparency", "palette")}
        crop.getexif()[ExifTags.Base.Orientation] = self.value
        return ImageOps.exif_transpose(crop)


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
            Image.init()
            image = Image.open(source, formats=[f for f in FORMATS if f in Image.OPEN])
        with image:
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
        empty = "is empty" if os.path.getsize(str(source)) == 0 else "holds no picture"
        raise ImageError(
            f"cannot read {source} as a photo: it {empty}; {', '.join(FORMATS)} are read"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_too_large(source)) from error
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"cannot read {source} as a photo: {text}") from error


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

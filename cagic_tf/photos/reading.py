"""Photos from and to files: always upright sRGB in memory, always whole files on disk."""

import contextlib
import dataclasses
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageDraw, IptcImagePlugin, UnidentifiedImageError

from cagic_tf.photos import colours
from cagic_tf.system import files

with contextlib.suppress(ImportError):  # The extra "heic".
    import pillow_heif

    pillow_heif.register_heif_opener()

MAX_PIXELS = 100_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "HEIF")  # No EPS: it is code.
_BAND_PIXELS = 4_000_000


class ImageError(Exception):
    """A photo is missing or cannot be read; the message is one line."""


def read(source: str | os.PathLike | Image.Image | np.ndarray) -> np.ndarray:
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
        image.load()
        turn, (width, height) = Turn.of(image), image.size
        pixels = np.empty((*(image.size if turn.swap else (height, width)), 3), np.uint8)
        stored = turn.as_stored(pixels)
        to_srgb = colours.ToSrgb(image.info.get("icc_profile"))
        rows = max(1, _BAND_PIXELS // width)
        for top in range(0, height, rows):  # In bands: a large photo is there twice at most.
            band = image.crop((0, top, width, min(top + rows, height)))
            opaque, alpha = colours.split_alpha(band)
            stored[top : top + rows] = np.asarray(colours.on_white(to_srgb(opaque), alpha))
        return pixels


def upright_size(path: str | os.PathLike) -> tuple[int, int]:
    """Width and height in pixels of the photo that `read` returns, without decoding its pixels.

    Raises:
      ImageError: No such file, or no picture in it.
    """
    with opened(path) as image:
        if image.format == "TIFF":
            image.load()  # Here Pillow itself turns them, and its versions differ in when.
        return image.size[::-1] if Turn.of(image).swap else image.size


def caption(path: str | os.PathLike) -> str:
    """The caption inside a photo's file: EXIF ImageDescription, else IPTC caption; "" for none.

    Raises:
      ImageError: No such file, or no picture in it.
    """
    with opened(path) as image:
        found = [image.getexif().get(ExifTags.Base.ImageDescription)]
        found.append((IptcImagePlugin.getiptcinfo(image) or {}).get((2, 120)))
    for text in found:
        if isinstance(text, str):  # Pillow reads EXIF's texts as Latin-1; most are UTF-8 now.
            text = text.encode("latin-1", "replace")
        if isinstance(text, bytes):
            try:
                text = text.decode("utf-8")
            except UnicodeDecodeError:
                text = text.decode("latin-1")
            if text := " ".join(text.replace("\0", " ").split()):
                return text
    return ""


@dataclasses.dataclass(frozen=True)
class Turn:
    """How a stored picture lies in the upright one: EXIF orientation as three yes or no.

    The stored picture is the upright one, its rows and columns swapped if `swap`, then its order
    of rows reversed if `flip_rows`, and of columns if `flip_columns`.
    """

    swap: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    @classmethod
    def of(cls, image: Image.Image) -> "Turn":
        """Of a picture, a TIFF's after `load`; what EXIF does not define is upright."""
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        order = [(), ("flip_columns",), ("flip_rows", "flip_columns"), ("flip_rows",), ("swap",)]
        order += [("swap", "flip_rows"), ("swap", "flip_rows", "flip_columns")]
        order += [("swap", "flip_columns")]
        known = isinstance(orientation, int) and 1 <= orientation <= 8
        return cls(**dict.fromkeys(order[orientation - 1] if known else (), True))

    def as_stored(self, upright: np.ndarray) -> np.ndarray:
        """A view `[h, w, ...]` of the upright pixels in the stored order."""
        stored = upright.swapaxes(0, 1) if self.swap else upright
        return stored[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]

    def cut(self, image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
        """The upright crop `(x, y, w, h)` of a stored picture, in its own mode."""
        x, y, w, h = (box[at] for at in (1, 0, 3, 2)) if self.swap else box
        x = image.width - x - w if self.flip_columns else x
        y = image.height - y - h if self.flip_rows else y
        crop = image.crop((x, y, x + w, y + h))
        if self.flip_columns:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.flip_rows:
            crop = crop.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        return crop.transpose(Image.Transpose.TRANSPOSE) if self.swap else crop


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


def overlay(
    pixels: np.ndarray,
    box: tuple[int, int, int, int],
    centers: np.ndarray,
    truths: list[tuple[float, float, float, float]] = (),
) -> Image.Image:
    """Draws the crop on its photo, with the path of the centres over the scales.

    Args:
      pixels: `[H, W, 3]` uint8.
      box: The crop `(x, y, w, h)` in pixels: white and black, the rest of the photo darkened.
      centers: `[S, 2]` centres in [-1, 1], first to last: a line from blue to red.
      truths: Ground-truth boxes `(x, y, w, h)` in pixels: green.

    Returns:
      A picture of the photo's size.
    """
    height, width = pixels.shape[:2]
    x, y, w, h = box
    shown = pixels // 2
    shown[y : y + h, x : x + w] = pixels[y : y + h, x : x + w]
    image = Image.fromarray(shown)
    del shown
    draw = ImageDraw.Draw(image)
    stroke = max(2, round(min(width, height) / 160))
    for left, top, across, down in truths:
        corners = [left, top, left + across - 1, top + down - 1]
        draw.rectangle(corners, outline=(0, 200, 0), width=stroke)
    draw.rectangle([x, y, x + w - 1, y + h - 1], outline=(0, 0, 0), width=2 * stroke)
    draw.rectangle([x, y, x + w - 1, y + h - 1], outline=(255, 255, 255), width=stroke)
    points = [((cx + 1) / 2 * width, (cy + 1) / 2 * height) for cx, cy in np.asarray(centers)]
    for at in range(len(points)):
        share = at / max(len(points) - 1, 1)
        colour = (round(255 * share), 60, round(255 * (1 - share)))
        if at:
            draw.line([points[at - 1], points[at]], fill=colour, width=stroke)
        (cx, cy), r = points[at], 1.5 * stroke
        draw.ellipse([cx - r, cy - r, cx + r, cy + r], fill=colour)
    return image


@contextlib.contextmanager
def opened(source: str | os.PathLike | Image.Image | np.ndarray) -> Iterator[Image.Image]:
    """Opens a photo; what goes wrong in the `with` block too is a one-line `ImageError`."""
    try:
        if isinstance(source, np.ndarray):
            yield _from_array(source)
        elif isinstance(source, Image.Image):
            yield _checked(source)
        else:
            Image.init()
            with Image.open(source, formats=[f for f in FORMATS if f in Image.OPEN]) as image:
                yield _checked(image)
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"no photo at {source}") from error
    except IsADirectoryError as error:
        raise ImageError(f"{source} is a folder; a photo is needed") from error
    except UnidentifiedImageError as error:
        empty = "is empty" if os.path.getsize(source) == 0 else "holds no picture"
        raise ImageError(
            f"cannot read {source} as a photo: it {empty}; {', '.join(FORMATS)} are read"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"cannot read {source} as a photo: it has more than {MAX_PIXELS:,} pixels; reduce it"
        ) from error
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files.
        text = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"cannot read {source} as a photo: {text}") from error


def _checked(image: Image.Image) -> Image.Image:
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    if image.mode == "F":
        raise ImageError("a picture of floats has no known range; save it with 8 or 16 bits")
    return image


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

"""Photos from and to files: always upright RGB in memory, always whole files on disk."""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageOps

from cagic_tf import files


class ImageError(Exception):
    """A photo is missing or cannot be read; the message is one line."""


def read(source: str | os.PathLike | Image.Image | np.ndarray) -> np.ndarray:
    """Reads a photo as upright RGB.

    EXIF orientation is applied, transparency is laid on white, grey and palette pictures become
    RGB, 16-bit pictures are reduced to 8 bits.

    Args:
      source: A path, a PIL image, or an array `[H, W]`, `[H, W, 1]`, `[H, W, 3]` or `[H, W, 4]`:
        uint8 in 0..255, uint16 in 0..65535, or float in [0, 1].

    Returns:
      `[H, W, 3]` uint8.

    Raises:
      ImageError: No such file, no picture in it, or an array of another shape or range.
    """
    with _one_line_errors(source):
        if isinstance(source, np.ndarray):
            return _to_rgb(_from_array(source))
        if isinstance(source, Image.Image):
            return _to_rgb(ImageOps.exif_transpose(source))
        with _open(source) as image:
            return _to_rgb(ImageOps.exif_transpose(image))


def upright_size(path: str | os.PathLike) -> tuple[int, int]:
    """Width and height in pixels of the photo that `read` returns, without decoding its pixels.

    Raises:
      ImageError: No such file, or no picture in it.
    """
    with _one_line_errors(path), _open(path) as image:
        if image.format == "TIFF":
            image.load()  # Here Pillow itself turns them, and its versions differ in when.
        on_its_side = image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
        return image.size[::-1] if on_its_side else image.size


def write(path: Path, pixels: np.ndarray | Image.Image) -> None:
    """Writes a picture atomically, in the format of the path's ending."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    options = {"quality": 95} if path.suffix.lower() in (".jpg", ".jpeg") else {}
    image.save(buffer, format=Image.registered_extensions()[path.suffix.lower()], **options)
    files.write_atomically(path, buffer.getvalue())


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
def _one_line_errors(source: object) -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"no photo at {source}") from error
    except IsADirectoryError as error:
        raise ImageError(f"{source} is a folder; a photo is needed") from error
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files.
        text = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"cannot read {source} as a photo: {text}") from error


@contextlib.contextmanager
def _open(path: str | os.PathLike) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path) as image:
            yield image


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


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # 16 and 32-bit grey; convert("RGB") would clip it.
        values = np.asarray(image).astype(np.int64)
        image = Image.fromarray(np.clip(values >> 8, 0, 255).astype(np.uint8))
    if image.mode == "F":
        raise ImageError("a picture of floats has no known range; save it with 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))

"""Files that people have in their folders: odd ones that can be read, and bad ones."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

WIDTH, HEIGHT = 60, 40  # As they are seen.
Y, X = np.mgrid[:HEIGHT, :WIDTH]
# Smooth, so that lossy formats keep it, and without symmetry.
PIXELS = np.stack([4 * X, 6 * Y, 255 - 2 * X - 3 * Y], -1).astype(np.uint8)
RGB = Image.fromarray(PIXELS)
ALPHA = Image.fromarray(((X * Y) % 256).astype(np.uint8))
GREY_16 = (X * 1000 + Y * 100).astype(np.uint16)


def with_alpha(image):
    """The picture with `ALPHA`."""
    image = image.convert({"RGB": "RGBA", "L": "LA"}[image.mode])
    image.putalpha(ALPHA)
    return image


def encoded(image, kind, **options):
    """The content of a file."""
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def exif(**tags):
    """EXIF of Pillow's names."""
    made = Image.Exif()
    for name, value in tags.items():
        made[getattr(Image.ExifTags.Base, name)] = value
    return made


def lying(orientation, kind, **options):
    """A file whose picture has to be turned to look like `PIXELS`."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # `Image.Transpose`; upright to stored.
    image = RGB.transpose(Image.Transpose(undo[orientation])) if orientation in undo else RGB
    return encoded(image, kind, exif=exif(Orientation=orientation), **options)


def profile(name="sRGB"):
    """An ICC profile's content: sRGB, or one that is like it but for its name and red."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if name == "sRGB":
        return data
    data = data.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    at = data.index(b"rXYZ")  # Red's and green's colours swapped: 12 bytes a table entry.
    swapped = data.replace(b"rXYZ", b"tmpZ", 1).replace(b"gXYZ", b"rXYZ", 1)
    assert at > 0
    return swapped.replace(b"tmpZ", b"gXYZ", 1)


def png_of(width, height, rows, depth=8, colour=2):
    """A PNG written by hand."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def _png_48():
    rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in PIXELS)
    return png_of(WIDTH, HEIGHT, rows, 16)


def _animation(kind):
    return encoded(RGB, kind, save_all=True, append_images=[Image.new("RGB", RGB.size, "red")])


def _palette(**options):
    return RGB.convert("P", palette=Image.Palette.ADAPTIVE), options


def good():
    """Name to content and how far a colour of it, laid on white, may be from `PIXELS`.

    None: its colours are others by its nature.
    """
    found = {
        "jpeg.jpg": (encoded(RGB, "JPEG", quality=95), 12),
        "progressive.jpg": (encoded(RGB, "JPEG", quality=95, progressive=True), 12),
        "grey.jpg": (encoded(RGB.convert("L"), "JPEG"), None),
        "cmyk.jpg": (encoded(RGB.convert("CMYK"), "JPEG", quality=95), 20),
        "trailing bytes.jpg": (encoded(RGB, "JPEG", quality=95) + b"rubbish" * 99, 12),
        "two pictures.jpg": (
            encoded(RGB, "MPO", quality=95, save_all=True, append_images=[RGB]),
            12,
        ),
        "png inside.jpg": (encoded(RGB, "PNG"), 0),
        "jpeg inside.png": (encoded(RGB, "JPEG", quality=95), 12),
        "no ending": (encoded(RGB, "PNG"), 0),
        "upper case.JPG": (encoded(RGB, "JPEG", quality=95), 12),
        "name of é and \u5199\u771f.png": (encoded(RGB, "PNG"), 0),
        "photo.png": (encoded(RGB, "PNG"), 0),
        "alpha.png": (encoded(with_alpha(RGB), "PNG"), None),
        "grey alpha.png": (encoded(with_alpha(RGB.convert("L")), "PNG"), None),
        "black and white.png": (encoded(RGB.convert("1"), "PNG"), None),
        "16 bits.png": (encoded(Image.fromarray(GREY_16), "PNG"), None),
        "48 bits.png": (_png_48(), 0),
        "palette.png": (encoded(_palette()[0], "PNG"), 40),
        "palette with alpha.png": (encoded(_palette()[0], "PNG", transparency=3), None),
        "transparent colour.png": (encoded(RGB, "PNG", transparency=(0, 0, 255)), 255),
        "animation.png": (_animation("PNG"), 0),
        "srgb profile.png": (encoded(RGB, "PNG", icc_profile=profile()), 0),
        "other profile.png": (encoded(RGB, "PNG", icc_profile=profile("other")), None),
        "broken profile.png": (encoded(RGB, "PNG", icc_profile=b"no profile" * 20), 0),
        "broken exif.png": (encoded(RGB, "PNG", exif=b"Exif\0\0MM\0*rubbish"), 0),
        "unknown orientation.png": (encoded(RGB, "PNG", exif=exif(Orientation=99)), 0),
        "photo.webp": (encoded(RGB, "WEBP", quality=95), 12),
        "lossless alpha.webp": (encoded(with_alpha(RGB), "WEBP", lossless=True), None),
        "animation.webp": (_animation("WEBP"), None),
        "photo.tif": (encoded(RGB, "TIFF"), 0),
        "lzw.tif": (encoded(RGB, "TIFF", compression="tiff_lzw"), 0),
        "two pages.tif": (_animation("TIFF"), 0),
        "cmyk.tif": (encoded(RGB.convert("CMYK"), "TIFF"), 2),
        "16 bits.tif": (encoded(Image.fromarray(GREY_16), "TIFF"), None),
        "32 bits.tif": (encoded(Image.fromarray(GREY_16.astype(np.int32)), "TIFF"), None),
        "alpha.tif": (encoded(with_alpha(RGB), "TIFF"), None),
        "photo.gif": (encoded(RGB, "GIF"), 60),
        "animation.gif": (_animation("GIF"), 60),
        "transparent.gif": (encoded(_palette()[0], "GIF", transparency=3), None),
        "photo.bmp": (encoded(RGB, "BMP"), 0),
        "grey.bmp": (encoded(RGB.convert("L"), "BMP"), None),
        "palette.bmp": (encoded(_palette()[0], "BMP"), 40),
    }
    for orientation in range(2, 9):
        found[f"orientation {orientation}.jpg"] = (lying(orientation, "JPEG", quality=95), 12)
    found["orientation 6.tif"] = (lying(6, "TIFF"), 0)
    found["orientation 8.webp"] = (lying(8, "WEBP", lossless=True), 0)
    if "AVIF" in Image.SAVE:
        found["photo.avif"] = (encoded(RGB, "AVIF", quality=95), 12)
    return found


def bad():
    """Name to content of what is no photo; each has to be a one-line error."""
    jpeg, png = encoded(RGB, "JPEG"), encoded(RGB, "PNG")
    damaged = bytearray(png)
    damaged[len(png) // 2] ^= 0xFF
    return {
        "empty.jpg": b"",
        "one byte.png": b"\x89",
        "text.jpg": b"A text, not a photo.\n",
        "page.jpg": b"<!doctype html><html><body>404</body></html>",
        "vector.svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        "script.eps": encoded(RGB, "EPS"),
        "document.pdf": b"%PDF-1.7\n%%EOF\n",
        "archive.jpg": b"PK\x03\x04" + bytes(60),
        "film.mp4": b"\0\0\0\x18ftypmp42" + bytes(60),
        "zeros.jpg": bytes(5000),
        "half.jpg": jpeg[: len(jpeg) // 2],
        "header only.jpg": jpeg[:20],
        "half.png": png[: len(png) // 2],
        "one pixel changed.png": bytes(damaged),
        "half.webp": encoded(RGB, "WEBP")[:200],
        "half.tif": encoded(RGB, "TIFF")[:2000],
        "half.gif": encoded(RGB, "GIF")[:1500],
        "half.bmp": encoded(RGB, "BMP")[:1500],
        "bomb.png": png_of(20_000, 20_000, b"\0"),
        "huge.png": png_of(10_001, 10_000, b"\0"),
        "no width.png": png_of(0, 5, b""),
        "floats.tif": encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"),
        "portable.ppm": encoded(RGB, "PPM"),
    }

"""Tags as cameras and people write them, and those of a file."""

import io
import struct

from PIL import Image

from cagic_tf.photos import tag_reading, tags

NAME = "© 2024 José Müller, Straße".encode()


def block(order="<"):
    """A block of tags: a density, a text of UTF-8 and odd tags in every directory."""
    made = tags.Block(order)
    rational = struct.pack(order + "LL", 300, 1)
    made.main |= {282: tags.Tag(5, rational), 283: tags.Tag(5, rational), 296: made.number(2, 3)}
    made.main |= {33432: tags.Tag(2, NAME + b"\0"), 40092: tags.Tag(1, "hé\0".encode("utf-16-le"))}
    made.exif |= {33434: tags.Tag(3, struct.pack(order + "HH", 1, 250))}  # A rational is due.
    made.exif |= {42034: tags.Tag(12, struct.pack(order + "4d", 24, 70, 2.8, 2.8))}
    made.exif |= {37510: tags.Tag(7, b"UNICODE\0" + "x".encode("utf-16-le"))}
    made.gps |= {1: tags.Tag(2, b"N\0"), 2: tags.Tag(5, rational * 3), 5: tags.Tag(1, b"\0")}
    made.interop |= {1: tags.Tag(2, b"R03\0")}
    return made


def exif_in(data):
    """The tags of a file, read here: a TIFF's own, or EXIF's where Pillow finds it."""
    image = Image.open(io.BytesIO(data))
    if image.format == "TIFF":
        return tag_reading.of_tiff(io.BytesIO(data))
    return tag_reading.of_exif(image.info.get("exif", b""))

"""EXIF's orientation: boxes and crops are turned, never the whole photo."""

import dataclasses
from typing import Any

from PIL import ExifTags, Image, ImageOps

from cagic_tf.photos import tag_reading


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
        value: Any
        try:
            value = image.getexif().get(ExifTags.Base.Orientation)
        except Exception:  # Of many kinds, for a damaged tag beside it.
            value = tag_reading.of_exif(image.info.get("exif", b"")).orientation
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

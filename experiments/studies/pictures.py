"""The pictures that people are shown: upright, in sRGB, and of a size that fills their place.

They are copies. A photo's own file would say where and when it was taken, and a crop's own name
which method made it.
"""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from cagic_tf.method import geometry
from cagic_tf.photos import reading
from experiments.tables import made_by

# Pixels of the longer side. A screen has hardly more than the most. The least is for small crops,
# which Label Studio would show smaller than others, or would enlarge and cut at their edges.
LEAST_SIDE, LONGEST_SIDE = 1000, 1600
Box = tuple[float, float, float, float]


class Picture(NamedTuple):
    """A picture to write.

    Attributes:
      name: Name of its file.
      photo: The photo that it is cut from.
      box: `(x, y, w, h)` in pixels of the upright photo; None: it is the whole photo.
    """

    name: str
    photo: Path
    box: Box | None = None


def shown_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which a picture of a size is shown, both in pixels."""
    longer = max(size)
    factor = min(max(longer, LEAST_SIDE), LONGEST_SIDE) / longer
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def write(folder: Path, pictures: Iterable[Picture]) -> list[Path]:
    """Writes those that the folder lacks, so that the same command goes on where it stopped.

    Args:
      folder: Where to.
      pictures: What to write; those of one photo should stand together.

    Returns:
      The paths of all.

    Raises:
      reading.ImageError: A photo cannot be read.
      output_folder.OutputError: A file cannot be written.
    """
    read = functools.lru_cache(maxsize=1)(reading.read)
    paths = []
    for picture in pictures:
        path = folder / picture.name
        if not path.exists():
            made_by.write_file(
                path, reading.encoded(_cut(read(picture.photo), picture.box), ".jpg")
            )
        paths.append(path)
    return paths


def _cut(photo: np.ndarray, box: Box | None) -> Image.Image:
    height, width = photo.shape[:2]
    if box is not None:
        x, y, w, h = box
        corners = x / width, y / height, (x + w) / width, (y + h) / height
        x, y, w, h = geometry.whole_pixels(corners, width, height)
        photo = photo[y : y + h, x : x + w]
    image = Image.fromarray(photo)
    size = shown_size(image.size)
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)

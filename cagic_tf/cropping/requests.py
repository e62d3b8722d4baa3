"""What a caller asks for: a photo, a caption, and what the crop should be like; checked."""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from PIL import Image

from cagic_tf.beyond import shapes
from cagic_tf.method.search import Bounds
from cagic_tf.photos import reading
from cagic_tf.system import arguments

PIXELS = "pixels are needed, or 0"


class Request(NamedTuple):
    """One crop that is asked for; see `Cropper.crop` for what each means.

    Attributes:
      image: The photo.
      caption: What the crop should show, or None.
      seed: Of the restarts.
      shape: The crop's shape.
      smallest_side: In pixels of the photo.
      candidate_count: How many crops.
    """

    image: reading.Source
    caption: str | None
    seed: int
    shape: shapes.Shape
    smallest_side: int
    candidate_count: int

    def bounds(self, width: int, height: int) -> Bounds:
        """Which crops of a photo of that size may be tried."""
        base_size = self.shape.base_size(width, height)
        shorter = min(base_size[0] * width, base_size[1] * height)
        return Bounds(base_size, smallest_scale=min(1.0, self.smallest_side / shorter))


def checked(
    image: Any, caption: Any, seed: Any, shape: Any, smallest_side: Any, candidate_count: Any
) -> Request:
    """A request of what a caller has given.

    Raises:
      ValueError: A value has a wrong type or is out of its range.
    """
    arguments.check("the caption", caption, str | None, "a text is needed, or None")
    arguments.check("the shape", shape, str | shapes.Shape, "a text such as '16:9' is needed")
    arguments.check_whole("smallest_side", smallest_side, 0, needed=PIXELS)
    arguments.check_whole("candidate_count", candidate_count, 1, needed="at least 1 is needed")
    arguments.check_seed(seed)
    shape = shapes.parse(shape) if isinstance(shape, str) else shape
    if isinstance(image, str | os.PathLike):
        image = os.path.expanduser(image)
    return Request(image, caption, seed, shape, smallest_side, candidate_count)


def check_progress(progress: Any) -> None:
    """Raises ValueError where `progress` can be called by nobody."""
    arguments.check("progress", progress, Callable | None, "a function is needed, or None")


def check_images(images: Any) -> None:
    """Raises ValueError where one photo is given in the place of many."""
    if isinstance(images, str | os.PathLike | Image.Image):
        raise ValueError(f"images is {arguments.shown(images)}; a list of photos is needed")


def one_each(name: str, given: Any, count: int) -> Sequence[Any]:
    """A list with something for each of `count` photos: what is given, or that for all of them.

    Raises:
      ValueError: A list is given, but of another length.
    """
    alone = str | int | Image.Image | shapes.Shape | None
    if isinstance(given, alone):
        return [given] * count
    if len(given) != count:
        raise ValueError(f"{name} are {len(given)}; one for all or one for each of {count} photos")
    return list(given)

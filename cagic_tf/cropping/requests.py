"""What a caller asks for: a photo, a caption, and what the crop should be like; checked."""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from cagic_tf.beyond import shapes
from cagic_tf.beyond.grounded_picking import HighestExpectedUtility
from cagic_tf.method.search import Bounds, Placed
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
        smallest_scale = min(1.0, self.smallest_side / shorter)
        if self.shape != shapes.FREE:
            return Bounds(base_size, smallest_scale)
        least_width, least_height = (min(1.0, self.smallest_side / n) for n in (width, height))
        return Bounds(base_size, smallest_scale, (least_width, least_height))


def checked(
    own_seed: int,
    own_shape: shapes.Shape,
    image: Any,
    caption: Any,
    seed: Any,
    shape: Any,
    smallest_side: Any,
    candidate_count: Any,
) -> Request:
    """A request of what a caller has given; with the cropper's own seed and shape for None.

    Raises:
      ValueError: A value has a wrong type or is out of its range, or a free shape is asked of a
        cropper that chooses none.
    """
    seed, shape = own_seed if seed is None else seed, own_shape if shape is None else shape
    arguments.check("the caption", caption, str | None, "a text is needed, or None")
    needed = "a text such as '16:9' is needed, or None"
    arguments.check("the shape", shape, str | shapes.Shape, needed)
    arguments.check_whole("smallest_side", smallest_side, 0, needed=PIXELS)
    arguments.check_whole("candidate_count", candidate_count, 1, needed="at least 1 is needed")
    arguments.check_seed(seed)
    shape = shapes.parse(shape) if isinstance(shape, str) else shape
    if shape == shapes.FREE != own_shape:
        raise ValueError(shapes.KEEPS_SHAPE)
    if isinstance(image, str | os.PathLike):
        image = os.path.expanduser(image)
    return Request(image, caption, seed, shape, smallest_side, candidate_count)


def own_shape(search: Any) -> shapes.Shape:
    """The shape of a search's crops where nobody asks for one: free, if it can choose one."""
    return shapes.FREE if getattr(search, "chooses_shape", False) else shapes.ORIGINAL


def placed(box: Sequence[int], width: int, height: int) -> Placed:
    """A box `(x, y, w, h)` in pixels, in a photo of that size, as a search would name it.

    Raises:
      ValueError: The box is empty or not inside the photo, or its numbers are not whole.
    """
    numbers = list(box) if isinstance(box, Sequence | np.ndarray) else []
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in numbers)
    x, y, w, h = numbers if whole and len(numbers) == 4 else (0, 0, 0, 0)
    if not (min(x, y) >= 0 and min(w, h) >= 1 and x + w <= width and y + h <= height):
        raise ValueError(
            f"the box is {arguments.shown(box)}; (x, y, w, h) in whole pixels inside the photo of "
            f"{width} x {height} is needed"
        )
    center = (2 * x + w) / width - 1, (2 * y + h) / height - 1
    return Placed.of(center, (w / width, h / height))


def check_parts(search: Any, networks: Any, objective: Any) -> None:
    """Raises ValueError where a `Cropper` is given something else than its parts, or None.

    Also where its search picks by a grounder, and the networks have none.
    """
    needed = "a search such as @Annealing() is needed"
    arguments.check_has("Cropper.search", search, "compile", needed)
    arguments.check_has("Cropper.networks", networks, "captioner", "Networks() is needed")
    arguments.check_has("Cropper.objective", objective, "terms", "Objective() is needed")
    pick = getattr(search, "pick", None)
    if isinstance(pick, HighestExpectedUtility) and getattr(networks, "grounder", None) is None:
        raise ValueError(
            "CoarseToFine.pick is @HighestExpectedUtility(), but there is no grounder: bind "
            "Networks.grounder to a grounder's checkpoint, or CoarseToFine.pick to another rule, "
            "such as @HighestExpectedIoU()"
        )


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

"""A system of `cagic_tf.baselines` as a method of a table, alone or on another method's crop."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from cagic_tf.baselines import systems
from cagic_tf.baselines.scored_box import ScoredBox
from cagic_tf.photos import reading
from experiments.methods.blind import Box

Boxes = Callable[[np.ndarray, str, Any], list[ScoredBox]]


@dataclasses.dataclass(frozen=True)
class SystemBox:
    """The best box of a photo, or of another method's crop of it.

    With a first method this is the paper's "combine sequentially" (Sec. 4.1.2): that one's crop is
    a photo of its own for the system.

    Attributes:
      name: The system's name and settings, for `repr`.
      boxes: `boxes(photo, caption, file)` gives the system's boxes, best first; none: it has no
        answer, and the whole picture is taken.
      first: A method whose crop the system is given; None gives it the photo.
    """

    name: str
    boxes: Boxes = dataclasses.field(repr=False)
    first: Callable[..., Box] | None = None

    def __call__(self, image, caption: str) -> Box:
        photo = reading.read(image)
        left, top, width, height = 0, 0, photo.shape[1], photo.shape[0]
        if self.first:
            left, top, width, height = self.first(photo, caption)
        given = np.ascontiguousarray(photo[top : top + height, left : left + width])
        found = self.boxes(given, caption, image)
        if not found:
            return left, top, width, height
        x, y, w, h = systems.pixels(found[0].box, width, height)
        return left + x, top + y, w, h

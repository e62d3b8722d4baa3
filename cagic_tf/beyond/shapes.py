"""Shapes that crops are asked to have: any, the photo's own, an aspect ratio, or a size."""

import dataclasses
import re

_RATIO = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,5})?):([0-9]{1,5}(?:\.[0-9]{1,5})?)")
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
LONGEST = 100  # Times as long as wide, or the other way round.
LARGEST = 16_383  # Pixels a side: what WebP holds.
KEEPS_SHAPE = (
    "the shape is free, but only @CoarseToFine() with a pick whose most_stretch is above 1 chooses "
    "one, as in fast.gin; give original, or a ratio such as 16:9"
)


@dataclasses.dataclass(frozen=True)
class Shape:
    """What a crop is like.

    Attributes:
      name: As it was asked for: "free", "original", "16:9" or "1200x628".
      ratio: Width by height; None: the photo's own or, of a free one, what the search chooses.
      size: Width and height in pixels to which the crop's file is resized; None: it is not.
    """

    name: str = "original"
    ratio: float | None = None
    size: tuple[int, int] | None = None

    @property
    def suffix(self) -> str:
        """What tells the crop's row and files from those of other shapes: "", "-16x9", ..."""
        return "" if self == ORIGINAL else "-" + self.name.replace(":", "x")

    def base_size(self, width: int, height: int) -> tuple[float, float]:
        """The largest crop of this shape in a photo.

            >>> parse("1:1").base_size(300, 200)
            (0.6666666666666666, 1.0)

        Args:
          width: Of the photo, in any unit.
          height: Of the photo, in the same unit.

        Returns:
          Its width and height as fractions of the photo's, in (0, 1]; one of them, or both, are 1.
        """
        if self.ratio is None:  # A search that chooses the shape begins with the photo's own.
            return 1.0, 1.0
        return min(1.0, self.ratio * height / width), min(1.0, width / (self.ratio * height))


ORIGINAL, FREE = Shape(), Shape("free")


def parse(text: str) -> Shape:
    """A shape from its name.

        >>> parse("16:9")
        Shape(name='16:9', ratio=1.7777777777777777, size=None)
        >>> parse("1200x600")
        Shape(name='1200x600', ratio=2.0, size=(1200, 600))

    Args:
      text: "free", what the search chooses; "original", the photo's own; a ratio of width to height
        such as "4:5" or "1.91:1"; or a size in pixels such as "1200x628" or "1200X628".

    Returns:
      The shape.

    Raises:
      ValueError: It is none of these, or longer than 100 times its width or the other way round.
    """
    text = text.lower().replace("×", "x")
    for named in (ORIGINAL, FREE):
        if text == named.name:
            return named
    found = _RATIO.fullmatch(text) or _SIZE.fullmatch(text)
    width, height = (float(side) for side in found.groups()) if found else (0.0, 0.0)
    if not (width and height and 1 / LONGEST <= width / height <= LONGEST):
        raise ValueError(
            f"the shape is {text!r}; original, free, a ratio such as 16:9 (at most {LONGEST}:1) or "
            "a size in pixels such as 1200x628 is needed"
        )
    if ":" in text:
        return Shape(text, width / height)
    if max(width, height) > LARGEST:
        raise ValueError(f"the size is {text}; at most {LARGEST} pixels a side are possible")
    return Shape(text, width / height, (int(width), int(height)))


def parse_list(text: str) -> tuple[Shape, ...]:
    """The shapes in a comma-separated list, each once; see `parse`."""
    return tuple(dict.fromkeys(parse(part.strip()) for part in text.split(",")))

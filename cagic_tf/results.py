"""What cropping a photo gives: the crop, others that came close, and how they came about."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cagic_tf.beyond import shapes
from cagic_tf.method.search import Path as SearchPath
from cagic_tf.photos import crop_files, drawing
from cagic_tf.system import arguments, files

_FORMATS = {ending: name for name, ending in crop_files.ENDINGS.items()}
_FORMATS |= {".jpeg": "JPEG", ".tiff": "TIFF"}


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A crop and its losses.

    Attributes:
      box: `(x, y, w, h)` in the photo's pixels, upright.
      box_normalized: `(x0, y0, x1, y1)` in [0, 1].
      center: `(x, y)` in [-1, 1] over the photo, whatever the crop's shape.
      scale: The crop's side as a share of the photo's side, or with another shape than the photo's,
        of the largest crop of that shape.
      loss: "total" (Eq. 3), "caption" (Eq. 4) and "aesthetic" (Eq. 5) of the crop; with a lexicon
        "lexicon" too. Without a caption "total" is "aesthetic", and there is no "caption".
      predicted_caption: The captioner's own caption of the crop.
    """

    box: tuple[int, int, int, int]
    box_normalized: tuple[float, float, float, float]
    center: tuple[float, float]
    scale: float
    loss: dict[str, float]
    predicted_caption: str

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return {
            "box": list(self.box),
            "box_normalized": list(self.box_normalized),
            "scale": self.scale,
            "center": list(self.center),
            "loss": dict(self.loss),
            "predicted_caption": self.predicted_caption,
        }


@dataclasses.dataclass(frozen=True)
class CropResult(Candidate):
    """A crop, and how it came about.

    Attributes:
      matched_words: Words of the user's caption by what knows them: "captioner" is a list,
        "lexicon" has each of its nouns, as the caption writes it or as it is read, to its ImageNet
        classes, "read_as" has each word that is read as another to that one: an inflection that
        the captioner knows or, with a table of synonyms, a synonym or what it is a kind of.
      unknown_words: The words that neither knows, each to its nearest known words.
      evaluations: How many crops the search computed the losses for.
      seconds: Time spent on this photo, networks loaded before.
      seed: Seed of the restarts, that of this photo: with it `Cropper.crop` gives this crop again.
      checkpoints: Name of each checkpoint used to its SHA-256.
      photo: `[H, W, 3]` uint8, the upright photo.
      path: Every step of the search.
      shape: What was asked for: "free", so that the search chose; "original", the photo's own; or
        such as "16:9" or "1200x628".
      size: Width and height in pixels to which `save` resizes; None: it does not.
      candidates: As many of the best distinct crops as were asked for and found, this one first,
        the others by their total loss (see `candidates.distinct`).
      source: The photo as it was given, to cut crops from; None: they are cut from `photo`.
    """

    matched_words: dict[str, Any]
    unknown_words: dict[str, tuple[str, ...]]
    evaluations: int
    seconds: float
    seed: int
    checkpoints: dict[str, str]
    photo: np.ndarray = dataclasses.field(repr=False)
    path: SearchPath = dataclasses.field(repr=False)
    shape: str = shapes.ORIGINAL.name
    size: tuple[int, int] | None = None
    candidates: tuple[Candidate, ...] = dataclasses.field(default=(), repr=False)
    source: Any = dataclasses.field(default=None, repr=False)

    @property
    def crop(self) -> np.ndarray:
        """The crop `[h, w, 3]`, uint8, at the photo's full resolution."""
        x, y, w, h = self.box
        return self.photo[y : y + h, x : x + w]

    def save(
        self,
        path: str | os.PathLike,
        quality: int = 95,
        strip_metadata: bool = False,
        candidate: int = 0,
    ) -> None:
        """Writes the crop as a file, never half: cut from the photo's own pixels, see `crop_files`.

        It keeps the photo's alpha, 16-bit grey, ICC profile and metadata where the format can.
        With a shape such as "1200x628" it is resized to that size.

        Args:
          path: The file; its ending says the format: .jpg, .png, .webp, .tif, .gif, .bmp, .avif.
            "~" is the home folder. A file that is there is replaced, but never the photo itself.
          quality: 1 to 100, of JPEG, WebP and AVIF.
          strip_metadata: Leaves out metadata and the ICC profile; colours become sRGB.
          candidate: Place in `candidates`; 0 is this crop.

        Raises:
          ValueError: The ending is none of these, the quality or candidate is out of its range, a
            value is of a wrong type, or the file is the photo.
          reading.ImageError: The photo cannot be read any more.
          OSError: The file cannot be written.
        """
        arguments.check("the file", path, str | os.PathLike, "a path is needed")
        path = Path(os.path.expanduser(path))
        kind = _FORMATS.get(path.suffix.lower())
        if kind is None:
            raise ValueError(
                f"cannot save a crop as {path.name!r}: its ending must be one of "
                f"{', '.join(_FORMATS)}"
            )
        arguments.check_whole("the quality", quality, 1, 100, "1 to 100 is accepted")
        arguments.check(
            "strip_metadata", strip_metadata, bool | np.bool_, "True or False is needed"
        )
        crops = self.candidates or (self,)
        arguments.check("the candidate", candidate, int | np.integer, "its place is needed")
        if not 0 <= candidate < len(crops):
            raise ValueError(f"there is no candidate {candidate}; 0 to {len(crops) - 1} are there")
        source = self.photo if self.source is None else self.source
        origin = getattr(source, "filename", source)  # Of an image that Pillow opened.
        if not isinstance(origin, str | os.PathLike) or not os.path.exists(origin):
            origin = None
        if origin is not None and path.exists() and path.samefile(origin):
            raise ValueError(f"the crop would replace its own photo {path}")
        box = self.candidates[candidate].box if candidate else self.box
        data = crop_files.cut(source, box, kind.lower(), int(quality), strip_metadata, self.size)
        files.write_atomically(path, data)

    def overlay(self) -> Image.Image:
        """The photo with the crop and the path of the search's centres drawn in."""
        centers = [step.center for step in self.path.steps]
        return drawing.overlay(self.photo, self.box, centers)

    def to_dict(self) -> dict[str, Any]:
        """Everything but pictures and path, as JSON types: what `results.jsonl` has of a row."""
        return super().to_dict() | {
            "matched_words": self.matched_words,
            "unknown_words": {word: list(near) for word, near in self.unknown_words.items()},
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "seed": self.seed,
            "checkpoints": self.checkpoints,
            "shape": self.shape,
            "candidates": [candidate.to_dict() for candidate in self.candidates],
        }

"""`Cropper` and `crop_image`: the one place where photo, caption, networks and search meet."""

import functools
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from cagic_tf.beyond import candidates, shapes
from cagic_tf.method import annealing, geometry, vocabulary
from cagic_tf.method.objective import CropLoss, Objective
from cagic_tf.method.problems import Problem
from cagic_tf.method.search import UNBOUNDED, Bounds, Progress, RunSearch, Search
from cagic_tf.networks.bundle import Networks
from cagic_tf.photos import reading
from cagic_tf.results import Candidate, CropResult
from cagic_tf.system import arguments, devices

__all__ = ["CropResult", "Cropper", "crop_image"]
_PIXELS = "pixels are needed, or 0"


class _Compiled(NamedTuple):
    """An objective with its graphs: `describe` gives losses and captions of crops."""

    loss: CropLoss
    search: RunSearch
    describe: Any


class Cropper:
    """Loads the networks and traces the graphs once, then crops any number of photos.

    Threads may share one; they take turns.

    Attributes:
      loss: The objective on the loaded networks.
      configuration: What gin's files and bindings made of it, as gin text; "" without gin.
      max_side: Pixels of the longer side to which photos are reduced; 0 never.
      seed: Seed used when `crop` is given none.
    """

    def __init__(
        self,
        networks: Networks | None = None,
        objective: Objective | None = None,
        search: Search | None = None,
        max_side: int = 1024,
        seed: int = 0,
    ):
        """Takes what to crop with; the defaults are the paper's method, as `paper.gin` has it.

        Args:
          networks: The frozen networks; None loads the embedded checkpoints.
          objective: Settings of the losses; None takes the paper's.
          search: Such as `annealing.Annealing`, `joint_search.JointSearch` or
            `coarse_to_fine.CoarseToFine`; None takes Alg. 1.
          max_side: Photos are reduced to this many pixels on the longer side before the pyramid is
            built, since the networks see few pixels of a crop whatever the photo has; 0 never: then
            a photo of 12 megapixels takes 3 GB.
          seed: Seed of the restarts.

        Raises:
          checkpoints.CheckpointError: An embedded checkpoint is missing or damaged.
          ValueError: `max_side` is negative, the seed is no whole number of 32 bits, `search` is
            none, or the networks do not compute in float32.
        """
        arguments.check_whole("Cropper.max_side", max_side, 0, needed=_PIXELS)
        needed = "a search such as @Annealing() is needed"
        arguments.check_has("Cropper.search", search, "compile", needed)
        arguments.check_has("Cropper.networks", networks, "captioner", "Networks() is needed")
        arguments.check_has("Cropper.objective", objective, "terms", "Objective() is needed")
        arguments.check_seed(seed)
        self.loss = CropLoss(objective or Objective(), networks or Networks())
        if self.loss.networks.dtype != tf.float32:
            raise ValueError(
                f"the networks compute in {self.loss.networks.dtype!r}; a Cropper needs tf.float32"
            )
        self.seed = seed
        self.max_side = max_side
        self.configuration = ""
        self._lock = threading.Lock()  # Searches keep what they have computed so far.
        self._settings = search or annealing.Annealing()
        self._with_caption = self._compile(self.loss)

    @functools.cached_property
    def _without_caption(self) -> _Compiled:
        return self._compile(CropLoss(self.loss.objective.without_caption(), self.loss.networks))

    def _compile(self, loss: CropLoss) -> _Compiled:
        theta = tf.TensorSpec([1, 3], tf.float32)
        describe = tf.function(
            loss.describe, input_signature=[loss.signature, theta], autograph=False
        )
        return _Compiled(loss, self._settings.compile(loss, loss.signature), describe)

    def crop(
        self,
        image: str | os.PathLike | Image.Image | np.ndarray,
        caption: str | None,
        seed: int | None = None,
        progress: Progress | None = None,
        shape: str | shapes.Shape = shapes.ORIGINAL,
        smallest_side: int = 0,
        candidate_count: int = 1,
    ) -> CropResult:
        """Crops one photo to one caption.

        Args:
          image: A path ("~" is the home folder), a PIL image, or an array (see `reading.read`).
          caption: What the crop should show; None: the crop of lowest aesthetic loss (Eq. 5) alone.
          seed: Seed of the restarts; the same seed gives the same crop, bit for bit.
          progress: Called after each scale as `progress(done, in all, lowest loss)`; TensorFlow is
            deterministic meanwhile, see `devices.reproducible`.
          shape: The crop's: "original" is the photo's, as in the paper; a ratio of width to height
            such as "16:9", kept within a pixel; a size such as "1200x628", of which the ratio
            counts here. See `shapes.parse`.
          smallest_side: Pixels of the photo that no side of the crop falls below; a photo too small
            for that gives the largest crop of the shape.
          candidate_count: How many of the best distinct crops the result has, itself the first;
            they may be fewer.

        Returns:
          The crop.

        Raises:
          reading.ImageError: The photo cannot be read.
          ValueError: The caption is empty or none of its words is known; the shape is none;
            `smallest_side` is negative or `candidate_count` below 1; a value has a wrong type.
        """
        arguments.check("the caption", caption, str | None, "a text is needed, or None")
        arguments.check("the shape", shape, str | shapes.Shape, "a text such as '16:9' is needed")
        arguments.check("progress", progress, Callable | None, "a function is needed, or None")
        arguments.check_whole("smallest_side", smallest_side, 0, needed=_PIXELS)
        arguments.check_whole("candidate_count", candidate_count, 1, needed="at least 1 is needed")
        shape = shapes.parse(shape) if isinstance(shape, str) else shape
        seed = self.seed if seed is None else seed
        arguments.check_seed(seed)
        if isinstance(image, str | os.PathLike):
            image = os.path.expanduser(image)
        with self._lock, devices.reproducible():
            return self._crop(image, caption, seed, progress, shape, smallest_side, candidate_count)

    def _crop(
        self,
        image: reading.Source,
        caption: str | None,
        seed: int,
        progress: Progress | None,
        shape: shapes.Shape,
        smallest_side: int,
        count: int,
    ) -> CropResult:
        begin = time.monotonic()
        photo = reading.read(image)
        height, width = photo.shape[:2]
        base_size = shape.base_size(width, height)
        shorter = min(base_size[0] * width, base_size[1] * height)
        bounds = Bounds(base_size, smallest_scale=min(1.0, smallest_side / shorter))
        problem, words = self.problem(photo, caption, base_size)
        compiled = self._without_caption if caption is None else self._with_caption
        # Searches of others need not know of bounds as long as nobody asks for any.
        limits = {} if bounds == UNBOUNDED else {"bounds": bounds}
        path = compiled.search(problem, seed, progress, **limits)
        best, *others = [
            self._candidate(compiled, problem, theta, (width, height), base_size)
            for theta in candidates.distinct(path, count, base_size)
        ]
        return CropResult(
            **vars(best),
            matched_words=self._matched_words(words),
            unknown_words=words.unknown,
            evaluations=path.evaluations,
            seconds=time.monotonic() - begin,
            seed=seed,
            checkpoints=self.loss.networks.checkpoints,
            photo=photo,
            path=path,
            shape=shape.name,
            size=shape.size,
            candidates=(best, *sorted(others, key=lambda other: other.loss["total"])),
            source=image,
        )

    def _candidate(
        self,
        compiled: _Compiled,
        problem: Problem,
        theta: np.ndarray,
        size: tuple[int, int],
        base_size: tuple[float, float],
    ) -> Candidate:
        x, y, scale = (float(value) for value in theta)
        losses, predicted = compiled.describe(problem, tf.constant([[x, y, scale]], tf.float32))
        text = self.loss.networks.captioner.text(predicted.words[0], int(predicted.lengths[0]))
        return Candidate(
            box=geometry.pixel_box((x, y), scale, size[0], size[1], base_size),
            box_normalized=geometry.normalized_box((x, y), scale, base_size),
            center=(x, y),
            scale=scale,
            loss={
                name: float(value[0])
                for name, value in {"total": losses.total, **losses.terms}.items()
            },
            predicted_caption=text,
        )

    def _matched_words(self, words: vocabulary.BagOfWords) -> dict[str, Any]:
        """A caption's words by what knows them, see `CropResult`."""
        matched: dict[str, Any] = {"captioner": list(dict.fromkeys(words.words)), "lexicon": {}}
        for term in self.loss.objective.terms:
            found = term.matched_words(self.loss.networks, words)
            if found is not None:
                matched[term.name] = found
        return matched | {"read_as": words.read_as}

    def problem(
        self, photo: np.ndarray, caption: str | None, base_size: Sequence[float] = (1.0, 1.0)
    ) -> tuple[Problem, vocabulary.BagOfWords]:
        """What the loss takes for one photo and caption, before any crop is tried.

        Args:
          photo: `[H, W, 3]` uint8, upright RGB.
          caption: What the crop should show; None: nothing is said, and the problem is that of the
            aesthetic loss alone.
          base_size: Width and height of the crop of scale 1 as fractions of the photo's.

        Returns:
          The problem, and the caption's words as the networks know them.

        Raises:
          ValueError: The caption is empty or none of its words that say something is known.
        """
        captioner = self.loss.networks.captioner
        if caption is None:
            loss, words = self._without_caption.loss, vocabulary.no_words(captioner.vocabulary)
        else:
            end_word = captioner.end_word if self.loss.objective.user_end_word else None
            loss = self.loss
            words = vocabulary.bag_of_words(
                caption,
                captioner.vocabulary,
                end_word,
                loss.word_finders,
                loss.networks.synonyms,
            )
            vocabulary.check_describes(caption, words)
        return loss.problem(reading.reduced(photo, self.max_side), words, base_size), words


@functools.lru_cache(maxsize=1)
def _default_cropper() -> Cropper:
    return Cropper()


def crop_image(
    image: str | os.PathLike | Image.Image | np.ndarray,
    caption: str | None,
    cropper: Cropper | None = None,
    seed: int | None = None,
) -> CropResult:
    """Crops a photo to what a caption says.

        >>> import cagic_tf
        >>> fast = cagic_tf.load_cropper("fast.gin")
        >>> result = cagic_tf.crop_image("photo.jpg", "a dog on the grass", fast)
        >>> x, y, w, h = result.box
        >>> result.crop.shape == (h, w, 3)
        True
        >>> result.save("dog.png")
        >>> result.overlay().save("overlay.jpg")

    `Cropper.crop` has more to choose:

        >>> result = fast.crop("photo.jpg", "a dog", shape="200x100", candidate_count=2)
        >>> [list(crop.loss) for crop in result.candidates[:1]]
        [['total', 'caption', 'aesthetic', 'lexicon', 'sentence']]

    Args:
      image: A path, a PIL image, or an array (see `reading.read`).
      caption: What the crop should show; None: the crop of lowest aesthetic loss alone.
      cropper: Networks, objective and search; None takes the paper's method on the embedded
        checkpoints, loaded at the first call. `config.load_cropper("fast.gin")` makes a quick one.
      seed: Seed of the restarts; None takes the cropper's.

    Returns:
      The crop, see `CropResult`.

    Raises:
      reading.ImageError: The photo cannot be read.
      ValueError: The caption is empty or none of its words is known, or a value is of a wrong type.
    """
    arguments.check_has("the cropper", cropper, "crop", "one of load_cropper is needed")
    return (cropper or _default_cropper()).crop(image, caption, seed)

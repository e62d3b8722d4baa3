"""`Cropper` and `crop_image`: the one place where photo, caption, networks and search meet."""

import contextlib
import dataclasses
import functools
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from cagic_tf import annealing, devices, geometry, image_io, vocabulary
from cagic_tf.losses import CropLoss, Objective, Problem
from cagic_tf.networks.bundle import Networks


@dataclasses.dataclass(frozen=True)
class CropResult:
    """A crop, and how it came about.

    Attributes:
      box: `(x, y, w, h)` in the photo's pixels, upright.
      box_normalized: `(x0, y0, x1, y1)` in [0, 1].
      center: `(x, y)` in [-1, 1].
      scale: The crop's side as a share of the photo's side.
      loss: "total" (Eq. 3), "caption" (Eq. 4) and "aesthetic" (Eq. 5) of the crop; with a lexicon
        "lexicon" too.
      predicted_caption: The captioner's own caption of the crop.
      matched_words: Words of the user's caption by what knows them: "captioner" is a list,
        "lexicon" has each of its nouns, as the caption writes it, to its ImageNet classes.
      unknown_words: The words that neither knows, each to its nearest known words.
      evaluations: How many crops the losses were computed for.
      seconds: Time spent on this photo, networks loaded before.
      seed: Seed of the restarts.
      checkpoints: Name of each checkpoint used to its SHA-256.
      photo: `[H, W, 3]` uint8, the upright photo.
      path: Every step of the search.
    """

    box: tuple[int, int, int, int]
    box_normalized: tuple[float, float, float, float]
    center: tuple[float, float]
    scale: float
    loss: dict[str, float]
    predicted_caption: str
    matched_words: dict[str, Any]
    unknown_words: dict[str, tuple[str, ...]]
    evaluations: int
    seconds: float
    seed: int
    checkpoints: dict[str, str]
    photo: np.ndarray = dataclasses.field(repr=False)
    path: annealing.Path = dataclasses.field(repr=False)

    @property
    def crop(self) -> np.ndarray:
        """The crop `[h, w, 3]`, uint8, at the photo's full resolution."""
        x, y, w, h = self.box
        return self.photo[y : y + h, x : x + w]

    def to_dict(self) -> dict[str, Any]:
        """The fields that `results.jsonl` has, as JSON types."""
        return {
            "box": list(self.box),
            "box_normalized": list(self.box_normalized),
            "scale": self.scale,
            "center": list(self.center),
            "loss": self.loss,
            "predicted_caption": self.predicted_caption,
            "matched_words": self.matched_words,
            "unknown_words": {word: list(near) for word, near in self.unknown_words.items()},
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "seed": self.seed,
            "checkpoints": self.checkpoints,
        }


@contextlib.contextmanager
def plain_graphs() -> Iterator[None]:
    """Graphs first called in here run as they were traced, where there is no GPU.

    On a CPU, Grappler's rewrites make a step slower (TensorFlow 2.21:
    `remapping` and `arithmetic_optimization` together), and take seconds themselves.
    """
    before = tf.config.optimizer.get_experimental_options()
    if not devices.on_gpu():
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        off = {"disable_meta_optimizer": before.get("disable_meta_optimizer", False)}
        tf.config.optimizer.set_experimental_options(off)


class Cropper:
    """Loads the networks and traces the graphs once, then crops any number of photos.

    Threads may share one; they take turns.

    Attributes:
      loss: The objective on the loaded networks.
      max_side: Pixels of the longer side to which photos are reduced; 0 never.
      seed: Seed used when `crop` is given none.
    """

    def __init__(
        self,
        networks: Networks | None = None,
        objective: Objective | None = None,
        search: Any = None,
        max_side: int = 1024,
        seed: int = 0,
    ):
        """Takes what to crop with; the defaults are the paper's method, as `paper.gin` has it.

        Args:
          networks: The frozen networks; None loads the embedded checkpoints.
          objective: Settings of the losses; None takes the paper's.
          search: `annealing.Annealing`, `joint_search.JointSearch` or
            `coarse_to_fine.CoarseToFine`; None takes Alg. 1.
          max_side: Photos are reduced to this many pixels on the longer side before the pyramid is
            built, since the networks see few pixels of a crop whatever the photo has; 0 never.
          seed: Seed of the restarts.

        Raises:
          checkpoints.CheckpointError: An embedded checkpoint is missing or damaged.
          ValueError: `max_side` is negative.
        """
        if max_side < 0:
            raise ValueError(f"Cropper.max_side is {max_side}; pixels are needed, or 0")
        self.loss = CropLoss(objective or Objective(), networks or Networks())
        self.seed = seed
        self.max_side = max_side
        self._lock = threading.Lock()  # Searches keep what they have computed so far.
        self._search = (search or annealing.Annealing()).compile(self.loss, self.loss.signature)
        theta = tf.TensorSpec([1, 3], tf.float32)
        self._describe = tf.function(
            self.loss.describe, input_signature=[self.loss.signature, theta]
        )

    def crop(
        self,
        image: str | os.PathLike | Image.Image | np.ndarray,
        caption: str,
        seed: int | None = None,
        progress: annealing.Progress | None = None,
    ) -> CropResult:
        """Crops one photo to one caption.

        Args:
          image: A path, a PIL image, or an array (see `image_io.read`).
          caption: What the crop should show.
          seed: Seed of the restarts; the same seed gives the same crop, bit for bit.
          progress: Called after each scale as `progress(done, in all, lowest loss)`.

        Returns:
          The crop.

        Raises:
          image_io.ImageError: The photo cannot be read.
          ValueError: The caption is empty or none of its words is known.
        """
        with self._lock, plain_graphs():
            return self._crop(image, caption, self.seed if seed is None else seed, progress)

    def _crop(self, image, caption, seed, progress) -> CropResult:
        begin = time.monotonic()
        photo = image_io.read(image)
        problem, words = self.problem(photo, caption)
        decoder, lexicon = self.loss.networks.decoder, self.loss.networks.lexicon
        path = self._search(problem, seed, progress)
        x, y, scale = (float(value) for value in path.theta)
        losses, predicted = self._describe(problem, tf.constant([[x, y, scale]], tf.float32))
        height, width = photo.shape[:2]
        return CropResult(
            box=geometry.pixel_box((x, y), scale, width, height),
            box_normalized=geometry.normalized_box((x, y), scale),
            center=(x, y),
            scale=scale,
            loss={k: float(v[0]) for k, v in losses._asdict().items() if not isinstance(v, tuple)},
            predicted_caption=decoder.text(predicted.words[0], int(predicted.lengths[0])),
            matched_words={
                "captioner": list(dict.fromkeys(words.words)),
                "lexicon": {
                    noun.text: [lexicon.classes[number] for number in noun.classes]
                    for noun in words.nouns
                },
            },
            unknown_words=words.unknown,
            evaluations=path.evaluations,
            seconds=time.monotonic() - begin,
            seed=seed,
            checkpoints=self.loss.networks.checkpoints,
            photo=photo,
            path=path,
        )

    def problem(self, photo: np.ndarray, caption: str) -> tuple[Problem, vocabulary.BagOfWords]:
        """What `loss` takes for one photo and caption, before any crop is tried.

        Args:
          photo: `[H, W, 3]` uint8, upright RGB.
          caption: What the crop should show.

        Returns:
          The problem, and the caption's words as the networks know them.

        Raises:
          ValueError: The caption is empty or none of its words is known.
        """
        networks = self.loss.networks
        nouns = None if networks.lexicon is None else networks.lexicon.table
        words = vocabulary.bag_of_words(
            caption, networks.decoder.vocabulary, self.loss.objective.end_word, nouns
        )
        problem = self.loss.problem(self._reduce(photo), words.distribution, words.nouns)
        return problem, words

    def _reduce(self, photo: np.ndarray) -> np.ndarray:
        """The photo as float in [0, 1], its longer side at most `max_side`."""
        longer = max(photo.shape[:2])
        if self.max_side and longer > self.max_side:
            factor = self.max_side / longer
            size = [max(1, round(side * factor)) for side in photo.shape[1::-1]]
            photo = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BOX))
        return photo.astype(np.float32) / 255


@functools.lru_cache(maxsize=1)
def _default_cropper() -> Cropper:
    return Cropper()


def crop_image(
    image: str | os.PathLike | Image.Image | np.ndarray,
    caption: str,
    cropper: Cropper | None = None,
    seed: int | None = None,
) -> CropResult:
    """Crops a photo to what a caption says.

        >>> import cagic_tf
        >>> result = cagic_tf.crop_image("photo.jpg", "a dog on the grass")  # doctest: +SKIP
        >>> result.box  # doctest: +SKIP
        (112, 64, 320, 240)

    Args:
      image: A path, a PIL image, or an array (see `image_io.read`).
      caption: What the crop should show.
      cropper: Networks, objective and search; None takes the paper's method on the embedded
        checkpoints, loaded at the first call. `config.load_cropper("fast.gin")` makes a quick one.
      seed: Seed of the restarts; None takes the cropper's.

    Returns:
      The crop, see `CropResult`.

    Raises:
      image_io.ImageError: The photo cannot be read.
      ValueError: The caption is empty or none of its words is known.
    """
    return (cropper or _default_cropper()).crop(image, caption, seed)

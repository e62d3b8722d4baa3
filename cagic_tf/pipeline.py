"""`Cropper`: the one place where photo, caption, networks and search meet."""

import functools
import math
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from cagic_tf.beyond import candidates, grounding, shapes
from cagic_tf.cropping import crop_results, requests, words
from cagic_tf.cropping.crop_results import Prepared
from cagic_tf.cropping.graphs import Graphs
from cagic_tf.method import annealing, vocabulary
from cagic_tf.method.objective import CropLoss, Objective
from cagic_tf.method.problems import Problem
from cagic_tf.method.search import Progress, Search
from cagic_tf.networks.bundle import Networks
from cagic_tf.photos import reading
from cagic_tf.results import Candidate, CropResult
from cagic_tf.system import arguments, devices, threads

MOST_PHOTOS = 64  # Side by side on a GPU; with K = 10 they are 640 crops at a time.
Outcome = CropResult | Exception


class Cropper:
    """Loads the networks and traces the graphs once, then crops any number of photos.

    Threads may share one; they take turns.

    Attributes:
      loss: The objective on the loaded networks.
      configuration: What gin's files and bindings made of it, as gin text; "" without gin.
      max_side: Pixels of the longer side to which photos are reduced; 0 never.
      seed: Seed used when `crop` is given none; and `shape` likewise.
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
          search: Such as `annealing.Annealing` or `coarse_to_fine.CoarseToFine`; None takes Alg. 1.
          max_side: Photos are reduced to this many pixels on the longer side before the pyramid is
            built: the networks see few pixels of a crop. 0 never: 12 megapixels then take 3 GB.
          seed: Seed of the restarts.

        Raises:
          checkpoints.CheckpointError: An embedded checkpoint is missing or damaged.
          ValueError: `max_side` is negative, the seed is no whole number of 32 bits, `search` is
            none or needs a grounder, or the networks do not compute in float32.
        """
        arguments.check_whole("Cropper.max_side", max_side, 0, needed=requests.PIXELS)
        requests.check_parts(search, networks, objective)
        arguments.check_seed(seed)
        self.loss = CropLoss(objective or Objective(), networks or Networks())
        if self.loss.networks.dtype != tf.float32:
            raise ValueError(
                f"the networks compute in {self.loss.networks.dtype!r}; a Cropper needs tf.float32"
            )
        self.seed, self.max_side, self.configuration = seed, max_side, ""
        self._lock = threading.Lock()  # Searches keep what they have computed so far.
        self._settings = search or annealing.Annealing()
        self.shape = requests.own_shape(self._settings)
        self._with_caption = Graphs(self.loss, self._settings)
        self._grounding = grounding.Grounding(self.loss.networks)
        self._most_photos = MOST_PHOTOS

    @functools.cached_property
    def _without_caption(self) -> Graphs:
        loss = CropLoss(self.loss.objective.without_caption(), self.loss.networks)
        return Graphs(loss, self._settings)

    def _checked(self, *given: Any) -> requests.Request:
        return requests.checked(self.seed, self.shape, *given)

    def _graphs(self, caption: str | None) -> Graphs:
        return self._without_caption if caption is None else self._with_caption

    def crop(
        self,
        image: str | os.PathLike | Image.Image | np.ndarray,
        caption: str | None,
        seed: int | None = None,
        progress: Progress | None = None,
        shape: str | shapes.Shape | None = None,
        smallest_side: int = 0,
        candidate_count: int = 1,
    ) -> CropResult:
        """Crops one photo to one caption.

        Args:
          image: A path ("~" is the home folder), a PIL image, or an array (see `reading.read`).
          caption: What the crop should show; None: the crop of lowest aesthetic loss (Eq. 5) alone.
          seed: Seed of the restarts; the same seed gives the same crop, bit for bit.
          progress: Called after each scale as `progress(done, in all, lowest loss)`; TensorFlow is
            deterministic meanwhile, see `devices.reproducible`. What it raises ends the search.
          shape: The crop's: "original" is the photo's, as in the paper; "free" what a search with
            `most_stretch` chooses; a ratio of width to height such as "16:9", kept within a pixel;
            a size such as "1200x628", of which the ratio counts here. None: the cropper's own.
          smallest_side: Pixels of the photo that no side of the crop falls below; a photo too small
            for that gives the largest crop of the shape.
          candidate_count: How many of the best distinct crops, itself the first, it has at most.

        Returns:
          The crop.

        Raises:
          reading.ImageError: The photo cannot be read.
          ValueError: The caption is empty or none of its words is known; the shape is none;
            `smallest_side` is negative or `candidate_count` below 1; a value has a wrong type.
        """
        requests.check_progress(progress)
        request = self._checked(image, caption, seed, shape, smallest_side, candidate_count)
        with self._lock, devices.reproducible():
            begin = time.monotonic()
            (result,) = self._crop([self._prepare(request)], progress, begin)
        return result

    def crop_many(
        self,
        images: Sequence[str | os.PathLike | Image.Image | np.ndarray],
        captions: str | None | Sequence[str | None],
        seeds: int | None | Sequence[int | None] = None,
        progress: Progress | None = None,
        shapes: str | shapes.Shape | None | Sequence[str | shapes.Shape | None] = None,
        smallest_side: int = 0,
        candidate_count: int = 1,
        batch: int = 0,
    ) -> list[Outcome]:
        """Crops many photos, of whatever sizes, each as `crop` would alone.

        On a GPU they go through the networks side by side, on a CPU one after the other.

        Args:
          images: Photos, see `crop`.
          captions: One for each photo, or one for all; see `crop`.
          seeds: Likewise.
          progress: Called after each step of the photos that are in work.
          shapes: Likewise.
          smallest_side: See `crop`.
          candidate_count: See `crop`.
          batch: The most photos side by side on a GPU; 0: as many as are known to fit.

        Returns:
          For each photo its crop, or the `reading.ImageError` or `ValueError` that `crop` would
          raise: one photo that cannot be cropped takes no other's crop away.

        Raises:
          ValueError: There are not as many captions, seeds or shapes as photos; `batch` is
            negative, or a value has a wrong type.
        """
        requests.check_images(images)
        requests.check_progress(progress)
        batch_size = self.batch_size(len(images), batch)
        each = {"captions": captions, "seeds": seeds, "shapes": shapes}
        columns = [requests.one_each(name, given, len(images)) for name, given in each.items()]
        wanted = [
            self._checked(image, *own, smallest_side, candidate_count)
            for image, *own in zip(images, *columns, strict=True)
        ]
        outcomes: list[Outcome] = []
        with self._lock, devices.reproducible():
            while len(outcomes) < len(wanted):
                part = wanted[len(outcomes) :][:batch_size]
                try:
                    outcomes += self._crop_side_by_side(part, progress)
                except tf.errors.ResourceExhaustedError:
                    if batch_size == 1:
                        raise
                    batch_size = self._most_photos = batch_size // 2
        return outcomes

    def score(
        self,
        image: str | os.PathLike | Image.Image | np.ndarray,
        caption: str | None,
        boxes: Sequence[Sequence[int]],
    ) -> list[Candidate]:
        """The losses of crops that somebody has chosen, and the captioner's captions of them.

        Args:
          image: The photo, see `crop`.
          caption: What the crops should show; None: only the aesthetic loss is there.
          boxes: Crops `(x, y, w, h)` of any shape, in whole pixels of the upright photo.

        Raises:
          reading.ImageError: The photo cannot be read.
          ValueError: A box is not inside the photo, or what `crop` says of captions.
        """
        image = self._checked(image, caption, None, shapes.ORIGINAL, 0, 1).image
        with self._lock, devices.reproducible():
            photo = reading.read(image)
            placed = [requests.placed(box, *photo.shape[1::-1]) for box in boxes]
            problem, _ = self.problem(photo, caption)
            return crop_results.scored(self._graphs(caption), problem, photo, placed)

    def batch_size(self, count: int, most: int = 0) -> int:
        """How many of `count` photos go side by side: all batches have about as many.

        Args:
          count: How many photos there are.
          most: The most photos; 0: as many as are known to fit, which on a CPU is 1.

        Raises:
          ValueError: `most` is negative.
        """
        arguments.check_whole("batch", most, 0, needed="a number of photos is needed, or 0")
        if not self._with_caption.goes_side_by_side:
            return 1
        batches = math.ceil(count / (most or self._most_photos))
        return math.ceil(count / max(1, batches)) or 1

    def _crop_side_by_side(
        self, wanted: Sequence[requests.Request], progress: Progress | None
    ) -> list[Outcome]:
        """Crops as many photos at a time as are given, or the exceptions of those that fail."""
        begin = time.monotonic()
        outcomes: list[Any] = threads.prepare(self._try_to_prepare, wanted)
        for without in (False, True):
            numbers = [
                number
                for number, found in enumerate(outcomes)
                if isinstance(found, Prepared) and (found.request.caption is None) == without
            ]
            if numbers:
                results = self._crop([outcomes[number] for number in numbers], progress, begin)
                for number, result in zip(numbers, results, strict=True):
                    outcomes[number] = result
        return outcomes

    def _try_to_prepare(self, request: requests.Request) -> Prepared | Exception:
        try:
            return self._prepare(request)
        except (reading.ImageError, ValueError) as error:
            return error

    def _prepare(self, request: requests.Request) -> Prepared:
        photo = reading.read(request.image)
        bounds = request.bounds(*photo.shape[1::-1])
        problem, found = self.problem(photo, request.caption, bounds.base_size)
        return Prepared(request, photo, problem, found, bounds)

    def _crop(
        self, prepared: Sequence[Prepared], progress: Progress | None, begin: float
    ) -> list[CropResult]:
        """The crops of photos that all have captions or none, begun at that time."""
        graphs = self._graphs(prepared[0].request.caption)
        problems = [each.problem for each in prepared]
        paths = graphs.search(
            problems,
            [each.request.seed for each in prepared],
            [each.bounds for each in prepared],
            progress,
        )
        crops = [
            candidates.distinct(path, each.request.candidate_count, each.bounds.base_size)
            for path, each in zip(paths, prepared, strict=True)
        ]
        described = graphs.describe(problems, crops)
        seconds = (time.monotonic() - begin) / len(prepared)
        return [
            crop_results.result(graphs.loss, each, path, own, seen, seconds)
            for each, path, own, seen in zip(prepared, paths, crops, described, strict=True)
        ]

    def problem(
        self, photo: np.ndarray, caption: str | None, base_size: Sequence[float] = (1.0, 1.0)
    ) -> tuple[Problem, vocabulary.BagOfWords]:
        """What the loss takes for one photo and caption, before any crop is tried.

        Args:
          photo: `[H, W, 3]` uint8, upright RGB.
          caption: What the crop should show; None: the problem is the aesthetic loss's alone.
          base_size: Width and height of the crop of scale 1 as fractions of the photo's.

        Returns:
          The problem, and the caption's words as the networks know them.

        Raises:
          ValueError: The caption is empty or none of its words that say something is known.
        """
        loss = self._graphs(caption).loss
        found = words.of(loss, caption)
        reduced = reading.reduced(photo, self.max_side)
        return loss.problem(reduced, found, base_size, self._grounding(reduced, found)), found

"""What a search has found and the networks see in it, as a `CropResult`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cagic_tf.cropping import requests
from cagic_tf.cropping.graphs import Described, Graphs
from cagic_tf.method import geometry, vocabulary
from cagic_tf.method.objective import CropLoss
from cagic_tf.method.problems import Problem
from cagic_tf.method.search import Bounds, Path, Placed
from cagic_tf.results import Candidate, CropResult


class Prepared(NamedTuple):
    """A request whose photo and caption are read.

    Attributes:
      request: What is asked for.
      photo: `[H, W, 3]` uint8, the upright photo.
      problem: What the loss takes.
      words: The caption's words as the networks know them.
      bounds: Which crops may be tried.
    """

    request: requests.Request
    photo: np.ndarray
    problem: Problem
    words: vocabulary.BagOfWords
    bounds: Bounds


def result(
    loss: CropLoss,
    prepared: Prepared,
    path: Path,
    crops: Sequence[Placed],
    described: Sequence[Described],
    seconds: float,
) -> CropResult:
    """A photo's result.

    Args:
      loss: The objective that was searched.
      prepared: The photo, and what was asked for.
      path: The search.
      crops: Its best distinct crops, the best first.
      described: What the networks see in each.
      seconds: What the photo took.
    """
    request, words = prepared.request, prepared.words
    height, width = prepared.photo.shape[:2]
    found: dict[tuple[int, ...], Candidate] = {}  # Of few pixels, distinct crops may be the same.
    for crop, seen in zip(crops, described, strict=True):
        each = _candidate(crop, seen, (width, height))
        found.setdefault(each.box, each)
    best, *others = found.values()
    return CropResult(
        **vars(best),
        matched_words=_matched_words(loss, words),
        unknown_words=words.unknown,
        evaluations=path.evaluations,
        seconds=seconds,
        seed=request.seed,
        checkpoints=loss.networks.checkpoints,
        photo=prepared.photo,
        path=path,
        shape=request.shape.name,
        size=request.shape.size,
        candidates=(best, *sorted(others, key=lambda other: other.loss["total"])),
        source=request.image,
    )


def scored(
    graphs: Graphs,
    problem: Problem,
    photo: np.ndarray,
    placed: Sequence[Placed],
) -> list[Candidate]:
    """What the networks see in boxes of a photo.

    Args:
      graphs: Of the objective.
      problem: The photo and the caption.
      photo: `[H, W, 3]`, the upright photo.
      placed: The boxes.
    """
    size = photo.shape[1], photo.shape[0]
    return [
        _candidate(crop, seen, size)
        for crop in placed
        for seen in graphs.describe([problem], [[crop]])[0]
    ]


def _candidate(crop: Placed, described: Described, size: tuple[int, int]) -> Candidate:
    theta, base_size = crop
    x, y, scale = (float(value) for value in theta)
    return Candidate(
        box=geometry.pixel_box((x, y), scale, size[0], size[1], base_size),
        box_normalized=geometry.normalized_box((x, y), scale, base_size),
        center=(x, y),
        scale=scale,
        loss=described.loss,
        predicted_caption=described.caption,
    )


def _matched_words(loss: CropLoss, words: vocabulary.BagOfWords) -> dict[str, Any]:
    """A caption's words by what knows them, see `CropResult`."""
    matched: dict[str, Any] = {"captioner": list(dict.fromkeys(words.words)), "lexicon": {}}
    for term in loss.objective.terms:
        found = term.matched_words(loss.networks, words)
        if found is not None:
            matched[term.name] = found
    return matched | {"read_as": words.read_as}

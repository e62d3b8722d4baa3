"""How often a phrase is taken for a box that overlaps what it means, and how often by chance."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cagic_tf.baselines.mattnet import lite_detector
from cagic_tf.baselines.mattnet.detections import Detections
from cagic_tf.baselines.mattnet.lite_detector import LiteDetector
from cagic_tf.baselines.mattnet.mattnet import MAttNet
from experiments.training import proposal_targets, regions
from experiments.training.photo_grids import Photo

GOOD = 0.5  # IoU with which a box is what a phrase means.
FIRST = "the likeliest"  # Of proposals, whatever the phrase.


class Shown(NamedTuple):
    """A photo `[H, W, 3]` uint8, and what is said of it."""

    pixels: np.ndarray
    photo: Photo


def read(data_dir: Path, entities_dir: Path, photos: Sequence[Photo]) -> list[Shown]:
    """Those of the photos that have phrases to measure with; see `regions.read_photo`."""
    return [
        Shown(regions.read_photo(data_dir, entities_dir, photo.name), photo)
        for photo in photos
        if photo.descriptions
    ]


def by_proposals(network: MAttNet, detector: LiteDetector, shown: Sequence[Shown]) -> float:
    """Accuracy with a photo's proposals to choose from; 0 where there are no phrases."""
    return _shares(network, shown, lambda each: detector.detect(each.pixels)).get("MAttNet", 0.0)


def measure(network: MAttNet, detector: LiteDetector, shown: Sequence[Shown]) -> dict[str, float]:
    """Shares of the phrases whose box is found, by what chooses it and by what it chooses from.

    The boxes that people drew are the other choice: one around each thing that a phrase names.
    """
    choices: dict[str, Callable[[Shown], Detections]] = {
        "proposals": lambda each: detector.detect(each.pixels),
        "true boxes": lambda each: _true(detector, each),
    }
    found = {}
    for label, detect in choices.items():
        shares = _shares(network, shown, detect)
        if label != "proposals":
            shares.pop(FIRST, None)  # Here the order says nothing.
        found |= {f"{label}: {name}": share for name, share in shares.items()}
    return found


def _true(detector: LiteDetector, shown: Shown) -> Detections:
    """The photo's things, each once."""
    corners = np.array(list(dict.fromkeys(thing.corners for thing in shown.photo.things)))
    boxes = lite_detector.in_pixels(corners, shown.pixels.shape[:2])
    return detector.describe(shown.pixels, boxes, np.zeros(len(boxes), np.int32))


def _shares(
    network: MAttNet, shown: Sequence[Shown], detect: Callable[[Shown], Detections]
) -> dict[str, float]:
    hits: dict[str, list[float]] = {}
    for each in shown:
        detections, size = detect(each), (each.pixels.shape[0], each.pixels.shape[1])
        corners = _fractions(detections.boxes, size)
        largest = int(np.prod(detections.boxes[:, 2:], axis=1).argmax())
        for description in each.photo.descriptions:
            truth = np.array([description.corners])
            good = proposal_targets.iou(truth, corners)[0] >= GOOD
            answer = network.comprehend(detections, size, description.text)
            results = {
                "MAttNet": good[answer.chosen],
                "the largest": good[largest],
                FIRST: good[0],
                "a random one": good.mean(),
                "any": good.any(),
            }
            for name, value in results.items():
                hits.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in hits.items()}


def _fractions(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    ends = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    return ends / np.array([size[1], size[0]] * 2)

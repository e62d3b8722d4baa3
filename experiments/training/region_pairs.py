"""Pairs of crops that teach a scorer not to cut through what people describe.

Of Flickr30k Entities' boxes: both crops of a pair have the same scale and come from the same photo.
One has a described person or thing whole, the other is shifted so that its border cuts through it.
So scale and sharpness cannot tell which is which.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from experiments.data import entities
from experiments.tables import metrics
from experiments.training import crops_and_boxes, scorer_pairs

WHOLE = 0.98  # Share of a box that a crop keeps at least, to have it whole.
SMALLEST = 0.01  # Fraction of the photo that a box covers at least, for a cut to matter.
SCALES = (0.3, 0.9)
PYRAMID_SHARE = 0.5  # Of pairs, which go through the pyramid of Eq. 1; the others are plain.
TRIES = 64  # Crops of either sort that a pair is chosen from.


class Pair(NamedTuple):
    """Two crops of one photo, `[3]` float32 each, `(x, y, s)`.

    Attributes:
      photo: The photo's file name.
      whole: The crop that has the box whole.
      cut: The crop that cuts through it, of the same scale.
      box: The box, `(x0, y0, x1, y1)` as fractions of the photo's sides.
      person: Whether it is a person, or people.
    """

    photo: str
    whole: np.ndarray
    cut: np.ndarray
    box: entities.Corners
    person: bool


def cut_through(shares: np.ndarray) -> np.ndarray:
    """Whether crops that keep such shares of boxes cut through these."""
    return (metrics.CUT[0] <= shares) & (shares <= metrics.CUT[1])


def draw_crops(
    box: entities.Corners, boxes: Sequence[entities.Corners], rng: np.random.Generator
) -> np.ndarray | None:
    """Two crops of one scale; the first has the box whole, the second cuts through it.

    Args:
      box: The box, `(x0, y0, x1, y1)` as fractions of the photo's sides.
      boxes: All boxes of the photo; the first crop cuts through fewer of them than the second.
      rng: Where scale and centres are drawn from.

    Returns:
      `[2, 3]` float32, rows `(x, y, s)`, inside the photo; None if no such pair was found.
    """
    corners = np.array(box)
    smallest = max(SCALES[0], *(corners[2:] - corners[:2]))
    if smallest > SCALES[1]:
        return None
    scale = rng.uniform(smallest, SCALES[1])
    lows = np.maximum(0, corners[2:] - scale)  # Of the crop's upper left corner, to have it whole.
    highs = np.minimum(1 - scale, corners[:2])
    around = 2 * (lows + rng.random((TRIES, 2)) * (highs - lows)) + scale - 1
    # Beyond the photo and back: a good many crops touch its borders, as those of a search do.
    anywhere = np.clip(rng.uniform(-1.2, 1.2, (TRIES, 2)), -1, 1) * (1 - scale)
    theta = np.column_stack([np.concatenate([around, anywhere]), np.full(2 * TRIES, scale)])
    theta = theta.astype(np.float32)
    shares = crops_and_boxes.kept_shares(theta, [box])[:, 0]
    cuts = cut_through(crops_and_boxes.kept_shares(theta, boxes)).sum(axis=1)
    for whole in range(TRIES):
        others = np.flatnonzero(cut_through(shares) & (cuts > cuts[whole]))
        if shares[whole] >= WHOLE and len(others):
            return theta[[whole, others[-1]]]
    return None


def draw(photos: Iterable[entities.AnnotatedPhoto], rng: np.random.Generator) -> list[Pair]:
    """At most one pair of each photo, of a described person or thing drawn from its boxes."""
    pairs = []
    for photo in photos:
        people = entities.people(photo)
        things = [description.corners for description in entities.phrases(photo)]
        boxes = [box for box in dict.fromkeys(people + things) if entities.area(box) >= SMALLEST]
        for at in rng.permutation(len(boxes)):
            crops = draw_crops(boxes[at], boxes, rng)
            if crops is not None:
                pairs.append(Pair(photo.name, crops[0], crops[1], boxes[at], boxes[at] in people))
                break
    return pairs


def shown(pairs: Sequence[Pair], rng: np.random.Generator) -> list[scorer_pairs.ViewPair]:
    """The pairs as views, both crops of a pair through the pyramid of Eq. 1 or both plain."""
    found = []
    for pair, through in zip(pairs, rng.random(len(pairs)) < PYRAMID_SHARE, strict=True):
        above, below = (scorer_pairs.View(theta, bool(through)) for theta in (pair.whole, pair.cut))
        found.append(scorer_pairs.ViewPair(pair.photo, above, below))
    return found

"""What MAttNet's stand-in learns to rank: a phrase with its box above wrong boxes and phrases.

Boxes are proposals, as they are when it works: one that overlaps what a phrase means is right, and
one that does not is wrong.
"""

import collections
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cagic_tf.baselines.mattnet import geometry, lite_detector, text
from cagic_tf.method import vocabulary
from experiments.training import proposal_targets
from experiments.training.photo_grids import Photo, mirrored

FOUND, RIGHT, WRONG = 0.5, 0.6, 0.4  # IoU with what a phrase means: see `Row`.
_SIDES = frozenset(("left", "right"))


class Candidates(NamedTuple):
    """A photo's boxes as MAttNet sees where they lie.

    With one category for all, what is around a box and what is of its own kind are the same: the
    nearest others.

    Attributes:
      corners: `[n, 4]` float32, fractions of the photo's sides.
      place: `[n, 5]`, of `geometry.location`.
      near: `[n, K]`, numbers of the nearest others; -1 is none.
      relative: `[n, K, 5]`, of `geometry.relative`.
    """

    corners: np.ndarray
    place: np.ndarray
    near: np.ndarray
    relative: np.ndarray


class Row(NamedTuple):
    """A phrase of a photo, with the boxes that are right and wrong for it.

    Attributes:
      photo: Number of the photo.
      side: Number of its grids: as it is, or mirrored.
      phrase: Labels of its words.
      right: Numbers of candidates that overlap what it means from 0.6 on; from 0.5 on the best
        one, where there is none.
      wrong: Numbers of candidates that do so below 0.4.
      others: Phrases, as labels, of what else there is in the photo, below 0.4 too; may be empty.
      attributes: Numbers of the attributes that what it means has.
    """

    photo: int
    side: int
    phrase: tuple[int, ...]
    right: np.ndarray
    wrong: np.ndarray
    others: tuple[tuple[int, ...], ...]
    attributes: tuple[int, ...]


class Triples(NamedTuple):
    """N rows as drawn.

    Attributes:
      photos: `[N]`, numbers of photos.
      right: `[N]`, numbers of candidates.
      wrong: `[N]`, likewise.
      phrases: `[2 N, T]` int32, labels: the rows' own phrases, then wrong ones.
      attributes: `[N, A]` float32, 0 or 1.
    """

    photos: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    phrases: np.ndarray
    attributes: np.ndarray


def candidates(corners: np.ndarray, size: tuple[int, int], slots: int) -> Candidates:
    """Where boxes `[n, 4]` of a photo of (height, width) `size` lie."""
    boxes = lite_detector.in_pixels(corners, size)
    near = geometry.context(boxes, np.zeros(len(boxes), int), slots, same_kind=True)
    place = geometry.location(boxes, size)
    return Candidates(corners, place, near, geometry.relative(boxes, near))


def words(photos: Sequence[Photo], least: int) -> list[str]:
    """The vocabulary: `<PAD>`, words of the phrases from so many times on, and `<UNK>`."""
    counts = collections.Counter(word for each in _phrases(photos) for word in text.tokens(each))
    known = sorted((-count, word) for word, count in counts.items() if count >= least)
    return ["<PAD>", *(word for _, word in known), text.UNKNOWN]


def attribute_counts(photos: Sequence[Photo], most: int) -> dict[str, int]:
    """The most frequent words that say something, and of how many things."""
    counts = collections.Counter(
        word for photo in photos for thing in photo.things for word in content(thing.phrases)
    )
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])


def content(phrases: Sequence[str]) -> set[str]:
    """The words of phrases that say something."""
    said = {word for phrase in phrases for word in text.tokens(phrase) if word.isalpha()}
    return said - vocabulary.STOP_WORDS


def _phrases(photos: Sequence[Photo]) -> list[str]:
    return [phrase for photo in photos for thing in photo.things for phrase in thing.phrases]


def rows(
    number: int,
    side: int,
    photo: Photo,
    corners: np.ndarray,
    known: text.Vocabulary,
    names: list[str],
) -> list[Row]:
    """The rows of a photo: its phrases that a candidate is right for.

    Args:
      number: Of the photo.
      side: 0 as it is, 1 mirrored.
      photo: The photo.
      corners: `[n, 4]`, its candidates.
      known: The vocabulary.
      names: The attributes.
    """
    if side and any(_SIDES.intersection(text.tokens(each)) for each in _phrases([photo])):
        return []  # Mirrored, its left is right.
    truth = np.array([thing.corners for thing in photo.things])
    truth = mirrored(truth) if side else truth
    overlap, between = proposal_targets.iou(truth, corners), proposal_targets.iou(truth, truth)
    found = []
    for at, thing in enumerate(photo.things):
        best = overlap[at].max(initial=0)
        if best < FOUND:
            continue
        said = content(thing.phrases)
        others = tuple(
            tuple(known.encode(phrase))
            for other, there in enumerate(photo.things)
            if between[at, other] < WRONG
            for phrase in there.phrases
        )
        right = np.flatnonzero(overlap[at] >= min(best, RIGHT))
        wrong = np.flatnonzero(overlap[at] < WRONG)
        owned = tuple(place for place, name in enumerate(names) if name in said)
        if len(wrong):
            found += [
                Row(number, side, tuple(known.encode(each)), right, wrong, others, owned)
                for each in thing.phrases
            ]
    return found


def draw(
    chosen: Sequence[Row], every: Sequence[Row], attributes: int, rng: np.random.Generator
) -> Triples:
    """Draws a right box, a wrong box and a wrong phrase for each of N rows.

    Half of the wrong boxes are among the likeliest proposals, which come first. Where a photo says
    nothing else, the wrong phrase is another photo's.
    """
    right, wrong, other = [], [], []
    for row in chosen:
        right.append(rng.choice(row.right))
        power = 2 if rng.random() < 0.5 else 1
        wrong.append(row.wrong[int(len(row.wrong) * rng.random() ** power)])
        if row.others:
            other.append(row.others[rng.integers(len(row.others))])
        else:
            other.append(every[rng.integers(len(every))].phrase)
    said = [row.phrase for row in chosen] + other
    phrases = np.full((len(said), max(map(len, said))), text.PADDING, np.int32)
    for table_row, labels in zip(phrases, said, strict=True):
        table_row[: len(labels)] = labels
    truth = np.zeros((len(chosen), attributes), np.float32)
    for truth_row, row in zip(truth, chosen, strict=True):
        truth_row[list(row.attributes)] = 1
    photos = np.array([row.photo for row in chosen])
    return Triples(photos, np.array(right), np.array(wrong), phrases, truth)

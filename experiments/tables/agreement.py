"""How far people agree who were asked the same: boxes that overlap, choices that are equal."""

import collections
import itertools
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from cagic_tf.method import geometry


def overlaps(crops: Sequence[Sequence[float]]) -> list[float]:
    """IoU of every two boxes `(x, y, w, h)`: A (A - 1) / 2 numbers in [0, 1]."""
    return [geometry.iou(one, other) for one, other in itertools.combinations(crops, 2)]


class Agreed(NamedTuple):
    """How often two people gave the same answer to the same question.

    Attributes:
      pairs: How many pairs of answers to the same question there are.
      share: Of these, the share that are equal, in [0, 1].
      alpha: Krippendorff's alpha: 1 is full agreement, 0 what chance gives; None where all answers
        are the same, so that chance explains everything.
    """

    pairs: int
    share: float
    alpha: float | None


def nominal(questions: Sequence[Sequence[Hashable]]) -> Agreed | None:
    """Agreement of answers that are equal or not, such as which method's crop was chosen.

    Alpha is Krippendorff's (Content Analysis, 2004, chapter 11) for nominal data, which needs no
    question to be answered by everybody: one less the observed disagreement over the expected one.
    A question with m answers counts m times, whatever m is.

    Args:
      questions: The answers to each question.

    Returns:
      None where no question has two answers.
    """
    answered = [answers for answers in questions if len(answers) > 1]
    if not answered:
        return None
    pairs = equal = 0
    disagreement = 0.0
    for answers in answered:
        here = len(answers) * (len(answers) - 1) // 2
        same = sum(count * (count - 1) // 2 for count in collections.Counter(answers).values())
        pairs, equal = pairs + here, equal + same
        disagreement += 2 * (here - same) / (len(answers) - 1)
    counts = collections.Counter(itertools.chain.from_iterable(answered)).values()
    total = sum(counts)
    expected = (total**2 - sum(count**2 for count in counts)) / (total - 1)
    return Agreed(pairs, equal / pairs, 1 - disagreement / expected if expected else None)

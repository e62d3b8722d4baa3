"""Beyond the paper: a loss of the caption's nouns, by the trunk's own ImageNet classifier.

Eq. 4 is `-1/T_u sum_t log q(y_t)` with the captioner's words q. The lexicon is a second witness of
the same words: for those that are its nouns, `-1/T_u sum_t log r(y_t)` is added, weighted, r being
the probability of any of the noun's ImageNet classes.

A noun may have several words (`fire truck`), stand in the plural, or be spelt apart or together
(`cell phone`, `cellphone`); the longest match wins.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.method.losses import Crops, Term
from cagic_tf.method.vocabulary import DETACHMENTS, STOP_WORDS, BagOfWords
from cagic_tf.networks.bundle import Networks
from cagic_tf.networks.lexicon import Lexicon


class Noun(NamedTuple):
    """A noun found in a caption.

    Attributes:
      name: The lexicon's noun, `fire truck`.
      text: The caption's words, `fire trucks`.
      start: Index of its first word in the caption.
      stop: Index after its last word.
      classes: Numbers of its ImageNet classes, ascending.
    """

    name: str
    text: str
    start: int
    stop: int
    classes: tuple[int, ...]


class NounTable:
    """The lexicon's nouns.

    Attributes:
      names: Every noun.
    """

    def __init__(self, nouns: Mapping[str, str], irregular_plurals: Mapping[str, str]):
        """Takes the table of a "lexicon" checkpoint.

        Args:
          nouns: Noun to its classes as ranges, "2-5 9".
          irregular_plurals: Plural to its singular.
        """
        self.names = tuple(nouns)
        self._classes = nouns
        self._plurals = {_joined(plural): one for plural, one in irregular_plurals.items()}
        self._spellings = {_joined(noun): noun for noun in reversed(self.names)}
        self._longest = max((len(noun.split()) for noun in nouns), default=1)

    def find(self, words: Sequence[str]) -> list[Noun]:
        """The nouns among a caption's words, in order, repeats included.

        Of nouns side by side only the last counts: the others say what kind it is (an `orange
        shirt` shows no orange).
        """
        found: list[Noun] = []
        at = 0
        while at < len(words):
            noun = next(self._starting_at(words, at), None)
            if noun and found and found[-1].stop == noun.start:
                found.pop()
            if noun:
                found.append(noun)
            at = noun.stop if noun else at + 1
        return found

    def _starting_at(self, words: Sequence[str], at: int) -> Iterator[Noun]:
        for stop in range(min(len(words), at + self._longest), at, -1):
            part = words[at:stop]
            name = None if STOP_WORDS.intersection(part) else self.look_up(part)
            if name is not None:
                yield Noun(name, " ".join(part), at, stop, ranges(self._classes[name]))

    def look_up(self, words: Sequence[str]) -> str | None:
        """The lexicon's noun for some words: as they stand, or in the singular; or None."""
        text = _joined(" ".join(words).removesuffix("'s"))
        plural = self._plurals.get(text)
        candidates = [text] if plural is None else [text, _joined(plural)]
        candidates += [
            text.removesuffix(ending) + replacement
            for ending, replacement in DETACHMENTS
            if text.endswith(ending) and not text.endswith("ss")
        ]
        return next((self._spellings[key] for key in candidates if key in self._spellings), None)


def ranges(text: str) -> tuple[int, ...]:
    """The numbers of "2-5 9": `(2, 3, 4, 5, 9)`."""
    parts = [part.partition("-") for part in text.split()]
    return tuple(
        number for first, _, last in parts for number in range(int(first), int(last or first) + 1)
    )


def _joined(text: str) -> str:
    return text.replace(" ", "")


@dataclasses.dataclass(frozen=True)
class NounLoss(Term):
    """Cross-entropy of the caption's nouns under the lexicon: Eq. 4 with another network."""

    name: ClassVar[str] = "lexicon"

    def __call__(self, crops: Crops, target: tf.Tensor) -> tf.Tensor:
        """`[N]` in nats, zeros where there are no nouns; the target is `noun_weights`."""
        logs = _lexicon(crops.networks).log_probabilities(crops.captioner_features, target > 0)
        return noun_loss(target, logs)

    def signature(self, networks: Networks) -> tf.TensorSpec:
        """Of `[M, C]`, see `noun_weights`."""
        return tf.TensorSpec([None, len(_lexicon(networks).classes)], networks.dtype)

    def target(self, networks: Networks, words: BagOfWords) -> tf.Tensor:
        """`[M, C]`, see `noun_weights`."""
        classes = len(_lexicon(networks).classes)
        return tf.cast(noun_weights(words.found[self.name], words.count, classes), networks.dtype)

    def word_finder(self, networks: Networks) -> NounTable:
        """The lexicon's nouns."""
        return _noun_table(_lexicon(networks))

    def matched_words(self, networks: Networks, words: BagOfWords) -> dict[str, list[str]]:
        """The caption's nouns, as it writes them, each to the names of its ImageNet classes."""
        names = _lexicon(networks).classes
        return {
            noun.text: [names[number] for number in noun.classes]
            for noun in words.found.get(self.name, ())
        }


def noun_weights(found: Sequence[Noun], count: float, classes: int) -> np.ndarray:
    """A caption's nouns for the graph: at each class of a noun, its words' part of Eq. 4's mean.

    Args:
      found: M nouns.
      count: T_u of Eq. 4.
      classes: How many classes there are, C.

    Returns:
      `[M, C]` float32, 0 at other classes.
    """
    rows = np.zeros((len(found), classes), np.float32)
    for row, noun in zip(rows, found, strict=True):
        row[list(noun.classes)] = (noun.stop - noun.start) / count
    return rows


def noun_loss(weights: tf.Tensor, log_probabilities: tf.Tensor) -> tf.Tensor:
    """`-sum` of the nouns' log probabilities, weighted as in Eq. 4, in nats.

    Args:
      weights: `[M, C]` or `[N, M, C]`, see `noun_weights`.
      log_probabilities: `[N, M]`, of each noun in each crop.

    Returns:
      `[N]`; zeros where there are no nouns.
    """
    return -tf.reduce_sum(log_probabilities * tf.reduce_max(weights, axis=-1), axis=1)


def _lexicon(networks: Networks) -> Lexicon:
    if networks.lexicon is None:
        raise ValueError(
            "NounLoss is one of Objective.terms, but there is no lexicon: bind Networks.lexicon = "
            '"lexicon", or leave @NounLoss() out of Objective.terms and bind '
            "Objective.lexicon_weight = None"
        )
    return networks.lexicon


@functools.lru_cache(maxsize=4)
def _noun_table(lexicon: Lexicon) -> NounTable:
    return NounTable(lexicon.nouns, lexicon.irregular_plurals)

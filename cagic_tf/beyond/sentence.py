"""Beyond the paper: a loss of the caption's words in their order, read by the captioner.

Eq. 4 takes the words that the captioner says of itself, in any order. Here it is given the user's
words one after another and asked for the next: `-1/T sum_t log p(y_t | y_1 ... y_{t-1}, a)`, the
loss that it was trained with (Xu et al., Sec. 4). So "a man in a red shirt" is no red man, and
words that it would not have chosen count too. The end word is one of the T: that nothing is to be
added tells a crop of the thing alone from one that shows more.
"""

import dataclasses
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from cagic_tf.method.losses import Crops, Term
from cagic_tf.method.vocabulary import STOP_WORDS, BagOfWords
from cagic_tf.networks.bundle import Networks
from cagic_tf.networks.protocols import Reader

MOST_WORDS = 64  # What is longer is cut: a whole page would take gigabytes.


@dataclasses.dataclass(frozen=True)
class SentenceLoss(Term):
    """Mean cross-entropy of the caption's words, each given those before it."""

    name: ClassVar[str] = "sentence"

    def __call__(self, crops: Crops, target: Any) -> tf.Tensor:
        """`[N]` in nats, zeros where the captioner knows no word with content."""
        words, weights = target
        logs = _reader(crops.networks).read(crops.captioner_features, words)
        return -tf.reduce_sum(logs * weights, axis=1)

    def signature(self, networks: Networks) -> Any:
        """Of the words `[T]` and their weights `[T]`."""
        return tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], networks.dtype)

    def target(self, networks: Networks, words: BagOfWords) -> Any:
        """The words that the captioner knows, `MOST_WORDS` at most, and its end word; 1/T each.

        All weigh nothing if no word has content.
        """
        captioner = _reader(networks)
        index = {word: number for number, word in enumerate(captioner.vocabulary)}
        sentence = [index[word] for word in (*words.words[:MOST_WORDS], captioner.end_word)]
        says_something = not STOP_WORDS.issuperset(words.words)
        weights = np.full(len(sentence), says_something / len(sentence))
        return tf.constant(sentence, tf.int32), tf.constant(weights, networks.dtype)


def _reader(networks: Networks) -> Reader:
    if not isinstance(networks.captioner, Reader):
        kind = type(networks.captioner).__name__
        raise ValueError(
            f"SentenceLoss is one of Objective.terms, but a {kind} has no `read`: leave "
            "@SentenceLoss() out, and bind Objective.sentence_weight = None"
        )
    return networks.captioner

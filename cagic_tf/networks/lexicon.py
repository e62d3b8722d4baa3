"""The lexicon: nouns beyond the captioner's, through the trunk's own ImageNet classifier.

A noun means the classes at or below its WordNet synsets (`cagic_tf/port/lexicon.py` makes that
table), so its probability in a crop is the sum of theirs. The classifier stands on the annotation
vectors that the captioner reads too: a crop goes through the trunk once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.beyond import nouns
from cagic_tf.networks import layers

WINDOW_SIGMA = 3 / 14  # Of the crop's side: 1.5 cells of 7.
# Logits are divided by it: a class of a photo of one thing is surer than one of many in a crop.
TEMPERATURE = 2.0
FAR_BELOW = -1e9  # A logit that adds nothing to a sum of exponentials.


def center_window(side: int) -> np.ndarray:
    """A Gaussian over a square grid, `[side * side]`, rows one after the other; sums to 1."""
    offsets = (np.arange(side) - (side - 1) / 2) / (side * WINDOW_SIGMA)
    weights = np.exp(-0.5 * offsets**2)
    weights = np.outer(weights, weights).reshape(-1)
    return weights / weights.sum()


class Lexicon:
    """The classifier and its nouns.

    Attributes:
      classes: Names of the C classes.
      table: Its nouns, each with its classes.
    """

    def __init__(
        self,
        tensors: Mapping[str, Any],
        classes: Sequence[str],
        table: nouns.NounTable,
        dtype: tf.DType = tf.float32,
    ):
        """Takes the tensors of a "lexicon" checkpoint, its classes and its nouns."""
        self._weights = layers.constants(tensors, dtype)
        self.classes, self.table = list(classes), table

    def pool(self, features: tf.Tensor) -> tf.Tensor:
        """One vector `[N, D]` of a crop's annotation vectors `[N, L, D]`: their weighted mean.

        The classifier was trained on the plain mean, to which a thing at the crop's edge counts as
        much as one in its middle. The window gives the middle more, where a crop shows its subject.
        """
        window = center_window(round(features.shape[1] ** 0.5))
        return tf.linalg.matvec(features, tf.constant(window, features.dtype), transpose_a=True)

    def classify(self, pooled: tf.Tensor) -> tf.Tensor:
        """Logits of the classes `[N, C]`, from pooled features `[N, D]`."""
        return pooled @ self._weights["fc/kernel"] + self._weights["fc/bias"]

    def log_probabilities(self, features: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        """Log-probabilities of nouns: that of any of their classes.

        Args:
          features: `[N, L, D]` annotation vectors.
          shares: `[M, C]`, above 0 where a class is one of the noun's (see `shares`).

        Returns:
          `[N, M]`, at most 0 up to rounding.
        """
        logs = tf.nn.log_softmax(self.classify(self.pool(features)) / TEMPERATURE)
        return tf.reduce_logsumexp(tf.where(shares > 0, logs[:, tf.newaxis], FAR_BELOW), axis=2)

    def shares(self, found: Sequence[nouns.Noun]) -> np.ndarray:
        """A caption's nouns for the graph, `[M, C]` float32: its share at each class of a noun."""
        rows = np.zeros((len(found), len(self.classes)), np.float32)
        for row, noun in zip(rows, found, strict=True):
            row[list(noun.classes)] = noun.share
        return rows

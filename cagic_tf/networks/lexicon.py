"""The lexicon: the trunk's own ImageNet classifier, and the nouns that its classes are of.

A noun means the classes at or below its WordNet synsets (`cagic_tf/port/lexicon.py` makes that
table), so its probability in a crop is the sum of theirs. The classifier stands on the annotation
vectors that the captioner reads too: a crop goes through the trunk once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.networks import layers

CENTER_SIGMA = 3 / 14  # Of the crop's side: 1.5 cells of 7.
# Logits are divided by it: a class of a photo of one thing is surer than one of many in a crop.
TEMPERATURE = 2.0
FAR_BELOW = -1e9  # A logit that adds nothing to a sum of exponentials.


def center_weights(side: int) -> np.ndarray:
    """A Gaussian over a square grid, `[side * side]`, rows one after the other; sums to 1."""
    offsets = (np.arange(side) - (side - 1) / 2) / (side * CENTER_SIGMA)
    weights = np.exp(-0.5 * offsets**2)
    weights = np.outer(weights, weights).reshape(-1)
    return weights / weights.sum()


class Lexicon:
    """The classifier and its nouns.

    Attributes:
      classes: Names of the C classes.
      nouns: Noun to its classes as ranges, "2-5 9".
      irregular_plurals: Plural to its singular.
    """

    def __init__(
        self,
        tensors: Mapping[str, Any],
        classes: Sequence[str],
        nouns: Mapping[str, str],
        irregular_plurals: Mapping[str, str],
        dtype: tf.DType = tf.float32,
    ):
        """Takes the tensors of a "lexicon" checkpoint and the tables of its manifest."""
        self._weights = layers.constants(tensors, dtype)
        self.classes, self.nouns = list(classes), nouns
        self.irregular_plurals = irregular_plurals

    def pool(self, features: tf.Tensor) -> tf.Tensor:
        """One vector `[N, D]` of a crop's annotation vectors `[N, L, D]`: their weighted mean.

        The classifier was trained on the plain mean, to which a thing at the crop's edge counts as
        much as one in its middle. A Gaussian gives the middle more, where a crop shows its subject.
        """
        weights = center_weights(round(features.shape[1] ** 0.5))
        return tf.linalg.matvec(features, tf.constant(weights, features.dtype), transpose_a=True)

    def classify(self, pooled: tf.Tensor) -> tf.Tensor:
        """Logits of the classes `[N, C]`, from pooled features `[N, D]`."""
        return pooled @ self._weights["fc/kernel"] + self._weights["fc/bias"]

    def log_probabilities(self, features: tf.Tensor, is_class: tf.Tensor) -> tf.Tensor:
        """Log-probabilities of nouns: that of any of their classes.

        Args:
          features: `[N, L, D]` annotation vectors.
          is_class: `[M, C]` bool, whether a class is one of the noun's.

        Returns:
          `[N, M]`, at most 0 up to rounding.
        """
        logs = tf.nn.log_softmax(self.classify(self.pool(features)) / TEMPERATURE)
        return tf.reduce_logsumexp(tf.where(is_class, logs[:, tf.newaxis], FAR_BELOW), axis=2)

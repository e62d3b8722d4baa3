"""The lexicon: nouns beyond the captioner's, through the trunk's own ImageNet classifier.

A noun means the classes at or below its WordNet synsets (`cagic_tf/port/lexicon.py` makes that
table), so its probability in a crop is the sum of theirs. The classifier stands on the annotation
vectors that the captioner reads too: a crop goes through the trunk once.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf import nouns
from cagic_tf.networks import layers

FAR_BELOW = -1e9  # A logit that adds nothing to a sum of exponentials.


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

    def log_probabilities(self, features: tf.Tensor) -> tf.Tensor:
        """Log-probabilities of the classes `[N, C]`, from annotation vectors `[N, L, D]`."""
        pooled = tf.reduce_mean(features, axis=1)
        return tf.nn.log_softmax(pooled @ self._weights["fc/kernel"] + self._weights["fc/bias"])

    def noun_log_probabilities(self, features: tf.Tensor, members: tf.Tensor) -> tf.Tensor:
        """Log-probabilities of nouns: of any of their classes.

        Args:
          features: `[N, L, D]` annotation vectors.
          members: `[M, C]`, 1 where a class is one of the noun's, else 0 (see `members`).

        Returns:
          `[N, M]`, at most 0.
        """
        logs = self.log_probabilities(features)[:, tf.newaxis]
        return tf.reduce_logsumexp(tf.where(members > 0, logs, FAR_BELOW), axis=2)

    def members(self, found: Sequence[Collection[int]]) -> np.ndarray:
        """Class numbers of each noun as rows of zeros and ones, `[M, C]` float32."""
        rows = np.zeros((len(found), len(self.classes)), np.float32)
        for row, numbers in zip(rows, found, strict=True):
            row[list(numbers)] = 1
        return rows

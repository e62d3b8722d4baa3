"""The terms of the paper's objective: caption loss (Eq. 4) and aesthetic loss (Eq. 5).

A new term is a class with `Term`'s methods in a file of its own, and one of `Objective.terms` in a
gin file; nothing else has to know it.
"""

import dataclasses
import functools
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from cagic_tf.method.problems import Problem, Rows
from cagic_tf.method.vocabulary import BagOfWords, WordFinder
from cagic_tf.networks.bundle import Networks
from cagic_tf.networks.protocols import Caption, Follower


class Crops:
    """What the frozen networks see in N crops; each part is computed when it is first asked for.

    Attributes:
      networks: The frozen networks.
    """

    def __init__(
        self,
        networks: Networks,
        problem: Problem | Rows,
        theta: tf.Tensor,
        max_words: int,
        count_end_word: bool,
        words: tf.Tensor | None = None,
    ):
        """Takes the crops `theta`, `[N, 3]` rows `(x, y, s)`, and how captions are read.

        Args:
          networks: The frozen networks.
          problem: The photo, or the photo of each crop.
          theta: The crops.
          max_words: Longest caption of the greedy decode, end word included.
          count_end_word: Whether the end word's step is one of Eq. 4's T_c.
          words: `[N, max_words]` int32, words to feed the captioner with in the place of its own,
            with end words after the last; None: its own.
        """
        self.networks = networks
        self._words = words
        self._problem, self._theta = problem, theta
        self._max_words, self._count_end_word = max_words, count_end_word

    @functools.cached_property
    def captioner_features(self) -> tf.Tensor:
        """`[N, L, D]`, the captioner's annotation vectors."""
        return self.networks.caption_trunk(self._sample(self.networks.caption_trunk.input_size))

    @functools.cached_property
    def scorer_features(self) -> tf.Tensor:
        """`[N, L, D]`, the scorer's: the same tensor where both networks share a trunk."""
        trunk = self.networks.scorer_trunk
        if trunk is self.networks.caption_trunk:
            return self.captioner_features
        return trunk(self._sample(trunk.input_size))

    @functools.cached_property
    def caption(self) -> Caption:
        """The captioner's own, greedy captions of the crops, or those of given words."""
        if self._words is not None:
            captioner = self.networks.captioner
            if isinstance(captioner, Follower):
                return captioner.follow(self.captioner_features, self._words)
            raise TypeError(f"{type(captioner).__name__} has no `follow`, so words are its own")
        return self.networks.captioner.greedy(self.captioner_features, self._max_words)

    @functools.cached_property
    def word_distribution(self) -> tf.Tensor:
        """`[N, V]`, `1/T_c sum_t f(I_crop)_t` of Eq. 4."""
        return caption_distribution(self.caption, self._count_end_word)

    def _sample(self, size: tuple[int, int]) -> tf.Tensor:
        return self._problem.sample(self._theta, size)


class Term:
    """One term of the objective; a subclass has a name and computes the term.

    Attributes:
      name: What it is called in results, plots and in the binding of its weight.
    """

    name: ClassVar[str]

    def __call__(self, crops: Crops, target: Any) -> tf.Tensor:
        """The term's value for each crop, lower is better.

        Args:
          crops: What the networks see in N crops.
          target: What `target` made of the caption, as tensors. Where many photos go through at a
            time (see `problems.Batch`), each has one more axis in front, `[N, ...]`, a row for each
            crop; behind those of shorter captions there are zeros, which must add nothing.

        Returns:
          `[N]`, differentiable by the crops.
        """
        raise NotImplementedError

    def signature(self, networks: Networks) -> Any:
        """The `tf.TypeSpec`s of a target; () where the term needs none."""
        return ()

    def target(self, networks: Networks, words: BagOfWords) -> Any:
        """What crops are compared with, by the user's caption; () where the term needs none."""
        return ()

    def word_finder(self, networks: Networks) -> WordFinder | None:
        """What finds the words of a caption that the term knows besides the captioner's."""
        return None

    def matched_words(self, networks: Networks, words: BagOfWords) -> Any:
        """Which words of a caption it knows, JSON types for the results; None: it tells nothing."""
        return None


@dataclasses.dataclass(frozen=True)
class CaptionLoss(Term):
    """L_caption (Eq. 4): the user's words under the captioner's, in any order."""

    name = "caption"

    def __call__(self, crops: Crops, target: tf.Tensor) -> tf.Tensor:
        """`[N]` cross-entropies in nats; the target is `[V]` or `[N, V]`, the user's words."""
        return caption_loss(target, crops.word_distribution)

    def signature(self, networks: Networks) -> tf.TensorSpec:
        """Of `[V]`, the user's words."""
        return tf.TensorSpec([len(networks.captioner.vocabulary)], networks.dtype)

    def target(self, networks: Networks, words: BagOfWords) -> tf.Tensor:
        """`[V]`, the mean of the user's one-hot words."""
        return tf.cast(words.distribution, networks.dtype)


@dataclasses.dataclass(frozen=True)
class AestheticLoss(Term):
    """L_aesthetic (Eq. 5): the scorer's value, negative."""

    name = "aesthetic"

    def __call__(self, crops: Crops, target: Any) -> tf.Tensor:
        """`[N]`, in the scorer's unit."""
        return -crops.networks.scorer(crops.scorer_features)


def caption_distribution(caption: Caption, count_end_word: bool) -> tf.Tensor:
    """`1/T_c sum_t f(I_crop)_t` of Eq. 4, `[N, V]`.

    A caption that ends at once still has its first step, so that the mean exists.
    """
    steps = tf.shape(caption.words)[1]
    counted = caption.lengths + int(count_end_word)
    counted = tf.clip_by_value(counted, 1, steps)
    weights = tf.sequence_mask(counted, steps, caption.probabilities.dtype)
    total = tf.linalg.matvec(caption.probabilities, weights, transpose_a=True)
    return total / tf.reduce_sum(weights, axis=1, keepdims=True)


def caption_loss(target: tf.Tensor, distribution: tf.Tensor) -> tf.Tensor:
    """Cross-entropy `H(target, distribution)` of Eq. 4, in nats.

    Args:
      target: `[V]` or `[N, V]`, the user's words.
      distribution: `[N, V]`, the captioner's words.

    Returns:
      `[N]`.
    """
    tiny = np.finfo(distribution.dtype.as_numpy_dtype).tiny
    return -tf.reduce_sum(target * tf.math.log(tf.maximum(distribution, tiny)), axis=-1)

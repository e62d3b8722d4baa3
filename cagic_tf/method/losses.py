"""The objective of the paper: caption loss (Eq. 4), aesthetic loss (Eq. 5), their total (Eq. 3).

Beyond the paper, and only where there is a lexicon: a loss of the caption's nouns, see `noun_loss`.

A `Problem` is one photo and one caption, read once: the blurred pyramid and the bag of words. From
then on only crop parameters go in and losses come out, so that one trace serves every problem.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.beyond.nouns import STOP_WORDS, Noun
from cagic_tf.method import sampling
from cagic_tf.networks.bundle import Networks
from cagic_tf.networks.sat import END_WORD, Caption


class Problem(NamedTuple):
    """What stays the same while a crop is searched.

    Attributes:
      picture: `[2 H + 1, 2 W + 1, 3]`, the mean of Eq. 1's blurred pyramid at half pixels (see
        `sampling`), RGB in [0, 1].
      target: `[V]`, the mean of the user's one-hot words (Eq. 4).
      window: `[2]`, width and height of the crop of scale 1 as shares of the photo's; the paper's
        are 1 (see `geometry`).
      photo: The photo itself at half pixels, without blur, reduced to a shorter side of at most
        twice the captioner's input, where a crop of half the photo has about a pixel for each of
        the input's.
      content: `[V]`, the target without `nouns.STOP_WORDS` and the end word; all of it where
        nothing else is said, not even a noun of the lexicon.
      nouns: `[M, C]`, the caption's nouns in the lexicon, see `Lexicon.shares`; () without one.
    """

    picture: tf.Tensor
    target: tf.Tensor
    window: tf.Tensor
    photo: tf.Tensor
    content: tf.Tensor
    nouns: tf.Tensor | tuple[()] = ()


def sharp_view(problem: Problem) -> Problem:
    """Beyond the paper: the problem by what tells crops apart best.

    The photo itself stands in the place of Eq. 1's pyramid, and stop words are left out of Eq. 4's
    sum: "a" or "in" fits all crops alike, and its part of the loss is noise. Works on the
    `tf.TypeSpec`s of a problem too.
    """
    return problem._replace(picture=problem.photo, target=problem.content)


class Losses(NamedTuple):
    """Losses of N crops, each `[N]`; `lexicon` is () without a lexicon."""

    total: tf.Tensor
    caption: tf.Tensor
    aesthetic: tf.Tensor
    lexicon: tf.Tensor | tuple[()] = ()


@dataclasses.dataclass(frozen=True)
class Objective:
    """Settings of Eq. 1 and Eq. 3-5; see the faithfulness table in WORKSPACE.md for the open ones.

    Attributes:
      aesthetic_weight: lambda of Eq. 3.
      max_words: Longest caption of the greedy decode, end word included.
      count_end_word: Whether the end word's step is one of Eq. 4's T_c.
      user_end_word: Whether the user's words get an end word, one of Eq. 4's T_u.
      pyramid: The set S of Eq. 1.
      blur_sigma: Blur after each resize, in pixels of the resized level.
      lexicon_weight: Of the loss of the nouns, beyond the paper; without a lexicon there is none.
    """

    aesthetic_weight: float = 0.01
    max_words: int = 20
    count_end_word: bool = False
    user_end_word: bool = False
    pyramid: Sequence[float] = (1 / 4, 1 / 3, 1 / 2, 1)
    blur_sigma: float = 1.0
    lexicon_weight: float = 2.0

    def __post_init__(self):
        if self.max_words < 1:
            raise ValueError(f"Objective.max_words is {self.max_words}; at least 1 is needed")
        if not self.pyramid or not all(0 < factor <= 1 for factor in self.pyramid):
            raise ValueError(f"Objective.pyramid is {self.pyramid}; factors in (0, 1] are needed")
        if self.blur_sigma < 0:
            raise ValueError(f"Objective.blur_sigma is {self.blur_sigma}; it cannot be negative")
        if self.lexicon_weight <= 0:
            raise ValueError(
                f"Objective.lexicon_weight is {self.lexicon_weight}; it must be above 0"
            )

    @property
    def end_word(self) -> str | None:
        """What the user's words end with, for `vocabulary.bag_of_words`."""
        return END_WORD if self.user_end_word else None


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


def noun_loss(shares: tf.Tensor, log_probabilities: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of the caption's nouns under the lexicon, in nats: Eq. 4 with another network.

    Eq. 4 is `-1/T_u sum_t log q(y_t)` with the captioner's words q. The lexicon is a second witness
    of the same words: for those that are its nouns, `-1/T_u sum_t log r(y_t)` is added, weighted.

    Args:
      shares: `[M, C]`, see `Lexicon.shares`.
      log_probabilities: `[N, M]`, of each noun in each crop.

    Returns:
      `[N]`; zeros where there are no nouns.
    """
    return -tf.linalg.matvec(log_probabilities, tf.reduce_max(shares, axis=1))


class CropLoss:
    """L_total of crops (Eq. 3), with the captioner's, the scorer's and the lexicon's parts.

    Attributes:
      objective: The settings.
      networks: The frozen networks.
      signature: The `tf.TypeSpec`s of a `Problem`, for `tf.function`.
    """

    def __init__(self, objective: Objective, networks: Networks):
        self.objective, self.networks = objective, networks
        picture = tf.TensorSpec([None, None, 3], networks.dtype)
        vocabulary = networks.decoder.vocabulary
        self._has_content = np.array([w not in STOP_WORDS and w != END_WORD for w in vocabulary])
        words = tf.TensorSpec([len(vocabulary)], networks.dtype)
        window, nouns = tf.TensorSpec([2], networks.dtype), ()
        if networks.lexicon is not None:
            nouns = tf.TensorSpec([None, len(networks.lexicon.classes)], networks.dtype)
        self.signature = Problem(picture, words, window, picture, words, nouns)
        self._views = tf.function(self._build_views, input_signature=[picture], autograph=False)

    def problem(
        self,
        image: np.ndarray,
        target: np.ndarray,
        nouns: Sequence[Noun] = (),
        window: Sequence[float] = (1.0, 1.0),
    ) -> Problem:
        """Reads a photo `[H, W, 3]` (RGB in [0, 1]), a bag of words `[V]` and its nouns once.

        `window` has the sides of the crop of scale 1 as shares of the photo's.
        """
        dtype, lexicon = self.networks.dtype, self.networks.lexicon
        shares = () if lexicon is None else tf.cast(lexicon.shares(nouns), dtype)
        content = target * self._has_content
        if not content.any() and (lexicon is None or not nouns):
            content = target
        picture, photo = self._views(tf.cast(image, dtype))
        target, window, content = (tf.cast(each, dtype) for each in (target, window, content))
        return Problem(picture, target, window, photo, content, shares)

    def __call__(self, problem: Problem, theta: tf.Tensor) -> Losses:
        """Losses of the crops `theta`, `[N, 3]` rows `(x, y, s)`."""
        return self.describe(problem, theta)[0]

    def describe(self, problem: Problem, theta: tf.Tensor) -> tuple[Losses, Caption]:
        """Losses of the crops `theta`, and the captioner's greedy captions that they come from."""
        networks, objective = self.networks, self.objective
        caption_features, scorer_features = networks.features(
            lambda size: sampling.crop(problem.picture, theta, size, problem.window)
        )
        caption = networks.decoder.greedy(caption_features, objective.max_words)
        distribution = caption_distribution(caption, objective.count_end_word)
        likeness = caption_loss(problem.target, distribution)
        aesthetic = -networks.scorer(scorer_features)  # Eq. 5
        total = likeness
        if objective.aesthetic_weight:  # Else the graph has no scorer at all.
            total = likeness + objective.aesthetic_weight * aesthetic  # Eq. 3
        if networks.lexicon is None:  # The paper: the graph has nothing of what follows.
            return Losses(total, likeness, aesthetic), caption
        logs = networks.lexicon.log_probabilities(caption_features, problem.nouns)
        nouns = noun_loss(problem.nouns, logs)
        total += objective.lexicon_weight * nouns
        return Losses(total, likeness, aesthetic, nouns), caption

    def aesthetic(self, problem: Problem, theta: tf.Tensor) -> Losses:
        """Losses of the crops `theta` without a caption: Eq. 5 alone, whatever lambda is."""
        _, features = self.networks.features(
            lambda size: sampling.crop(problem.picture, theta, size, problem.window)
        )
        loss = -self.networks.scorer(features)
        return Losses(loss, tf.zeros_like(loss), loss)

    def _build_views(self, image):
        objective = self.objective
        picture = sampling.pyramid_mean(image, objective.pyramid, objective.blur_sigma)
        shortest = 2 * min(self.networks.caption_trunk.input_size)
        return picture, sampling.pyramid_mean(sampling.reduce(image, shortest), (1,), 0)

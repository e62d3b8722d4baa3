"""Self-critical and discriminative training of a captioner: rewards and losses.

Teacher forcing never lets a captioner see its own words. Here it captions photos by itself, and
its captions' CIDEr-D and F-mean move it: Rennie et al., "Self-Critical Sequence Training for Image
Captioning", CVPR 2017, with the other samples' mean as the baseline (Luo, arXiv:2003.09971).
Beside it, a photo's own caption should fit its greedy words better than any other photo's of the
batch: Luo et al., "Discriminability Objective for Training Descriptive Captions", CVPR 2018, with
Eq. 4 of CAGIC as the measure of fit.
"""

import collections
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.method import losses
from cagic_tf.networks import sat
from experiments.training import teacher_forcing

LONGEST_NGRAM, LENGTH_SIGMA = 4, 6.0  # CIDEr-D's own.
ALPHA = 0.85  # METEOR's own.


class CiderD:
    """CIDEr-D (Vedantam et al., CVPR 2015, Sec. 6) of captions given as word indices.

    As `pycocoevalcap` computes it, with document frequencies and reference vectors computed once.
    """

    def __init__(self, references: Sequence[Sequence[Sequence[int]]]):
        """Takes the reference captions of every photo."""
        counts = [[_ngrams(caption) for caption in captions] for captions in references]
        seen = collections.Counter(ngram for captions in counts for ngram in set().union(*captions))
        self._rarity = {ngram: math.log(len(counts) / n) for ngram, n in seen.items()}
        self._unseen = math.log(len(counts))
        self._references = [[self._vectors(c) for c in captions] for captions in counts]

    def __call__(self, photo: int, caption: Sequence[int]) -> float:
        """The score of a caption of photo number `photo`, 0 to 10."""
        vectors, norms, length = self._vectors(_ngrams(caption))
        total = 0.0
        for theirs, their_norms, their_length in self._references[photo]:
            penalty = math.exp(-((length - their_length) ** 2) / (2 * LENGTH_SIGMA**2))
            for own, other, norm, their_norm in zip(
                vectors, theirs, norms, their_norms, strict=True
            ):
                if norm and their_norm:
                    shared = sum(
                        min(value, other[ngram]) * other[ngram]
                        for ngram, value in own.items()
                        if ngram in other
                    )
                    total += penalty * shared / (norm * their_norm)
        return 10 * total / (LONGEST_NGRAM * len(self._references[photo]))

    def _vectors(self, counts):
        vectors: list[dict[tuple, float]] = [{} for _ in range(LONGEST_NGRAM)]
        for ngram, count in counts.items():
            vectors[len(ngram) - 1][ngram] = count * self._rarity.get(ngram, self._unseen)
        norms = [math.sqrt(sum(v * v for v in vector.values())) for vector in vectors]
        length = sum(count for ngram, count in counts.items() if len(ngram) == 2)
        return vectors, norms, length


def f_mean(caption: Sequence[int], references: Sequence[Sequence[int]]) -> float:
    """METEOR's F-mean of words with the best reference, without its penalty, stems or synonyms.

    Recall counts most (alpha = 0.85, Denkowski and Lavie 2014, Sec. 2), where CIDEr-D alone makes
    captions short.

    Args:
      caption: Word indices.
      references: Word indices each; -1, an unknown word, matches nothing.
    """
    own, best = collections.Counter(caption), 0.0
    for reference in references:
        theirs = collections.Counter(reference)
        theirs.pop(-1, None)
        matches = sum((own & theirs).values())
        if matches:
            precision, recall = matches / len(caption), matches / len(reference)
            best = max(best, precision * recall / (ALPHA * precision + (1 - ALPHA) * recall))
    return best


def _ngrams(caption):
    words = tuple(caption)
    return collections.Counter(
        words[at : at + n] for n in range(1, LONGEST_NGRAM + 1) for at in range(len(words) - n + 1)
    )


def begin(decoder, contexts, rows, dropout):
    """What `rows` captions of each photo begin with: annotation vectors, their keys, the state."""
    contexts = decoder.project(contexts)
    start = decoder.attention_keys(contexts, dropout), decoder.initialize(contexts, dropout)
    return tf.nest.map_structure(lambda part: tf.repeat(part, rows, axis=0), (contexts, *start))


def own_captions(
    decoder: sat.ShowAttendTell, contexts: tf.Tensor, samples: int, max_words: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The greedy caption of each photo and some drawn from its word distributions.

    Args:
      decoder: The captioner.
      contexts: `[N, L, D]` annotation vectors.
      samples: Captions to draw for a photo.
      max_words: Longest caption, end word included.

    Returns:
      Words `[N, 1 + samples, max_words]` int32, the greedy caption first, and their weights
      `[N, 1 + samples, max_words]`: 1 up to the end word, 0 after it.
    """
    count, rows = tf.shape(contexts)[0], 1 + samples
    contexts, keys, state = begin(decoder, contexts, rows, lambda x: x)
    is_greedy = tf.tile(tf.one_hot(0, rows, True, False, dtype=tf.bool), [count])
    words = tf.fill([count * rows], sat.START)
    alive = tf.ones([count * rows])
    found, weights = [], []
    for _ in range(max_words):
        logits, state = decoder.step(contexts, keys, words, state)
        drawn = tf.random.categorical(logits, 1, dtype=tf.int32)[:, 0]
        words = tf.where(is_greedy, tf.argmax(logits, -1, output_type=tf.int32), drawn)
        found.append(words)
        weights.append(alive)
        alive *= tf.cast(words != decoder.end, tf.float32)
    shape = [count, rows, max_words]
    return tf.reshape(tf.stack(found, 1), shape), tf.reshape(tf.stack(weights, 1), shape)


def advantages(rewards: np.ndarray) -> np.ndarray:
    """Each reward less the mean of the photo's others, `[N, samples]` to the same."""
    samples = rewards.shape[1]
    return (rewards - rewards.mean(1, keepdims=True)) * samples / (samples - 1)


def discriminative_loss(
    probabilities: tf.Tensor, lengths: tf.Tensor, targets: tf.Tensor, sharpness: float
) -> tf.Tensor:
    """How hard it is to tell by Eq. 4 which photo of a batch a caption belongs to, in nats.

    Args:
      probabilities: `[N, T, V]` word distributions of the photos' greedy captions.
      lengths: `[N]` int32, words before the end word.
      targets: `[N, V]` bags of words of one human caption a photo.
      sharpness: Factor of Eq. 4's loss, to be a logit.

    Returns:
      The mean cross-entropy of the right photo, a scalar.
    """
    caption = sat.Caption(tf.zeros(tf.shape(probabilities)[:2], tf.int32), probabilities, lengths)
    distribution = losses.caption_distribution(caption, count_end_word=False)
    logits = sharpness * tf.matmul(targets, tf.math.log(distribution + 1e-9), transpose_b=True)
    right = tf.linalg.diag_part(tf.nn.log_softmax(logits, axis=1))
    return -tf.reduce_mean(right)


class Batch(NamedTuple):
    """Captions of N photos: the greedy one, S drawn ones and a human one of each.

    Attributes:
      words: `[N, 1 + S + 1, T]` int32, in that order.
      weights: `[N, 1 + S + 1, T]`: 1 up to the end word, 0 after it and for unknown words.
      advantages: `[N, S]`, of the drawn captions.
      targets: `[N, V]`, the human caption's bag of words, without end word.
    """

    words: np.ndarray
    weights: np.ndarray
    advantages: np.ndarray
    targets: np.ndarray


def make_batch(
    words: np.ndarray,
    weights: np.ndarray,
    rewards: np.ndarray,
    human: Sequence[Sequence[int]],
    size: int,
    end: int,
) -> Batch:
    """Puts together what a step learns from.

    Args:
      words: `[N, 1 + S, T]` of `own_captions`.
      weights: Its weights.
      rewards: `[N, S]`, of the drawn captions.
      human: A human caption of each photo, -1 for unknown words; cut at T words.
      size: Number of words of the vocabulary, V.
      end: The end word.
    """
    count, _, longest = words.shape
    theirs = np.full((count, longest), -1, np.int32)
    targets = np.zeros((count, size), np.float32)
    for row, caption in enumerate(human):
        theirs[row, : len(caption)] = caption[:longest]
        known = [word for word in caption if word >= 0 and word != end]
        np.add.at(targets[row], known, 1 / max(1, len(known)))
    counted = (theirs >= 0).astype(np.float32)
    return Batch(
        np.concatenate([words, np.maximum(theirs, 0)[:, np.newaxis]], axis=1),
        np.concatenate([weights, counted[:, np.newaxis]], axis=1),
        advantages(rewards).astype(np.float32),
        targets,
    )


def step_losses(
    decoder: sat.ShowAttendTell,
    contexts: tf.Tensor,
    batch: Batch,
    dropout: sat.Dropout,
    sharpness: float,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The self-critical loss, the word-by-word cross-entropy and the discriminative loss."""
    count, rows, longest = tf.unstack(tf.shape(batch.words))
    words = tf.reshape(batch.words, [-1, batch.words.shape[2]])
    contexts, keys, state = begin(decoder, contexts, rows, dropout)
    logits, _ = teacher_forcing.unroll(decoder, contexts, keys, state, words, dropout)
    likelihood = tf.nn.log_softmax(logits)
    picked = tf.gather(likelihood, words, axis=-1, batch_dims=2)
    picked = tf.reshape(picked, [count, rows, longest]) * batch.weights
    drawn, human = slice(1, -1), -1
    reward = -tf.reduce_sum(batch.advantages[..., tf.newaxis] * picked[:, drawn])
    reward /= tf.reduce_sum(batch.weights[:, drawn])
    word = -tf.reduce_sum(picked[:, human]) / tf.reduce_sum(batch.weights[:, human])
    probabilities = tf.exp(tf.reshape(likelihood, [count, rows, longest, -1])[:, 0])
    before_end = tf.cast(batch.words[:, 0] != decoder.end, batch.weights.dtype)
    lengths = tf.reduce_sum(batch.weights[:, 0] * before_end, axis=1)
    telling = discriminative_loss(
        probabilities, tf.cast(lengths, tf.int32), batch.targets, sharpness
    )
    return reward, word, telling

"""Discriminative training on described regions, by a sentence instead of the captioner's own.

How likely the captioner finds a description, word by word, should follow how well a crop shows it:
Mao et al., "Generation and Comprehension of Unambiguous Object Descriptions", CVPR 2016 (Eq. 3, 4),
with crops of the photo and of others for their regions. The end word counts: that nothing is to be
added tells a crop of the thing alone from one with more in it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from experiments.training import regions, teacher_forcing

DESCRIPTIONS = 3  # Of a photo in a step, at most.
OWN, OTHERS = 8, 4  # Crops that a description is read in: of its photo, of the step's others.
LONGEST = 10  # Words, end word included; one description in ten is cut.


class Batch(NamedTuple):
    """Q descriptions and the K crops in which each is read.

    Attributes:
      words: `[Q, T]` int32.
      weights: `[Q, T]` float32, 0 for padding and unknown words.
      crops: `[Q, K]` int32, numbers of crops among all of the step's photos.
      likely: `[Q, K]` float32, how likely each is the answer; sums to 1, or to 0 where a photo has
        too few descriptions.
    """

    words: np.ndarray
    weights: np.ndarray
    crops: np.ndarray
    likely: np.ndarray


def make_batch(
    chosen: Sequence[regions.Regions], vocabulary: list[str], rng: np.random.Generator
) -> Batch:
    """Draws descriptions of photos, and crops for each: its best one first, strangers' last."""
    rows = len(chosen) * DESCRIPTIONS
    words = np.full((rows, LONGEST), -1, np.int32)
    crops = np.zeros((rows, OWN + OTHERS), np.int32)
    likely = np.zeros((rows, OWN + OTHERS), np.float32)
    for number, photo in enumerate(chosen):
        drawn = rng.permutation(len(photo.texts))[:DESCRIPTIONS]
        encoded = teacher_forcing.encode([photo.texts[at] for at in drawn], vocabulary)
        elsewhere = np.delete(np.arange(len(chosen)), number)
        for row, (at, caption) in enumerate(
            zip(drawn, encoded, strict=True), number * DESCRIPTIONS
        ):
            best = int(np.argmax(photo.iou[at]))
            others = np.delete(np.arange(regions.CROPS), best)
            own = np.array([best, *rng.permutation(others)[: OWN - 1]])
            strangers = rng.choice(elsewhere, OTHERS) * regions.CROPS
            strangers += rng.integers(regions.CROPS, size=OTHERS)
            words[row, : len(caption)] = caption[:LONGEST]
            crops[row] = [*(number * regions.CROPS + own), *strangers]
            likely[row, :OWN] = regions.likely(photo.iou[[at]][:, own])[0]
    return Batch(np.maximum(words, 0), (words >= 0).astype(np.float32), crops, likely)


def fit(decoder, begun, batch: Batch, dropout, sharpness: float) -> tf.Tensor:
    """How far a sentence's likelihood is from finding the crops that show it, in nats.

    Args:
      decoder: The captioner.
      begun: Annotation vectors, keys and state of all crops, as `self_critical.begin` gives them.
      batch: What is read where.
      dropout: Function of a tensor.
      sharpness: Factor of the mean log likelihood of a word, to be a logit.

    Returns:
      The mean cross-entropy of the likely crops.
    """
    count, tried = batch.crops.shape
    crops = tf.reshape(batch.crops, [-1])
    contexts, keys, state = tf.nest.map_structure(lambda part: tf.gather(part, crops), begun)
    words, weights = (tf.repeat(part, tried, axis=0) for part in (batch.words, batch.weights))
    words = tf.ensure_shape(words, [count * tried, LONGEST])
    logits, _ = teacher_forcing.unroll(decoder, contexts, keys, state, words, dropout)
    picked = tf.gather(tf.nn.log_softmax(logits), words, axis=-1, batch_dims=2)
    total = tf.reduce_sum(picked * weights, axis=1)
    means = total / tf.maximum(tf.reduce_sum(weights, axis=1), 1)
    found = tf.nn.log_softmax(sharpness * tf.reshape(means, [count, tried]))
    answered = tf.maximum(tf.reduce_sum(batch.likely), 1)
    return -tf.reduce_sum(batch.likely * found) / answered

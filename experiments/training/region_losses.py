"""What a captioner learns of described regions: to caption them, and to find them by a sentence.

How likely the captioner finds a description, word by word, should follow how well a crop shows it:
Mao et al., "Generation and Comprehension of Unambiguous Object Descriptions", CVPR 2016 (Eq. 3, 4),
with crops of the photo and of others for their regions. Others of the photo are elsewhere, too
large or cut through the thing. The end word counts: that nothing is to be added tells a crop of the
thing alone from one with more in it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.networks import sat
from experiments.training import regions, self_critical, teacher_forcing

DESCRIPTIONS = 6  # Of a photo in a step from which captions are chosen.
CAPTIONED = 2  # Crops of a photo that are captioned with their descriptions, at most.
READ = 3  # Descriptions of a photo that are read in crops, at most.
OWN, OTHERS = 8, 4  # Crops that a description is read in: of its photo, of the step's others.
LONGEST = 10  # Words of what is read, end word included; one description in ten is cut.


class Captions(NamedTuple):
    """Q crops and their captions.

    Attributes:
      crops: `[Q]` int32, numbers of crops among all of the step's photos.
      words: `[Q, T]` int32, the captions.
      weights: `[Q, T]` float32, 0 for padding and unknown words.
    """

    crops: np.ndarray
    words: np.ndarray
    weights: np.ndarray


class Readings(NamedTuple):
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


def draw_captions(
    chosen: Sequence[regions.Regions], vocabulary: list[str], longest: int, rng: np.random.Generator
) -> Captions:
    """Draws crops that show a description; captions are cut at `longest` words."""
    rows = len(chosen) * CAPTIONED
    crops, words = np.zeros(rows, np.int32), np.full((rows, longest), -1, np.int32)
    for number, photo in enumerate(chosen):
        order = rng.permutation(len(photo.texts))[:DESCRIPTIONS]
        shown = [at for at in order if photo.iou[at].max() >= regions.SHOWN][:CAPTIONED]
        encoded = teacher_forcing.encode([photo.texts[at] for at in shown], vocabulary)
        for row, (at, caption) in enumerate(zip(shown, encoded, strict=True), number * CAPTIONED):
            crop = rng.choice(np.flatnonzero(photo.iou[at] >= regions.SHOWN))
            crops[row] = number * regions.CROPS + crop
            words[row, : len(caption)] = caption[:longest]
    return Captions(crops, np.maximum(words, 0), (words >= 0).astype(np.float32))


def draw_readings(
    chosen: Sequence[regions.Regions], vocabulary: list[str], rng: np.random.Generator
) -> Readings:
    """Draws descriptions of photos, and crops for each: its best one first, strangers' last."""
    rows = len(chosen) * READ
    words = np.full((rows, LONGEST), -1, np.int32)
    crops = np.zeros((rows, OWN + OTHERS), np.int32)
    likely = np.zeros((rows, OWN + OTHERS), np.float32)
    for number, photo in enumerate(chosen):
        drawn = rng.permutation(len(photo.texts))[:READ]
        encoded = teacher_forcing.encode([photo.texts[at] for at in drawn], vocabulary)
        elsewhere = np.delete(np.arange(len(chosen)), number)
        for row, (at, caption) in enumerate(zip(drawn, encoded, strict=True), number * READ):
            best = int(np.argmax(photo.iou[at]))
            others = np.delete(np.arange(regions.CROPS), best)
            own = np.array([best, *rng.permutation(others)[: OWN - 1]])
            strangers = rng.choice(elsewhere, OTHERS) * regions.CROPS
            strangers += rng.integers(regions.CROPS, size=OTHERS)
            words[row, : len(caption)] = caption[:LONGEST]
            crops[row] = [*(number * regions.CROPS + own), *strangers]
            likely[row, :OWN] = regions.likely(photo.iou[[at]][:, own])[0]
    return Readings(np.maximum(words, 0), (words >= 0).astype(np.float32), crops, likely)


def reading_loss(
    decoder: sat.ShowAttendTell, begun, batch: Readings, dropout: sat.Dropout, sharpness: float
) -> tf.Tensor:
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


def step_losses(
    decoder: sat.ShowAttendTell,
    contexts: tf.Tensor,
    captions: Captions,
    readings: Readings,
    dropout: sat.Dropout,
    sharpness: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The cross-entropy of the captions, and `reading_loss`.

    Args:
      decoder: The captioner.
      contexts: `[B * C, L, D]` annotation vectors of the crops.
      captions: What crops are captioned with.
      readings: In which crops sentences are read.
      dropout: Function of a tensor.
      sharpness: See `reading_loss`.
    """
    begun = self_critical.begin(decoder, contexts, 1, dropout)
    reading = reading_loss(decoder, begun, readings, dropout, sharpness)
    parts = tf.nest.map_structure(lambda x: tf.gather(x, captions.crops), begun)
    logits, _ = teacher_forcing.unroll(decoder, *parts, captions.words, dropout)
    picked = tf.gather(tf.nn.log_softmax(logits), captions.words, axis=-1, batch_dims=2)
    total = tf.maximum(tf.reduce_sum(captions.weights), 1)
    return -tf.reduce_sum(picked * captions.weights) / total, reading

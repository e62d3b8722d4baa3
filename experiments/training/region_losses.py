"""Discriminative training on described regions: a description fits its region's crops by Eq. 4.

Among a photo's crops, how likely the captioner's own words make a description should follow how
well the crop shows its box: others of the photo are elsewhere, too large or cut through it. And
crops of other photos should fit it less. Beside that, crops are captioned with their descriptions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.method import losses
from cagic_tf.networks import sat
from experiments.training import reading_losses, regions, self_critical, teacher_forcing

DESCRIPTIONS = 6  # Of a photo in a step, at most.
CAPTIONED = 2  # Crops of a photo that are captioned with their descriptions, at most.


class Batch(NamedTuple):
    """Descriptions of B photos with C crops each; a photo with fewer than R of them has zeros.

    Attributes:
      targets: `[B, R, V]` float32 bags of words with content.
      likely: `[B, R, C]` float32, how likely each crop is the answer; each sums to 1.
      crops: `[Q]` int32, numbers of crops among all `B * C` that have a caption.
      words: `[Q, T]` int32, the captions.
      weights: `[Q, T]` float32, 0 for padding and unknown words.
    """

    targets: np.ndarray
    likely: np.ndarray
    crops: np.ndarray
    words: np.ndarray
    weights: np.ndarray


def make_batch(
    chosen: Sequence[regions.Regions], vocabulary: list[str], longest: int, rng: np.random.Generator
) -> Batch:
    """Draws what a step learns of some photos' regions; captions are cut at `longest` words."""
    count, rows = len(chosen), len(chosen) * CAPTIONED
    targets = np.zeros((count, DESCRIPTIONS, len(vocabulary)), np.float32)
    likely = np.zeros((count, DESCRIPTIONS, regions.CROPS), np.float32)
    crops, words = np.zeros(rows, np.int32), np.full((rows, longest), -1, np.int32)
    for number, photo in enumerate(chosen):
        order = rng.permutation(len(photo.texts))[:DESCRIPTIONS]
        targets[number, : len(order)] = regions.content(
            [photo.texts[at] for at in order], vocabulary
        )
        likely[number, : len(order)] = regions.likely(photo.iou[order])
        shown = [at for at in order if photo.iou[at].max() >= regions.SHOWN][:CAPTIONED]
        encoded = teacher_forcing.encode([photo.texts[at] for at in shown], vocabulary)
        for row, (at, caption) in enumerate(zip(shown, encoded, strict=True), number * CAPTIONED):
            crop = rng.choice(np.flatnonzero(photo.iou[at] >= regions.SHOWN))
            crops[row] = number * regions.CROPS + crop
            words[row, : len(caption)] = caption[:longest]
    likely *= targets.any(axis=2, keepdims=True)
    return Batch(targets, likely, crops, np.maximum(words, 0), (words >= 0).astype(np.float32))


def fit(
    distribution: tf.Tensor, targets: tf.Tensor, likely: tf.Tensor, sharpness: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """How far Eq. 4 is from finding a description's crops, in nats.

    Args:
      distribution: `[B * C, V]`, the mean word distribution of each crop's greedy caption.
      targets: `[B, R, V]`, see `Batch`.
      likely: `[B, R, C]`, see `Batch`.
      sharpness: Factor of Eq. 4's loss, to be a logit.

    Returns:
      The mean cross-entropies of the likely crops among the photo's, and among all photos'.
    """
    photos, _, crops = likely.shape
    logs = tf.math.log(distribution + 1e-9)
    logits = sharpness * tf.einsum("brv,nv->brn", targets, logs)
    blocks = tf.reshape(logits, [photos, -1, photos, crops])
    own = tf.gather(tf.transpose(blocks, [0, 2, 1, 3]), tf.range(photos), batch_dims=1)  # [B, R, C]
    count = tf.maximum(tf.reduce_sum(likely), 1)
    within = tf.reduce_sum(likely * tf.nn.log_softmax(own)) / count
    all_crops = tf.reduce_logsumexp(logits, axis=2, keepdims=True)
    return -within, -tf.reduce_sum(likely * (own - all_crops)) / count


def step_losses(
    decoder: sat.ShowAttendTell,
    contexts: tf.Tensor,
    own: tuple[tf.Tensor, tf.Tensor] | None,
    batch: Batch,
    read: reading_losses.Batch,
    dropout: sat.Dropout,
    sharpness: float,
) -> list[tf.Tensor]:
    """The losses of a step's regions.

    Args:
      decoder: The captioner.
      contexts: `[B * C, L, D]` annotation vectors of the crops.
      own: Their greedy captions `[B * C, T]` int32 and weights, 1 up to the end word; None where
        the losses of `fit` are not asked for.
      batch: What the crops are to learn.
      read: In which crops sentences are read.
      dropout: Function of a tensor.
      sharpness: See `fit`.

    Returns:
      The captions' cross-entropy, that of reading, and with `own` the two losses of `fit`, within
      photos and among all.
    """
    begun = self_critical.begin(decoder, contexts, 1, dropout)
    reading = reading_losses.fit(decoder, begun, read, dropout, sharpness)
    parts = tf.nest.map_structure(lambda x: tf.gather(x, batch.crops), begun)
    logits, _ = teacher_forcing.unroll(decoder, *parts, batch.words, dropout)
    picked = tf.gather(tf.nn.log_softmax(logits), batch.words, axis=-1, batch_dims=2)
    total = tf.maximum(tf.reduce_sum(batch.weights), 1)
    found = [-tf.reduce_sum(picked * batch.weights) / total, reading]
    if own is None:
        return found
    words, weights = own
    logits, _ = teacher_forcing.unroll(decoder, *begun, words, dropout)
    before_end = tf.cast(words != decoder.end, weights.dtype)
    lengths = tf.cast(tf.reduce_sum(weights * before_end, axis=1), tf.int32)
    caption = sat.Caption(words, tf.nn.softmax(logits), lengths)
    distribution = losses.caption_distribution(caption, count_end_word=False)
    return [*found, *fit(distribution, batch.targets, batch.likely, sharpness)]

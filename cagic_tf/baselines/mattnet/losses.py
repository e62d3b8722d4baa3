"""What MAttNet is trained with (Yu et al., Sec. 3.4): ranking by a margin, and the attributes.

A training script builds a batch of `network.score`'s pairs: N objects, each with its text; then N
times a wrong object with that text; then N times the object with a wrong text.
"""

import numpy as np
import tensorflow as tf

MARGIN = 0.1
_HEAVIEST = 9.0  # The rarest attribute counts this much more than the most frequent.


def ranking(scores: tf.Tensor, margin: float = MARGIN) -> tf.Tensor:
    """How far right pairs are from a margin above wrong ones, on average; a scalar.

    Args:
      scores: `[3 N]`: right pairs, wrong objects, wrong texts.
      margin: The margin.
    """
    right, wrong_object, wrong_text = tf.split(scores, 3)
    hinges = tf.nn.relu(margin + wrong_object - right) + tf.nn.relu(margin + wrong_text - right)
    return tf.reduce_mean(hinges)


def attribute_weights(counts: np.ndarray) -> np.ndarray:
    """How much each attribute counts: 1 for the most frequent, 10 for the rarest.

    Args:
      counts: `[A]`, how often each is in the training data, once at least.

    Returns:
      `[A]` float32.
    """
    rarity = np.asarray(counts, np.float64) ** -0.5
    span = rarity.max() - rarity.min()
    shares = (rarity - rarity.min()) / span if span else np.zeros_like(rarity)
    return (1 + _HEAVIEST * shares).astype(np.float32)


def attributes(logits: tf.Tensor, truth: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy of the attributes, by weight, mean over all; a scalar.

    Args:
      logits: `[N, A]`, of the right pairs.
      truth: `[N, A]`, 0 or 1. Rows without any attribute are left out; without rows it is 0.
      weights: `[A]`, of `attribute_weights`.
    """
    owns = tf.cast(tf.reduce_any(truth > 0, axis=1, keepdims=True), logits.dtype)
    truth = tf.cast(truth, logits.dtype)
    each = tf.nn.sigmoid_cross_entropy_with_logits(labels=truth, logits=logits) * weights
    rows = tf.reduce_mean(each, axis=1, keepdims=True)
    return tf.reduce_sum(rows * owns) / tf.maximum(tf.reduce_sum(owns), 1)

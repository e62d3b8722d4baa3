"""MAttNet's language: words to what each module reads, and how much each module counts.

Yu et al., Sec. 3.1: word embeddings, a bidirectional LSTM, one attention over the words and one
weight for each of the three modules.
"""

from typing import NamedTuple

import tensorflow as tf

from cagic_tf.baselines.mattnet import text
from cagic_tf.baselines.mattnet.layers import Layers

MODULES = ("sub", "loc", "rel")  # Subject, location, relationship: the order everywhere.
DROPOUT = 0.5


class Reading(NamedTuple):
    """What texts mean to the modules.

    Attributes:
      weights: `[M, 3]`, how much each module counts; a row sums up to 1.
      attention: `[M, 3, T]`, how much each module looks at each word; sums up to 1, 0 at padding.
      phrases: `[M, 3, W]`, each module's phrase: its attention's mean of the embedded words.
    """

    weights: tf.Tensor
    attention: tf.Tensor
    phrases: tf.Tensor

    def repeated(self, count: int | tf.Tensor) -> "Reading":
        """Each row `count` times, one after the other."""
        return Reading(*(tf.repeat(part, count, axis=0) for part in self))


def read(layers: Layers, labels: tf.Tensor) -> Reading:
    """Reads texts.

    Args:
      layers: The checkpoint's.
      labels: `[M, T]` int32, `text.PADDING` after the end; each text has a word at least.
    """
    embedded = embed(layers, labels)
    contexts, hidden = encode(layers, embedded, lengths(labels))
    weights = tf.nn.softmax(layers.dense(hidden, "weight_fc"))
    words = tf.cast(labels != text.PADDING, tf.float32)
    attention = []
    for module in MODULES:
        scores = tf.nn.softmax(layers.dense(contexts, f"{module}_attn/fc")[..., 0]) * words
        attention.append(scores / tf.reduce_sum(scores, axis=1, keepdims=True))
    stacked = tf.stack(attention, axis=1)
    return Reading(weights, stacked, tf.matmul(stacked, embedded))


def lengths(labels: tf.Tensor) -> tf.Tensor:
    """How many words each text has, `[M]` int32."""
    return tf.reduce_sum(tf.cast(labels != text.PADDING, tf.int32), axis=1)


def embed(layers: Layers, labels: tf.Tensor) -> tf.Tensor:
    """The embedded words `[M, T, W]`, which the LSTM reads and phrases are of; 0 at padding."""
    vectors = tf.gather(layers.weight("rnn_encoder/embedding"), labels)
    embedded = tf.nn.relu(layers.dense(layers.dropout(vectors, DROPOUT), "rnn_encoder/mlp/0"))
    return tf.where((labels != text.PADDING)[..., tf.newaxis], embedded, 0)


def encode(layers: Layers, embedded: tf.Tensor, counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The bidirectional LSTM, over each text's own words alone.

    Args:
      layers: The checkpoint's.
      embedded: `[M, T, W]`.
      counts: `[M]` int32, words of each text.

    Returns:
      What it has at each word, `[M, T, 2 H]`, forward, then backward; zeros at padding. And what
      it ends with, `[M, 2 H]`: forward after the last word, backward after the first.
    """
    forward, last = _lstm(layers, embedded, counts, "rnn_encoder/forward")
    turned = tf.reverse_sequence(embedded, counts, seq_axis=1)
    backward, first = _lstm(layers, turned, counts, "rnn_encoder/backward")
    backward = tf.reverse_sequence(backward, counts, seq_axis=1)
    return tf.concat([forward, backward], axis=2), tf.concat([last, first], axis=1)


def _lstm(
    layers: Layers, x: tf.Tensor, counts: tf.Tensor, name: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """One direction: `[M, T, H]`, zeros after a text's end, and its last output `[M, H]`.

    NAME has the kernel `[W + H, 4 H]` and the bias `[4 H]` of the gates i, f, g, o.
    """
    kernel = layers.weight(f"{name}/kernel")
    units = kernel.shape[1] // 4
    by_word, by_output = kernel[:-units], kernel[-units:]
    given = tf.transpose(tf.matmul(x, by_word) + layers.weight(f"{name}/bias"), [1, 0, 2])
    present = tf.sequence_mask(counts, tf.shape(x)[1])
    present = tf.transpose(present)[..., tf.newaxis]  # [T, M, 1]

    def step(
        state: tuple[tf.Tensor, tf.Tensor], word: tuple[tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        (output, memory), (gates, here) = state, word
        i, f, g, o = tf.split(gates + tf.matmul(output, by_output), 4, axis=-1)
        new_memory = tf.sigmoid(f) * memory + tf.sigmoid(i) * tf.tanh(g)
        new_output = tf.sigmoid(o) * tf.tanh(new_memory)
        return tf.where(here, new_output, output), tf.where(here, new_memory, memory)

    zeros = tf.zeros([tf.shape(x)[0], units])
    outputs, _ = tf.scan(step, (given, present), (zeros, zeros))
    return tf.transpose(tf.where(present, outputs, 0), [1, 0, 2]), outputs[-1]

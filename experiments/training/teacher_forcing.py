"""Training a captioner on each caption's words given those before them: batches and loss."""

import numpy as np
import tensorflow as tf

from cagic_tf.method import vocabulary
from cagic_tf.networks import sat

LENGTHS = (9, 11, 13, 16, 22)  # Captions are padded to the next of these, or cut at the last.


def encode(captions: list[str], words: list[str]) -> list[list[int]]:
    """Captions as word indices, cut to the longest length, ended by "."; -1 for unknown words."""
    index = {word: number for number, word in enumerate(words)}
    end = index[sat.END_WORD]
    cut = LENGTHS[-1] - 1
    return [
        [index.get(word, -1) for word in vocabulary.tokenize(caption)[:cut]] + [end]
        for caption in captions
    ]


def make_batches(encoded: list[list[int]], size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Shuffled batches of row numbers, each of captions with about the same length."""
    lengths = np.array([len(caption) for caption in encoded])
    bucket = np.searchsorted(LENGTHS, lengths)
    batches = []
    for number in range(len(LENGTHS)):
        rows = rng.permutation(np.flatnonzero(bucket == number))
        batches += [rows[at : at + size] for at in range(0, len(rows), size)]
    return [batches[at] for at in rng.permutation(len(batches))]


def pad(rows: np.ndarray, encoded: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """A batch's targets `[N, T]` and their weights: 0 for padding and unknown words."""
    longest = max(len(encoded[row]) for row in rows)
    length = LENGTHS[np.searchsorted(LENGTHS, longest)]
    targets = np.full((len(rows), length), -1, np.int32)
    for at, row in enumerate(rows):
        targets[at, : len(encoded[row])] = encoded[row]
    return np.maximum(targets, 0), (targets >= 0).astype(np.float32)


def unroll(decoder, contexts, keys, state, targets, dropout):
    """The decoder fed the words of captions: logits `[N, T, V]` and attention weights `[N, T, L]`.

    Args:
      decoder: The captioner.
      contexts: `[N, L, D]` annotation vectors.
      keys: Their `decoder.attention_keys`.
      state: Their `decoder.initialize`.
      targets: `[N, T]` int32 words; T is static.
      dropout: Function of a tensor, for embeddings and the output layers.
    """
    memory, output = state
    previous = tf.pad(targets[:, :-1], [[0, 0], [1, 0]], constant_values=sat.START)
    embeddings = dropout(decoder.embed(previous))
    outputs, seen, attention = [], [], []
    for step in range(targets.shape[1]):
        context, alpha = decoder.attend(contexts, keys, output)
        memory, output = decoder.lstm(context, embeddings[:, step], memory, output)
        outputs.append(output)
        seen.append(context)
        attention.append(alpha)
    logits = decoder.decode(tf.stack(outputs, 1), tf.stack(seen, 1), embeddings, dropout)
    return logits, tf.stack(attention, 1)


def sequence_loss(decoder, contexts, targets, weights, rate, smoothing):
    """Cross-entropy of the words given those before them; the words' half of training."""

    def dropout(x):
        return tf.nn.dropout(x, rate) if rate else x

    contexts = decoder.project(contexts)
    keys = decoder.attention_keys(contexts, dropout)
    state = decoder.initialize(contexts, dropout)
    logits, attention = unroll(decoder, contexts, keys, state, targets, dropout)
    likelihood = tf.nn.log_softmax(logits)
    picked = tf.gather(likelihood, targets, axis=-1, batch_dims=2)
    smooth = (1 - smoothing) * picked + smoothing * tf.reduce_mean(likelihood, -1)
    loss = -tf.reduce_sum(smooth * weights) / tf.reduce_sum(weights)
    # Xu et al., Eq. 14: every place should be looked at about as often as any other.
    places = attention.shape[-1]
    total = tf.linalg.matvec(attention, weights, transpose_a=True)
    share = total / tf.reduce_sum(weights, 1, keepdims=True) * places
    return loss + 0.01 * tf.reduce_mean(tf.square(1 - share))

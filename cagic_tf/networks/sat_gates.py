"""The LSTM's gates in Show, Attend and Tell, and its linear layers side by side."""

import tensorflow as tf


def gated(gates: tf.Tensor, memory: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The LSTM's new memory and output from the sums that reach its four gates."""
    i, j, f, o = tf.split(gates, 4, axis=-1)
    memory = tf.sigmoid(f + 1) * memory + tf.sigmoid(i) * tf.tanh(j)
    return memory, tf.sigmoid(o) * tf.tanh(memory)


def join(
    embeddings: tf.Tensor,
    lstm: tf.Tensor,
    lstm_bias: tf.Tensor,
    head: tf.Tensor,
    head_bias: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """See `sat.ShowAttendTell._joined_layers`; the two layers order their inputs differently."""
    embedding, units = embeddings.shape[1], lstm.shape[1] // 4
    context = lstm.shape[0] - embedding - units
    gates = tf.split(lstm, [context, embedding, units])
    from_output, *others = tf.split(head, [units, context, embedding])
    pairs = zip(gates, (*others, from_output), strict=True)
    by_context, by_embedding, by_output = (tf.concat(pair, axis=1) for pair in pairs)
    by_word = tf.linalg.matmul(embeddings, by_embedding) + tf.concat([lstm_bias, head_bias], 0)
    return by_context, by_word, by_output

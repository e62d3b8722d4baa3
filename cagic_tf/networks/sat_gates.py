"""The LSTM of Show, Attend and Tell: its gates, its layers side by side, given words one by one."""

from collections.abc import Callable
from typing import Any

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


def go_through(
    given: tf.Tensor,
    start: Any,
    move: Callable[[tf.Tensor, Any], tuple[Any, tf.Tensor]],
    new_array: Callable[[tf.Tensor], tf.TensorArray],
) -> tf.Tensor:
    """What the LSTM gives after each of T words, `[T, N, S]`, by what each word gives it.

    Args:
      given: `[T, N, F]`.
      start: The state before the first.
      move: See `sat.ShowAttendTell._begin`, as for the last.
      new_array: See there.
    """
    length = tf.shape(given)[0]

    def advance(step: tf.Tensor, state: Any, sums: tf.TensorArray) -> tuple[Any, ...]:
        state, own = move(given[step], state)
        return step + 1, state, sums.write(step, own)

    begin = (0, start, new_array(length))
    *_, sums = tf.while_loop(
        lambda step, *_: step < length, advance, begin, maximum_iterations=length
    )
    return sums.stack()

"""Show, Attend and Tell: the captioner's decoder, soft attention over annotation vectors.

Xu et al., "Show, Attend and Tell: Neural Image Caption Generation with Visual Attention", ICML 2015
(Sec. 3.1.2, Eq. 1-7; soft attention, Sec. 4.2), with the layers and names of DeepRNN's
`image_captioning`: tanh heads, an LSTM with forget bias 1, a deep output layer. Sizes come from
the tensors, and so does what is optional: Xu et al.'s own attention (`attend/memory`, see
`ShowAttendTell.attend`) and a layer of ReLUs that shortens annotation vectors first (`project`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from cagic_tf.networks import layers, sat_gates
from cagic_tf.networks.protocols import Caption
from cagic_tf.system import devices

START = 0  # Index of `<start>`, the word before the first.
END_WORD = "."

Dropout = Callable[[tf.Tensor], tf.Tensor]


def _keep(x: tf.Tensor) -> tf.Tensor:
    return x


class ShowAttendTell:
    """The decoder, from annotation vectors `[N, L, D]` to word distributions.

    Attributes:
      vocabulary: The words, index 0 is `<start>`.
      end_word: The word that ends a caption.
      end: Its index.
    """

    end_word = END_WORD

    def __init__(
        self,
        tensors: Mapping[str, Any],
        vocabulary: Sequence[str],
        dtype: tf.DType = tf.float32,
    ):
        """Takes the tensors of a "sat" checkpoint (or variables, to train) and its vocabulary."""
        self._weights = layers.constants(tensors, dtype)
        self.vocabulary = list(vocabulary)
        self.end = self.vocabulary.index(END_WORD)
        self._joined: Any = None  # See `_joined_layers`.

    def project(self, features: tf.Tensor) -> tf.Tensor:
        """What the decoder reads `[N, L, D]` of annotation vectors: them, or a layer of ReLUs."""
        if "project/kernel" not in self._weights:
            return features
        return tf.nn.relu(self._dense(features, "project"))

    def initialize(self, contexts: tf.Tensor, dropout: Dropout = _keep) -> tuple:
        """The LSTM's first memory and output `[N, H]`, from the mean annotation vector."""
        mean = dropout(tf.reduce_mean(contexts, axis=1))
        memory = self._head(mean, "initialize/fc_a", dropout)
        return memory, self._head(mean, "initialize/fc_b", dropout)

    def attention_keys(self, contexts: tf.Tensor, dropout: Dropout = _keep) -> tf.Tensor:
        """The picture's half of the attention network, the same at every step: `[N, L, A]`."""
        contexts = dropout(contexts)
        if self._looks_around:
            return self._dense(contexts, "attend/features")
        if "attend/fc_a/kernel" in self._weights:
            return self._dense(contexts, "attend/fc_a")
        return tf.tanh(self._dense(contexts, "attend/fc_1a"))

    def attend(
        self, contexts: tf.Tensor, keys: tf.Tensor, output: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The context vector `[N, D]` and the attention weights `[N, L]` (Xu et al., Eq. 4-6).

        Xu et al.'s attention adds the picture's half and the memory's half within one tanh: where
        it looks depends on what was said. With two layers DeepRNN adds them only before a linear
        layer: the memory adds one number to the scores of all places, which no softmax sees. So
        nothing of it is computed here, and such a captioner looks at the same places for every
        word.
        """
        if self._looks_around:
            memory = self._dense(output, "attend/memory")[:, tf.newaxis]
            scores = self._dense(tf.tanh(keys + memory), "attend/score")[..., 0]
        elif "attend/fc_b/kernel" in self._weights:
            scores = keys[..., 0] + self._dense(output, "attend/fc_b")
        else:
            scores = self._dense(keys, "attend/fc_2")[..., 0]
        alpha = tf.nn.softmax(scores)
        return tf.linalg.matvec(contexts, alpha, transpose_a=True), alpha

    def embed(self, words: tf.Tensor) -> tf.Tensor:
        """Word indices of any shape to their embeddings, one more axis."""
        return tf.gather(self._weight("word_embedding/weights"), words)

    def lstm(
        self, context: tf.Tensor, embedding: tf.Tensor, memory: tf.Tensor, output: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One step of the LSTM (Xu et al., Eq. 1-3): the new memory and output, `[N, H]` each."""
        gates = self._dense(tf.concat([context, embedding, output], -1), "lstm/lstm_cell")
        return sat_gates.gated(gates, memory)

    def decode(
        self,
        output: tf.Tensor,
        context: tf.Tensor,
        embedding: tf.Tensor,
        dropout: Dropout = _keep,
    ) -> tf.Tensor:
        """The deep output layer (Xu et al., Eq. 7): word logits `[..., V]`."""
        expanded = dropout(tf.concat([output, context, embedding], -1))
        if "decode/fc/kernel" in self._weights:
            return self._dense(expanded, "decode/fc")
        return self._dense(dropout(tf.tanh(self._dense(expanded, "decode/fc_1"))), "decode/fc_2")

    def step(
        self, contexts: tf.Tensor, keys: tf.Tensor, words: tf.Tensor, state: tuple
    ) -> tuple[tf.Tensor, tuple]:
        """One step of captioning: word logits `[N, V]` after `words` `[N]`, and the next state."""
        memory, output = state
        context, _ = self.attend(contexts, keys, output)
        embedding = self.embed(words)
        memory, output = self.lstm(context, embedding, memory, output)
        return self.decode(output, context, embedding), (memory, output)

    def greedy(self, contexts: tf.Tensor, max_words: int) -> Caption:
        """Captions pictures, each step fed the most likely word of the one before (Eq. 4's `f`).

        The loop stops when all captions have ended, where it need not be compiled; steps after a
        caption's own end are not part of it (`lengths`).

        Args:
          contexts: `[N, L, D]` annotation vectors, as the trunk gives them.
          max_words: The longest caption, end word included.

        Returns:
          A `Caption` with T between 1 and `max_words`.
        """
        start, by_word, move, new_array = self._begin(contexts)
        steps_vary = not devices.compiles()

        def unfinished(
            step: tf.Tensor, words: tf.Tensor, state: Any, ended: tf.Tensor, *_: Any
        ) -> tf.Tensor:
            return ~tf.reduce_all(ended) if steps_vary else tf.constant(True)

        def advance(
            step: tf.Tensor,
            words: tf.Tensor,
            state: Any,
            ended: tf.Tensor,
            all_words: tf.TensorArray,
            all_hidden: tf.TensorArray,
        ) -> tuple[Any, ...]:
            state, hidden = move(tf.gather(by_word, words), state)
            words = tf.argmax(self._finish(tf.stop_gradient(hidden)), -1, output_type=tf.int32)
            all_words, all_hidden = all_words.write(step, words), all_hidden.write(step, hidden)
            return step + 1, words, state, ended | (words == self.end), all_words, all_hidden

        said = tf.TensorArray(tf.int32, max_words, element_shape=contexts.shape[:1])
        pictures = [tf.shape(contexts)[0]]
        words, ended = tf.fill(pictures, START), tf.zeros(pictures, tf.bool)
        begin = (0, words, start, ended, said, new_array(max_words))
        steps, _, _, _, all_words, all_hidden = tf.while_loop(
            unfinished, advance, begin, maximum_iterations=max_words
        )
        steps = steps if steps_vary else max_words  # A compiler has to know it.
        words = tf.transpose(all_words.stack()[:steps])
        # The second layer, if any, again: for all words, it and its gradient are one product.
        probabilities = self._probabilities(all_hidden.stack()[:steps])
        return Caption(words, probabilities, self._lengths(words))

    def follow(self, contexts: tf.Tensor, words: tf.Tensor) -> Caption:
        """Captions pictures with given words, `[N, T]` int32: what `greedy` gives of its own.

        Xu et al. train with it; here the words stay as they are while a crop moves.
        """
        start, by_word, move, new_array = self._begin(contexts)
        lengths = self._lengths(words)
        if not devices.compiles():
            words = words[:, : tf.reduce_max(lengths) + 1]  # As far as the longest, and its end.
        fed = tf.gather(by_word, self._before(tf.transpose(words)))
        hidden = sat_gates.go_through(fed, start, move, new_array)
        return Caption(words, self._probabilities(hidden), lengths)

    def _probabilities(self, hidden: tf.Tensor) -> tf.Tensor:
        """Word distributions `[N, T, V]` of the sums `[T, N, S]` for `_finish`."""
        return tf.nn.softmax(self._finish(tf.transpose(hidden, [1, 0, 2])))

    def read(self, contexts: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        """How likely it finds a given sentence, each word after those before it.

        Args:
          contexts: `[N, L, D]` annotation vectors, as the trunk gives them.
          words: `[T]` int32, the sentence, end word included where it is to count; or `[N, T]`,
            a sentence for each picture.

        Returns:
          `[N, T]`, log probabilities of the words.
        """
        start, by_word, move, new_array = self._begin(contexts)
        words = tf.transpose(tf.broadcast_to(words, [tf.shape(contexts)[0], tf.shape(words)[-1]]))
        given = tf.gather(by_word, self._before(words))
        hidden = sat_gates.go_through(given, start, move, new_array)
        logs = tf.nn.log_softmax(self._finish(hidden))  # [T, N, V]
        return tf.transpose(tf.gather(logs, words, batch_dims=2))

    @staticmethod
    def _before(words: tf.Tensor) -> tf.Tensor:
        """The words `[T, N]` that are fed before each of those."""
        return tf.pad(words[:-1], [[1, 0], [0, 0]], constant_values=START)

    def _lengths(self, words: tf.Tensor) -> tf.Tensor:
        """How many of the words `[N, T]` stand before the first end word."""
        return tf.reduce_sum(tf.math.cumprod(tf.cast(words != self.end, tf.int32), axis=1), 1)

    def _begin(self, contexts: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], tf.Tensor, Any, Any]:
        """How words are gone through: what is the same for all of them is computed once.

        Returns:
          A state to start from; what each word gives `[V, F]`; the function of that of a word,
          `[F]` or `[N, F]`, and a state that gives the next state and the sums for `_finish`; and
          the function of a number of words that gives an array for their sums.
        """
        contexts = self.project(contexts)
        keys = self.attention_keys(contexts)
        memory, output = self.initialize(contexts)
        by_context, by_word, by_output = self._joined_layers()
        units = memory.shape[-1]
        sizes = [4 * units, by_output.shape[-1] - 4 * units]

        def look(output: tf.Tensor) -> tf.Tensor:
            return self.attend(contexts, keys, output)[0] @ by_context

        moves = self._looks_around or "attend/fc_b/kernel" in self._weights  # See `attend`.
        seen = None if moves else look(output)

        def move(word: tf.Tensor, state: tuple[tf.Tensor, ...]) -> tuple[Any, tf.Tensor]:
            memory, output, recalled = state
            given = word + (look(output) if moves else seen)
            given_gates, given_hidden = tf.split(given, sizes, axis=-1)
            memory, output = sat_gates.gated(given_gates + recalled, memory)
            recalled, own = tf.split(output @ by_output, sizes, axis=-1)
            return (memory, output, recalled), given_hidden + own

        def new_array(length: tf.Tensor | int) -> tf.TensorArray:
            shape = [contexts.shape[0], sizes[1]]
            return tf.TensorArray(contexts.dtype, length, element_shape=shape)

        return (memory, output, output @ by_output[:, : sizes[0]]), by_word, move, new_array

    @property
    def _looks_around(self) -> bool:
        """Whether the attention is Xu et al.'s."""
        return "attend/memory/kernel" in self._weights

    def _finish(self, hidden: tf.Tensor) -> tf.Tensor:
        """Word logits from the sums that reach the deep output layer's first units."""
        if "decode/fc/kernel" in self._weights:
            return hidden
        return self._dense(tf.tanh(hidden), "decode/fc_2")

    def _joined_layers(self) -> Sequence[tf.Tensor]:
        """The LSTM's gates and the first units of the deep output layer side by side, `F` in all.

        Both are linear in context, word and output. So one product a step serves both, and what
        each word gives them, biases included, is looked up.

        Returns:
          What a context, a word and the LSTM's output give: kernels `[D, F]`, sums `[V, F]`, and a
          kernel `[H, F]`.
        """
        head = "decode/fc" if "decode/fc/kernel" in self._weights else "decode/fc_1"
        names = ["lstm/lstm_cell/kernel", "lstm/lstm_cell/bias", f"{head}/kernel", f"{head}/bias"]
        tensors = [self._weights[name] for name in ("word_embedding/weights", *names)]
        if any(isinstance(tensor, tf.Variable) for tensor in tensors):
            return sat_gates.join(*tensors)
        if self._joined is None:
            with tf.init_scope():
                self._joined = sat_gates.join(*tensors)
        # No gradient: the loop over the words would sum it up for nothing.
        return [tf.stop_gradient(tensor) for tensor in self._joined]

    def text(self, words: Sequence[int], length: int) -> str:
        """The first `length` word indices as a sentence without its end word."""
        return " ".join(self.vocabulary[int(word)] for word in words[:length])

    def _head(self, x: tf.Tensor, name: str, dropout: Dropout) -> tf.Tensor:
        if f"{name}/kernel" in self._weights:
            return self._dense(x, name)
        return self._dense(dropout(tf.tanh(self._dense(x, f"{name}1"))), f"{name}2")

    def _dense(self, x: tf.Tensor, name: str) -> tf.Tensor:
        y = tf.linalg.matmul(x, self._weight(f"{name}/kernel"))
        return y + self._weight(f"{name}/bias") if f"{name}/bias" in self._weights else y

    def _weight(self, name: str) -> tf.Tensor | tf.Variable:
        return layers.weight(self._weights, name)

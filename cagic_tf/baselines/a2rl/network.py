"""A2-RL's agent: what it makes of a trunk's features, what it remembers, and what it would do.

Li et al., "A2-RL: Aesthetics Aware Reinforcement Learning for Image Cropping", CVPR 2018, as
https://github.com/wuhuikai/TF-A2RL has it. Its trunk and `fc6` are a View Finding Network's.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from cagic_tf.networks import layers, vfn

DENSE = ("fc1", "fc2", "fc3")


class Memory(NamedTuple):
    """What the agent remembers of its episode: the LSTM's state.

    Attributes:
      output: `[N, S]`, the authors' h.
      cell: `[N, S]`, their c.
    """

    output: tf.Tensor
    cell: tf.Tensor


class Agent:
    """The head on a trunk's annotation vectors; all sizes are those of its tensors."""

    def __init__(
        self,
        tensors: Mapping[str, Any],
        bins: Sequence[int],
        pooling: str,
        dtype: tf.DType = tf.float32,
    ):
        """Takes the tensors of an "a2rl" checkpoint (or variables, to train) and how it pools.

        Args:
          tensors: "fc6", "fc1", "fc2", "fc3" and "action", each with NAME/kernel `[in, out]` and
            NAME/bias; lstm/input_kernel `[in, 4 S]`, lstm/memory_kernel `[S, 4 S]`, lstm/bias.
          bins: As of `vfn.spatial_pyramid`; the released network has (6,).
          pooling: Likewise; there "max".
          dtype: What it is computed in.
        """
        self._weights = layers.constants(tensors, dtype)
        self._bins, self._pooling = tuple(bins), pooling

    def features(self, vectors: tf.Tensor) -> tf.Tensor:
        """What is known of windows, "fc6" after its ReLU: `[N, F]` of vectors `[N, L, D]`."""
        pooled = vfn.spatial_pyramid(vectors, self._bins, self._pooling)
        return tf.nn.relu(self._dense(pooled, "fc6"))

    def hidden(self, photo: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
        """The three dense layers: "fc3" `[N, D]` of the features of photo and window, `[N, F]`."""
        x = tf.concat([photo, window], axis=1)
        for name in DENSE:
            x = tf.nn.relu(self._dense(x, name))
        return x

    def start(self, count: int) -> Memory:
        """The memory of so many agents that have seen nothing yet."""
        kernel = self._weights["lstm/memory_kernel"]
        nothing = tf.zeros([count, kernel.shape[0]], kernel.dtype)
        return Memory(nothing, nothing)

    def decide(
        self, photo: tf.Tensor, window: tf.Tensor, memory: Memory
    ) -> tuple[tf.Tensor, Memory]:
        """One step of the agent.

        Args:
          photo: `[N, F]`, the features of the whole photos.
          window: `[N, F]`, those of their present windows.
          memory: Of the step before.

        Returns:
          The logits `[N, 14]` of the actions, and what it remembers from then on.
        """
        gates = self.hidden(photo, window) @ layers.weight(self._weights, "lstm/input_kernel")
        gates += memory.output @ layers.weight(self._weights, "lstm/memory_kernel")
        gates += layers.weight(self._weights, "lstm/bias")
        write, keep, new, show = tf.split(gates, 4, axis=1)  # PyTorch's order: i, f, g, o.
        cell = tf.sigmoid(keep) * memory.cell + tf.sigmoid(write) * tf.tanh(new)
        output = tf.sigmoid(show) * tf.tanh(cell)
        return self._dense(output, "action"), Memory(output, cell)

    def _dense(self, x: tf.Tensor, name: str) -> tf.Tensor:
        kernel = layers.weight(self._weights, f"{name}/kernel")
        return x @ kernel + layers.weight(self._weights, f"{name}/bias")

"""The layers that MAttNet's modules are made of, by their names in a checkpoint."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from cagic_tf.networks import layers

BATCH_NORM_EPSILON = 1e-5
# The square of what the original adds nothing below: |x| counts as 1e-12 at least.
_LEAST_SQUARE = 1e-24


class Layers:
    """Layers as inference has them.

    Training differs in `batch_norm` and `dropout` alone, so a training script overrides these two
    in a subclass, gives `tf.Variable`s, and passes it to the same modules.
    """

    def __init__(self, tensors: Mapping[str, Any]):
        """Takes the tensors of a "mattnet" checkpoint (see `sizes.shapes`), or variables."""
        self._weights = layers.constants(tensors, tf.float32)

    def weight(self, name: str) -> tf.Tensor | tf.Variable:
        """A tensor by its name."""
        return layers.weight(self._weights, name)

    def dense(self, x: tf.Tensor, name: str) -> tf.Tensor:
        """`[..., D]` of `[..., C]`: NAME/kernel `[C, D]` and NAME/bias `[D]`."""
        return tf.matmul(x, self.weight(f"{name}/kernel")) + self.weight(f"{name}/bias")

    def batch_norm(self, x: tf.Tensor, name: str) -> tf.Tensor:
        """`[..., D]` by its stored mean and variance; all axes but the last are the batch's.

        NAME has gamma, beta, mean and variance, `[D]` each.
        """
        mean, variance, beta, gamma = (
            self.weight(f"{name}/{part}") for part in ("mean", "variance", "beta", "gamma")
        )
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, BATCH_NORM_EPSILON)

    def dropout(self, x: tf.Tensor, rate: float) -> tf.Tensor:
        """Nothing: a training script drops that share of `x` here."""
        del rate
        return x

    def normalize_scale(self, x: tf.Tensor, name: str) -> tf.Tensor:
        """`[..., D]` with length 1 over the last axis, times NAME/scale `[D]`; zeros stay zeros."""
        return unit(x) * self.weight(f"{name}/scale")


def unit(x: tf.Tensor) -> tf.Tensor:
    """`[..., D]` with length 1 over the last axis; zeros stay zeros."""
    return tf.math.l2_normalize(x, axis=-1, epsilon=_LEAST_SQUARE)

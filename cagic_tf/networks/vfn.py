"""The View Finding Network's head: annotation vectors to one aesthetic score.

Chen et al., "Learning to Compose with Professional Photographs on the Web", ACM Multimedia 2017:
convolutional features, spatial pyramid pooling (He et al., ECCV 2014), one hidden layer, a linear
score without bias. Trained by ranking photos above their own crops; scores have no unit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf


def spatial_pyramid_mean(features: tf.Tensor, bins: Sequence[int]) -> tf.Tensor:
    """Means over n x n bins of a square grid for each n of `bins`; bins overlap where they must.

    Bin i of n covers rows `floor(i * S / n)` to `ceil((i + 1) * S / n)` of a grid with side S.

    Args:
      features: `[N, S * S, D]`.
      bins: Bins a side, level by level.

    Returns:
      `[N, sum(n * n) * D]`, levels, then bins in row order, then channels.
    """
    side = round(features.shape[1] ** 0.5)
    grid = tf.reshape(features, [-1, side, side, features.shape[2]])
    pooled = []
    for count in bins:
        edges = [(i * side // count, -(-(i + 1) * side // count)) for i in range(count)]
        pooled += [
            tf.reduce_mean(grid[:, top:bottom, left:right], axis=[1, 2])
            for top, bottom in edges
            for left, right in edges
        ]
    return tf.concat(pooled, axis=-1)


class ViewFindingNetwork:
    """The scorer `g` of Eq. 5 on a trunk's annotation vectors."""

    def __init__(
        self, tensors: Mapping[str, Any], bins: Sequence[int], dtype: tf.DType = tf.float32
    ):
        """Takes the tensors of a "vfn" checkpoint (or variables, to train) and its pooling bins."""
        self._weights = {
            name: value if isinstance(value, tf.Variable) else tf.constant(value, dtype)
            for name, value in tensors.items()
        }
        self._bins = tuple(bins)

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """Scores `[N]` of annotation vectors `[N, L, D]`; higher is better."""
        return self.rank(spatial_pyramid_mean(features, self._bins))

    def rank(self, pooled: tf.Tensor) -> tf.Tensor:
        """Scores `[N]` of pooled features `[N, P]`."""
        weights = self._weights
        hidden = tf.nn.relu(pooled @ weights["ranker/fc6w"] + weights["ranker/fc6b"])
        return (hidden @ weights["ranker/W"])[:, 0]

"""The View Finding Network's head: annotation vectors to one aesthetic score.

Chen et al., "Learning to Compose with Professional Photographs on the Web", ACM Multimedia 2017:
convolutional features, spatial pyramid pooling (He et al., ECCV 2014), one hidden layer, a linear
score without bias. Trained by ranking photos above their own crops; scores have no unit.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.networks import layers

# The released networks, on AlexNet's 13 x 13 grid: bins a side, in the order of fc6's inputs. These
# bins are their poolings of 3, 7 and 5 cells at steps of 2, 6 and 4, cell for cell.
RELEASED_BINS = {"spp": (6, 2, 3), "none": (6,)}


def spatial_pyramid(features: tf.Tensor, bins: Sequence[int], pooling: str = "mean") -> tf.Tensor:
    """Pools n x n bins of a square grid for each n of `bins`; bins overlap where they must.

    Bin i of n covers rows `floor(i * S / n)` to `ceil((i + 1) * S / n)` of a grid with side S.

    Args:
      features: `[N, S * S, D]`.
      bins: Bins a side, level by level.
      pooling: "mean" or "max".

    Returns:
      `[N, sum(n * n) * D]`, levels, then bins in row order, then channels.
    """
    side = round(features.shape[1] ** 0.5)
    if pooling == "mean":  # One product, forward and backward.
        weights = tf.constant(bin_weights(side, bins), features.dtype)
        pooled = weights @ features  # [N, sum(n * n), D]
        return tf.reshape(pooled, [-1, pooled.shape[1] * pooled.shape[2]])
    grid = tf.reshape(features, [-1, side, side, features.shape[2]])
    pooled = [
        tf.reduce_max(grid[:, top:bottom, left:right], axis=[1, 2])
        for top, bottom, left, right in _windows(side, bins)
    ]
    return tf.concat(pooled, axis=-1)


def _windows(side: int, bins: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
    """The bins as rows `(top, bottom, left, right)` of places, ends not included."""
    for count in bins:
        edges = [(i * side // count, -(-(i + 1) * side // count)) for i in range(count)]
        yield from ((*rows, *columns) for rows in edges for columns in edges)


def bin_weights(side: int, bins: Sequence[int]) -> np.ndarray:
    """`[sum(n * n), side * side]`: what each place has in each bin's mean."""
    weights = []
    for top, bottom, left, right in _windows(side, bins):
        inside = np.zeros((side, side))
        inside[top:bottom, left:right] = 1 / ((bottom - top) * (right - left))
        weights.append(inside.reshape(-1))
    return np.array(weights)


class ViewFindingNetwork:
    """The scorer `g` of Eq. 5 on a trunk's annotation vectors."""

    def __init__(
        self,
        tensors: Mapping[str, Any],
        bins: Sequence[int],
        dtype: tf.DType = tf.float32,
        pooling: str = "mean",
    ):
        """Takes the tensors of a "vfn" checkpoint (or variables, to train) and how it pools."""
        self._weights = layers.constants(tensors, dtype)
        self._bins, self._pooling = tuple(bins), pooling

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """Scores `[N]` of annotation vectors `[N, L, D]`; higher is better."""
        return self.rank(spatial_pyramid(features, self._bins, self._pooling))

    def rank(self, pooled: tf.Tensor) -> tf.Tensor:
        """Scores `[N]` of pooled features `[N, P]`."""
        return (self.hidden(pooled) @ self._weights["ranker/W"])[:, 0]

    def hidden(self, pooled: tf.Tensor) -> tf.Tensor:
        """The hidden layer `[N, H]` of pooled features `[N, P]`: "fc6", after its ReLU."""
        return tf.nn.relu(pooled @ self._weights["ranker/fc6w"] + self._weights["ranker/fc6b"])

"""GAIC's head: a score for each crop, of a trunk's features at three scales."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from cagic_tf.baselines.gaic import alignment
from cagic_tf.networks import layers

COARSE = 0.5  # What the coarsest scale is multiplied by.


def resized(grid: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """A grid `[N, H, W, C]` bilinearly resized such that corner pixels stay corner pixels.

    Args:
      grid: Of at least 1 x 1 pixels.
      size: `[2]` int32, rows and columns of the result, at least 2.

    Returns:
      `[N, rows, columns, C]`: row i is read at i (H - 1) / (rows - 1).
    """
    shape = tf.shape(grid)
    rows, columns = (tf.cast(_shares(shape[1 + axis], size[axis]), grid.dtype) for axis in range(2))
    return tf.einsum("iy,nyxc,jx->nijc", rows, grid, columns)


def _shares(old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
    """The part `[new, old]` that each old pixel of an axis has in a new one, float64."""
    step = tf.cast(old - 1, tf.float64) / tf.cast(new - 1, tf.float64)
    places = tf.range(new)[:, None]
    distance = tf.cast(places, tf.float64) * step - tf.cast(tf.range(old), tf.float64)
    return tf.nn.relu(1 - tf.abs(distance))


class GridAnchorHead:
    """Reduction to a few channels, RoIAlign and RoDAlign of each crop, three layers.

    All sizes are those of the tensors. The batch norms of the authors' first head are folded into
    its layers, so it is the same network as their second one, which has none.

    Attributes:
      points: Places a side that a crop is read at.
    """

    def __init__(self, tensors: Mapping[str, Any], dtype: tf.DType = tf.float32):
        """Takes the tensors of a "gaic" checkpoint, or variables, to train.

        Args:
          tensors: Of "reduction" `[1, 1, C, R]`, "fc1" `[A, A, 2 R, D]`, "fc2" `[1, 1, D, E]` and
            "fc3" `[1, 1, E, 1]` each NAME/kernel and NAME/bias.
          dtype: What it is computed in.
        """
        self._weights = layers.constants(tensors, dtype)
        self.points = self._weights["fc1/kernel"].shape[0] + 1

    @staticmethod
    def joined(scales: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Grids of strides 8, 16 and 32 as one of stride 16: `[N, H, W, C]`, C in all."""
        fine, middle, coarse = scales
        size = tf.shape(middle)[1:3]
        return tf.concat([resized(fine, size), middle, COARSE * resized(coarse, size)], axis=3)

    def reduced(self, scales: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """The map that crops are read from, `[N, H, W, R]`; it has no ReLU."""
        return self.reduction(self.joined(scales))

    def reduction(self, joined: tf.Tensor) -> tf.Tensor:
        """As `reduced`, of a grid that `joined` gave."""
        return self._layer(joined, "reduction", tf.identity)

    def hidden(self, crops: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The first two layers, `[N, D]` and `[N, E]`, of what `alignment.features` gives."""
        first = self._layer(crops, "fc1", tf.nn.relu)
        second = self._layer(first, "fc2", tf.nn.relu)
        return first[:, 0, 0], second[:, 0, 0]

    def scores(self, grid: tf.Tensor, where: alignment.Points) -> tf.Tensor:
        """Scores `[N]` of crops, read off a map `[H, W, R]`."""
        return self.judged(alignment.features(grid, where))

    def judged(self, crops: tf.Tensor) -> tf.Tensor:
        """Scores `[N]` of what `alignment.features` gives of crops."""
        _, second = self.hidden(crops)
        return self._layer(second[:, None, None], "fc3", tf.identity)[:, 0, 0, 0]

    def _layer(self, x: tf.Tensor, name: str, activation: Any) -> tf.Tensor:
        return layers.convolution(x, self._weights, name, activation=activation, padding="VALID")

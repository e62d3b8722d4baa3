"""GAIC's head: a score for each crop, of a trunk's features at three scales."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from cagic_tf.baselines.gaic import alignment
from cagic_tf.networks import layers

COARSE = 0.5  # What the coarsest scale is multiplied by.


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

    def joined(self, scales: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Grids of strides 8, 16 and 32 as one of stride 16: `[N, H, W, C]`, C all their channels.

        They are resized bilinearly such that corner pixels stay corner pixels.
        """
        fine, middle, coarse = scales
        size = tf.shape(middle)[1:3]
        resized = [
            tf.raw_ops.ResizeBilinear(images=grid, size=size, align_corners=True)
            for grid in (fine, coarse)
        ]
        return tf.concat([resized[0], middle, COARSE * resized[1]], axis=3)

    def reduced(self, scales: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """The map that crops are read from, `[N, H, W, R]`; it has no ReLU."""
        return self._layer(self.joined(scales), "reduction", tf.identity)

    def hidden(self, crops: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The first two layers, `[N, D]` and `[N, E]`, of what `alignment.features` gives."""
        first = self._layer(crops, "fc1", tf.nn.relu)
        second = self._layer(first, "fc2", tf.nn.relu)
        return first[:, 0, 0], second[:, 0, 0]

    def scores(self, grid: tf.Tensor, where: alignment.Points) -> tf.Tensor:
        """Scores `[N]` of crops, read off a map `[H, W, R]`."""
        _, second = self.hidden(alignment.features(grid, where))
        return self._layer(second[:, None, None], "fc3", tf.identity)[:, 0, 0, 0]

    def _layer(self, x: tf.Tensor, name: str, activation: Any) -> tf.Tensor:
        return layers.convolution(x, self._weights, name, activation=activation, padding="VALID")

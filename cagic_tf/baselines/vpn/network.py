"""View Proposal Net's layers behind its trunk: one score for each predefined box.

Wei et al., "Good View Hunting: Learning Photo Composition from Dense View Pairs", CVPR 2018, as
https://github.com/zijunwei/ViewProposalNet has it: VGG16 with the further layers of an SSD.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from cagic_tf.networks import layers

DILATION = 6  # Of conv6.


class Activations(NamedTuple):
    """What the layers put out, each after its ReLU.

    Attributes:
      conv6: `[N, S, S, .]`; S is 20 in the released network.
      conv7: `[N, S, S, .]`.
      block8: `[N, T, T, .]`; T is 9.
      hidden: `[N, U, U, .]`; U is 1.
      scores: `[N, A]`, of A boxes; no score is negative.
    """

    conv6: tf.Tensor
    conv7: tf.Tensor
    block8: tf.Tensor
    hidden: tf.Tensor
    scores: tf.Tensor


class ViewProposalNet:
    """The head on a trunk's annotation vectors; all sizes are those of its tensors."""

    def __init__(self, tensors: Mapping[str, Any], dtype: tf.DType = tf.float32):
        """Takes the tensors of a "vpn" checkpoint, or variables, to train.

        These are NAME/kernel and NAME/bias of "conv6", "conv7", "block8/conv1x1", "block8/conv3x3",
        "prediction/hidden" and "prediction/scores".
        """
        self._weights = layers.constants(tensors, dtype)

    def __call__(self, vectors: tf.Tensor) -> tf.Tensor:
        """Scores `[N, A]` of annotation vectors `[N, S * S, D]`; higher is better."""
        return self.activations(vectors).scores

    def activations(self, vectors: tf.Tensor) -> Activations:
        """All layers' outputs for annotation vectors `[N, S * S, D]`.

        As in the authors' code the scores go through a ReLU, too: none is negative, and ties at 0
        are common.
        """
        side = round(vectors.shape[1] ** 0.5)
        grid = tf.reshape(vectors, [-1, side, side, vectors.shape[2]])
        pooled = tf.nn.max_pool2d(grid, 3, 1, "SAME")
        conv6 = self._convolution(pooled, "conv6", dilation=DILATION)
        conv7 = self._convolution(conv6, "conv7")
        narrow = self._convolution(conv7, "block8/conv1x1")
        block8 = self._convolution(narrow, "block8/conv3x3", stride=2, padding="VALID")
        hidden = self._convolution(block8, "prediction/hidden", padding="VALID")
        mean = tf.reduce_mean(hidden, axis=[1, 2], keepdims=True)
        scores = self._convolution(mean, "prediction/scores")
        return Activations(conv6, conv7, block8, hidden, scores[:, 0, 0])

    def _convolution(self, x: tf.Tensor, name: str, **how: Any) -> tf.Tensor:
        return layers.convolution(x, self._weights, name, **how)

"""ResNet101 as the trunk of a detector: three stages see the photo, the fourth sees regions.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, Table 1 and App. A ("C4"), as
Yu et al.'s `mask-faster-rcnn` builds it: strides in a stage's first 1 x 1 convolution, none in the
last stage, borders padded alike on both sides, batch norms folded away.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from cagic_tf.networks import layers
from cagic_tf.networks.trunks import bottlenecks
from cagic_tf.networks.trunks.bottlenecks import Stage
from cagic_tf.networks.trunks.vgg16 import PIXEL_MEAN

STAGES = (Stage(3, 64, 1), Stage(4, 128, 2), Stage(23, 256, 2), Stage(3, 512, 1))


class ResNet101:
    """The trunk. Its channels are those of its tensors."""

    def __init__(self, tensors: Mapping[str, Any]):
        """Takes the tensors of a "resnet101" checkpoint: NAME/kernel, NAME/bias, `pixel_mean`.

        Kernels read RGB; `pixel_mean` `[3]` is taken from the pixels channel by channel, in 0..255.
        """
        self._weights = layers.constants(tensors, tf.float32)

    def grid(self, pictures: tf.Tensor) -> tf.Tensor:
        """What the first three stages see.

        Args:
          pictures: `[N, H, W, 3]`, RGB in 0..255.

        Returns:
          `[N, H', W', C]`, none negative, a place for every 16 pixels; H' is H halved four times
          and rounded up each time.
        """
        # TensorFlow's 'SAME' would pad less before than after; here it is as in PyTorch.
        x = tf.pad(pictures - self._weights[PIXEL_MEAN], [[0, 0], [3, 3], [3, 3], [0, 0]])
        x = layers.convolution(x, self._weights, "conv1", stride=2, padding="VALID")
        x = tf.nn.max_pool2d(layers.padded(x), 3, 2, "VALID")  # None is negative: 0 is no maximum.
        for block, stride in bottlenecks.blocks(STAGES[:3]):
            x = bottlenecks.bottleneck(x, self._weights, block, stride)
        return x

    def region_features(self, crops: tf.Tensor) -> tf.Tensor:
        """What the last stage makes of crops of the grid: `[n, 7, 7, D]` of `[n, 7, 7, C]`."""
        for block, stride in bottlenecks.blocks(STAGES[3:], first=5):
            crops = bottlenecks.bottleneck(crops, self._weights, block, stride)
        return crops

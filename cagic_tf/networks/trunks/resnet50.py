"""ResNet50 up to its last block: DeepRNN's other trunk, with its batch norms folded away.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016 (Table 1, 50 layers), as
DeepRNN's `image_captioning` builds it: strides in the first 1 x 1 convolution of a stage.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from cagic_tf.networks import layers
from cagic_tf.networks.trunks import bottlenecks
from cagic_tf.networks.trunks.bottlenecks import Stage
from cagic_tf.networks.trunks.vgg16 import PIXEL_MEAN

STAGES = (Stage(3, 64, 1), Stage(4, 128, 2), Stage(6, 256, 2), Stage(3, 512, 2))


def kernel_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Name to kernel shape of each convolution; a bias has the kernel's last dimension."""
    return bottlenecks.kernel_shapes(STAGES)


class ResNet50:
    """The trunk: pictures to a 7 x 7 grid of annotation vectors.

    Attributes:
      input_size: Height and width that the network was trained at, in pixels.
    """

    input_size = (224, 224)

    def __init__(self, tensors: Mapping[str, np.ndarray], dtype: tf.DType = tf.float32):
        """Takes the tensors of a "resnet50" checkpoint: NAME/kernel, NAME/bias, `pixel_mean`.

        Kernels read RGB; `pixel_mean` `[3]` is taken from the pixels channel by channel, in 0..255.
        """
        self._weights = layers.constants(tensors, dtype)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Computes the annotation vectors.

        Args:
          images: `[N, 224, 224, 3]`, RGB in [0, 1].

        Returns:
          `[N, 49, 2048]`, rows of the 7 x 7 grid one after the other, none negative.
        """
        x = images * 255 - self._weights[PIXEL_MEAN]
        x = layers.convolution(x, self._weights, "conv1", stride=2)
        x = tf.nn.max_pool2d(x, 3, 2, "SAME")
        for block, stride in bottlenecks.blocks(STAGES):
            x = bottlenecks.bottleneck(x, self._weights, block, stride)
        return layers.annotation_vectors(x)

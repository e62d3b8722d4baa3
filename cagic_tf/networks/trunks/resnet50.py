"""ResNet50 up to its last block: DeepRNN's other trunk, with its batch norms folded away.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016 (Table 1, 50 layers), as
DeepRNN's `image_captioning` builds it: strides in the first 1 x 1 convolution of a stage.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from cagic_tf.networks import layers
from cagic_tf.networks.trunks.vgg16 import PIXEL_MEAN

# Blocks and inner channels of stages 2 to 5; a block puts out four times as many channels.
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))


def blocks() -> Iterator[tuple[str, int, int, int]]:
    """Each block's name, such as "2a", its stride, its input and its inner channels."""
    channels = 64
    for stage, (count, inner) in enumerate(STAGES, 2):
        for index in range(count):
            stride = 2 if index == 0 and stage > 2 else 1
            yield f"{stage}{'abcdef'[index]}", stride, channels, inner
            channels = 4 * inner


def kernel_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Name to kernel shape of each convolution; a bias has the kernel's last dimension."""
    found = {"conv1": (7, 7, 3, 64)}
    for block, _, channels, inner in blocks():
        if channels != 4 * inner:
            found[f"res{block}_branch1"] = (1, 1, channels, 4 * inner)
        found[f"res{block}_branch2a"] = (1, 1, channels, inner)
        found[f"res{block}_branch2b"] = (3, 3, inner, inner)
        found[f"res{block}_branch2c"] = (1, 1, inner, 4 * inner)
    return found


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
        for block, stride, channels, inner in blocks():
            name, shortcut = f"res{block}_branch", x
            if channels != 4 * inner:
                shortcut = self._linear(x, f"{name}1", stride)
            x = layers.convolution(x, self._weights, f"{name}2a", stride)
            x = layers.convolution(x, self._weights, f"{name}2b")
            x = tf.nn.relu(shortcut + self._linear(x, f"{name}2c"))
        return layers.annotation_vectors(x)

    def _linear(self, x: tf.Tensor, name: str, stride: int = 1) -> tf.Tensor:
        return layers.convolution(x, self._weights, name, stride, activation=tf.identity)

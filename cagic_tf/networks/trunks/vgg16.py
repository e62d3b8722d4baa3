"""VGG16 up to conv5_3 and its ReLU: the trunk of the paper's captioner, and of croppers.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
2015 (configuration D), as DeepRNN's `image_captioning` builds it.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from cagic_tf.networks import layers

# Layers and channels of each block; a pooling stands between two blocks.
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
PIXEL_MEAN, PIXEL_SCALE = "pixel_mean", "pixel_scale"


def shapes() -> dict[str, tuple[int, ...]]:
    """Name to shape of the convolutions' tensors: NAME/kernel and NAME/bias."""
    found: dict[str, tuple[int, ...]] = {}
    channels = 3
    for block, (count, width) in enumerate(BLOCKS, 1):
        for layer in range(1, count + 1):
            found[f"conv{block}_{layer}/kernel"] = (3, 3, channels, width)
            found[f"conv{block}_{layer}/bias"] = (width,)
            channels = width
    return found


class VGG16:
    """The trunk: pictures to a 14 x 14 grid of annotation vectors.

    Attributes:
      input_size: Height and width that the network was trained at, in pixels.
    """

    input_size = (224, 224)

    def __init__(self, tensors: Mapping[str, np.ndarray], dtype: tf.DType = tf.float32):
        """Takes the tensors of a "vgg16" checkpoint: `shapes()` and the `pixel_mean` `[3]`.

        Kernels read RGB. `pixel_mean` is taken from the pixels channel by channel, in 0..255: what
        the weights' own loader did, so each port brings its own. Where that had pixels in another
        range, `pixel_scale`, `[]` or `[3]`, is what it had in the place of 255.
        """
        self._weights = layers.constants(tensors, dtype)
        self._scale = self._weights.get(PIXEL_SCALE, 255)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Computes the annotation vectors.

        Args:
          images: `[N, 224, 224, 3]`, RGB in [0, 1].

        Returns:
          `[N, 196, 512]`, rows of the 14 x 14 grid one after the other, none negative.
        """
        return layers.annotation_vectors(self.blocks(images)[-1])

    def pixels(self, images: tf.Tensor) -> tf.Tensor:
        """What the first layer reads of `[N, H, W, 3]` pictures, RGB in [0, 1]."""
        return images * self._scale - self._weights[PIXEL_MEAN]

    def blocks(self, images: tf.Tensor) -> list[tf.Tensor]:
        """What each block puts out, before the pooling behind it.

        Args:
          images: `[N, H, W, 3]`, RGB in [0, 1], of any size.

        Returns:
          The five grids, each half as wide and high as the one before, rounded up: from
          `[N, H, W, 64]` to `[N, ceil(H / 16), ceil(W / 16), 512]`. None is negative.
        """
        x, grids = self.pixels(images), []
        for block, (count, _) in enumerate(BLOCKS, 1):
            if block > 1:
                x = tf.nn.max_pool2d(x, 2, 2, "SAME")
            for layer in range(1, count + 1):
                x = layers.convolution(x, self._weights, f"conv{block}_{layer}")
            grids.append(x)
        return grids

    def scales(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What the network knows at three scales: conv4_3, conv5_3, and the pooling behind that.

        Args:
          images: `[N, H, W, 3]`, RGB in [0, 1]; sides are multiples of 32.

        Returns:
          Grids `[N, H / 8, W / 8, 512]`, `[N, H / 16, W / 16, 512]`, `[N, H / 32, W / 32, 512]`.
        """
        *_, fine, middle = self.blocks(images)
        return fine, middle, tf.nn.max_pool2d(middle, 2, 2, "SAME")

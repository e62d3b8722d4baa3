"""ShuffleNetV2 (1x) up to its last unit: a trunk whose batch norms are folded away.

Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", ECCV 2018,
Table 5, as PyTorch's networks have it: grids are padded by one pixel on each side.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from cagic_tf.networks import layers
from cagic_tf.networks.trunks.vgg16 import PIXEL_MEAN, PIXEL_SCALE

STAGES = ((116, 4), (232, 8), (464, 4))  # Channels and units; the first of these has stride 2.
STEM = 24


def units() -> list[tuple[str, int, int]]:
    """The sixteen units as `(name, channels, stride)`."""
    found: list[tuple[str, int, int]] = []
    for channels, count in STAGES:
        for index in range(count):
            found.append((f"unit{len(found):02d}", channels, 1 if index else 2))
    return found


def kernel_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Name to kernel shape of each convolution; a bias has as many numbers as it has channels."""
    found = {"stem": (3, 3, 3, STEM)}
    before = STEM
    for name, channels, stride in units():
        half = channels // 2
        inside = before if stride == 2 else half
        if stride == 2:
            found[f"{name}/left/depthwise"] = (3, 3, before, 1)
            found[f"{name}/left/project"] = (1, 1, before, half)
        found[f"{name}/right/expand"] = (1, 1, inside, half)
        found[f"{name}/right/depthwise"] = (3, 3, half, 1)
        found[f"{name}/right/project"] = (1, 1, half, half)
        before = channels
    return found


def shuffled(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Channels of two grids `[N, H, W, C / 2]` in turn: `[N, H, W, C]`, of the left one first."""
    both = tf.stack([left, right], axis=-1)
    shape = tf.concat([tf.shape(left)[:3], [2 * left.shape[3]]], axis=0)
    return tf.ensure_shape(tf.reshape(both, shape), [*left.shape[:3], 2 * left.shape[3]])


class ShuffleNetV2:
    """The trunk: pictures to a 7 x 7 grid of annotation vectors, or to three grids.

    Attributes:
      input_size: Height and width that the network was trained at, in pixels.
    """

    input_size = (224, 224)

    def __init__(self, tensors: Mapping[str, np.ndarray], dtype: tf.DType = tf.float32):
        """Takes the tensors of a "shufflenetv2" checkpoint.

        They are NAME/kernel and NAME/bias, and `pixel_scale` and `pixel_mean` `[3]`: by the one,
        pixels in [0, 1] are multiplied, and the other is taken from that.
        """
        self._weights = layers.constants(tensors, dtype)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Computes the annotation vectors.

        Args:
          images: `[N, 224, 224, 3]`, RGB in [0, 1].

        Returns:
          `[N, 49, 464]`, rows of the 7 x 7 grid one after the other, none negative.
        """
        return layers.annotation_vectors(self.scales(images)[-1])

    def pixels(self, images: tf.Tensor) -> tf.Tensor:
        """What the first layer reads of `[N, H, W, 3]` pictures, RGB in [0, 1]."""
        return images * self._weights[PIXEL_SCALE] - self._weights[PIXEL_MEAN]

    def scales(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What the network knows at three scales.

        Args:
          images: `[N, H, W, 3]`, RGB in [0, 1]; sides are multiples of 32.

        Returns:
          Grids `[N, H / 8, W / 8, 116]`, `[N, H / 16, W / 16, 232]`, `[N, H / 32, W / 32, 464]`.
        """
        x = layers.padded(self.pixels(images))
        x = layers.convolution(x, self._weights, "stem", 2, padding="VALID")
        x = tf.nn.max_pool2d(layers.padded(x, x.dtype.min), 3, 2, "VALID")
        grids = []
        for index, (name, _, stride) in enumerate(units()):
            if stride == 2 and index:
                grids.append(x)
            if stride == 2:
                left = self._depthwise(x, f"{name}/left/depthwise", stride)
                left = layers.convolution(left, self._weights, f"{name}/left/project")
                right = x
            else:
                left, right = tf.split(x, 2, axis=3)
            right = layers.convolution(right, self._weights, f"{name}/right/expand")
            right = self._depthwise(right, f"{name}/right/depthwise", stride)
            right = layers.convolution(right, self._weights, f"{name}/right/project")
            x = shuffled(left, right)
        fine, middle = grids
        return fine, middle, x

    def _depthwise(self, x: tf.Tensor, name: str, stride: int) -> tf.Tensor:
        return layers.depthwise(
            layers.padded(x), self._weights, name, stride, tf.identity, padding="VALID"
        )

"""MobileNetV2 up to its last unit: a trunk whose batch norms are folded away.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, Table 2, as
PyTorch's networks have it: grids are padded by one pixel on each side.
"""

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from cagic_tf.networks import layers
from cagic_tf.networks.trunks.vgg16 import PIXEL_MEAN, PIXEL_SCALE

# Stages: expansion, channels, units, stride of the first one.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM = 32
SCALES = (6, 13, 17)  # Units, counted from 1, that end a stage of stride 8, 16 and 32.


def units() -> list[tuple[str, int, int, int]]:
    """The seventeen units as `(name, expansion, channels, stride)`."""
    found: list[tuple[str, int, int, int]] = []
    for expansion, channels, count, stride in STAGES:
        for index in range(count):
            name = f"unit{len(found) + 1:02d}"
            found.append((name, expansion, channels, 1 if index else stride))
    return found


def kernel_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Name to kernel shape of each convolution; a bias has as many numbers as it has channels."""
    found = {"stem": (3, 3, 3, STEM)}
    before = STEM
    for name, expansion, channels, _ in units():
        inner = before * expansion
        if expansion != 1:
            found[f"{name}/expand"] = (1, 1, before, inner)
        found[f"{name}/depthwise"] = (3, 3, inner, 1)
        found[f"{name}/project"] = (1, 1, inner, channels)
        before = channels
    return found


class MobileNetV2:
    """The trunk: pictures to a 7 x 7 grid of annotation vectors, or to three grids.

    Attributes:
      input_size: Height and width that the network was trained at, in pixels.
    """

    input_size = (224, 224)

    def __init__(self, tensors: Mapping[str, np.ndarray], dtype: tf.DType = tf.float32):
        """Takes the tensors of a "mobilenetv2" checkpoint.

        They are NAME/kernel and NAME/bias, and `pixel_scale` and `pixel_mean` `[3]`: by the one,
        pixels in [0, 1] are multiplied, and the other is taken from that.
        """
        self._weights = layers.constants(tensors, dtype)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Computes the annotation vectors.

        Args:
          images: `[N, 224, 224, 3]`, RGB in [0, 1].

        Returns:
          `[N, 49, 320]`, rows of the 7 x 7 grid one after the other.
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
          Grids `[N, H / 8, W / 8, 32]`, `[N, H / 16, W / 16, 96]` and `[N, H / 32, W / 32, 320]`.
        """
        x = layers.padded(self.pixels(images))
        x = self._convolution(x, "stem", 2, tf.nn.relu6, "VALID")
        grids = []
        for number, (name, expansion, channels, stride) in enumerate(units(), 1):
            unit_input = x
            if expansion != 1:
                x = self._convolution(x, f"{name}/expand", activation=tf.nn.relu6)
            x = self._depthwise(x, f"{name}/depthwise", stride)
            x = self._convolution(x, f"{name}/project")
            if stride == 1 and unit_input.shape[-1] == channels:
                x += unit_input
            if number in SCALES:
                grids.append(x)
        fine, middle, coarse = grids
        return fine, middle, coarse

    def _convolution(
        self,
        x: tf.Tensor,
        name: str,
        stride: int = 1,
        activation: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
        padding: str = "SAME",
    ) -> tf.Tensor:
        return layers.convolution(
            x, self._weights, name, stride, activation=activation, padding=padding
        )

    def _depthwise(self, x: tf.Tensor, name: str, stride: int) -> tf.Tensor:
        return layers.depthwise(
            layers.padded(x), self._weights, name, stride, tf.nn.relu6, padding="VALID"
        )

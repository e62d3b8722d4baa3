"""EfficientNet-Lite0 up to its last convolution: a trunk whose batch norms are folded away.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019;
the Lite variants drop squeeze-and-excitation and use ReLU6.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from cagic_tf.networks import layers
from cagic_tf.system import devices

# Stages of the B0 layout: kernel, stride, expansion, output channels, repeats.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
# The first blocks have the largest tensors. On a CPU a batch goes through them in this many groups:
# of ten pictures, what two leave stays in its cache.
FIRST_BLOCKS, GROUPS = 5, 5
LAST_OF_SCALES = (4, 10, 15)  # The last blocks with a stride of 8, 16 and 32.


def blocks() -> list[tuple[int, int, int, int]]:
    """The sixteen blocks as `(kernel, stride, expansion, output channels)`."""
    return [
        (kernel, stride if index == 0 else 1, expansion, channels)
        for kernel, stride, expansion, channels, repeats in STAGES
        for index in range(repeats)
    ]


class Lite0:
    """The trunk: pictures to a 7 x 7 grid of annotation vectors.

    Attributes:
      input_size: Height and width that the network was trained at, in pixels.
    """

    input_size = (224, 224)

    def __init__(self, tensors: Mapping[str, np.ndarray], dtype: tf.DType = tf.float32):
        """Takes the tensors of a "lite0" checkpoint: NAME/kernel and NAME/bias."""
        self._weights = layers.constants(tensors, dtype)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Computes the annotation vectors.

        Args:
          images: `[N, 224, 224, 3]`, RGB in [0, 1].

        Returns:
          `[N, 49, 1280]`, rows of the 7 x 7 grid one after the other, each value in [0, 6].
        """
        x = self._blocks(self._begin(images), FIRST_BLOCKS, len(blocks()))
        return layers.annotation_vectors(self.last(x))

    def last(self, coarse: tf.Tensor) -> tf.Tensor:
        """The annotation vectors of the last block's grid, `[N, H, W, 320]`: `[N, H, W, 1280]`."""
        return self._convolution(coarse, "head")

    def scales(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What the network knows at three scales.

        Args:
          images: `[N, H, W, 3]`, RGB in [0, 1]; sides are multiples of 32.

        Returns:
          Grids `[N, H / 8, W / 8, 40]`, `[N, H / 16, W / 16, 112]`, `[N, H / 32, W / 32, 320]`.
        """
        fine, middle, coarse = self.grids(images, LAST_OF_SCALES)
        return fine, middle, coarse

    def grids(self, images: tf.Tensor, after: Sequence[int]) -> list[tf.Tensor]:
        """Computes what some of the blocks give, of pictures of any size.

        Args:
          images: `[N, H, W, 3]`, RGB in [0, 1].
          after: Numbers of blocks, ascending, 0 to 15; the steps until then say how coarse a grid
            is: 16 pixels for blocks 8 to 10, 32 from 11 on.

        Returns:
          `[N, H', W', C]` for each of those blocks, C as in `blocks`. H' is H halved, and rounded
          up, as many times as there were steps.
        """
        x, start, found = self._stem(images), 0, []
        for number in after:
            x = self._blocks(x, start, number + 1)
            start = number + 1
            found.append(x)
        return found

    def _begin(self, images: tf.Tensor) -> tf.Tensor:
        """Up to the end of the first blocks, on a CPU in groups; the bits are the same."""
        if devices.on_gpu() or devices.compiles():
            return self._first_blocks(images)
        count = images.shape[0]
        if count is not None:
            return self._in_groups(images, count) if count >= GROUPS else self._first_blocks(images)
        count = tf.shape(images)[0]
        return tf.cond(  # No group may be empty: oneDNN's convolutions of nothing fail.
            count >= GROUPS,
            lambda: self._in_groups(images, count),
            lambda: self._first_blocks(images),
        )

    def _in_groups(self, images: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
        sizes = [(count + index) // GROUPS for index in range(GROUPS)]
        groups = tf.split(images, sizes)
        return tf.concat([self._first_blocks(group) for group in groups], axis=0)

    def _first_blocks(self, images: tf.Tensor) -> tf.Tensor:
        return self._blocks(self._stem(images), 0, FIRST_BLOCKS)

    def _stem(self, images: tf.Tensor) -> tf.Tensor:
        return self._convolution((images * 255 - 127) / 128, "stem", stride=2)

    def _blocks(self, x: tf.Tensor, start: int, stop: int) -> tf.Tensor:
        for index, (_, stride, expansion, channels) in list(enumerate(blocks()))[start:stop]:
            name, block_input = f"block{index:02d}", x
            if expansion != 1:
                x = self._convolution(x, f"{name}/expand")
            x = layers.depthwise(
                x, self._weights, f"{name}/depthwise", stride, activation=tf.nn.relu6
            )
            x = self._convolution(x, f"{name}/project", activation=tf.identity)
            if stride == 1 and block_input.shape[-1] == channels:
                x += block_input
        return x

    def _convolution(
        self,
        x: tf.Tensor,
        name: str,
        stride: int = 1,
        activation: Callable[[tf.Tensor], tf.Tensor] = tf.nn.relu6,
    ) -> tf.Tensor:
        return layers.convolution(x, self._weights, name, stride, activation=activation)

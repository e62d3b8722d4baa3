"""AlexNet's five convolutions: the trunk of the View Finding Network.

Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012, as
Chen et al.'s `view-finding-network` builds it: two groups in conv2, conv4 and conv5, local response
normalisation after the first two, 'SAME' convolutions, 'VALID' poolings.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from cagic_tf.networks import layers

SHAPES = {
    "conv1": (11, 11, 3, 96),
    "conv2": (5, 5, 48, 256),
    "conv3": (3, 3, 256, 384),
    "conv4": (3, 3, 192, 384),
    "conv5": (3, 3, 192, 256),
}
NORM_RADIUS, NORM_ALPHA, NORM_BETA = 2, 2e-5, 0.75


def shapes() -> dict[str, tuple[int, ...]]:
    """Name to shape of the trunk's tensors: NAME/kernel and NAME/bias, layer by layer."""
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in SHAPES.items():
        found[f"{name}/kernel"], found[f"{name}/bias"] = shape, shape[3:]
    return found


def local_response_normalization(x: tf.Tensor) -> tf.Tensor:
    """Divides each channel by `(1 + alpha * sum of squares of its neighbours) ** beta`.

    Krizhevsky et al., Sec. 3.3, with k = 1 and the sum over a channel and two on each side.
    TensorFlow's own has no float64, which the checks of gradients need.

    Args:
      x: `[N, H, W, C]`.

    Returns:
      `[N, H, W, C]`.
    """
    around = [[0, 0], [0, 0], [0, 0], [NORM_RADIUS, NORM_RADIUS]]
    squares = tf.pad(tf.square(x), around)
    total = tf.add_n([squares[..., at : at + x.shape[-1]] for at in range(2 * NORM_RADIUS + 1)])
    return x / tf.pow(1 + NORM_ALPHA * total, NORM_BETA)


class AlexNet:
    """The trunk: pictures to a 13 x 13 grid of annotation vectors.

    Attributes:
      input_size: Height and width that the network was trained at, in pixels.
    """

    input_size = (227, 227)

    def __init__(self, tensors: Mapping[str, np.ndarray], dtype: tf.DType = tf.float32):
        """Takes the tensors of an "alexnet" checkpoint, see `shapes`."""
        self._weights = layers.constants(tensors, dtype)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Computes the annotation vectors.

        Args:
          images: `[N, 227, 227, 3]`, RGB in [0, 1].

        Returns:
          `[N, 169, 256]`, rows of the 13 x 13 grid one after the other, none negative.
        """
        x = layers.convolution(images - 0.5, self._weights, "conv1", stride=4)
        x = tf.nn.max_pool2d(local_response_normalization(x), 3, 2, "VALID")
        x = layers.convolution(x, self._weights, "conv2", groups=2)
        x = tf.nn.max_pool2d(local_response_normalization(x), 3, 2, "VALID")
        x = layers.convolution(x, self._weights, "conv3")
        x = layers.convolution(x, self._weights, "conv4", groups=2)
        x = layers.convolution(x, self._weights, "conv5", groups=2)
        return layers.annotation_vectors(x)

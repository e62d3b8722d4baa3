"""What trunks and heads share: their weights as constants, convolutions, annotation vectors."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from cagic_tf.networks import fused
from cagic_tf.system import devices

Weights = Mapping[str, tf.Tensor | tf.Variable]


def constants(tensors: Mapping[str, Any], dtype: tf.DType) -> dict[str, tf.Tensor | tf.Variable]:
    """A checkpoint's tensors as constants of `dtype`; variables (training) stay what they are."""
    return {
        name: value if isinstance(value, tf.Variable) else tf.constant(value, dtype)
        for name, value in tensors.items()
    }


def weight(weights: Weights, name: str) -> tf.Tensor | tf.Variable:
    """A weight as a layer reads it: a frozen one has no gradient.

    A tape asks for none of its own, but the gradients of loops and branches take in all that their
    bodies read.
    """
    tensor = weights[name]
    return tensor if isinstance(tensor, tf.Variable) else tf.stop_gradient(tensor)


def convolution(
    x: tf.Tensor,
    weights: Weights,
    name: str,
    stride: int = 1,
    groups: int = 1,
    activation: Callable[[tf.Tensor], tf.Tensor] = tf.nn.relu,
    padding: str = "SAME",
    dilation: int = 1,
) -> tf.Tensor:
    """A convolution with bias.

    Args:
      x: `[N, H, W, C]`.
      weights: Holds NAME/kernel `[h, w, C / groups, D]` and NAME/bias `[D]`.
      name: The NAME.
      stride: Step in pixels, both ways.
      groups: Channels are cut into this many equal parts that do not see each other.
      activation: Applied after the bias.
      padding: "SAME" or "VALID", as TensorFlow has them.
      dilation: Step in pixels between the places that a kernel reads, both ways.

    Returns:
      `[N, ceil(H / stride), ceil(W / stride), D]`; with "VALID" what the kernel fits into.
    """
    kernel = weight(weights, f"{name}/kernel")
    x = tf.cast(x, kernel.dtype)  # What comes before a trunk's first layer is full precision's.
    if groups == 1 and kernel.shape[:2] == (1, 1) and stride == 1 and devices.compiles():
        x = fused.pointwise(x, kernel)
    elif groups == 1:
        x = tf.nn.conv2d(x, kernel, stride, padding, dilations=dilation)
    else:  # One call a group: TensorFlow has no gradient of grouped convolutions on the CPU.
        parts = zip(tf.split(x, groups, axis=3), tf.split(kernel, groups, axis=3), strict=True)
        convolved = [
            tf.nn.conv2d(part, own, stride, padding, dilations=dilation) for part, own in parts
        ]
        x = tf.concat(convolved, axis=3)
    return activation(tf.nn.bias_add(x, weight(weights, f"{name}/bias")))


def depthwise(
    x: tf.Tensor,
    weights: Weights,
    name: str,
    stride: int = 1,
    activation: Callable[[tf.Tensor], tf.Tensor] = tf.nn.relu,
    padding: str = "SAME",
) -> tf.Tensor:
    """A convolution of each channel by itself, with bias.

    Args:
      x: `[N, H, W, C]`.
      weights: Holds NAME/kernel `[h, w, C, 1]` and NAME/bias `[C]`.
      name: The NAME.
      stride: Step in pixels, both ways.
      activation: Applied after the bias.
      padding: "SAME" or "VALID", as TensorFlow has them.

    Returns:
      `[N, ceil(H / stride), ceil(W / stride), C]`; with "VALID" what the kernel fits into.
    """
    kernel = weight(weights, f"{name}/kernel")
    if devices.compiles() and padding == "SAME":
        x = fused.depthwise(x, kernel, stride)
    else:
        x = tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], padding)
    return activation(tf.nn.bias_add(x, weight(weights, f"{name}/bias")))


def padded(x: tf.Tensor, value: float = 0.0) -> tf.Tensor:
    """A grid `[N, H, W, C]` with a border one pixel wide: `[N, H + 2, W + 2, C]`.

    With stride 2 and an even side PyTorch pads a 3 x 3 kernel's grid so, and 'SAME' at its end
    alone.
    """
    return tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=tf.cast(value, x.dtype))


def annotation_vectors(grid: tf.Tensor) -> tf.Tensor:
    """A grid `[N, H, W, D]` as `[N, H * W, D]`, its rows one after the other."""
    return tf.reshape(grid, [-1, grid.shape[1] * grid.shape[2], grid.shape[3]])

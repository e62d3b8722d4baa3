"""The blocks of deep ResNets, their batch norms folded away, and what their layers are called.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016 (Sec. 4.1, bottlenecks), as the
authors' Caffe files have them: the stride of a stage is in the first 1 x 1 convolution of its first
block, and names are such as "res4b_branch2a".
"""

import string
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf

from cagic_tf.networks import layers


class Stage(NamedTuple):
    """How many blocks it has, their inner channels, and the first block's stride in pixels.

    A block puts out four times as many channels as it has inside.
    """

    blocks: int
    inner: int
    stride: int


def blocks(stages: Sequence[Stage], first: int = 2) -> Iterator[tuple[str, int]]:
    """Each block's name, such as "2a", and its stride; `first` is the first stage's number."""
    for number, stage in enumerate(stages, first):
        for index in range(stage.blocks):
            yield f"{number}{string.ascii_lowercase[index]}", 1 if index else stage.stride


def kernel_shapes(stages: Sequence[Stage]) -> dict[str, tuple[int, int, int, int]]:
    """Name to kernel shape of each convolution; a bias has the kernel's last dimension.

    The first is "conv1", which stands before the stages; those are numbered from 2.
    """
    found, channels = {"conv1": (7, 7, 3, 64)}, 64
    inner_channels = [stage.inner for stage in stages for _ in range(stage.blocks)]
    for (block, _), inner in zip(blocks(stages), inner_channels, strict=True):
        if channels != 4 * inner:
            found[f"res{block}_branch1"] = (1, 1, channels, 4 * inner)
        found[f"res{block}_branch2a"] = (1, 1, channels, inner)
        found[f"res{block}_branch2b"] = (3, 3, inner, inner)
        found[f"res{block}_branch2c"] = (1, 1, inner, 4 * inner)
        channels = 4 * inner
    return found


def bottleneck(x: tf.Tensor, weights: layers.Weights, block: str, stride: int = 1) -> tf.Tensor:
    """One block: its input, or a projection of it, plus three convolutions.

    Args:
      x: `[N, H, W, C]`.
      weights: Holds NAME/kernel and NAME/bias of its convolutions, see `kernel_shapes`; there is a
        projection if there are weights for one ("branch1").
      block: The block's name, such as "2a".
      stride: Step in pixels, both ways.

    Returns:
      `[N, ceil(H / stride), ceil(W / stride), D]`, none negative.
    """
    name, shortcut = f"res{block}_branch", x
    if f"{name}1/kernel" in weights:
        shortcut = layers.convolution(x, weights, f"{name}1", stride, activation=tf.identity)
    x = layers.convolution(x, weights, f"{name}2a", stride)
    x = layers.convolution(x, weights, f"{name}2b")
    x = layers.convolution(x, weights, f"{name}2c", activation=tf.identity)
    return tf.nn.relu(shortcut + x)

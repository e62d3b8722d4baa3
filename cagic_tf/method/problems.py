"""What a search is about: a photo and what crops of it are compared with, or many side by side.

A photo and its caption are read once, into a `Problem`. From then on only crop parameters go in and
losses come out, so that one trace serves every problem.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.method import pixel_lists, sampling


class Problem(NamedTuple):
    """What stays the same while a crop is searched.

    Attributes:
      picture: `[2 H + 1, 2 W + 1, 3]`, the mean of Eq. 1's blurred pyramid at half pixels (see
        `sampling`), RGB in [0, 1].
      targets: Name of each term to what it compares crops with, see `losses.Term.target`.
      base_size: `[2]`, width and height of the crop of scale 1 as fractions of the photo's; the
        paper's are 1 (see `geometry`).
      photo: `[H, W, 3]`, the photo itself, RGB in [0, 1]; the paper's losses do not read it.
      content_targets: The targets of the caption without its stop words; the paper's losses do not
        read them.
    """

    picture: tf.Tensor
    targets: Mapping[str, Any]
    base_size: tf.Tensor
    photo: tf.Tensor
    content_targets: Mapping[str, Any]

    def sample(self, theta: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
        """Crops `[N, *size, 3]` of the picture at `theta` `[N, 3]`."""
        return sampling.crop(self.picture, theta, size, self.base_size)


class Rows(NamedTuple):
    """The problems of N crops, each crop with its own.

    Attributes:
      pixels: See `Batch`.
      places: `[N, 3]`, likewise.
      base_size: `[N, 2]`, likewise.
      targets: Likewise, each `[N, ...]`.
    """

    pixels: tf.Tensor
    places: tf.Tensor
    base_size: tf.Tensor
    targets: Mapping[str, Any]

    def sample(self, theta: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
        """Crops `[N, *size, 3]` of the pictures at `theta` `[N, 3]`."""
        dtype = self.base_size.dtype
        pixels = tf.raw_ops.ReadVariableOp(resource=self.pixels, dtype=dtype)
        pixels = tf.ensure_shape(pixels, [None, 3])
        places = pixel_lists.Places(*tf.split(self.places, 3, axis=1))
        sides = tf.split(self.base_size, 2, axis=1)
        return pixel_lists.crop(pixels, places, theta, size, sides)


class Batch(NamedTuple):
    """B problems side by side.

    Attributes:
      pixels: Scalar, the handle of a variable `[P, 3]`: the problems' pictures one after the other.
        A handle, since every loop and branch of a graph passes on all that is used within, and a
        loop that runs on the CPU would fetch the pixels from the GPU at every turn.
      places: `[B, 3]` int32, offset, height and width of each picture, see `pixel_lists.Places`.
      base_size: `[B, 2]`, see `Problem`.
      targets: As a `Problem` has them, each with one more axis, `[B, ...]`; those of a caption with
        fewer words end with zeros.
    """

    pixels: tf.Tensor
    places: tf.Tensor
    base_size: tf.Tensor
    targets: Mapping[str, Any]

    def of(self, owners: tf.Tensor) -> Rows:
        """The problems of N crops, by the number of each crop's problem, `[N]` int32."""
        targets = tf.nest.map_structure(lambda each: tf.gather(each, owners), self.targets)
        return Rows(
            self.pixels, tf.gather(self.places, owners), tf.gather(self.base_size, owners), targets
        )


def batch_signature(signature: Problem) -> Batch:
    """The `tf.TypeSpec`s of a batch of problems of that signature, however many they are."""

    def stacked(spec: tf.TensorSpec) -> tf.TensorSpec:
        return tf.TensorSpec([None, *spec.shape], spec.dtype)

    return Batch(
        tf.TensorSpec([], tf.resource),
        tf.TensorSpec([None, 3], tf.int32),
        stacked(signature.base_size),
        tf.nest.map_structure(stacked, signature.targets),
    )


def side_by_side(problems: Sequence[Problem]) -> tuple[Batch, tf.Variable]:
    """Problems as a batch, and the variable whose handle it has: keep that as long as the batch."""
    pictures = [tf.reshape(problem.picture, [-1, 3]) for problem in problems]
    pixels = tf.Variable(tf.concat(pictures, axis=0), trainable=False)
    shapes = np.array([problem.picture.shape[:2] for problem in problems])
    ends = np.cumsum(shapes.prod(axis=1))
    places = np.column_stack([ends - shapes.prod(axis=1), shapes])
    batch = Batch(
        pixels.handle,
        tf.constant(places, tf.int32),
        tf.stack([problem.base_size for problem in problems]),
        tf.nest.map_structure(_stack, *(problem.targets for problem in problems)),
    )
    return batch, pixels


def _stack(*tensors: tf.Tensor) -> tf.Tensor:
    """Tensors of one rank, with zeros behind what is shorter than the longest."""
    arrays = [tensor.numpy() for tensor in tensors]
    stacked = np.zeros(
        [len(arrays), *np.max([array.shape for array in arrays], axis=0).astype(int)]
    )
    for row, array in zip(stacked, arrays, strict=True):
        row[tuple(slice(length) for length in array.shape)] = array
    return tf.constant(stacked, tensors[0].dtype)

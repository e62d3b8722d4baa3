"""What a search is about: a photo and what crops of it are compared with, or many side by side.

A photo and its caption are read once, into a `Problem`. From then on only crop parameters go in and
losses come out, so that one trace serves every problem.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.method import pixel_lists, sampling

MEANT = 5  # Numbers of a box that may be meant: its corners, and a logit.


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
      meant: `[A, MEANT]`, boxes that the caption may mean, and how likely each is; `[0, MEANT]`
        where nothing says so. The paper's losses do not read it.
    """

    picture: tf.Tensor
    targets: Mapping[str, Any]
    base_size: tf.Tensor
    photo: tf.Tensor
    content_targets: Mapping[str, Any]
    meant: tf.Tensor

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
        places = pixel_lists.Places(*tf.split(self.places, 3, axis=1))
        sides = tf.split(self.base_size, 2, axis=1)
        return pixel_lists.crop(self.pixels, places, theta, size, sides)


class Batch(NamedTuple):
    """B problems side by side.

    Attributes:
      pixels: `[P, 3]`, the problems' pictures one after the other.
      places: `[B, 3]` int32, offset, height and width of each picture, see `pixel_lists.Places`.
      base_size: `[B, 2]`, see `Problem`.
      targets: As a `Problem` has them, each with one more axis, `[B, ...]`; those of a caption with
        fewer words end with zeros.

    P and the lengths of targets are powers of two, so that few shapes are compiled.
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
        tf.TensorSpec([None, 3], signature.picture.dtype),
        tf.TensorSpec([None, 3], tf.int32),
        stacked(signature.base_size),
        tf.nest.map_structure(stacked, signature.targets),
    )


def side_by_side(problems: Sequence[Problem], signature: Problem) -> Batch:
    """Problems of that signature as a batch."""
    pictures = [tf.reshape(problem.picture, [-1, 3]) for problem in problems]
    shapes = np.array([problem.picture.shape[:2] for problem in problems])
    ends = np.cumsum(shapes.prod(axis=1))
    unused = tf.zeros([_power_of_two(ends[-1]) - ends[-1], 3], pictures[0].dtype)
    places = np.column_stack([ends - shapes.prod(axis=1), shapes])
    return Batch(
        tf.concat([*pictures, unused], axis=0),
        tf.constant(places, tf.int32),
        tf.stack([problem.base_size for problem in problems]),
        tf.nest.map_structure(_stack, signature.targets, *(each.targets for each in problems)),
    )


def _stack(spec: tf.TensorSpec, *tensors: tf.Tensor) -> tf.Tensor:
    """Tensors as one more axis, with zeros behind those that are shorter where lengths vary."""
    longest = np.max([tensor.shape for tensor in tensors], axis=0)
    lengths = [
        _power_of_two(length) if known is None else known
        for known, length in zip(spec.shape, longest, strict=True)
    ]
    stacked = np.zeros([len(tensors), *lengths])
    for row, tensor in zip(stacked, tensors, strict=True):
        row[tuple(slice(length) for length in tensor.shape)] = tensor.numpy()
    return tf.constant(stacked, spec.dtype)


def _power_of_two(size: int) -> int:
    """The least one that is not below a size, which may be 0."""
    return 1 << max(int(size) - 1, 0).bit_length()

"""What the method asks of its frozen networks; any that answers can take a place (`bundle`)."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import tensorflow as tf


class Caption(NamedTuple):
    """A greedy caption of each picture.

    Attributes:
      words: `[N, T]` int32, the most likely word at each step.
      probabilities: `[N, T, V]`, the word distribution at each step.
      lengths: `[N]` int32: how many words stand before the end word; T when it never came.
    """

    words: tf.Tensor
    probabilities: tf.Tensor
    lengths: tf.Tensor


class Trunk(Protocol):
    """A convolutional network whose features the others read; it does its own preprocessing."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of its pictures in pixels."""

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Annotation vectors `[N, L, D]` of `[N, height, width, 3]` pictures, RGB in [0, 1]."""


@runtime_checkable
class MultiScaleTrunk(Protocol):
    """A trunk that gives its features at three scales, too, and of pictures of other sizes."""

    def scales(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Grids at strides 8, 16 and 32 of `[N, H, W, 3]` pictures, RGB in [0, 1].

        Sides are multiples of 32; each grid has channels of its own.
        """


class Captioner(Protocol):
    """Captions pictures by their annotation vectors: `f` of Eq. 4."""

    @property
    def vocabulary(self) -> Sequence[str]:
        """The V words, index 0 is `<start>`."""

    @property
    def end_word(self) -> str:
        """The word that ends a caption, one of the vocabulary."""

    def greedy(self, features: tf.Tensor, max_words: int) -> Caption:
        """Captions pictures, each step fed the most likely word of the one before.

        Args:
          features: `[N, L, D]` annotation vectors; the captions are differentiable by them.
          max_words: The longest caption, end word included.

        Returns:
          A `Caption` with T between 1 and `max_words`; T says nothing, `lengths` does.
        """

    def text(self, words: Sequence[int], length: int) -> str:
        """The first `length` word indices as a sentence without its end word."""


@runtime_checkable
class Reader(Captioner, Protocol):
    """A captioner that can tell how likely it finds somebody else's words."""

    def read(self, features: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        """Log probabilities `[N, T]` of a sentence's words, each after those before it.

        Args:
          features: `[N, L, D]` annotation vectors; the result is differentiable by them.
          words: `[T]` int32, words of the vocabulary, end word included where it is to count; or
            `[N, T]`, each picture's own.
        """


@runtime_checkable
class Follower(Captioner, Protocol):
    """A captioner that can be fed with given words in the place of its own."""

    def follow(self, features: tf.Tensor, words: tf.Tensor) -> Caption:
        """Captions pictures as `greedy` does, each step fed the given word before.

        Args:
          features: `[N, L, D]` annotation vectors; the captions are differentiable by them.
          words: `[N, T]` int32, a caption for each picture, with end words after the last.

        Returns:
          The captions with these words; of the words of `greedy` it is what `greedy` gives.
        """


class Scorer(Protocol):
    """Scores how good pictures look, by their annotation vectors (Eq. 5)."""

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """Scores `[N]` of annotation vectors `[N, L, D]`; higher is better."""

"""Phrase grounding: how likely each of many boxes of a photo is what a caption means.

A small head on two of the trunk's grids, trained with the boxes that people drew around what
phrases name. It looks at the whole photo once; MAttNet (Yu et al., CVPR 2018) looks at proposals.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from cagic_tf.networks import layers
from cagic_tf.networks.trunks.lite0 import Lite0

SIDE = 224  # Of the square, in pixels, to which a photo is squashed.
BLOCKS = (10, 15)  # Of Lite0, whose grids it sees: a place for every 16 and 32 pixels.
# Lengths of a box's sides, as fractions of the photo's, and how many places each has along it.
LENGTHS = ((0.18, 9), (0.3, 6), (0.5, 4), (0.75, 3), (1.0, 1))
PADDING, UNKNOWN = "<pad>", "<unk>"  # The first two words of the vocabulary.
NUMBERS = 10  # That say where a box is; see `places`.


def intervals() -> np.ndarray:
    """A box's sides along one axis: `[I, 2]` float32, where they begin and end, in [0, 1]."""
    found = [
        (start, start + length)
        for length, count in LENGTHS
        for start in np.linspace(0, 1 - length, count)
    ]
    return np.array(found, np.float32)


def boxes() -> np.ndarray:
    """All boxes: `[I * I, 4]` float32 corners `(x0, y0, x1, y1)`, the first interval down first."""
    sides = intervals()
    x, y = np.tile(sides, (len(sides), 1)), np.repeat(sides, len(sides), axis=0)
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


def places(corners: np.ndarray) -> np.ndarray:
    """`[A, NUMBERS]` float32 that say where boxes `[A, 4]` are and how large."""
    low, high = corners[:, :2], corners[:, 2:]
    size = high - low
    numbers = [low, high, (low + high) / 2, size, np.log(size)]
    return np.concatenate(numbers, axis=1).astype(np.float32)


def means(count: int) -> np.ndarray:
    """`[I, count]` float32: weights of a row's equal places in the mean over an interval."""
    edges = np.arange(count + 1) / count
    low, high = np.split(intervals(), 2, axis=1)
    shared = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
    shared = np.maximum(shared, 0)
    return (shared / shared.sum(axis=1, keepdims=True)).astype(np.float32)


def shapes(fine: int, coarse: int, words: int, word: int, width: int) -> dict[str, tuple[int, ...]]:
    """Name to shape of the tensors.

    Args:
      fine: Channels of the fine grid.
      coarse: Channels of the coarse one.
      words: The vocabulary's words.
      word: How many numbers a word has.
      width: Of all that is hidden.
    """
    kernels = {
        "fine": (1, 1, fine, width),
        "coarse": (1, 1, coarse, width),
        "box": (width, width),
        "photo": (width, width),
        "place": (NUMBERS, width),
        "window": (3, word, width),
        "attention": (width, 1),
        "phrase": (width + word, width),
        "both": (width, width),
        "seen": (width, width),
        "said": (width, width),
        "score": (width, 1),
        "usual": (width, width),
        "usual_place": (NUMBERS, width),
    }
    found: dict[str, tuple[int, ...]] = {"words": (words, word)}
    for name, shape in kernels.items():
        found |= {f"{name}/kernel": shape, f"{name}/bias": shape[-1:]}
    return found


def picture(photo: np.ndarray) -> np.ndarray:
    """A photo `[H, W, 3]` uint8 as the network sees it: `[SIDE, SIDE, 3]` float32 in [0, 1]."""
    image = Image.fromarray(photo).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32) / 255


def view(trunk: Lite0) -> Any:
    """A `tf.function` from pictures `[N, SIDE, SIDE, 3]` to the two grids."""
    spec = tf.TensorSpec([None, SIDE, SIDE, 3])
    return tf.function(lambda shown: trunk.grids(shown, BLOCKS), [spec], autograph=False)


class Grounder:
    """The network.

    Attributes:
      vocabulary: Its words.
      boxes: `[A, 4]` float32, see `boxes`.
    """

    def __init__(
        self, tensors: Mapping[str, Any], vocabulary: Sequence[str], dtype: tf.DType = tf.float32
    ):
        """Takes the tensors of `shapes`, or variables, and the words."""
        self._weights = layers.constants(tensors, dtype)
        self._dtype = dtype
        self.vocabulary = list(vocabulary)
        self._index = {word: number for number, word in enumerate(vocabulary)}
        self.boxes = boxes()
        self._places = places(self.boxes)

    def labels(self, words: Sequence[str]) -> np.ndarray:
        """`[T]` int32, numbers of words in the vocabulary; that of `UNKNOWN` where it has none."""
        unknown = self._index[UNKNOWN]
        return np.array([self._index.get(word, unknown) for word in words], np.int32)

    def logits(self, fine: tf.Tensor, coarse: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        """How likely each box is what is meant.

        Args:
          fine: `[N, H, W, C1]`, of the trunk's block 10, of whole photos squashed to a square.
          coarse: `[N, H', W', C2]`, of block 15.
          words: `[N, T]` int32, labels of each photo's caption, zeros behind the last.

        Returns:
          `[N, A]`, logarithms up to a constant, in the order of `boxes`.
        """
        seen = self.seen(fine, coarse)
        return self.scores(seen, self.said(words), tf.constant(self._places, self._dtype))

    def seen(self, fine: tf.Tensor, coarse: tf.Tensor) -> tf.Tensor:
        """What each box shows: `[N, A, D]`, means of the grids over the box."""
        total: Any = 0.0
        for name, grid in (("fine", fine), ("coarse", coarse)):
            hidden = layers.convolution(grid, self._weights, name)
            down, across = (tf.constant(means(side), self._dtype) for side in hidden.shape[1:3])
            total += tf.einsum("ih,jw,nhwd->nijd", down, across, hidden)
        return tf.reshape(total, [tf.shape(total)[0], len(self.boxes), total.shape[3]])

    def said(self, words: tf.Tensor, drop: float = 0.0) -> tf.Tensor:
        """What captions say: `[N, D]` of `[N, T]` int32 labels; see `logits`.

        Args:
          words: The labels.
          drop: Share of words that are dropped (training).
        """
        present = tf.cast(words > 0, self._dtype)[..., tf.newaxis]
        vectors = tf.gather(layers.weight(self._weights, "words"), words) * present
        vectors = tf.nn.dropout(vectors, drop, noise_shape=tf.shape(present)) if drop else vectors
        window = tf.nn.conv1d(vectors, layers.weight(self._weights, "window/kernel"), 1, "SAME")
        hidden = tf.nn.relu(window + layers.weight(self._weights, "window/bias"))
        attention = self._dense(hidden, "attention") - 1e9 * (1 - present)
        noticed = tf.reduce_sum(tf.nn.softmax(attention, axis=1) * hidden, axis=1)
        count = tf.maximum(tf.reduce_sum(present, axis=1), 1)
        mean = tf.reduce_sum(vectors, axis=1) / count
        return tf.nn.relu(self._dense(tf.concat([noticed, mean], axis=1), "phrase"))

    def scores(
        self, seen: tf.Tensor, said: tf.Tensor, numbers: tf.Tensor, drop: float = 0.0
    ) -> tf.Tensor:
        """How well boxes fit captions.

        Args:
          seen: `[P, B, D]`, some or all boxes of photos; the last one is the whole photo.
          said: `[P * M, D]`, M captions of each photo, those of a photo one after the other.
          numbers: `[B, NUMBERS]` or `[P, B, NUMBERS]`, where those boxes are.
          drop: Share of hidden values that are dropped (training).

        Returns:
          `[P * M, B]`.
        """

        def dropped(x: tf.Tensor) -> tf.Tensor:
            return tf.nn.dropout(x, drop) if drop else x

        whole = self._dense(seen[:, -1:], "photo")
        box = self._dense(dropped(seen), "box") + whole + self._dense(numbers, "place")
        box = dropped(tf.nn.relu(box))
        photos, width = tf.shape(box)[0], box.shape[2]
        said = dropped(tf.reshape(said, [photos, -1, 1, width]))
        box = box[:, tf.newaxis]
        hidden = self._dense(box * said, "both") + self._dense(box, "seen")
        hidden = dropped(tf.nn.relu(hidden + self._dense(said, "said")))
        place = tf.tanh(self._dense(numbers, "usual_place"))
        usual = self._dense(said, "usual") * place[..., tf.newaxis, :, :]
        logits = self._dense(hidden, "score")[..., 0] + tf.reduce_mean(usual, axis=-1)
        return tf.reshape(logits, [-1, tf.shape(box)[2]])

    def _dense(self, x: tf.Tensor, name: str) -> tf.Tensor:
        kernel = layers.weight(self._weights, f"{name}/kernel")
        return tf.tensordot(x, kernel, 1) + layers.weight(self._weights, f"{name}/bias")

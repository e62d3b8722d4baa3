"""Phrase grounding: how likely each of many boxes of a photo is what a caption means.

Boxes are proposals, in which there may be something, and others that are the same in every photo. A
small head on two of the trunk's grids, trained with the boxes that people drew around what phrases
name, tells which of them is meant. It looks at the whole photo once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from cagic_tf.networks import layers, proposals
from cagic_tf.networks.trunks.lite0 import Lite0

SIDE = 224  # Of the square, in pixels, to which a photo is squashed.
BLOCKS = (10, 15)  # Of Lite0, whose grids it sees: a place for every 16 and 32 pixels.
PROPOSALS, OVERLAP = 40, 0.6  # How many there are, and the IoU above which two are one.
# The other boxes: width and height as fractions of the photo's, how many lie across and down.
LATTICE = (
    (0.3, 0.3, 5, 5),
    (0.5, 0.5, 4, 4),
    (0.7, 0.7, 3, 3),
    (0.88, 0.88, 2, 2),
    (0.35, 0.75, 5, 2),
    (0.75, 0.35, 2, 5),
    (1.0, 1.0, 1, 1),
)
PADDING, UNKNOWN = "<pad>", "<unk>"  # The first two words of the vocabulary.
NUMBERS = 11  # That say where a box is; see `places`.


def lattice() -> np.ndarray:
    """Boxes that are the same in every photo: `[L, 4]` float32; the last is the whole photo.

    Corners are `(x0, y0, x1, y1)` as fractions of the photo's sides.
    """
    found = [
        (x, y, x + width, y + height)
        for width, height, across, down in LATTICE
        for y in np.linspace(0, 1 - height, down)
        for x in np.linspace(0, 1 - width, across)
    ]
    return np.array(found, np.float32)


def places(boxes: tf.Tensor) -> tf.Tensor:
    """`[..., NUMBERS]` that say where boxes `[..., 4]` are and how large."""
    low, high = boxes[..., :2], boxes[..., 2:]
    size = high - low
    area = tf.reduce_prod(size, axis=-1, keepdims=True)
    return tf.concat([boxes, (low + high) / 2, size, tf.math.log(size + 0.02), area], axis=-1)


def means(low: tf.Tensor, high: tf.Tensor, count: int) -> tf.Tensor:
    """Weights of a row's equal places in the mean over intervals of it.

    Args:
      low: `[...]`, where intervals begin, in [0, 1].
      high: `[...]`, where they end.
      count: The number of places.

    Returns:
      `[..., count]`, sum to 1.
    """
    edges = tf.range(count + 1, dtype=low.dtype) / count
    shared = tf.minimum(high[..., tf.newaxis], edges[1:])
    shared = tf.maximum(shared - tf.maximum(low[..., tf.newaxis], edges[:-1]), 0)
    return shared / tf.maximum(tf.reduce_sum(shared, axis=-1, keepdims=True), 1e-6)


def shapes(fine: int, coarse: int, words: int, word: int, width: int) -> dict[str, tuple[int, ...]]:
    """Name to shape of the tensors, beside those of the proposals.

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
        "photo": (width, width),
        "place": (NUMBERS, width),
        "box": (width, width),
        "window": (3, word, width),
        "attention": (width, 1),
        "phrase": (width + word, width),
        "both": (width, width),
        "seen": (width, width),
        "said": (width, width),
        "score": (width, 1),
    }
    found: dict[str, tuple[int, ...]] = {"words": (words, word)}
    for name, shape in kernels.items():
        found |= {f"{name}/kernel": shape, f"{name}/bias": shape[-1:]}
    return found


def shapes_like(tensors: Mapping[str, Any], words: int) -> dict[str, tuple[int, ...]]:
    """Name to shape of all tensors, proposals' too, of a network with some tensors' own sizes.

    Raises:
      LookupError, ValueError: A tensor that has a size is missing, or has not as many axes.
    """
    _, _, fine, width = tensors["fine/kernel"].shape
    _, _, coarse, _ = tensors["coarse/kernel"].shape
    _, word = tensors["words"].shape
    anchors, _ = tensors[f"{proposals.PREFIX}anchors"].shape
    *_, hidden = tensors[f"{proposals.PREFIX}hidden/kernel"].shape
    own = shapes(fine, coarse, words, word, width)
    return own | proposals.shapes(fine, coarse, hidden, anchors)


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
    """

    def __init__(
        self, tensors: Mapping[str, Any], vocabulary: Sequence[str], dtype: tf.DType = tf.float32
    ):
        """Takes the tensors of `shapes` and of `proposals.shapes`, or variables, and the words."""
        own = {name: value for name, value in tensors.items() if not proposals.is_one(name)}
        self._weights = layers.constants(own, dtype)
        self._proposals = proposals.Proposals(tensors)
        self._dtype = dtype
        self.vocabulary = list(vocabulary)
        self._index = {word: number for number, word in enumerate(vocabulary)}

    def labels(self, words: Sequence[str]) -> np.ndarray:
        """`[T]` int32, numbers of words in the vocabulary; that of `UNKNOWN` where it has none."""
        unknown = self._index[UNKNOWN]
        return np.array([self._index.get(word, unknown) for word in words], np.int32)

    def boxes(self, fine: tf.Tensor, coarse: tf.Tensor) -> tf.Tensor:
        """The boxes of a photo: its proposals, the likeliest first, then the `lattice`.

        Args:
          fine: `[1, H, W, C1]`, of the trunk's block 10, of the photo squashed to a square.
          coarse: `[1, H / 2, W / 2, C2]`, of block 15.

        Returns:
          `[A, 4]` corners; A is at most `PROPOSALS` and the lattice's boxes.
        """
        fine, coarse = (tf.cast(grid, tf.float32) for grid in (fine, coarse))
        logits, deltas = self._proposals(fine, coarse)
        anchors = self._proposals.anchors(*tf.unstack(tf.shape(fine)[1:3]))
        found = proposals.decode(deltas[0], anchors)
        chosen = proposals.choose(logits[0], found, PROPOSALS, OVERLAP)
        every = tf.concat([tf.gather(found, chosen), lattice()], axis=0)
        return tf.cast(every, self._dtype)

    def logits(
        self, fine: tf.Tensor, coarse: tf.Tensor, boxes: tf.Tensor, words: tf.Tensor
    ) -> tf.Tensor:
        """How likely each box is what is meant.

        Args:
          fine: `[P, H, W, C1]`, see `boxes`.
          coarse: `[P, H / 2, W / 2, C2]`.
          boxes: `[P, A, 4]`; the last one is the whole photo.
          words: `[P * M, T]` int32, M captions of each photo, those of a photo one after the other;
            labels of the words, zeros behind the last.

        Returns:
          `[P * M, A]`, logarithms up to a constant.
        """
        return self.scores(self.seen(fine, coarse, boxes), self.said(words))

    def seen(
        self, fine: tf.Tensor, coarse: tf.Tensor, boxes: tf.Tensor, drop: float = 0.0
    ) -> tf.Tensor:
        """What each box shows, in the mean over it, and where it is: `[P, A, D]`.

        Args:
          fine: See `logits`.
          coarse: See there.
          boxes: See there.
          drop: Share of hidden values that are dropped (training).
        """
        x0, y0, x1, y1 = tf.unstack(boxes, axis=-1)
        total: Any = 0.0
        for name, grid in (("fine", fine), ("coarse", coarse)):
            hidden = layers.convolution(grid, self._weights, name, activation=tf.identity)
            down, across = means(y0, y1, grid.shape[1]), means(x0, x1, grid.shape[2])
            total += tf.einsum("pah,paw,phwd->pad", down, across, hidden)
        total = _dropped(total, drop)
        around = self._dense(total[:, -1:], "photo")
        box = tf.nn.relu(total + around + self._dense(places(boxes), "place"))
        return box + tf.nn.relu(self._dense(_dropped(box, drop), "box"))

    def said(self, words: tf.Tensor, drop: float = 0.0) -> tf.Tensor:
        """What captions say: `[N, D]` of `[N, T]` int32 labels, see `logits`.

        Args:
          words: The labels.
          drop: Share of words that are dropped (training).
        """
        present = tf.cast(words > 0, self._dtype)[..., tf.newaxis]
        vectors = tf.gather(layers.weight(self._weights, "words"), words) * present
        vectors = _dropped(vectors, drop, tf.shape(present))
        window = tf.nn.conv1d(vectors, layers.weight(self._weights, "window/kernel"), 1, "SAME")
        hidden = tf.nn.relu(window + layers.weight(self._weights, "window/bias"))
        attention = self._dense(hidden, "attention") - 1e9 * (1 - present)
        noticed = tf.reduce_sum(tf.nn.softmax(attention, axis=1) * hidden, axis=1)
        count = tf.maximum(tf.reduce_sum(present, axis=1), 1)
        mean = tf.reduce_sum(vectors, axis=1) / count
        return tf.nn.relu(self._dense(tf.concat([noticed, mean], axis=1), "phrase"))

    def scores(self, seen: tf.Tensor, said: tf.Tensor, drop: float = 0.0) -> tf.Tensor:
        """How well boxes fit captions.

        Args:
          seen: `[P, A, D]`, see `seen`.
          said: `[P * M, D]`, see `said`.
          drop: Share of hidden values that are dropped (training).

        Returns:
          `[P * M, A]`.
        """
        photos, count, width = tf.shape(seen)[0], tf.shape(seen)[1], seen.shape[2]
        seen = _dropped(seen, drop)[:, tf.newaxis]
        said = _dropped(tf.reshape(said, [photos, -1, 1, width]), drop)
        hidden = self._dense(seen * said, "both") + self._dense(seen, "seen")
        hidden = tf.nn.relu(hidden + self._dense(said, "said"))
        return tf.reshape(self._dense(_dropped(hidden, drop), "score"), [-1, count])

    def _dense(self, x: tf.Tensor, name: str) -> tf.Tensor:
        kernel = layers.weight(self._weights, f"{name}/kernel")
        return tf.tensordot(x, kernel, 1) + layers.weight(self._weights, f"{name}/bias")


def _dropped(x: tf.Tensor, share: float, shape: tf.Tensor | None = None) -> tf.Tensor:
    return tf.nn.dropout(x, share, noise_shape=shape) if share else x

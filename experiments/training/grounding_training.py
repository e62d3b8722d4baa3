"""What fits the grounder: batches of scenes, and the loss of boxes by their IoU with the truth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.method import vocabulary
from cagic_tf.networks import grounder
from experiments.training import proposal_targets
from experiments.training.grounding_scenes import Scene
from experiments.training.photo_grids import Grids

LONGEST = 24  # Words of a description; what is longer is cut.


class Batch(NamedTuple):
    """What one step sees: P scenes with M descriptions each, and B boxes.

    Attributes:
      fine: `[P, H, W, C1]`.
      coarse: `[P, H', W', C2]`.
      words: `[P * M, T]` int32.
      overlap: `[P * M, B]`, IoU of the boxes with what is meant.
      boxes: `[B]` int32, numbers of the boxes.
    """

    fine: np.ndarray
    coarse: np.ndarray
    words: np.ndarray
    overlap: np.ndarray
    boxes: np.ndarray


def initial(
    fine: int, coarse: int, words: int, word: int, width: int, seed: int
) -> dict[str, np.ndarray]:
    """Tensors to begin with."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in grounder.shapes(fine, coarse, words, word, width).items():
        if name.endswith("/bias"):
            found[name] = np.zeros(shape, np.float32)
        elif name == "words":
            found[name] = rng.standard_normal(shape).astype(np.float32)
        else:
            spread = (2 / (np.prod(shape[:-1]) + shape[-1])) ** 0.5
            found[name] = (rng.standard_normal(shape) * spread).astype(np.float32)
    return found


def labelled(network: grounder.Grounder, texts: Sequence[str]) -> np.ndarray:
    """`[N, T]` int32 labels of texts, zeros behind the last word of each."""
    rows = [network.labels(vocabulary.tokenize(text)[:LONGEST]) for text in texts]
    labels = np.zeros((len(rows), max(1, *map(len, rows))), np.int32)
    for target, row in zip(labels, rows, strict=True):
        target[: len(row)] = row
    return labels


class Scenes:
    """Scenes with their grids, their words and what the boxes share with what is meant."""

    def __init__(self, scenes: Sequence[Scene], grids: Grids, network: grounder.Grounder):
        self._grids = grids
        self._labels = [labelled(network, [text for text, _ in scene.said]) for scene in scenes]
        self._truths = [np.array([box for _, box in scene.said]) for scene in scenes]

    def __len__(self) -> int:
        return len(self._truths)

    def batch(
        self, chosen: Sequence[int] | np.ndarray, count: int, boxes: int, rng: np.random.Generator
    ) -> Batch:
        """Draws so many descriptions of each of some scenes, and boxes; the whole is the last."""
        every = grounder.boxes()
        drawn = np.append(rng.choice(len(every) - 1, boxes - 1, replace=False), len(every) - 1)
        words, truths = [], []
        for number in chosen:
            own = len(self._truths[number])
            picked = rng.permutation(own)[:count] if own >= count else rng.integers(own, size=count)
            words += [self._labels[number][at] for at in picked]
            truths += [self._truths[number][at] for at in picked]
        labels = np.zeros((len(words), LONGEST), np.int32)
        for row, own in zip(labels, words, strict=True):
            row[: len(own)] = own
        overlap = proposal_targets.iou(np.array(truths), every[drawn]).astype(np.float32)
        return Batch(*self._grids[chosen], labels, overlap, drawn.astype(np.int32))

    def every(self, number: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
        """A scene's grids, all its labels `[M, T]` and all that is meant, `[M, 4]`."""
        return self._grids[[number]], self._labels[number], self._truths[number]


def loss(network: grounder.Grounder, batch: Batch, close: float, drop: float) -> tf.Tensor:
    """Cross-entropy with a distribution in which boxes are likelier the more they overlap.

    Args:
      network: The network, of variables.
      batch: What it is shown.
      close: Of the best box's IoU: with so much less, a box is less likely by a factor of e.
      drop: Share of hidden values and words that are dropped.

    Returns:
      A scalar in nats.
    """
    seen = tf.gather(network.seen(batch.fine, batch.coarse), batch.boxes, axis=1)
    numbers = tf.gather(tf.constant(grounder.places(network.boxes), seen.dtype), batch.boxes)
    logits = network.scores(seen, network.said(batch.words, drop / 2), numbers, drop)
    best = tf.reduce_max(batch.overlap, axis=1, keepdims=True)
    likely = tf.nn.softmax((batch.overlap / tf.maximum(best, 0.1) - 1) / close)
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(likely, logits))

"""What fits the grounder: batches of scenes, and the loss of boxes by their IoU with the truth."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from cagic_tf.method import vocabulary
from cagic_tf.networks import grounder
from experiments.training import proposal_targets
from experiments.training.grounding_scenes import Scene
from experiments.training.photo_grids import Grids

FLOOR = 0.03  # Of the channels' mean variance, below which a direction is hardly enlarged.
LONGEST = 24  # Words of a description; what is longer is cut.


class Batch(NamedTuple):
    """What one step sees: P scenes with M descriptions each.

    Attributes:
      fine: `[P, H, W, C1]`.
      coarse: `[P, H / 2, W / 2, C2]`.
      boxes: `[P, A, 4]`.
      words: `[P * M, T]` int32.
      overlap: `[P * M, A]`, IoU of the boxes with what is meant.
    """

    fine: np.ndarray
    coarse: np.ndarray
    boxes: np.ndarray
    words: np.ndarray
    overlap: np.ndarray


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
    """Scenes with their grids, their boxes and their words."""

    def __init__(self, scenes: Sequence[Scene], grids: Grids, network: grounder.Grounder):
        """Finds the boxes; the network needs no more than its proposals for that."""
        self._grids = grids
        self._labels = [labelled(network, [text for text, _ in scene.said]) for scene in scenes]
        self._truths = [np.array([box for _, box in scene.said]) for scene in scenes]
        self._boxes = [
            _filled(network.boxes(*grids[[number]]).numpy())
            for number in tqdm(range(len(scenes)), desc="boxes", disable=None)
        ]

    def __len__(self) -> int:
        return len(self._truths)

    def batch(
        self, chosen: Sequence[int] | np.ndarray, count: int, rng: np.random.Generator
    ) -> Batch:
        """Draws so many descriptions of each of some scenes."""
        words, overlap = [], []
        for number in chosen:
            own = len(self._truths[number])
            picked = rng.permutation(own)[:count] if own >= count else rng.integers(own, size=count)
            words += [self._labels[number][at] for at in picked]
            overlap.append(proposal_targets.iou(self._truths[number][picked], self._boxes[number]))
        labels = np.zeros((len(words), LONGEST), np.int32)
        for row, own_labels in zip(labels, words, strict=True):
            row[: len(own_labels)] = own_labels
        boxes = np.stack([self._boxes[number] for number in chosen])
        overlaps = np.concatenate(overlap).astype(np.float32)
        return Batch(*self._grids[chosen], boxes, labels, overlaps)

    def grids(self, chosen: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The grids of some scenes, fine and coarse."""
        return self._grids[chosen]

    def every(self, number: int) -> tuple[Batch, np.ndarray]:
        """A scene with all its descriptions; and what is meant, `[M, 4]`."""
        truths, boxes = self._truths[number], self._boxes[number]
        overlap = proposal_targets.iou(truths, boxes).astype(np.float32)
        batch = Batch(*self._grids[[number]], boxes[np.newaxis], self._labels[number], overlap)
        return batch, truths


def _filled(boxes: np.ndarray) -> np.ndarray:
    """As many boxes in every photo: where there are fewer proposals, the first box again."""
    missing = grounder.PROPOSALS + len(grounder.lattice()) - len(boxes)
    return np.concatenate([np.repeat(boxes[:1], missing, axis=0), boxes])


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
    seen = network.seen(batch.fine, batch.coarse, batch.boxes, drop)
    logits = network.scores(seen, network.said(batch.words, drop), drop)
    best = tf.reduce_max(batch.overlap, axis=1, keepdims=True)
    likely = tf.nn.softmax((batch.overlap / tf.maximum(best, 0.1) - 1) / close)
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(likely, logits))


def whitening(grids: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """What makes the channels of each grid alike and uncorrelated: `x @ matrix + offset`.

    Args:
      grids: `[N, H, W, C]` of some scenes, each.

    Returns:
      A matrix `[C, C]` and an offset `[C]` for each, float64.
    """
    found = []
    for grid in grids:
        rows = grid.reshape(-1, grid.shape[-1]).astype(np.float64)
        mean = rows.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov((rows - mean).T))
        matrix = vectors / np.sqrt(values + FLOOR * values.mean())
        found.append((matrix, -mean @ matrix))
    return found


def unwhitened(
    tensors: Mapping[str, np.ndarray], whitened: Sequence[tuple[np.ndarray, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Tensors fitted to whitened grids, as they have to be for the grids themselves."""
    found = dict(tensors)
    for name, (matrix, offset) in zip(("fine", "coarse"), whitened, strict=True):
        kernel = tensors[f"{name}/kernel"][0, 0]
        found[f"{name}/kernel"] = (matrix @ kernel)[np.newaxis, np.newaxis].astype(np.float32)
        bias = tensors[f"{name}/bias"] + offset @ kernel
        found[f"{name}/bias"] = bias.astype(np.float32)
    return found

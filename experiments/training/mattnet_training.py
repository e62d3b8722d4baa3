"""MAttNet's network with the parts that only training has: batches' own statistics, and dropout."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.baselines.mattnet import language, lite_detector, losses, network, sizes
from cagic_tf.baselines.mattnet.layers import BATCH_NORM_EPSILON, Layers
from cagic_tf.networks import proposals
from experiments.training.phrase_triples import Candidates, Triples

MOMENTUM = 0.1  # Share of a batch in the statistics that are kept.
NORMALIZED = 20.0  # What lengths are normalised to at first.


class TrainingLayers(Layers):
    """Layers as training has them; the kept statistics follow those of the batches."""

    def batch_norm(self, x: tf.Tensor, name: str) -> tf.Tensor:
        """`[..., D]` by the mean and the variance that it has itself."""
        mean, variance = tf.nn.moments(x, list(range(x.shape.rank - 1)))
        for part, value in (("mean", mean), ("variance", variance)):
            kept = self.weight(f"{name}/{part}")
            kept.assign_add(MOMENTUM * (tf.stop_gradient(value) - kept))
        beta, gamma = self.weight(f"{name}/beta"), self.weight(f"{name}/gamma")
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, BATCH_NORM_EPSILON)

    def dropout(self, x: tf.Tensor, rate: float) -> tf.Tensor:
        """Drops that share of `x`, and enlarges the rest."""
        return tf.nn.dropout(x, rate)


def initial(network_sizes: sizes.Sizes, seed: int) -> dict[str, np.ndarray]:
    """Tensors to begin with."""
    rng = np.random.default_rng(seed)
    constant = {"bias": 0, "beta": 0, "mean": 0, "gamma": 1, "variance": 1, "scale": NORMALIZED}
    found = {}
    for name, shape in sizes.shapes(network_sizes).items():
        part = name.rpartition("/")[2]
        if part in constant:
            found[name] = np.full(shape, constant[part], np.float32)
        elif part == "embedding":
            found[name] = rng.standard_normal(shape).astype(np.float32)
        else:
            spread = (2 / sum(shape)) ** 0.5
            found[name] = (rng.standard_normal(shape) * spread).astype(np.float32)
    return found


def trained(name: str) -> bool:
    """Whether a tensor is fitted; the statistics of batches are not."""
    return not name.endswith(("/mean", "/variance"))


class Batch(NamedTuple):
    """What one step sees: N triples.

    Attributes:
      fine: `[N, H, W, C1]`, the photos' grids.
      coarse: `[N, H, W, C2]`, likewise.
      corners: `[2 N, 4]`, the right boxes, then the wrong ones.
      place: `[2 N, 5]`.
      near: `[2 N, K, 4]`, corners of what is nearest; whatever where there is none.
      relative: `[2 N, K, 5]`, zeros where there is none.
      phrases: `[2 N, T]`.
      attributes: `[N, A]`.
    """

    fine: np.ndarray
    coarse: np.ndarray
    corners: np.ndarray
    place: np.ndarray
    near: np.ndarray
    relative: np.ndarray
    phrases: np.ndarray
    attributes: np.ndarray


def gather(
    grids: tuple[np.ndarray, np.ndarray], found: Sequence[Candidates], triples: Triples
) -> Batch:
    """A step's batch of triples, their photos' grids and their photos' candidates."""
    pairs = [
        (each, box)
        for chosen in (triples.right, triples.wrong)
        for each, box in zip(found, chosen, strict=True)
    ]
    return Batch(
        *grids,
        np.stack([each.corners[box] for each, box in pairs]),
        np.stack([each.place[box] for each, box in pairs]),
        np.stack([each.corners[each.near[box]] for each, box in pairs]),
        np.stack([each.relative[box] for each, box in pairs]),
        triples.phrases,
        triples.attributes,
    )


def objects(batch: Batch) -> network.Objects:
    """The 2 N boxes as the modules see them: what `objects.describe` makes of detections."""
    count, slots = tf.shape(batch.corners)[0], batch.near.shape[1]
    picture = tf.tile(tf.range(count // 2), [2])
    fine, coarse = (
        proposals.crop(grid, batch.corners, picture, lite_detector.CROP)
        for grid in (batch.fine, batch.coarse)
    )
    around = proposals.crop(
        batch.coarse,
        tf.reshape(batch.near, [-1, 4]),
        tf.repeat(picture, slots),
        lite_detector.CROP,
    )
    means = tf.reshape(tf.reduce_mean(around, axis=[1, 2]), [count, slots, around.shape[3]])
    present = tf.reduce_any(batch.relative != 0, axis=2, keepdims=True)
    return network.Objects(
        fine,
        coarse,
        batch.place,
        tf.reshape(batch.relative, [count, slots * sizes.NUMBERS]),
        tf.where(present, means, 0),
        batch.relative,
    )


def loss(layers: Layers, batch: Batch, attribute_weights: tf.Tensor) -> tf.Tensor:
    """Ranking by a margin, and the attributes of the right boxes; a scalar."""
    count = tf.shape(batch.attributes)[0]
    seen = network.Objects(*(tf.concat([part, part[:count]], axis=0) for part in objects(batch)))
    reading = language.read(layers, batch.phrases)
    said = language.Reading(
        *(tf.concat([part[:count], part[:count], part[count:]], axis=0) for part in reading)
    )
    scores = network.score(layers, seen, said)
    named = losses.attributes(scores.attributes[:count], batch.attributes, attribute_weights)
    return losses.ranking(scores.scores) + named


def variables(tensors: Mapping[str, np.ndarray]) -> dict[str, tf.Variable]:
    """Variables of tensors."""
    return {
        name: tf.Variable(value, dtype=tf.float32, trainable=trained(name))
        for name, value in tensors.items()
    }

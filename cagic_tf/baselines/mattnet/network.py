"""The whole matching network: boxes and what is said of them to scores."""

from typing import NamedTuple

import tensorflow as tf

from cagic_tf.baselines.mattnet import modules
from cagic_tf.baselines.mattnet.language import Reading
from cagic_tf.baselines.mattnet.layers import Layers
from cagic_tf.baselines.mattnet.matching import match


class Objects(NamedTuple):
    """Boxes as the modules see them (`objects.describe` makes them of detections), all float32.

    Attributes:
      pool5: `[N, h, w, C1]`.
      fc7: `[N, h, w, C2]`.
      lfeats: `[N, 5]`, where the box lies.
      dif_lfeats: `[N, 5 k]`, where its nearest of the same kind lie.
      cxt_fc7: `[N, K, C2]`, mean fc7 of what is around it.
      cxt_lfeats: `[N, K, 5]`, where that lies.
    """

    pool5: tf.Tensor
    fc7: tf.Tensor
    lfeats: tf.Tensor
    dif_lfeats: tf.Tensor
    cxt_fc7: tf.Tensor
    cxt_lfeats: tf.Tensor


class Scores(NamedTuple):
    """How well boxes fit texts.

    Attributes:
      scores: `[N]`, -1 to 1: the modules' scores by the text's weights.
      modules: `[N, 3]`, the scores of subject, location and relationship.
      slots: `[N]` int32, which slot of the box's surroundings fits best.
      grid_attention: `[N, h * w]`, where in the box the subject module looks, row by row.
      attributes: `[N, A]`, logits. No text changes them.
    """

    scores: tf.Tensor
    modules: tf.Tensor
    slots: tf.Tensor
    grid_attention: tf.Tensor
    attributes: tf.Tensor


def score(layers: Layers, objects: Objects, reading: Reading) -> Scores:
    """Scores pairs: box i with text i.

    In the relationship module an empty slot scores 0, and the best of all slots counts: so with
    fewer neighbours than slots it is never below 0, and a neighbour that does not fit loses to none
    at all. Alone in its photo a box has 0. This is the original's.

    Args:
      layers: The checkpoint's; differentiable by its variables.
      objects: N boxes.
      reading: N texts.
    """
    subject, location, relationship = tf.unstack(reading.phrases, axis=1)
    logits, cells = modules.attributes(layers, objects.pool5, objects.fc7)
    seen, grid_attention = modules.subject(layers, cells, subject)
    by_subject = match(layers, seen, subject, "sub_matching")

    where = modules.location(layers, objects.lfeats, objects.dif_lfeats)
    by_location = match(layers, where, location, "loc_matching")

    around, masks = modules.relationship(layers, objects.cxt_fc7, objects.cxt_lfeats)
    # Once for each slot, since that is what the original's batch norms see in training.
    said = tf.repeat(relationship[:, tf.newaxis], tf.shape(around)[1], axis=1)
    by_slot = match(layers, around, said, "rel_matching") * masks

    scores = tf.stack([by_subject, by_location, tf.reduce_max(by_slot, axis=1)], axis=1)
    return Scores(
        tf.reduce_sum(scores * reading.weights, axis=1),
        scores,
        tf.argmax(by_slot, axis=1, output_type=tf.int32),
        grid_attention,
        logits,
    )

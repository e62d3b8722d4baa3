"""MAttNet's three modules: what they see of a box, before it is matched with what is said.

Yu et al., Sec. 3.2: the subject module looks at the box itself, the location module at where it
lies, the relationship module at what is around it.
"""

import tensorflow as tf

from cagic_tf.baselines.mattnet.layers import Layers

DROPOUT = 0.2


def attributes(layers: Layers, pool5: tf.Tensor, fc7: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The subject module's half that no text changes.

    Args:
      layers: The checkpoint's.
      pool5: `[N, h, w, C1]`.
      fc7: `[N, h, w, C2]`.

    Returns:
      Logits of the attributes `[N, A]`, and what each cell has `[N, h * w, C2 + J]`, row by row.
    """
    pool5 = layers.normalize_scale(_cells(pool5), "sub_encoder/pool5_normalizer")
    fc7 = layers.normalize_scale(_cells(fc7), "sub_encoder/fc7_normalizer")
    fused = layers.dense(tf.concat([pool5, fc7], axis=2), "sub_encoder/att_fuse/0")
    fused = tf.nn.relu(layers.batch_norm(fused, "sub_encoder/att_fuse/1"))
    mean = layers.dropout(tf.reduce_mean(fused, axis=1), DROPOUT)
    logits = layers.dense(mean, "sub_encoder/att_fc")
    normalized = layers.normalize_scale(fused, "sub_encoder/att_normalizer")
    return logits, tf.concat([fc7, normalized], axis=2)


def subject(layers: Layers, cells: tf.Tensor, phrase: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Looks where the phrase points to in each box.

    Args:
      layers: The checkpoint's.
      cells: `[N, L, C2 + J]`, of `attributes`.
      phrase: `[N, W]`, the subject module's.

    Returns:
      The mean of the cells `[N, C2 + J]` by the attention `[N, L]` over them.
    """
    said = layers.normalize_scale(phrase, "sub_encoder/phrase_normalizer")[:, tf.newaxis]
    said = tf.broadcast_to(said, [*tf.unstack(tf.shape(cells)[:2]), said.shape[2]])
    hidden = layers.dense(tf.concat([cells, said], axis=2), "sub_encoder/attn_fuse/0")
    scores = layers.dense(tf.tanh(hidden), "sub_encoder/attn_fuse/2")[..., 0]
    attention = tf.nn.softmax(scores)
    return tf.linalg.matvec(cells, attention, transpose_a=True), attention


def location(layers: Layers, lfeats: tf.Tensor, dif_lfeats: tf.Tensor) -> tf.Tensor:
    """Where each box lies, `[N, J]`.

    Args:
      layers: The checkpoint's.
      lfeats: `[N, 5]`, of `geometry.location`.
      dif_lfeats: `[N, 5 k]`, of `geometry.relative` for its nearest of the same kind. They are
        normalised as one vector.
    """
    own = layers.normalize_scale(lfeats, "loc_encoder/lfeat_normalizer")
    others = layers.normalize_scale(dif_lfeats, "loc_encoder/dif_lfeat_normalizer")
    return layers.dense(tf.concat([own, others], axis=1), "loc_encoder/fc")


def relationship(
    layers: Layers, cxt_fc7: tf.Tensor, cxt_lfeats: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """What is around each box.

    Args:
      layers: The checkpoint's.
      cxt_fc7: `[N, K, C2]`, each neighbour's mean fc7; zeros in empty slots.
      cxt_lfeats: `[N, K, 5]`, of `geometry.relative`; zeros in empty slots.

    Returns:
      `[N, K, J]`, and `[N, K]` with 0 at empty slots and 1 elsewhere. As in the original a slot
      counts as empty where its five numbers sum up to 0.
    """
    masks = tf.cast(tf.reduce_sum(cxt_lfeats, axis=2) != 0, tf.float32)
    seen = layers.normalize_scale(cxt_fc7, "rel_encoder/vis_feat_normalizer")
    where = layers.normalize_scale(cxt_lfeats, "rel_encoder/lfeat_normalizer")
    return layers.dense(tf.concat([seen, where], axis=2), "rel_encoder/fc"), masks


def _cells(grid: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(grid)
    return tf.reshape(grid, [shape[0], shape[1] * shape[2], grid.shape[3]])

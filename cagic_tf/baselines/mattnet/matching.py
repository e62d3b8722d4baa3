"""How well what is seen fits what is said: two towers of layers and a cosine."""

import tensorflow as tf

from cagic_tf.baselines.mattnet.layers import Layers, unit

DROPOUT = 0.1


def match(layers: Layers, seen: tf.Tensor, phrase: tf.Tensor, name: str) -> tf.Tensor:
    """The cosine of both, each through its own tower (Yu et al., Sec. 3.3).

    Args:
      layers: The checkpoint's.
      seen: `[..., C]`.
      phrase: `[..., W]`; its axes before the last are those of `seen`.
      name: The tower's, such as "sub_matching".

    Returns:
      `[...]`, -1 to 1.
    """
    vision = unit(_tower(layers, seen, f"{name}/vis_emb_fc"))
    language = unit(_tower(layers, phrase, f"{name}/lang_emb_fc"))
    return tf.reduce_sum(vision * language, axis=-1)


def _tower(layers: Layers, x: tf.Tensor, name: str) -> tf.Tensor:
    x = tf.nn.relu(layers.batch_norm(layers.dense(x, f"{name}/0"), f"{name}/1"))
    return layers.batch_norm(layers.dense(layers.dropout(x, DROPOUT), f"{name}/4"), f"{name}/5")

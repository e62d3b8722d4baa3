"""The memory of past steps of TFP's L-BFGS, member by member, as L-BFGS-B (ref. 35) treats it."""

from typing import Any

import numpy as np
import tensorflow as tf


def emptied(state: Any, fresh: tf.Tensor) -> Any:
    """The state with an empty memory for some members: their next direction is the slope downwards.

    TFP divides by the last step's curvature, so that a member whose memory holds nothing has no
    direction. A pair of equal deltas says that the Hessian is the identity.

    Args:
      state: TFP's `LBfgsOptimizerResults` of K members.
      fresh: `[K]` bool, which members.
    """
    pairs = tf.shape(state.position_deltas)[0]
    last = tf.range(pairs) == pairs - 1
    identity = tf.cast(last, state.position.dtype)[:, tf.newaxis, tf.newaxis]
    chosen = fresh[tf.newaxis, :, tf.newaxis]
    return state._replace(
        position_deltas=tf.where(chosen, identity, state.position_deltas),
        gradient_deltas=tf.where(chosen, identity, state.gradient_deltas),
    )


def with_curvature(before: Any, after: Any, fresh: tf.Tensor) -> tuple[Any, tf.Tensor]:
    """Keeps the last step of those members alone along which the slope has risen.

    A step without curvature, as across a kink, makes an approximation of the Hessian that is not
    positive definite, and a direction that may lead upwards. L-BFGS-B leaves such steps out.

    Args:
      before: TFP's state before an iteration.
      after: The state after it.
      fresh: `[K]` bool, members whose memory was empty.

    Returns:
      The state after it, and `[K]` bool, members whose memory is empty now.
    """
    moved, bent = after.position_deltas[-1], after.gradient_deltas[-1]
    pushed = ~(after.converged | after.failed)  # By TFP; the others' last pairs are older ones.
    curvature = tf.reduce_sum(moved * bent, axis=1)
    least = np.finfo(moved.dtype.as_numpy_dtype).eps * tf.reduce_sum(bent * bent, axis=1)
    new = (pushed & (curvature > least))[tf.newaxis, :, tf.newaxis]
    pairs = tf.shape(after.position_deltas)[0]
    older = (tf.range(pairs) < pairs - 1)[:, tf.newaxis, tf.newaxis]
    placeholder = older & fresh[tf.newaxis, :, tf.newaxis]  # Of a memory that was empty.

    def kept(old: tf.Tensor, updated: tf.Tensor) -> tf.Tensor:
        return tf.where(new, tf.where(placeholder, tf.zeros_like(updated), updated), old)

    state = after._replace(
        position_deltas=kept(before.position_deltas, after.position_deltas),
        gradient_deltas=kept(before.gradient_deltas, after.gradient_deltas),
    )
    return state, fresh & ~new[0, :, 0]

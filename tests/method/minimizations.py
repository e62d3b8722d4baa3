"""Functions to minimize, and what holds of every minimum that is found."""

import numpy as np
import tensorflow as tf

from cagic_tf.method import evaluation_cache, lbfgs

THOROUGH = lbfgs.Minimizer(tolerance=1e-9, least_gain=0)
# As paper_quick.gin.
QUICK = lbfgs.Minimizer(1, 1, hold_words="evaluation", extend_slopes=True)


def memory(begin):
    return evaluation_cache.EvaluationCache(*begin.shape, begin.dtype)


def minimize(minimizer, function, begin, lower, upper):
    return minimizer(lambda x, _: function(x), begin, lower, upper, memory(begin))


def starts(count, side=1.0, seed=0, dtype=np.float32):
    return tf.constant(np.random.default_rng(seed).uniform(-side, side, (count, 2)), dtype)


def box(lower, upper, dtype=tf.float32):
    return tf.constant(lower, dtype), tf.constant(upper, dtype)


def check(found, function, begin, lower, upper):
    """What holds of every result."""
    positions = found.positions.numpy()
    assert (positions >= lower.numpy()).all() and (positions <= upper.numpy()).all()
    inside = tf.clip_by_value(begin, lower, upper)
    # Dividing by the unit and multiplying again moves a start by 2 ** -23 of itself, where slopes
    # are up to 16.
    np.testing.assert_allclose(found.start_losses, function(inside), rtol=1e-6, atol=5e-6)
    # At exactly the place that is given, but TFP multiplies and divides by the unit.
    np.testing.assert_allclose(found.losses, function(found.positions), rtol=1e-4, atol=1e-5)
    assert (found.losses.numpy() <= found.start_losses.numpy()).all()


def bowl(center, curvature=(1.0, 1.0)):
    def function(x):
        return tf.reduce_sum(
            tf.constant(curvature, x.dtype) * tf.square(x - tf.constant(center, x.dtype)), axis=1
        )

    return function


def wells(x):
    """Four minima, of products and sums only, which round the same in a vector and alone."""
    a, b = tf.unstack(x, axis=1)
    return (a * a - 0.25) * (a * a - 0.25) + (b * b - 0.3) * (b * b - 0.3) + 0.1 * a * b


def waves(x):
    """Many minima, and steep walls between them."""
    return tf.sin(9 * x[:, 0]) * tf.cos(7 * x[:, 1]) + tf.reduce_sum(tf.abs(x), axis=1)

"""Many photos side by side: their crops have the losses that they have alone."""

import numpy as np
import tensorflow as tf

from cagic_tf.beyond.lexicon import NounLoss
from cagic_tf.beyond.sentence import SentenceLoss
from cagic_tf.method import vocabulary
from cagic_tf.method.losses import AestheticLoss, CaptionLoss
from cagic_tf.method.objective import CropLoss, Objective
from cagic_tf.networks.bundle import Networks
from cagic_tf.system import devices
from tests.small_trunk import SmallTrunk

CAPTIONS = ["a dog runs on the grass", "two people", "a man in a red shirt holds a ball"]
SIZES = [(60, 90), (41, 33), (50, 50)]
THETA = np.array([[0.1, -0.2, 0.5], [0, 0, 0.9], [-0.3, 0.2, 0.6], [0.2, 0.1, 0.7]], np.float32)
OWNERS = [2, 0, 1, 2]


def make(dtype, trunk=None):
    terms = [CaptionLoss(), AestheticLoss(), NounLoss(), SentenceLoss()]
    objective = Objective(terms, sentence_weight=0.7, lexicon_weight=0.4)
    loss = CropLoss(objective, Networks(dtype=dtype, lexicon="lexicon"))
    if trunk is not None:
        loss.networks.caption_trunk = loss.networks.scorer_trunk = trunk
    rng = np.random.default_rng(0)
    single = []
    for caption, size, side in zip(
        CAPTIONS, SIZES, [(1.0, 1.0), (0.7, 1.0), (1.0, 0.4)], strict=True
    ):
        words = vocabulary.bag_of_words(
            caption, loss.networks.captioner.vocabulary, None, loss.word_finders
        )
        photo = tf.image.resize(rng.uniform(0, 1, (7, 6, 3)), size).numpy()
        single.append(loss.problem(photo, words, side))
    return loss, single


def both(loss, problem, theta):
    theta = tf.cast(theta, loss.networks.dtype)
    with tf.GradientTape() as tape:
        tape.watch(theta)
        losses = loss(problem, theta)
        total = tf.reduce_sum(losses.total)
    return losses, tape.gradient(total, theta)


def test_crops_of_many_photos_have_the_losses_and_gradients_of_each():
    loss, single = make(tf.float64)
    batch = loss.side_by_side(single)
    losses, gradient = both(loss, batch.of(tf.constant(OWNERS)), THETA)
    for row, owner in enumerate(OWNERS):
        expected, slope = both(loss, single[owner], THETA[row : row + 1])
        for found, value in zip(tf.nest.flatten(losses), tf.nest.flatten(expected), strict=True):
            np.testing.assert_allclose(found[row], value[0], rtol=1e-10)
        np.testing.assert_allclose(gradient[row], slope[0], rtol=1e-7, atol=1e-9)
    assert np.abs(gradient).min() > 1e-6


def test_xla_compiles_the_whole_objective():
    """As for a GPU: losses and gradients are one executable, with shapes that are known."""
    loss, single = make(tf.float64, SmallTrunk())
    batch = loss.side_by_side(single)
    expected = both(loss, batch.of(tf.constant(OWNERS)), THETA)
    compiled = devices.compiled(
        lambda problem, theta, owners: both(loss, problem.of(owners), theta)
    )
    found = compiled(batch, tf.constant(THETA, tf.float64), tf.constant(OWNERS))
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7)

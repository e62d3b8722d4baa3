"""The words that the captioner is fed, held while a crop moves."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import lbfgs, vocabulary
from cagic_tf.method.evaluation_cache import EvaluationCache
from cagic_tf.method.losses import AestheticLoss
from cagic_tf.method.objective import CropLoss, Objective
from cagic_tf.method.search import ChoosingLoss, minimized
from cagic_tf.networks.bundle import Networks
from cagic_tf.photos import reading
from cagic_tf.system import resources

THETA = [[0.1, -0.2, 0.5], [-0.3, 0.1, 0.6], [0.0, 0.0, 0.9]]


@pytest.fixture(scope="module")
def networks():
    return Networks()


def problem_of(loss, caption="a woman in blue working on a machine"):
    captioner = loss.networks.captioner
    words = vocabulary.bag_of_words(caption, captioner.vocabulary, None)
    photo = reading.read(resources.package_path("samples") / "workers.jpg")
    return loss.problem(reading.reduced(photo, 200), words)


@pytest.mark.parametrize("count_end_word", [False, True])
def test_own_words_give_the_loss_itself(networks, count_end_word):
    loss = CropLoss(Objective(count_end_word=count_end_word), networks)
    problem, theta = problem_of(loss), tf.constant(THETA)
    chosen, (words,) = loss.choose(problem, theta)
    plain, caption = loss.describe(problem, theta)
    np.testing.assert_array_equal(chosen.total, plain.total)
    assert words.shape == (3, 20)
    for row, length in enumerate(caption.lengths.numpy()):
        np.testing.assert_array_equal(words[row, :length], caption.words[row, :length])
        assert (words[row, length:].numpy() == networks.captioner.end).all()

    def of(choices):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            total = loss(problem, theta, choices).total
        return total, tape.gradient(total, theta)

    (total, gradient), (held, slope) = of(None), of((words,))
    np.testing.assert_allclose(held, total, rtol=0, atol=2e-5)
    np.testing.assert_allclose(slope, gradient, rtol=0, atol=1e-3 * np.abs(gradient).max())


def test_other_words_give_another_loss(networks):
    loss = CropLoss(Objective(), networks)
    problem = problem_of(loss)
    losses, (words,) = loss.choose(problem, tf.constant(THETA))
    assert not np.array_equal(words[0], words[2])
    other = loss(problem, tf.constant(THETA[:1]), (words[2:],)).total
    assert abs(float(other[0] - losses.total[0])) > 1e-3


def test_without_a_caption_loss_no_words_are_held(networks):
    loss = CropLoss(Objective([AestheticLoss()]), networks)
    assert isinstance(loss, ChoosingLoss)
    assert loss.choose(problem_of(loss), tf.constant(THETA))[1] == ()


@pytest.mark.slow
def test_restarts_of_a_photo_converge(networks):
    """Fewer than one in four fail, of any photo here; with words of each evaluation, more do."""
    loss = CropLoss(Objective(), networks)
    problem = problem_of(loss)

    def crops(xy, _):
        return problem, tf.concat([xy, tf.fill([tf.shape(xy)[0], 1], 0.5)], axis=1)

    begin = tf.constant(np.random.default_rng(1).uniform(-0.5, 0.5, (10, 2)), tf.float32)
    bound = tf.constant([0.5, 0.5])
    run = tf.function(
        lambda: lbfgs.Minimizer()(minimized(loss, crops), begin, -bound, bound, known),
        autograph=False,
    )
    known = EvaluationCache(10, 2)
    found = run()
    assert found.converged.numpy().mean() > 0.75
    assert (found.failed_searches.numpy() > 0).mean() < 0.25
    own = loss(*crops(found.positions, None)).total
    np.testing.assert_allclose(found.losses, own, rtol=1e-5)
    assert 2 < int(found.iterations) < 100

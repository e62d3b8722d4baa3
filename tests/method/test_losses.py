"""Eq. 3-5 against hand-computed values, and their gradient against finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.beyond.coarse_to_fine import sharp_view
from cagic_tf.beyond.lexicon import NounLoss
from cagic_tf.method import losses, sampling, vocabulary
from cagic_tf.method.losses import AestheticLoss, CaptionLoss
from cagic_tf.method.objective import CropLoss, Objective
from cagic_tf.networks.bundle import Networks
from cagic_tf.networks.protocols import Caption


@pytest.fixture(scope="module")
def double_networks():
    return Networks(dtype=tf.float64)


def test_caption_distribution_averages_the_words_before_the_end():
    probabilities = np.array(
        [
            [[0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]],
            [[0.5, 0.4, 0.1], [0.1, 0.1, 0.8], [0.9, 0.05, 0.05]],
        ]
    )
    caption = Caption(
        tf.constant([[1, 0, 2], [0, 2, 0]]), tf.constant(probabilities), tf.constant([2, 1])
    )
    without_end = losses.caption_distribution(caption, count_end_word=False).numpy()
    np.testing.assert_allclose(without_end, [[0.35, 0.5, 0.15], [0.5, 0.4, 0.1]], atol=1e-12)
    with_end = losses.caption_distribution(caption, count_end_word=True).numpy()
    expected = [[0.9 / 3, 1.2 / 3, 0.9 / 3], [0.3, 0.25, 0.45]]
    np.testing.assert_allclose(with_end, expected, atol=1e-12)


def test_caption_distribution_of_an_empty_caption_is_its_first_step():
    probabilities = tf.constant([[[0.2, 0.8], [0.5, 0.5]]], tf.float64)
    caption = Caption(tf.constant([[1, 0]]), probabilities, tf.constant([0]))
    for count_end_word in (False, True):
        found = losses.caption_distribution(caption, count_end_word).numpy()
        np.testing.assert_allclose(found, [[0.2, 0.8]])


def test_caption_loss_is_the_cross_entropy_of_eq_4():
    target = tf.constant([0.0, 0.5, 0.5], tf.float64)
    distribution = tf.constant([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], tf.float64)
    found = losses.caption_loss(target, distribution).numpy()
    assert found[0] == pytest.approx(-0.5 * np.log(0.3) - 0.5 * np.log(0.5), abs=1e-12)
    assert np.isfinite(found[1]) and found[1] > 100  # log(0) is cut, not infinite.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_words", 0),
        ("pyramid", ()),
        ("pyramid", (0.5, 2)),
        ("blur_sigma", -1),
        ("aesthetic_weight", -1),
    ],
)
def test_objective_refuses(field, value):
    with pytest.raises(ValueError, match=f"Objective.{field} is"):
        Objective(**{field: value})


def bag(networks, caption, finders=None):
    return vocabulary.bag_of_words(caption, networks.captioner.vocabulary, None, finders)


def smooth_photo(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = tf.constant(rng.uniform(0, 1, (5, 6, 3)))
    return tf.image.resize(coarse, (height, width), "bicubic").numpy().clip(0, 1)


def test_total_loss_is_eq_3_of_its_parts(double_networks):
    loss = CropLoss(Objective(aesthetic_weight=0.25), double_networks)
    problem = loss.problem(smooth_photo(90, 120), bag(double_networks, "a dog on the grass"))
    theta = tf.constant([[0.1, -0.2, 0.5], [0.0, 0.0, 1.0]], tf.float64)
    found = loss(problem, theta)
    caption, aesthetic = found.terms["caption"], found.terms["aesthetic"]
    np.testing.assert_allclose(found.total, caption + 0.25 * aesthetic, rtol=1e-12)
    trunk = double_networks.caption_trunk
    features = trunk(sampling.crop(problem.picture, theta, trunk.input_size))
    np.testing.assert_allclose(aesthetic, -double_networks.scorer(features))
    greedy = double_networks.captioner.greedy(features, 20)
    distribution = losses.caption_distribution(greedy, False)
    target = problem.targets["caption"]
    np.testing.assert_allclose(caption, losses.caption_loss(target, distribution))
    np.testing.assert_allclose(np.sort(target)[-5:], [0.2] * 5, rtol=1e-6)


def test_sharp_view_is_the_photo_itself_sampled_once_and_the_words_with_content(double_networks):
    loss = CropLoss(Objective(pyramid=(0.5, 1), blur_sigma=2.0), double_networks)
    plain = CropLoss(Objective(pyramid=(1,), blur_sigma=0), double_networks)
    theta = tf.constant([[0.1, -0.2, 0.5]], tf.float64)
    photo = smooth_photo(90, 120)  # Smaller than twice the network's input: not reduced.
    words = bag(double_networks, "a dog on grass")
    problem = loss.problem(photo, words)
    np.testing.assert_array_equal(problem.photo, photo)
    seen = sharp_view(problem)
    np.testing.assert_allclose(seen.picture[1::2, 1::2], photo, rtol=0, atol=1e-7)
    found = loss(seen, theta)
    expected = plain(plain.problem(photo, words.without_stop_words()), theta)
    np.testing.assert_allclose(found.total, expected.total, rtol=1e-6)
    assert abs(float(loss(problem, theta).total[0] - found.total[0])) > 1e-3
    large = sharp_view(loss.problem(smooth_photo(600, 900), words))
    assert large.picture.shape == (2 * 448 + 1, 2 * 672 + 1, 3)
    for part, spec in zip(tf.nest.flatten(large), tf.nest.flatten(loss.signature), strict=True):
        assert spec.is_compatible_with(part)


@pytest.mark.parametrize("with_lexicon", [pytest.param(False, marks=pytest.mark.slow), True])
def test_gradient_of_the_total_loss_matches_finite_differences(double_networks, with_lexicon):
    """Central differences in float64 through sampler, trunk, greedy decoder and scorer.

    ReLU6 and the bilinear weights have millions of kinks: a step of 1e-7 already crosses some.
    """
    networks = Networks(dtype=tf.float64, lexicon="lexicon") if with_lexicon else double_networks
    nouns, weights = ([NounLoss()], {"lexicon_weight": 2.0}) if with_lexicon else ([], {})
    loss = CropLoss(Objective([CaptionLoss(), AestheticLoss(), *nouns], 0.1, **weights), networks)
    words = bag(networks, "a zebra and a dog with a man", loss.word_finders)
    found = {name: [noun.name for noun in nouns] for name, nouns in words.found.items()}
    assert found == ({"lexicon": ["zebra", "dog"]} if with_lexicon else {})
    problem = loss.problem(smooth_photo(180, 240), words)
    total = tf.function(lambda theta: loss(problem, theta).total)
    theta = np.array([[0.13, -0.21, 0.47], [-0.35, 0.3, 0.6]])
    with tf.GradientTape() as tape:
        variable = tf.constant(theta)
        tape.watch(variable)
        value = total(variable)
    gradient = tape.gradient(value, variable).numpy()
    step = 1e-9
    for axis in range(3):
        offset = np.zeros(3)
        offset[axis] = step
        after, before = total(tf.constant(theta + offset)), total(tf.constant(theta - offset))
        numeric = (after.numpy() - before.numpy()) / (2 * step)
        np.testing.assert_allclose(gradient[:, axis], numeric, rtol=2e-4, atol=1e-5)
    assert np.abs(gradient).min() > 1e-4  # Nothing is compared with zero.

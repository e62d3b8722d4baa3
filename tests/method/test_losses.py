"""Eq. 3-5 against hand-computed values, and their gradient against finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.beyond.nouns import Noun
from cagic_tf.method import losses
from cagic_tf.networks.bundle import Networks
from cagic_tf.networks.sat import Caption


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
        ("lexicon_weight", 0),
    ],
)
def test_objective_refuses(field, value):
    with pytest.raises(ValueError, match=f"Objective.{field} is"):
        losses.Objective(**{field: value})


def smooth_photo(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = tf.constant(rng.uniform(0, 1, (5, 6, 3)))
    return tf.image.resize(coarse, (height, width), "bicubic").numpy().clip(0, 1)


def test_total_loss_is_eq_3_of_its_parts(double_networks):
    loss = losses.CropLoss(losses.Objective(aesthetic_weight=0.25), double_networks)
    words = len(double_networks.decoder.vocabulary)
    problem = loss.problem(smooth_photo(90, 120), np.full(words, 1 / words))
    theta = tf.constant([[0.1, -0.2, 0.5], [0.0, 0.0, 1.0]], tf.float64)
    found = loss(problem, theta)
    np.testing.assert_allclose(found.total, found.caption + 0.25 * found.aesthetic, rtol=1e-12)
    features, scorer_features = double_networks.features(
        lambda size: losses.sampling.crop(problem.picture, theta, size)
    )
    np.testing.assert_allclose(found.aesthetic, -double_networks.scorer(scorer_features))
    distribution = losses.caption_distribution(double_networks.decoder.greedy(features, 20), False)
    np.testing.assert_allclose(found.caption, losses.caption_loss(problem.target, distribution))


def test_sharp_view_is_the_photo_itself_sampled_once_and_the_words_with_content(double_networks):
    loss = losses.CropLoss(losses.Objective(pyramid=(0.5, 1), blur_sigma=2.0), double_networks)
    plain = losses.CropLoss(losses.Objective(pyramid=(1,), blur_sigma=0), double_networks)
    vocabulary = list(double_networks.decoder.vocabulary)
    target, content = np.zeros((2, len(vocabulary)))
    for word in ("a", "dog", "on", "grass"):
        target[vocabulary.index(word)] = 1 / 4
    content[[vocabulary.index("dog"), vocabulary.index("grass")]] = 1 / 4
    theta = tf.constant([[0.1, -0.2, 0.5]], tf.float64)
    photo = smooth_photo(90, 120)  # Smaller than twice the network's input: not reduced.
    problem = loss.problem(photo, target)
    np.testing.assert_allclose(problem.photo[1::2, 1::2], photo, rtol=0, atol=1e-7)
    found = loss(losses.sharp_view(problem), theta)
    expected = plain(plain.problem(photo, content), theta)
    np.testing.assert_allclose(found.total, expected.total, rtol=1e-6)
    assert abs(float(loss(problem, theta).total[0] - found.total[0])) > 1e-3
    large = loss.problem(smooth_photo(600, 900), target)
    assert large.photo.shape == (2 * 448 + 1, 2 * 672 + 1, 3)
    assert losses.sharp_view(loss.signature).picture == loss.signature.photo


@pytest.mark.parametrize(
    ("said", "content"),
    [("a dog on .", "dog"), ("on the .", "on the ."), ("on", "on"), ("dog", "dog"), ("", "")],
)
def test_stop_words_count_in_the_sharp_view_where_nothing_else_is_said(
    double_networks, said, content
):
    loss = losses.CropLoss(losses.Objective(), double_networks)
    vocabulary = list(double_networks.decoder.vocabulary)
    target, expected = np.zeros((2, len(vocabulary)))
    target[[vocabulary.index(word) for word in said.split()]] = 0.25
    expected[[vocabulary.index(word) for word in content.split()]] = 0.25
    # A noun counts only where there is a lexicon to see it.
    for nouns in ((), [Noun("zebra", "zebra", 1, 2, (340,), share=0.5)]):
        problem = loss.problem(smooth_photo(90, 120), target, nouns)
        np.testing.assert_array_equal(losses.sharp_view(problem).target, expected)


def test_noun_loss_is_the_cross_entropy_of_the_nouns():
    shares = tf.constant([[0.0, 0.5, 0.5], [0.25, 0.0, 0.0]], tf.float64)
    logs = tf.constant(np.log([[0.2, 0.5], [1.0, 0.1]]))
    found = losses.noun_loss(shares, logs).numpy()
    expected = [-0.5 * np.log(0.2) - 0.25 * np.log(0.5), -0.25 * np.log(0.1)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    none = losses.noun_loss(tf.zeros([0, 3]), tf.zeros([2, 0])).numpy()
    np.testing.assert_array_equal(none, [0, 0])


def test_without_a_lexicon_the_losses_are_the_same_bits_and_the_graph_has_nothing_new():
    """The paper's objective beside the one with a lexicon, on one photo."""
    paper, open_vocabulary = Networks(), Networks(lexicon="lexicon")
    theta = tf.constant([[0.1, -0.2, 0.5], [0.0, 0.0, 1.0]])
    noun = Noun("zebra", "zebra", 1, 2, (340,), share=0.5)
    photo, found, graphs = smooth_photo(90, 120), [], []
    for networks in (paper, open_vocabulary):
        loss = losses.CropLoss(losses.Objective(lexicon_weight=3.0), networks)
        target = np.zeros(len(networks.decoder.vocabulary))
        target[1] = 0.5
        problem = loss.problem(photo, target, [noun])
        signature = [loss.signature, tf.TensorSpec([2, 3])]
        function = tf.function(loss, input_signature=signature)
        graph = function.get_concrete_function().graph
        graphs.append(sorted(operation.type for operation in graph.get_operations()))
        found.append(function(problem, theta))
        assert len(tf.nest.flatten(problem)) == (5 if networks is paper else 6)
    without, with_lexicon = found
    assert without.lexicon == ()
    np.testing.assert_array_equal(without.caption, with_lexicon.caption)
    np.testing.assert_array_equal(without.aesthetic, with_lexicon.aesthetic)
    np.testing.assert_array_equal(without.total, without.caption + 0.01 * without.aesthetic)
    added = with_lexicon.total - without.total
    np.testing.assert_allclose(added, 3 * with_lexicon.lexicon, rtol=1e-5)
    trunk = [graph.count("DepthwiseConv2dNative") for graph in graphs]
    assert trunk == [16, 16]  # One forward pass, lexicon or not.
    assert "LogSoftmax" not in graphs[0] and "LogSoftmax" in graphs[1]


@pytest.mark.parametrize("with_lexicon", [pytest.param(False, marks=pytest.mark.slow), True])
def test_gradient_of_the_total_loss_matches_finite_differences(double_networks, with_lexicon):
    """Central differences in float64 through sampler, trunk, greedy decoder and scorer.

    ReLU6 and the bilinear weights have millions of kinks: a step of 1e-7 already crosses some.
    """
    networks = Networks(dtype=tf.float64, lexicon="lexicon") if with_lexicon else double_networks
    loss = losses.CropLoss(losses.Objective(aesthetic_weight=0.1), networks)
    target = np.zeros(len(networks.decoder.vocabulary))
    target[[1, 5, 9]] = 1 / 3
    nouns = [Noun("zebra", "zebra", 1, 2, (340,), 0.5), Noun("dog", "dog", 3, 4, (151, 152), 0.25)]
    problem = loss.problem(smooth_photo(180, 240), target, nouns)
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

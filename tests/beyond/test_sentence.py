import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.beyond import sentence
from cagic_tf.beyond.sentence import SentenceLoss
from cagic_tf.method import vocabulary
from cagic_tf.method.losses import AestheticLoss, CaptionLoss
from cagic_tf.method.objective import CropLoss, Objective
from cagic_tf.networks.bundle import Networks


@pytest.fixture(scope="module")
def loss():
    terms = [CaptionLoss(), AestheticLoss(), SentenceLoss()]
    return CropLoss(Objective(terms, sentence_weight=3.0), Networks())


def words_of(caption, loss):
    return vocabulary.bag_of_words(caption, loss.networks.captioner.vocabulary, None)


def test_target_is_the_known_words_in_their_order_and_the_end_word(loss):
    words, weights = SentenceLoss().target(loss.networks, words_of("A dog, gzwq in snow", loss))
    known = loss.networks.captioner.vocabulary
    assert [known[word] for word in words.numpy()] == ["a", "dog", "in", "snow", "."]
    np.testing.assert_allclose(weights, [0.2] * 5, rtol=1e-6)


def test_without_a_word_with_content_it_says_nothing(loss):
    _, weights = SentenceLoss().target(loss.networks, words_of("in the", loss))
    np.testing.assert_array_equal(weights, [0, 0, 0])


def test_a_page_is_cut(loss):
    words, weights = SentenceLoss().target(loss.networks, words_of("dog " * 10_000, loss))
    assert len(words) == len(weights) == sentence.MOST_WORDS + 1
    assert float(tf.reduce_sum(weights)) == pytest.approx(1, rel=1e-5)


def test_loss_is_the_mean_cross_entropy_of_the_words_by_the_captioners_own_steps(loss):
    theta = tf.constant([[0.1, -0.2, 0.5], [0.0, 0.0, 1.0], [-0.3, 0.3, 0.6]])
    photo = np.random.default_rng(3).uniform(0, 1, (90, 120, 3))
    captioner = loss.networks.captioner
    problem = loss.problem(photo, words_of("a dog runs", loss))
    found = loss(problem, theta)
    contexts = captioner.project(loss.crops(problem, theta).captioner_features)
    keys, state = captioner.attention_keys(contexts), captioner.initialize(contexts)
    before, total = 0, 0
    for word in map(captioner.vocabulary.index, ["a", "dog", "runs", "."]):
        logits, state = captioner.step(contexts, keys, tf.fill([3], before), state)
        total, before = total - tf.nn.log_softmax(logits)[:, word], word
    np.testing.assert_allclose(found.terms["sentence"], total / 4, rtol=1e-4)
    added = found.total - found.terms["caption"] - 0.01 * found.terms["aesthetic"]
    np.testing.assert_allclose(added, 3 * found.terms["sentence"], rtol=1e-4)
    other = loss.problem(photo, words_of("runs a dog", loss))
    assert np.abs(loss(other, theta).terms["sentence"] - found.terms["sentence"]).max() > 0.1
    np.testing.assert_allclose(loss(other, theta).terms["caption"], found.terms["caption"], 1e-6)


def test_a_captioner_that_cannot_read_is_refused_in_one_line(loss):
    class Mute:
        vocabulary, end_word = ("<start>", "."), "."

    networks = type("Mine", (), {"captioner": Mute(), "dtype": tf.float32})()
    with pytest.raises(ValueError, match=r"^SentenceLoss .* a Mute has no `read`: leave .*None$"):
        SentenceLoss().target(networks, vocabulary.no_words(Mute.vocabulary))

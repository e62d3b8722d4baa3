"""MAttNet's words, numbers of boxes, LSTM and losses, against what is computed by hand."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.mattnet import geometry, language, losses
from cagic_tf.baselines.mattnet.layers import Layers
from cagic_tf.baselines.mattnet.text import Vocabulary
from tests.baselines.seeded_mattnet import KINDS, ROW, SMALL, WORDS, small_tensors

SIZE = (100, 200)


def test_words():
    known = Vocabulary(WORDS)
    assert known.encode(" The\tDOG\n") == [3, 1]
    assert known.encode("dog, zebra <unk> dog") == [4, 4, 4, 1]
    assert known.encode("dog " * 40) == [1] * 40
    np.testing.assert_array_equal(known.labels(["dog", "the left dog"]), [[1, 0, 0], [3, 2, 1]])
    np.testing.assert_array_equal(known.labels(["dog", "the left dog"], 2), [[1, 0], [3, 2]])
    np.testing.assert_array_equal(known.labels(["dog"], 3), [[1, 0, 0]])


@pytest.mark.parametrize(
    ("words", "phrase", "message"),
    [
        (WORDS, "", "the phrase '' has no words"),
        (WORDS, " \n", "has no words; give at least one"),
        (WORDS, None, "the phrase is None; a text is needed"),
        (WORDS, b"dog", "the phrase is 3 bytes"),
        (WORDS[:3], "the left dog on grass", "does not know the words the, on, grass"),
    ],
)
def test_phrases_that_cannot_be_read(words, phrase, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(words).encode(phrase)


def test_location_is_of_the_last_pixel():
    found = geometry.location(np.array([[20, 10, 40, 50]]), SIZE)
    expected = [[20 / 200, 10 / 100, 59 / 200, 59 / 100, 2000 / 20000]]
    np.testing.assert_array_equal(found, np.float32(expected))


def test_others_are_seen_from_the_center():
    boxes = np.array([[20, 10, 40, 50], [30, 45, 10, 20]], np.float32)
    found = geometry.relative(boxes, np.array([[1, -1], [-1, 0]]))
    first = [(30 - 40) / 40, (45 - 35) / 50, (40 - 40) / 40, (65 - 35) / 50, 200 / 2000]
    second = [(20 - 35) / 10, (10 - 55) / 20, (60 - 35) / 10, (60 - 55) / 20, 2000 / 200]
    nobody = [0] * 5
    np.testing.assert_array_equal(found, np.float32([[first, nobody], [nobody, second]]))


def test_nearest_first_and_of_equally_near_the_last():
    around = geometry.context(ROW, KINDS, 3, True)
    # Other kinds by distance, then its own; 0 and 2 are equally far from 1.
    expected = [[1, 4, 5], [2, 0, 3], [1, 4, 5], [4, 1, 5], [3, 2, 0], [4, 3, 2]]
    np.testing.assert_array_equal(around, expected)
    np.testing.assert_array_equal(geometry.context(ROW, KINDS, 6, True)[2], [1, 4, 5, 3, 0, -1])
    np.testing.assert_array_equal(geometry.context(ROW, KINDS, 6, False)[2], [1, 4, 5, -1, -1, -1])
    alike = geometry.nearest_of_kind(ROW, KINDS, 2)
    expected = [[2, 3], [4, -1], [3, 0], [2, 0], [1, -1], [-1, -1]]
    np.testing.assert_array_equal(alike, expected)


def test_many_equally_near():
    """A hundred boxes on two places: of each place the last ids first."""
    boxes = np.tile(ROW[:2], (50, 1))
    around = geometry.context(boxes, np.zeros(100), 99, True)
    near, far = list(range(98, -1, -2)), list(range(99, 0, -2))
    np.testing.assert_array_equal(around[0], near[:-1] + far)
    np.testing.assert_array_equal(around[1], far[:-1] + near)


def test_texts_side_by_side_are_read_as_alone():
    layers, known = Layers(small_tensors()), Vocabulary(WORDS)
    phrases = ["dog", "the left dog", "the dog left the zebra", "zebra"]
    together = language.read(layers, tf.constant(known.labels(phrases, 7)))
    for row, phrase in enumerate(phrases):
        alone = language.read(layers, tf.constant(known.labels([phrase])))
        length = alone.attention.shape[2]
        np.testing.assert_allclose(together.weights[row], alone.weights[0], atol=1e-6)
        np.testing.assert_allclose(together.phrases[row], alone.phrases[0], atol=1e-6)
        attention = together.attention[row]
        np.testing.assert_allclose(attention[:, :length], alone.attention[0], atol=1e-6)
        assert not np.any(attention[:, length:])
        np.testing.assert_allclose(np.sum(attention, axis=1), 1, atol=1e-6)


def test_the_lstm_goes_both_ways():
    """By one word at a time in NumPy."""
    held = small_tensors()
    embedded = np.random.default_rng(0).standard_normal((1, 3, SMALL.word)).astype(np.float32)
    contexts, hidden = language.encode(Layers(held), tf.constant(embedded), tf.constant([3]))

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    for direction, order, place in (("forward", (0, 1, 2), 0), ("backward", (2, 1, 0), 5)):
        kernel, bias = (held[f"rnn_encoder/{direction}/{part}"] for part in ("kernel", "bias"))
        output, memory = np.zeros(5), np.zeros(5)
        for word in order:
            gates = np.concatenate([embedded[0, word], output]) @ kernel + bias
            i, f, g, o = np.split(gates, 4)
            memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
            output = sigmoid(o) * np.tanh(memory)
            np.testing.assert_allclose(contexts[0, word, place : place + 5], output, atol=1e-6)
        np.testing.assert_allclose(hidden[0, place : place + 5], output, atol=1e-6)


def test_losses_by_hand():
    scores = tf.constant([0.5, 0.2, 0.45, 0.0, 0.3, 0.2])
    expected = (max(0, 0.1 + 0.45 - 0.5) + max(0, 0.1 + 0.0 - 0.2)) / 2  # Wrong objects.
    expected += (max(0, 0.1 + 0.3 - 0.5) + max(0, 0.1 + 0.2 - 0.2)) / 2  # Wrong texts.
    np.testing.assert_allclose(losses.ranking(scores), expected, atol=1e-7)
    weights = losses.attribute_weights(np.array([100, 25, 4]))
    np.testing.assert_allclose(weights, [1, 1 + 9 * (0.2 - 0.1) / 0.4, 10], rtol=1e-6)
    np.testing.assert_array_equal(losses.attribute_weights(np.array([7, 7])), [1, 1])
    logits, truth = tf.constant([[0.0, 0.0], [5.0, 5.0]]), tf.constant([[1.0, 0.0], [0.0, 0.0]])
    loss = losses.attributes(logits, truth, tf.constant([1.0, 3.0]))
    np.testing.assert_allclose(loss, 2 * np.log(2), rtol=1e-6)
    assert losses.attributes(logits[1:], truth[1:], tf.constant([1.0, 3.0])) == 0

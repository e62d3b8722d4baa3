import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import sat, sat_sizes
from tests.networks.sat_reference import (
    END,
    WORDS,
    A,
    D,
    E,
    H,
    L,
    P,
    Reference,
    V,
    pictures,
    random_weights,
)


@pytest.mark.parametrize("layers", [1, 2, "xu"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(tf.float64, 1e-12), (tf.float32, 1e-5)])
@pytest.mark.parametrize(("end_bias", "steps"), [(-50, 6), (1.5, 6), (50, 6), (1.5, 1), (1.5, 20)])
def test_greedy_is_deeprnns(layers, dtype, tolerance, end_bias, steps):
    weights, features = random_weights(layers, end_bias=end_bias), pictures(9)
    decoder = sat.ShowAttendTell(weights, WORDS, dtype)
    caption = decoder.greedy(tf.constant(features, dtype), steps)
    reference = [Reference(weights, layers).greedy(picture, steps) for picture in features]
    words = np.array([entry[0] for entry in reference])
    probabilities = np.array([entry[1] for entry in reference])
    lengths = np.array([[*row, END].index(END) for row in words])
    np.testing.assert_array_equal(caption.lengths, lengths)
    # The loop ends with the longest caption of the batch, its end word included.
    needed = min(lengths.max() + 1, steps)
    assert caption.words.shape == (9, needed) and caption.probabilities.dtype == dtype
    np.testing.assert_array_equal(caption.words, words[:, :needed])
    expected = probabilities[:, :needed]
    np.testing.assert_allclose(caption.probabilities, expected, rtol=0, atol=tolerance)
    if end_bias == -50:
        assert (lengths == steps).all()
    if end_bias == 50:
        assert (lengths == 0).all() and needed == 1


@pytest.mark.parametrize("layers", [1, 2, "xu"])
@pytest.mark.parametrize(("end_bias", "steps"), [(-50, 6), (1.5, 6), (50, 6), (1.5, 1)])
def test_following_its_own_words_it_says_what_it_said(layers, end_bias, steps):
    decoder = sat.ShowAttendTell(random_weights(layers, end_bias=end_bias), WORDS, tf.float64)
    features = tf.constant(pictures(9))
    said = decoder.greedy(features, steps)
    words = np.full((9, steps), END)
    for row, length in enumerate(said.lengths.numpy()):
        words[row, :length] = said.words[row, :length]
    followed = decoder.follow(features, tf.constant(words, tf.int32))
    np.testing.assert_array_equal(followed.lengths, said.lengths)
    assert followed.words.shape == said.words.shape
    for row, length in enumerate(said.lengths.numpy()):
        upto = min(length + 1, steps)
        np.testing.assert_array_equal(followed.words[row, :upto], said.words[row, :upto])
        expected = said.probabilities[row, :upto]
        np.testing.assert_allclose(followed.probabilities[row, :upto], expected, atol=1e-13)


def test_following_other_words_is_the_reference_fed_with_them():
    """Of another picture's words the probabilities are those of a picture that says them."""
    weights, features = random_weights(2, end_bias=-50), pictures(2)
    decoder = sat.ShowAttendTell(weights, WORDS, tf.float64)
    words = tf.constant([[3, 2, 4, 3], [2, 2, 3, 4]])
    followed = decoder.follow(tf.constant(features), words)
    for row in range(2):
        read = decoder.read(tf.constant(features[row : row + 1]), words[row])
        chosen = tf.gather(followed.probabilities[row], words[row], batch_dims=1)
        np.testing.assert_allclose(tf.math.log(chosen), read[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2, "xu"])
def test_captions_of_different_lengths_were_compared(layers):
    weights = random_weights(layers, end_bias=1.5)
    decoder = sat.ShowAttendTell(weights, WORDS, tf.float64)
    lengths = decoder.greedy(tf.constant(pictures(9)), 20).lengths.numpy()
    assert len(set(lengths.tolist())) > 1


@pytest.mark.parametrize("layers", [1, 2, "xu"])
def test_attention_and_first_state(layers):
    weights, features = random_weights(layers), pictures(3)
    decoder, reference = sat.ShowAttendTell(weights, WORDS, tf.float64), Reference(weights, layers)
    contexts = decoder.project(tf.constant(features))
    features = np.array([reference.project(picture) for picture in features])
    np.testing.assert_allclose(contexts, features, rtol=0, atol=1e-13)
    memory, output = decoder.initialize(contexts)
    context, alpha = decoder.attend(contexts, decoder.attention_keys(contexts), output)
    for at, picture in enumerate(features):
        expected = reference.initialize(picture)
        np.testing.assert_allclose(memory[at], expected[0], rtol=0, atol=1e-13)
        np.testing.assert_allclose(output[at], expected[1], rtol=0, atol=1e-13)
        weight = reference.alpha(picture, expected[1])
        np.testing.assert_allclose(alpha[at], weight, rtol=0, atol=1e-13)
        np.testing.assert_allclose(context[at], weight @ picture, rtol=0, atol=1e-13)


@pytest.mark.parametrize("layers", [1, 2, "xu"])
def test_picture_does_not_depend_on_its_batch(layers):
    decoder = sat.ShowAttendTell(random_weights(layers, end_bias=1.5), WORDS, tf.float64)
    features = tf.constant(pictures(5))
    together = decoder.greedy(features, 8)
    for at in range(5):
        alone = decoder.greedy(features[at : at + 1], 8)
        steps = alone.words.shape[1]
        np.testing.assert_array_equal(alone.lengths[0], together.lengths[at])
        np.testing.assert_array_equal(alone.words[0], together.words[at, :steps])
        np.testing.assert_allclose(
            alone.probabilities[0], together.probabilities[at, :steps], rtol=0, atol=1e-13
        )


def test_graph_with_unknown_batch_size_is_traced_once():
    decoder = sat.ShowAttendTell(random_weights(2, end_bias=1.5), WORDS, tf.float64)
    greedy = tf.function(
        lambda contexts: decoder.greedy(contexts, 8),
        input_signature=[tf.TensorSpec([None, L, D], tf.float64)],
    )
    for count in (1, 4, 9):
        features = tf.constant(pictures(count, seed=count))
        for traced, eager in zip(greedy(features), decoder.greedy(features, 8), strict=True):
            np.testing.assert_allclose(traced, eager, rtol=0, atol=1e-13)
    assert greedy.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("layers", [1, 2, "xu"])
def test_gradient_is_the_finite_difference(layers):
    decoder = sat.ShowAttendTell(random_weights(layers, end_bias=-50), WORDS, tf.float64)
    features = pictures(2)
    weights = np.random.default_rng(5).normal(size=(2, 4, V))

    def function(contexts):
        return tf.reduce_sum(weights * decoder.greedy(contexts, 4).probabilities)

    contexts = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(contexts)
        value = function(contexts)
    gradient = tape.gradient(value, contexts).numpy()
    words = decoder.greedy(contexts, 4).words.numpy()
    for place in [(0, 0, 0), (0, 3, 2), (1, 1, 5), (1, 2, 1)]:
        step = np.zeros_like(features)
        step[place] = 1e-6
        for moved in (features + step, features - step):
            np.testing.assert_array_equal(decoder.greedy(tf.constant(moved), 4).words, words)
        difference = (function(features + step) - function(features - step)) / 2e-6
        assert gradient[place] == pytest.approx(float(difference), rel=1e-6, abs=1e-9)
        assert abs(difference) > 1e-5


@pytest.mark.parametrize("layers", [1, 2, "xu"])
def test_read_gives_each_word_after_those_before_it(layers):
    weights, features, words = random_weights(layers), pictures(3), [3, 1, 3, 4]
    decoder, reference = sat.ShowAttendTell(weights, WORDS, tf.float64), Reference(weights, layers)
    signature = [tf.TensorSpec([None, L, D], tf.float64), tf.TensorSpec([None], tf.int32)]
    read = tf.function(decoder.read, input_signature=signature)
    for count in (4, 1):
        found = read(features, words[:count])
        expected = [reference.read(picture, words[:count]) for picture in features]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert read.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("layers", [1, 2, "xu"])
def test_gradient_of_reading_is_the_finite_difference(layers):
    decoder = sat.ShowAttendTell(random_weights(layers), WORDS, tf.float64)
    weights, features = np.random.default_rng(5).normal(size=(2, 4)), pictures(2)

    @tf.function
    def function(contexts):
        return tf.reduce_sum(weights * decoder.read(contexts, tf.constant([3, 1, 2, 4])))

    contexts = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(contexts)
        value = function(contexts)
    gradient = tape.gradient(value, contexts).numpy()
    for place in [(0, 0, 0), (0, 3, 2), (1, 1, 5), (1, 2, 1)]:
        step = np.zeros_like(features)
        step[place] = 1e-6
        difference = function(tf.constant(features + step)) - function(tf.constant(features - step))
        assert gradient[place] == pytest.approx(float(difference) / 2e-6, rel=1e-6, abs=1e-9)
        assert abs(gradient[place]) > 1e-5


def test_where_xus_attention_looks_depends_on_what_was_said():
    for layers, moves in ((2, False), ("xu", True)):
        decoder = sat.ShowAttendTell(random_weights(layers), WORDS, tf.float64)
        contexts = decoder.project(tf.constant(pictures(1)))
        keys = decoder.attention_keys(contexts)
        one, other = (
            decoder.attend(contexts, keys, tf.constant(np.full((1, H), x)))[1] for x in (0.1, -0.9)
        )
        difference = np.abs(one - other).max()
        assert difference > 0.01 if moves else difference == 0


def test_sizes_of_xus_attention():
    sizes = sat_sizes.Sizes(V, L, D, E, H, P, A, P, project=D, looks_around=True)
    weights = random_weights("xu")
    assert sat_sizes.shapes(sizes) == {name: value.shape for name, value in weights.items()}


def test_dropout_is_where_deeprnn_has_it():
    decoder = sat.ShowAttendTell(random_weights(2), WORDS, tf.float64)
    contexts, sizes = tf.constant(pictures(2)), []

    def dropout(x):
        sizes.append(tuple(x.shape))
        return x

    _, output = decoder.initialize(contexts, dropout)
    assert sorted(sizes) == [(2, D), (2, P), (2, P)]
    sizes.clear()
    decoder.attention_keys(contexts, dropout)
    assert sizes == [(2, L, D)]
    sizes.clear()
    decoder.decode(output, contexts[:, 0], decoder.embed([1, 2]), dropout)
    assert sizes == [(2, H + D + E), (2, P)]


def test_a_word_is_two_products():
    """Of the LSTM's output, for gates and output layer together, and of the last layer."""
    decoder = sat.ShowAttendTell(random_weights(2), WORDS, tf.float64)
    signature = [tf.TensorSpec([None, L, D], tf.float64)]
    greedy = tf.function(lambda contexts: decoder.greedy(contexts, 8), input_signature=signature)
    library = greedy.get_concrete_function().graph.as_graph_def().library.function
    (body,) = [each for each in library if "while_body" in each.signature.name]
    assert [node.op for node in body.node_def].count("MatMul") == 2


def test_variables_are_used_as_they_are():
    weights = random_weights(1)
    kernel = tf.Variable(weights["decode/fc/kernel"])
    decoder = sat.ShowAttendTell({**weights, "decode/fc/kernel": kernel}, WORDS, tf.float64)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(decoder.greedy(tf.constant(pictures(1)), 3).probabilities[..., 1])
    assert np.abs(tape.gradient(value, kernel)).max() > 1e-4


@pytest.mark.parametrize(
    ("words", "length", "expected"),
    [
        ([1, 2, END], 2, "a dog"),
        ([1, 2, END], 0, ""),
        ([END, 1], 0, ""),
        ([1, 6, 2], 3, "a man's dog"),
    ],
)
def test_text(words, length, expected):
    decoder = sat.ShowAttendTell({}, WORDS)
    assert decoder.end == END
    assert decoder.text(words, length) == expected
    assert decoder.text(tf.constant(words), length) == expected


def test_vocabulary_without_end_word():
    with pytest.raises(ValueError):
        sat.ShowAttendTell({}, WORDS[:-1])

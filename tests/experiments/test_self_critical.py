"""Rewards and losses of self-critical and discriminative training."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import sat, sat_sizes
from experiments.training import self_critical, teacher_forcing

WORDS = ["<start>", "a", "dog", "runs", "."]
END = 4
SIZES = sat_sizes.Sizes(
    len(WORDS), 4, 6, embedding=5, memory=7, initialize=None, attend=3, decode=None
)


def decoder(seed=0, dtype=tf.float64):
    rng = np.random.default_rng(seed)
    tensors = {name: rng.normal(0, 1, shape) for name, shape in sat_sizes.shapes(SIZES).items()}
    return sat.ShowAttendTell(tensors, WORDS, dtype)


def contexts(count, dtype=tf.float64):
    return tf.constant(np.random.default_rng(1).normal(size=(count, 4, 6)), dtype)


def test_cider_d_is_pycocoevalcaps():
    scorer = pytest.importorskip("pycocoevalcap.cider.cider").Cider()
    rng = np.random.default_rng(0)
    references = [
        [rng.integers(0, 6, rng.integers(3, 9)).tolist() for _ in range(3)] for _ in range(20)
    ]
    own = [rng.integers(0, 7, rng.integers(0, 9)).tolist() for _ in range(18)]
    own += [references[18][0], references[19][2]]

    def text(words):
        return " ".join(map(str, words))

    truth = {row: [text(words) for words in rows] for row, rows in enumerate(references)}
    _, expected = scorer.compute_score(truth, {row: [text(w)] for row, w in enumerate(own)})
    reward = self_critical.CiderD(references)
    found = [reward(row, words) for row, words in enumerate(own)]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert found[18] > 3 and max(found[:18]) > 0


def test_f_mean():
    references = [[1, 2, 3, 4], [5, -1, 1]]
    # Three words of four match: precision 3/5, recall 3/4.
    expected = 0.6 * 0.75 / (0.85 * 0.6 + 0.15 * 0.75)
    np.testing.assert_allclose(self_critical.f_mean([1, 2, 3, 3, 9], references), expected)
    # The second reference fits better; its unknown word is one that is missed.
    np.testing.assert_allclose(
        self_critical.f_mean([5, 1], references), 1 * 2 / 3 / (0.85 * 1 + 0.15 * 2 / 3)
    )
    assert self_critical.f_mean([7, -1], references) == self_critical.f_mean([], references) == 0


def test_own_captions():
    tf.random.set_seed(0)
    model, photos = decoder(), contexts(3)
    words, weights = self_critical.own_captions(model, photos, samples=400, max_words=6)
    assert words.shape == weights.shape == (3, 401, 6)
    greedy = model.greedy(photos, 6)
    for row, length in enumerate(greedy.lengths.numpy()):
        kept = int(weights[row, 0].numpy().sum())
        assert kept == min(length + 1, 6)
        np.testing.assert_array_equal(words[row, 0, :kept], greedy.words[row, :kept])
    # A word counts up to and with the first end word.
    ended = np.cumsum(words.numpy() == END, axis=2)
    before = np.pad(ended, [(0, 0), (0, 0), (1, 0)])[:, :, :-1]
    np.testing.assert_array_equal(weights.numpy(), before == 0)
    # First words come as often as the decoder says.
    expected = greedy.probabilities[:, 0].numpy()
    drawn = words[:, 1:, 0].numpy()
    shares = np.array([np.bincount(row, minlength=5) / 400 for row in drawn])
    np.testing.assert_allclose(shares, expected, atol=4 * 0.5 / np.sqrt(400))


def test_advantage_is_over_the_mean_of_the_others():
    found = self_critical.advantages(np.array([[1.0, 2.0, 6.0]]))
    np.testing.assert_allclose(found, [[1 - 4, 2 - 3.5, 6 - 1.5]])


def test_discriminative_loss():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(5), (3, 4))
    targets = rng.dirichlet(np.ones(5), 3)
    lengths = [4, 2, 0]
    means = [probabilities[n, : max(1, length)].mean(0) for n, length in enumerate(lengths)]
    logits = np.array([[2 * target @ np.log(mean) for mean in means] for target in targets])
    expected = np.mean([np.log(np.exp(row).sum()) - row[n] for n, row in enumerate(logits)])
    found = self_critical.discriminative_loss(
        tf.constant(probabilities), tf.constant(lengths), tf.constant(targets), 2.0
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_make_batch():
    words = np.array([[[1, 2, 4], [1, 4, 0]]])
    weights = np.array([[[1, 1, 1], [1, 1, 0]]], np.float32)
    batch = self_critical.make_batch(words, weights, np.array([[0.5, 1.5]]), [[1, -1, 1, 4]], 5, 4)
    np.testing.assert_array_equal(batch.words[0], [[1, 2, 4], [1, 4, 0], [1, 0, 1]])
    np.testing.assert_array_equal(batch.weights[0], [[1, 1, 1], [1, 1, 0], [1, 0, 1]])
    np.testing.assert_array_equal(batch.advantages, [[-1, 1]])
    np.testing.assert_array_equal(batch.targets, [[0, 1, 0, 0, 0]])


def test_step_losses():
    """Against each caption's likelihood by itself, one decoder step after the other."""
    model, photos = decoder(), contexts(2)
    words, weights = self_critical.own_captions(model, photos, samples=2, max_words=5)
    human = [[1, 2, 3, END], [2, -1, END]]
    rewards = np.array([[0.2, 0.9], [0.5, 0.1]])
    batch = self_critical.make_batch(words.numpy(), weights.numpy(), rewards, human, 5, END)
    batch = tf.nest.map_structure(
        lambda x: tf.constant(x, tf.float64 if x.dtype.kind == "f" else tf.int32), batch
    )
    found = self_critical.step_losses(model, photos, batch, lambda x: x, sharpness=3.0)

    likelihoods = np.zeros([2, 4, 5])
    distributions = np.zeros([2, 5, 5])
    for row in range(2):
        for at in range(4):
            one = photos[row : row + 1]
            keys, state, word = model.attention_keys(one), model.initialize(one), [sat.START]
            for step in range(5):
                logits, state = model.step(one, keys, tf.constant(word, tf.int32), state)
                word = [int(batch.words[row, at, step])]
                likelihoods[row, at, step] = tf.nn.log_softmax(logits)[0, word[0]]
                if at == 0:
                    distributions[row, step] = tf.nn.softmax(logits)[0]
    counted = likelihoods * batch.weights.numpy()
    drawn = batch.weights[:, 1:3].numpy()
    reward = -(batch.advantages.numpy()[..., None] * counted[:, 1:3]).sum() / drawn.sum()
    word = -counted[:, 3].sum() / 6
    lengths = (batch.weights[:, 0].numpy() * (batch.words[:, 0].numpy() != END)).sum(1)
    telling = self_critical.discriminative_loss(
        tf.constant(distributions), tf.constant(lengths, tf.int32), batch.targets, 3.0
    )
    np.testing.assert_allclose(found, [reward, word, telling], rtol=1e-9)


def test_a_rewarded_caption_becomes_likelier():
    tensors = {n: tf.Variable(v) for n, v in decoder()._weights.items()}
    model, photos = sat.ShowAttendTell(tensors, WORDS, tf.float64), contexts(1)
    words = np.array([[[1, 2, 4], [1, 2, 4], [3, 3, 4]]])
    ones = np.ones([1, 3, 3])
    made = self_critical.make_batch(words, ones, np.array([[1.0, 0.0]]), [[1, 4]], 5, END)
    batch = tf.nest.map_structure(
        lambda x: tf.constant(x, tf.float64 if x.dtype.kind == "f" else tf.int32), made
    )

    def likelihood():
        args = model.attention_keys(photos), model.initialize(photos)
        logits = [
            teacher_forcing.unroll(model, photos, *args, batch.words[:, at], lambda x: x)[0]
            for at in (1, 2)
        ]
        pairs = zip(logits, (1, 2), strict=True)
        return [
            float(tf.reduce_sum(tf.gather(tf.nn.log_softmax(x), batch.words[:, at], batch_dims=2)))
            for x, at in pairs
        ]

    before = likelihood()
    with tf.GradientTape() as tape:
        loss = self_critical.step_losses(model, photos, batch, lambda x: x, 1.0)[0]
    variables = list(tensors.values())
    for variable, gradient in zip(
        variables, tape.gradient(loss, variables, unconnected_gradients="zero"), strict=True
    ):
        variable.assign_sub(0.01 * tf.convert_to_tensor(gradient))
    after = likelihood()
    assert after[0] > before[0] and after[1] < before[1]

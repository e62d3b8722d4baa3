import itertools

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import sat
from experiments.training import beam_search

WORDS = ["<start>", "a", "b", "c", "."]
END = 4


@pytest.fixture(autouse=True)
def mean_likelihood(monkeypatch):
    """Scores are mean log-probabilities here, whatever suits Flickr8k."""
    monkeypatch.setattr(beam_search, "LENGTH_POWER", 1.0)


class Chain(sat.ShowAttendTell):
    """The next word depends on the last one and on the picture's table, nothing else.

    A picture's "annotation vectors" are the rows of its table: `[V, V]` probabilities.
    """

    def __init__(self):
        super().__init__({}, WORDS)

    def initialize(self, contexts, dropout=None):
        return contexts[:, 0], contexts[:, 0]

    def attention_keys(self, contexts, dropout=None):
        return contexts

    def step(self, contexts, keys, words, state):
        return tf.math.log(tf.gather(contexts, words, batch_dims=1)), state


def table(**rows):
    """Probabilities of a, b, c and "." after each word; the rest goes evenly to all words."""
    result = np.full((5, 5), 1e-6)
    for word, probabilities in rows.items():
        result[0 if word == "start" else WORDS.index(word), 1:] = probabilities
    return (result / result.sum(1, keepdims=True)).astype(np.float32)


def random_table(seed):
    logits = np.random.default_rng(seed).normal(0, 1.5, (5, 5))
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)


def score(probabilities, words):
    with np.errstate(divide="ignore"):
        likelihood = np.sum(np.log(probabilities[[0, *words[:-1]], words]))
    return likelihood / len(words) ** beam_search.LENGTH_POWER


def best_of_all(probabilities, max_words):
    """The best finished caption among all of them."""
    sentences = [
        [*words, END]
        for length in range(max_words)
        for words in itertools.product(range(END), repeat=length)
    ]
    best = max(sentences, key=lambda words: score(probabilities, words))
    return " ".join(WORDS[word] for word in best[:-1])


# The likeliest first word leads to unlikely ones: a 0.6 then 0.34, b 0.4 then 0.9.
GARDEN_PATH = table(
    start=[0.6, 0.4, 0, 0], a=[0.33, 0.33, 0, 0.34], b=[0, 0.05, 0.9, 0.05], c=[0, 0.05, 0.05, 0.9]
)


def test_beam_finds_what_greedy_misses():
    captions = [beam_search.captions(Chain(), GARDEN_PATH[None], beam, 5)[0] for beam in (1, 2, 4)]
    assert captions == ["a", "b c", "b c"]
    assert best_of_all(GARDEN_PATH, 5) == "b c"


@pytest.mark.parametrize("power", [0, 0.7, 1, 1.8])
@pytest.mark.parametrize("seed", range(6))
def test_wide_beam_finds_the_best_of_all(seed, power, monkeypatch):
    monkeypatch.setattr(beam_search, "LENGTH_POWER", power)
    probabilities = random_table(seed)
    # 4^3 beams keep every unfinished caption of up to three words.
    (caption,) = beam_search.captions(Chain(), probabilities[None], 64, 4)
    assert caption == best_of_all(probabilities, 4)


def random_decoder(seed, end_bias):
    """A one-layer decoder with random weights: six features at each of four places."""
    shapes = {
        "word_embedding/weights": (5, 4),
        "lstm/lstm_cell/kernel": (6 + 4 + 5, 20),
        "lstm/lstm_cell/bias": (20,),
        "initialize/fc_a/kernel": (6, 5),
        "initialize/fc_b/kernel": (6, 5),
        "attend/fc_a/kernel": (6, 1),
        "attend/fc_b/kernel": (5, 4),
        "decode/fc/kernel": (5 + 6 + 4, 5),
    }
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(0, 0.8, shape) for name, shape in shapes.items()}
    weights["decode/fc/bias"] = np.eye(5)[END] * end_bias
    return sat.ShowAttendTell(weights, WORDS)


@pytest.mark.parametrize("end_bias", [-3, 0, 1.5])
@pytest.mark.parametrize("seed", range(3))
def test_one_beam_is_greedy(seed, end_bias):
    decoder = random_decoder(seed, end_bias)
    features = np.random.default_rng(seed).normal(size=(12, 4, 6)).astype(np.float32)
    caption = decoder.greedy(tf.constant(features), 8)
    expected = [
        decoder.text(words, int(length))
        for words, length in zip(caption.words, caption.lengths, strict=True)
    ]
    assert beam_search.captions(decoder, features, 1, 8) == expected


def test_finished_captions_go_before_unfinished_ones():
    # "a a a a" is likelier a word than anything that ends, but it never does.
    probabilities = table(start=[0.9, 0.1, 0, 0], a=[1, 0, 0, 0], b=[0, 0, 0, 1], c=[1, 0, 0, 0])
    assert beam_search.captions(Chain(), probabilities[None], 2, 4) == ["b"]


def test_unfinished_caption_where_nothing_ends():
    probabilities = np.full((1, 5, 5), 1e-6, np.float32)
    probabilities[0, [0, 1, 2], [1, 2, 1]] = 1  # a b a b ...
    probabilities[..., END] = 0
    assert beam_search.captions(Chain(), probabilities, 2, 5) == ["a b a b a"]


def test_short_captions_are_not_preferred():
    # "." at once: 0.3. "a b .": 0.7 * 0.4 * 1 = 0.28, but 0.65 a word.
    probabilities = table(
        start=[0.7, 0, 0, 0.3], a=[0, 0.4, 0.3, 0.3], b=[0, 0, 0, 1], c=[0, 0, 0, 1]
    )
    assert beam_search.captions(Chain(), probabilities[None], 3, 5) == ["a b"]


@pytest.mark.parametrize("batch", [1, 3, 50])
def test_pictures_do_not_meet(batch):
    tables = np.stack([GARDEN_PATH, *(random_table(seed) for seed in range(6))])
    together = beam_search.captions(Chain(), tables, 3, 5, batch)
    alone = [beam_search.captions(Chain(), tables[at : at + 1], 3, 5)[0] for at in range(7)]
    assert together == alone
    assert len(set(alone)) > 2

"""MAttNet's parts on small networks and hand-made boxes, where the right answer is known."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.mattnet import geometry, language, losses, mattnet, network, objects, sizes
from cagic_tf.baselines.mattnet.detections import Detections
from cagic_tf.baselines.mattnet.layers import Layers
from cagic_tf.baselines.mattnet.text import Vocabulary
from cagic_tf.networks import checkpoints
from cagic_tf.port import mattnet as port
from tests.baselines import seeded_mattnet
from tests.baselines.seeded_mattnet import SMALL

WORDS = ["<PAD>", "dog", "left", "the", "<UNK>", "<EOS>"]
MANIFEST = {
    "vocabulary": WORDS,
    "attributes": [f"attribute {number}" for number in range(SMALL.attributes)],
    "num_cxt": 3,
    "with_st": 1,
}
SIZE = (100, 200)
# Five in a row, with equal distances, and one far away.
ROW = np.array([[10 + 20 * i, 40, 10, 10] for i in range(5)] + [[180, 80, 20, 10]], np.float64)
KINDS = np.array([1, 2, 1, 1, 2, 7])


def tensors(seed=1, **changes):
    found = port.convert(seeded_mattnet.state(seed, SMALL), Path("small"))
    return found | {name.replace("__", "/"): value for name, value in changes.items()}


def detections(boxes=ROW, categories=KINDS, channels=(SMALL.pool5, SMALL.fc7)):
    maps = (seeded_mattnet.features("a", len(boxes), count, 1) for count in channels)
    return Detections(boxes, categories, *maps)


def described(found):
    around = geometry.context(found.boxes, found.categories, 3, True)
    return objects.describe(found, SIZE, around, SMALL.alike)


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
    layers, known = Layers(tensors()), Vocabulary(WORDS)
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
    held = tensors()
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


def test_pairs_side_by_side_score_as_alone():
    layers, known = Layers(tensors()), Vocabulary(WORDS)
    phrases = ["dog", "the left dog", "zebra", "left", "the", "dog left"]
    reading = language.read(layers, tf.constant(known.labels(phrases)))
    seen = described(detections())
    together = network.score(layers, seen, reading)
    for row in range(6):
        one = slice(row, row + 1)
        alone = network.score(
            layers,
            network.Objects(*(part[one] for part in seen)),
            language.Reading(*(part[one] for part in reading)),
        )
        for mine, theirs in zip(together, alone, strict=True):
            np.testing.assert_allclose(mine[one], theirs, atol=1e-6)
    weighted = np.sum(together.modules * reading.weights, axis=1)
    np.testing.assert_allclose(together.scores, weighted, atol=1e-6)
    assert np.abs(together.modules).max() <= 1 + 1e-6


def test_one_box_alone():
    system = mattnet.MAttNet(tensors(), MANIFEST, lambda photo: None)
    found = system.comprehend(detections(ROW[:1], KINDS[:1]), SIZE, "the left dog")
    assert (found.chosen, found.related, found.related_box) == (0, -1, (0, 0, 0, 0))
    assert found.box == (10, 40, 10, 10) and found.module_scores[0, 2] == 0
    assert np.isfinite(found.scores).all() and found.words == ["the", "left", "dog"]
    assert found.grid_attention.shape == (1, 49) and len(found.attributes) == 5


def opposed():
    """A network in which everything around a box fits every phrase as badly as can be."""
    changes, direction = {}, np.arange(1, 7, dtype=np.float32)
    for tower, sign in (("vis", 1), ("lang", -1)):
        changes[f"rel_matching__{tower}_emb_fc__5__gamma"] = np.zeros(6, np.float32)
        changes[f"rel_matching__{tower}_emb_fc__5__beta"] = sign * direction
    return tensors(**changes)


def test_an_empty_slot_is_better_than_what_does_not_fit():
    system = mattnet.MAttNet(opposed(), MANIFEST, lambda photo: None)
    full = system.comprehend(detections(), SIZE, "dog")
    np.testing.assert_allclose(full.module_scores[:, 2], -1, atol=1e-6)
    fewer = system.comprehend(detections(ROW[:3], KINDS[:3]), SIZE, "dog")
    np.testing.assert_array_equal(fewer.module_scores[:, 2], 0)
    np.testing.assert_array_equal(fewer.all_related, -1)


def test_the_related_box_of_the_first_is_none():
    """The demo takes the id 0 for "none"."""
    system = mattnet.MAttNet(opposed(), MANIFEST | {"num_cxt": 1}, lambda photo: None)
    seen = set()
    for order in ([0, 1], [1, 0]):
        found = system.comprehend(detections(ROW[order], KINDS[order]), SIZE, "dog")
        assert found.related == 1 - found.chosen
        boxes = {0: (0, 0, 0, 0), 1: tuple(ROW[order[1]])}
        assert found.related_box == boxes[found.related]
        assert found.box == tuple(ROW[order[found.chosen]])
        seen.add(found.related)
    for category in (False, True):
        alone = MANIFEST | {"num_cxt": 1, "with_st": category}
        system = mattnet.MAttNet(opposed(), alone, lambda photo: None)
        found = system.comprehend(detections(ROW[:2], np.array([1, 1])), SIZE, "dog")
        assert (found.related >= 0) == category


def test_boxes_are_given_best_first():
    found = detections()
    system = mattnet.MAttNet(tensors(), MANIFEST, lambda photo: found)
    photo = np.zeros((*SIZE, 3), np.uint8)
    scored = system.boxes(photo, "the left dog")
    answer = system.comprehend(found, SIZE, "the left dog")
    assert scored[0].box == answer.box and len(scored) == 6
    assert [each.score for each in scored] == sorted(answer.scores.tolist(), reverse=True)
    assert {each.box for each in scored} == {tuple(box) for box in ROW}
    nothing = Detections(*(part[:0] for part in found))
    assert mattnet.MAttNet(tensors(), MANIFEST, lambda photo: nothing).boxes(photo, "dog") == []


def test_equal_scores_the_first():
    boxes = np.repeat(ROW[:1], 3, axis=0)
    maps = (np.ones((3, 7, 7, count), np.float32) for count in (SMALL.pool5, SMALL.fc7))
    same = Detections(boxes, np.array([1, 2, 3]), *maps)
    system = mattnet.MAttNet(tensors(), MANIFEST, lambda photo: None)
    found = system.comprehend(same, SIZE, "dog")
    assert found.chosen == np.argmax(found.scores) == 0


def test_a_grid_of_another_size():
    """A detector of another trunk may cut other cells than 7 x 7."""
    found = detections()
    cut = found._replace(pool5=found.pool5[:, :3, :2], fc7=found.fc7[:, :3, :2])
    system = mattnet.MAttNet(tensors(), MANIFEST, lambda photo: None)
    assert system.comprehend(cut, SIZE, "dog").grid_attention.shape == (6, 6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": ROW[:, :3]}, r"boxes are \[6, 3\]; \[n, 4\] are needed"),
        ({"categories": KINDS[:5]}, "there are 6 boxes, but"),
        ({"pool5": np.zeros((6, 49, 7))}, "pool5 and fc7 are"),
        ({"pool5": np.zeros((6, 7, 7, 8))}, r"have \(8, 8\) channels .* with \(7, 8\)"),
        ({"boxes": ROW * [1, 1, 1, 0]}, r"a detection's box is \[10.0, 40.0, 10.0, 0.0\]"),
        ({"boxes": ROW * np.nan}, "a detection's box is"),
    ],
)
def test_detections_that_are_none(changes, message):
    system = mattnet.MAttNet(tensors(), MANIFEST, lambda photo: None)
    with pytest.raises(ValueError, match=message) as caught:
        system.comprehend(detections()._replace(**changes), SIZE, "dog")
    assert "\n" not in str(caught.value)


def test_nothing_to_choose_from():
    nothing = Detections(*(part[:0] for part in detections()))
    system = mattnet.MAttNet(tensors(), MANIFEST, lambda photo: None)
    with pytest.raises(ValueError, match="no detections to choose from"):
        system.comprehend(nothing, SIZE, "dog")


def test_a_missing_checkpoint_says_what_to_get(tmp_path):
    with pytest.raises(checkpoints.CheckpointError) as caught:
        mattnet.load(tmp_path / "none", lambda photo: None)
    message = str(caught.value)
    for part in ("refcoco_unc.zip", "github.com/lichengunc/MAttNet", "cagic_tf.port mattnet"):
        assert part in message and "\n" not in message


class Training(Layers):
    """What a training script has in the place of these two: here it only writes down."""

    def __init__(self, variables):
        super().__init__(variables)
        self.rates, self.norms = [], []

    def dropout(self, x, rate):
        self.rates.append(rate)
        return x

    def batch_norm(self, x, name):
        self.norms.append((name, x.shape.as_list()))
        return super().batch_norm(x, name)


def test_everything_can_be_trained():
    """All tensors get finite gradients, of a batch with a box alone in its photo, too."""
    variables = {name: tf.Variable(value) for name, value in tensors().items()}
    layers, known = Training(variables), Vocabulary(WORDS)
    photos = [described(detections()), described(detections(ROW[:1], KINDS[:1]))]
    seen = network.Objects(*(tf.concat(parts, axis=0) for parts in zip(*photos, strict=True)))
    seen = network.Objects(*(tf.concat([part, part[:2]], axis=0) for part in seen))  # 9 pairs.
    phrases = ["dog", "the left dog", "left"] * 3
    truth = np.eye(3, SMALL.attributes, dtype=np.float32)
    counts = np.arange(1, SMALL.attributes + 1)
    with tf.GradientTape() as tape:
        reading = language.read(layers, tf.constant(known.labels(phrases)))
        scores = network.score(layers, seen, reading)
        weights = tf.constant(losses.attribute_weights(counts))
        loss = losses.ranking(scores.scores, margin=1.0)
        loss += losses.attributes(scores.attributes[:3], tf.constant(truth), weights)
    gradients = tape.gradient(loss, variables)
    for name, gradient in gradients.items():
        if not name.endswith(("mean", "variance")):
            gradient = tf.convert_to_tensor(gradient)
            assert np.isfinite(gradient).all(), name
            # A softmax does not see what is added to all its scores.
            added = name.endswith(("_attn/fc/bias", "attn_fuse/2/bias"))
            assert added or np.any(gradient != 0), name
    assert sorted(layers.rates) == [0.1] * 6 + [0.2, 0.5]
    shapes = dict(layers.norms)
    assert shapes["sub_encoder/att_fuse/1"] == [9, 49, SMALL.joint]  # Over cells.
    assert shapes["rel_matching/lang_emb_fc/1"] == [9, 3, SMALL.joint]  # Once a slot.
    assert len(shapes) == 13 and set(tensors()) == set(sizes.shapes(SMALL))


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

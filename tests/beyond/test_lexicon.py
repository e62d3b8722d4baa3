"""Nouns of captions: plurals, several words, longest match, what is no noun; their loss."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.beyond import lexicon
from cagic_tf.method import vocabulary
from cagic_tf.method.losses import AestheticLoss, CaptionLoss
from cagic_tf.method.objective import CropLoss, Objective
from cagic_tf.networks import checkpoints
from cagic_tf.networks.bundle import Networks
from cagic_tf.system import resources

TABLE = lexicon.NounTable(
    {
        "fire": "7",
        "fire truck": "1",
        "truck": "1-3",
        "dog": "4 6-8",
        "mouse": "9",
        "teapot": "10",
        "t shirt": "11",
        "shirt": "11-12",
        "orange": "13",
        "glass": "14",
        "bus": "15",
        "box": "16",
        "church": "17",
        "brush": "18",
        "fireman": "19",
        "pony": "20",
        "acorn": "21",
        "helium": "22",
        "he": "22",
        "can": "23",
    },
    {"mice": "mouse", "men": "man"},
)


def found(caption):
    return [(noun.name, noun.text) for noun in TABLE.find(caption.split())]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a dog and a truck", ["dog", "truck"]),
        ("two dogs", ["dog"]),
        ("the dog's bowl", ["dog"]),
        ("a fire truck", ["fire truck"]),  # Longest first.
        ("a fire engine", ["fire"]),
        ("fire trucks", ["fire truck"]),
        ("firetrucks", ["fire truck"]),  # Spelt together.
        ("a tea pot", ["teapot"]),  # Or apart.
        ("three mice", ["mouse"]),
        ("buses", ["bus"]),
        ("boxes", ["box"]),
        ("churches", ["church"]),
        ("brushes", ["brush"]),
        ("firemen", ["fireman"]),
        ("ponies", ["pony"]),
        ("glasses", ["glass"]),
        ("a corn", []),  # Not an acorn.
        ("he sees it", []),  # Not helium.
        ("a dress", []),
        ("an orange shirt", ["shirt"]),  # The last of several side by side.
        ("an orange and a shirt", ["orange", "shirt"]),
        ("a dog and a dog", ["dog", "dog"]),
        ("zebras", []),
        ("", []),
    ],
)
def test_find(caption, expected):
    assert [name for name, _ in found(caption)] == expected


def test_a_noun_says_where_it_stands_and_what_it_means():
    (noun,) = TABLE.find("the red fire trucks stop".split())
    assert noun == lexicon.Noun("fire truck", "fire trucks", 2, 4, (1,))
    assert TABLE.find(["dog"])[0].classes == (4, 6, 7, 8)


@pytest.mark.parametrize(
    ("text", "numbers"), [("", ()), ("5", (5,)), ("0-2 4", (0, 1, 2, 4)), ("9-9", (9,))]
)
def test_ranges(text, numbers):
    assert lexicon.ranges(text) == numbers


@pytest.fixture(scope="module")
def shipped():
    manifest = checkpoints.load(resources.path("checkpoints") / "lexicon", "lexicon").manifest
    table = lexicon.NounTable(manifest["nouns"], manifest["irregular_plurals"])
    return table, manifest["classes"]


@pytest.mark.parametrize(
    ("caption", "count", "some"),
    [
        ("dog", 118, "chihuahua"),
        ("trucks", 8, "garbage truck"),
        ("zebra", 1, "zebra"),
        ("teddy bears", 1, "teddy"),
        ("fire truck", 1, "fire engine"),
        ("cell phone", 1, "cellular telephone"),
        ("computer mouse", 1, "mouse"),
        ("mice", 1, "mouse"),
        ("vases", 1, "vase"),
        ("cranes", 2, "crane"),
        ("clock", 3, "wall clock"),
        ("wolves", 4, "timber wolf"),
    ],
)
def test_shipped_table(caption, count, some, shipped):
    table, classes = shipped
    (noun,) = table.find(caption.split())
    assert len(noun.classes) == count
    assert some in [classes[number] for number in noun.classes]


@pytest.mark.parametrize("word", ["giraffe", "object", "thing", "woman", "the", "he", "running"])
def test_words_without_classes_of_their_own(word, shipped):
    assert shipped[0].find([word]) == []


def noun(start, stop, *classes):
    return lexicon.Noun("x", "x", start, stop, classes)


def test_noun_weights():
    found = lexicon.noun_weights([noun(0, 1, 0, 2), noun(3, 5, 1)], 4, 3)
    np.testing.assert_array_equal(found, [[0.25, 0, 0.25], [0, 0.5, 0]])
    assert found.dtype == np.float32
    assert lexicon.noun_weights([], 4, 3).shape == (0, 3)


def test_noun_loss_is_the_cross_entropy_of_the_nouns():
    weights = tf.constant([[0.0, 0.5, 0.5], [0.25, 0.0, 0.0]], tf.float64)
    logs = tf.constant(np.log([[0.2, 0.5], [1.0, 0.1]]))
    found = lexicon.noun_loss(weights, logs).numpy()
    expected = [-0.5 * np.log(0.2) - 0.25 * np.log(0.5), -0.25 * np.log(0.1)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    none = lexicon.noun_loss(tf.zeros([0, 3]), tf.zeros([2, 0])).numpy()
    np.testing.assert_array_equal(none, [0, 0])


def test_without_the_noun_loss_the_losses_are_the_same_bits_and_the_graph_has_nothing_new():
    """The paper's objective beside the one with nouns, on one photo."""
    networks = Networks(lexicon="lexicon")
    terms = [CaptionLoss(), AestheticLoss()]
    objectives = [Objective(), Objective([*terms, lexicon.NounLoss()], lexicon_weight=3.0)]
    theta = tf.constant([[0.1, -0.2, 0.5], [0.0, 0.0, 1.0]])
    photo, found, graphs = np.random.default_rng(3).uniform(0, 1, (90, 120, 3)), [], []
    for objective in objectives:
        loss = CropLoss(objective, networks)
        finders = loss.word_finders
        assert list(finders) == ([] if objective is objectives[0] else ["lexicon"])
        words = vocabulary.bag_of_words("a dog", networks.captioner.vocabulary, None, finders)
        function = tf.function(loss, input_signature=[loss.signature, tf.TensorSpec([2, 3])])
        graph = function.get_concrete_function().graph
        graphs.append(sorted(operation.type for operation in graph.get_operations()))
        found.append(function(loss.problem(photo, words), theta))
    without, with_nouns = found
    assert list(without.terms) == ["caption", "aesthetic"]
    assert list(with_nouns.terms) == ["caption", "aesthetic", "lexicon"]
    for name, values in without.terms.items():
        np.testing.assert_array_equal(values, with_nouns.terms[name])
    caption, aesthetic = without.terms.values()
    np.testing.assert_array_equal(without.total, caption + 0.01 * aesthetic)
    added = with_nouns.total - without.total
    np.testing.assert_allclose(added, 3 * with_nouns.terms["lexicon"], rtol=1e-4)
    trunk = [graph.count("DepthwiseConv2dNative") for graph in graphs]
    assert trunk == [16, 16]  # One forward pass, nouns or not.
    assert "LogSoftmax" not in graphs[0] and "LogSoftmax" in graphs[1]

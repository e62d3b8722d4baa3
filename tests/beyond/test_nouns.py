"""Nouns of captions: plurals, several words, longest match, what is no noun."""

import pytest

from cagic_tf.beyond import nouns
from cagic_tf.networks import checkpoints
from cagic_tf.system import resources

TABLE = nouns.NounTable(
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
    assert noun == nouns.Noun("fire truck", "fire trucks", 2, 4, (1,))
    assert TABLE.find(["dog"])[0].classes == (4, 6, 7, 8)


@pytest.mark.parametrize(
    ("text", "numbers"), [("", ()), ("5", (5,)), ("0-2 4", (0, 1, 2, 4)), ("9-9", (9,))]
)
def test_ranges(text, numbers):
    assert nouns.ranges(text) == numbers


@pytest.fixture(scope="module")
def shipped():
    manifest = checkpoints.load(resources.path("checkpoints") / "lexicon", "lexicon").manifest
    table = nouns.NounTable(manifest["nouns"], manifest["irregular_plurals"])
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

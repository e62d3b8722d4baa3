"""Words that no network knows, read as others of near meaning."""

import numpy as np
import pytest

from cagic_tf.method import vocabulary
from tests.method.test_vocabulary import FINDERS, WORDS

SYNONYMS = {
    "kitten": ("cat", "animal"),
    "kittens": ("cats", "cat", "animals", "animal"),
    "okapi": ("giraffe", "zebra"),
    "okapis": ("giraffes", "giraffe", "zebras", "zebra"),
    "lorry": ("truck",),
    "hound": ("hunter", "dog"),
    "hounds": ("dogs", "dog"),
    "dog": ("animal",),
    "dogs": ("animals",),
    "zebra": ("animal",),
    "does": ("dog",),
}


@pytest.mark.parametrize(
    ("caption", "words", "found", "read_as", "unknown"),
    [
        ("a hound", ["a", "dog"], ["dog"], {"hound": "dog"}, []),  # The first that one knows.
        ("the hounds", ["the", "dog"], ["dog"], {"hounds": "dog"}, []),
        ("the hound's grass", ["the", "dog", "grass"], ["dog"], {"hound's": "dog"}, []),
        ("a okapi", ["a"], ["zebra"], {"okapi": "zebra"}, []),  # Which the lexicon alone knows.
        ("okapis", [], ["zebra"], {"okapis": "zebras"}, []),
        ("dog on dogs", ["dog", "on", "dog"], ["dog", "dog"], {"dogs": "dog"}, []),
        ("zebras", [], ["zebra"], {}, []),
        ("a fire truck", ["a"], ["fire truck"], {}, []),
        ("a kitten on grass", ["a", "on", "grass"], [], {}, ["kitten"]),  # Nothing of it is known.
        ("a hound, a hound", ["a", "dog", "a", "dog"], ["dog", "dog"], {"hound": "dog"}, []),
        ("a dog does", ["a", "dog"], ["dog"], {}, ["does"]),  # A stop word means nothing else.
    ],
)
def test_a_word_that_no_network_knows_is_read_as_its_nearest(
    caption, words, found, read_as, unknown
):
    bag = vocabulary.bag_of_words(caption, WORDS, None, FINDERS, SYNONYMS)
    assert list(bag.words) == words
    assert [noun.name for noun in bag.found["lexicon"]] == found
    assert bag.read_as == read_as
    assert list(bag.unknown) == unknown


def test_without_a_lexicon_the_captioners_words_are_the_readings():
    bag = vocabulary.bag_of_words("the okapis, hounds", WORDS, None, None, SYNONYMS)
    assert (bag.words, bag.read_as, list(bag.unknown)) == (
        ("the", "dog"),
        {"hounds": "dog"},
        ["okapis"],
    )
    expected = np.zeros(len(WORDS))
    expected[[2, 4]] = 1 / 2
    np.testing.assert_allclose(bag.distribution, expected)


def test_a_known_word_in_another_inflection_is_not_replaced():
    bag = vocabulary.bag_of_words("running dogs", [*WORDS, "puppy"], None, None, SYNONYMS)
    assert bag.words == ("running", "dog") and bag.read_as == {"dogs": "dog"}


def test_a_reading_is_one_word_of_a_phrase():
    """What is written in two words may be the lexicon's noun once one of them is read."""
    bag = vocabulary.bag_of_words("a dog, a fire lorry", WORDS, None, FINDERS, SYNONYMS)
    assert list(bag.unknown) == ["fire", "lorry"]  # "truck" alone is known to nobody.
    words = [*WORDS, "truck"]
    bag = vocabulary.bag_of_words("a fire lorry", words, None, FINDERS, SYNONYMS)
    assert [noun.text for noun in bag.found["lexicon"]] == ["fire truck"]
    assert bag.read_as == {"lorry": "truck"} and not bag.unknown


def test_a_caption_of_readings_alone_is_not_refused():
    with pytest.raises(ValueError, match="no word of the caption is known: hound "):
        vocabulary.bag_of_words("hound", WORDS, None)
    assert vocabulary.bag_of_words("hound", WORDS, None, None, SYNONYMS).words == ("dog",)
    with pytest.raises(ValueError, match="no word of the caption is known: kitten "):
        vocabulary.bag_of_words("kitten", WORDS, None, FINDERS, SYNONYMS)

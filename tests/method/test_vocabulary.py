import numpy as np
import pytest

from cagic_tf.beyond.lexicon import NounTable
from cagic_tf.method import vocabulary

WORDS = ["<start>", "a", "dog", "on", "the", "grass", "man's", "running", "2", "."]


def weights(caption, end_word=None):
    bag = vocabulary.bag_of_words(caption, WORDS, end_word)
    assert bag.distribution.dtype == np.float32
    assert bag.distribution.shape == (len(WORDS),)
    assert bag.distribution.sum() == pytest.approx(1, abs=1e-6)
    present = np.flatnonzero(bag.distribution)
    return {WORDS[at]: pytest.approx(float(bag.distribution[at]), abs=1e-7) for at in present}


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("A dog on the grass.", ["a", "dog", "on", "the", "grass"]),
        ("  A man's\tDOG,\n(running)! ", ["a", "man's", "dog", "running"]),
        ("the man\u2019s dog", ["the", "man's", "dog"]),
        ("'quoted' words-joined", ["quoted", "words", "joined"]),
        ("2 dogs, route66", ["2", "dogs", "route66"]),
        ("boys' dogs", ["boys", "dogs"]),
        ("<start> a", ["start", "a"]),
        ("\u201cA Caf\u00e9\u2019s Cr\u00eape\u201d", ["a", "cafe's", "crepe"]),
        ("a cafe\u0301 \ufb01re \uff24\uff2f\uff27\u2026cat", ["a", "cafe", "fire", "dog", "cat"]),
        (
            "Stra\u00dfe \u72ac\u3068\u732b \u0441\u043e\u0431\u0430\u043a\u0430",
            ["strasse", "犬と猫", "собака"],
        ),
        ("a\U0001f436\U0001f3fddog\u2764\ufe0f", ["a", "\U0001f436", "dog", "\u2764"]),
        ("black\u2011and\u2010white snake_case", ["black", "and", "white", "snake", "case"]),
        ("...!?", []),
        ("", []),
    ],
)
def test_tokenize(caption, tokens):
    assert vocabulary.tokenize(caption) == tokens


@pytest.mark.parametrize(
    ("caption", "end_word", "expected"),
    [
        ("a dog", None, {"a": 1 / 2, "dog": 1 / 2}),
        ("A DOG!", None, {"a": 1 / 2, "dog": 1 / 2}),
        ("the dog on the grass", None, {"the": 2 / 5, "dog": 1 / 5, "on": 1 / 5, "grass": 1 / 5}),
        ("dog dog dog", None, {"dog": 1}),
        ("a dog", ".", {"a": 1 / 3, "dog": 1 / 3, ".": 1 / 3}),
        ("a dog.", ".", {"a": 1 / 3, "dog": 1 / 3, ".": 1 / 3}),
        ("the man\u2019s dog", None, {"the": 1 / 3, "man's": 1 / 3, "dog": 1 / 3}),
        ("2 zebras", None, {"2": 1}),  # Unknown words do not count.
        ("a zebra on grass", ".", {"a": 1 / 4, "on": 1 / 4, "grass": 1 / 4, ".": 1 / 4}),
    ],
)
def test_distribution(caption, end_word, expected):
    assert weights(caption, end_word) == expected


@pytest.mark.parametrize(
    ("caption", "words", "read_as", "unknown"),
    [
        ("dogs", ["dog"], {"dogs": "dog"}, []),
        ("the puppies raced", ["the", "puppy", "race"], {"puppies": "puppy", "raced": "race"}, []),
        (
            "bushes buses firemen",
            ["bush", "fireman"],
            {"bushes": "bush", "firemen": "fireman"},
            ["buses"],
        ),
        ("riding runs", ["ride"], {"riding": "ride"}, ["runs"]),
        ("running", ["running"], {}, []),  # It is known itself.
        ("it isn't", ["is", "not"], {}, ["it"]),
        ("they're can't won't", ["can", "not", "not"], {}, ["they", "are", "will"]),
        ("dogs'", ["dog"], {"dogs": "dog"}, []),
    ],
)
def test_words_in_other_forms(caption, words, read_as, unknown):
    known = [*WORDS, "puppy", "race", "bush", "fireman", "ride", "is", "not", "can"]
    bag = vocabulary.bag_of_words(caption, known, None)
    assert list(bag.words) == words
    assert bag.read_as == read_as and list(bag.unknown) == unknown
    assert bag.distribution.sum() == pytest.approx(1, abs=1e-6)


def test_words_in_order_with_repeats_and_without_the_end_word():
    bag = vocabulary.bag_of_words("the dog on the xylophone", WORDS, ".")
    assert bag.words == ("the", "dog", "on", "the")


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a dog", {}),
        ("the gras", {"gras": ("grass",)}),
        ("a zebra, a zebra", {"zebra": ()}),
        ("dogg runing on zebra", {"dogg": ("dog",), "runing": ("running",), "zebra": ()}),
        ("a start", {"start": ()}),  # `<start>` is no word to suggest.
    ],
)
def test_unknown_words_and_their_nearest(caption, expected):
    unknown = vocabulary.bag_of_words(caption, WORDS, None).unknown
    assert unknown == expected
    assert list(unknown) == list(expected)


def test_at_most_three_nearest_words_best_first():
    # Shared letters in order, twice, over the letters of both: 12/15, 12/14, 12/13, 14/15.
    words = ["<start>", "stalking", "talking", "walkin", "walkings", "zebra", "."]
    bag = vocabulary.bag_of_words("zebra walking", words, None)
    assert bag.unknown == {"walking": ("walkings", "walkin", "talking")}


@pytest.mark.parametrize("caption", ["", "   ", "\n", "?!.", "\u2019"])
def test_caption_without_words(caption):
    with pytest.raises(ValueError, match="has no words") as caught:
        vocabulary.bag_of_words(caption, WORDS, ".")
    assert "\n" not in str(caught.value)


def test_caption_without_known_words():
    with pytest.raises(ValueError) as caught:
        vocabulary.bag_of_words("dogg\nzebra", WORDS, ".")
    assert str(caught.value) == (
        "no word of the caption is known: dogg (nearest known: dog); zebra (nearest known: none)"
    )


def test_describe_unknown():
    described = vocabulary.describe_unknown({"gras": ("grass", "glass"), "zebra": ()})
    assert described == "gras (nearest known: grass, glass); zebra (nearest known: none)"


def test_describe_unknown_stays_short():
    described = vocabulary.describe_unknown({f"{number}" + "x" * 99: () for number in range(500)})
    first, *_, last = described.split("; ")
    assert first == "0" + "x" * 39 + "... (nearest known: none)"
    assert last == "and 490 more" and described.count("nearest") == 10
    assert "more" not in vocabulary.describe_unknown(dict.fromkeys("abcdefghij", ()))


def test_possessive_of_a_known_word_is_that_word():
    bag = vocabulary.bag_of_words("the dog's zebra's", ["<start>", "dog", "s", "the", "."], None)
    assert bag.words == ("the", "dog", "s", "s")
    assert list(bag.unknown) == ["zebra"]
    np.testing.assert_allclose(bag.distribution, [0, 0.25, 0.5, 0.25, 0])


TABLE = NounTable({"dog": "0-2", "zebra": "3", "fire truck": "4", "xylophone": "5"}, {})
FINDERS = {"lexicon": TABLE}


@pytest.mark.parametrize(
    ("caption", "distribution", "weights", "unknown"),
    [
        ("a dog", {"a": 1 / 2, "dog": 1 / 2}, {"dog": 1 / 2}, []),  # Known to both.
        ("a zebra", {"a": 1 / 2}, {"zebra": 1 / 2}, []),
        ("zebras", {}, {"zebra": 1}, []),  # Known to the lexicon alone.
        ("a fire truck", {"a": 1 / 3}, {"fire truck": 2 / 3}, []),
        (
            "a giraffe on the grass",
            {w: 1 / 4 for w in ("a", "on", "the", "grass")},
            {},
            ["giraffe"],
        ),
        ("a zebra, a giraffe", {"a": 2 / 3}, {"zebra": 1 / 3}, ["giraffe"]),
    ],
)
def test_with_a_lexicon_every_word_that_a_network_knows_counts(
    caption, distribution, weights, unknown
):
    bag = vocabulary.bag_of_words(caption, WORDS, None, FINDERS)
    found = {WORDS[at]: float(bag.distribution[at]) for at in np.flatnonzero(bag.distribution)}
    assert found == pytest.approx(distribution)
    in_words = {noun.name: (noun.stop - noun.start) / bag.count for noun in bag.found["lexicon"]}
    assert in_words == pytest.approx(weights)
    assert list(bag.unknown) == unknown


def test_with_a_lexicon_the_end_word_is_one_of_the_words():
    bag = vocabulary.bag_of_words("a zebra", WORDS, ".", FINDERS)
    assert bag.distribution.sum() == pytest.approx(2 / 3)
    assert bag.count == 3 and len(bag.found["lexicon"]) == 1


@pytest.mark.parametrize(
    ("caption", "content"),
    [
        ("a dog on", ["dog"]),
        ("on the", ["on", "the"]),  # Nothing else is said.
        ("on", ["on"]),
        ("dog", ["dog"]),
    ],
)
@pytest.mark.parametrize("end_word", [None, "."])
def test_content_is_what_is_left_without_stop_words(caption, content, end_word):
    bag = vocabulary.bag_of_words(caption, WORDS, end_word)
    left = bag.without_stop_words()
    kept = {WORDS[at] for at in np.flatnonzero(left.distribution)}
    nothing_else = content in (["on", "the"], ["on"])
    assert kept == {*content, *([end_word] if end_word and nothing_else else [])}
    values = left.distribution[left.distribution > 0]
    count = len(kept) if nothing_else else len(kept) ** 0.5
    np.testing.assert_allclose(values, 1 / count)
    assert left.words == bag.words and left.count == bag.content_count == count


def test_stop_words_are_no_content_where_another_network_knows_a_word():
    bag = vocabulary.bag_of_words("on the zebra", WORDS, None, FINDERS)
    assert bag.distribution.sum() == pytest.approx(2 / 3)
    assert bag.content.sum() == 0 and bag.content_count == 1
    both = vocabulary.bag_of_words("a dog on the zebra", WORDS, None, FINDERS)
    assert both.content_count == 2**0.5
    np.testing.assert_allclose([both.content.max(), both.content.sum()], 2**-0.5)


def test_no_words():
    bag = vocabulary.no_words(WORDS)
    assert bag.distribution.shape == (len(WORDS),) and not bag.distribution.any()
    assert (bag.words, bag.found, bag.unknown) == ((), {}, {})


def test_each_known_word_is_suggested_once():
    """A word that both networks know is no two suggestions."""
    words = ["<start>", "sing", "sign", "."]
    table = NounTable({"sign": "0", "sing": "1"}, {})
    bag = vocabulary.bag_of_words("a sing signg", [*words, "a"], None, {"lexicon": table})
    assert sorted(bag.unknown["signg"]) == ["sign", "sing"]


def test_with_a_lexicon_words_without_content_are_not_enough():
    with pytest.raises(ValueError) as caught:
        vocabulary.bag_of_words("a xylofone on the", WORDS, None, FINDERS)
    expected = "no word of the caption is known: xylofone (nearest known: xylophone)"
    assert str(caught.value) == expected
    assert vocabulary.bag_of_words("a xylofone", WORDS, None).words == ("a",)  # The paper's.


def test_each_network_has_the_words_that_it_knows_itself():
    other = NounTable({"gnu": "0", "zebra": "1"}, {})
    bag = vocabulary.bag_of_words("a zebra and a gnu", WORDS, None, FINDERS | {"other": other})
    names = {key: [noun.name for noun in nouns] for key, nouns in bag.found.items()}
    assert names == {"lexicon": ["zebra"], "other": ["zebra", "gnu"]}
    assert "gnu" not in bag.unknown and "zebra" not in bag.unknown


@pytest.mark.parametrize("caption", ["the", "the of a"])
def test_stop_words_alone_say_nothing(caption):
    known = [*WORDS, "of"]
    with pytest.raises(ValueError, match="write what the crop should show") as caught:
        vocabulary.bag_of_words(caption, known, None, FINDERS)
    assert "\n" not in str(caught.value)
    assert vocabulary.bag_of_words(caption, known, None).words  # The paper's.


@pytest.mark.parametrize(
    ("caption", "said"),
    [("the", "'the' has words such as"), ("the of a", "alone"), ("a xylofone", "known: xylofone")],
)
@pytest.mark.parametrize("finders", [None, {}], ids=["paper", "no lexicon"])
def test_a_caption_has_to_describe_something(caption, said, finders):
    words = vocabulary.bag_of_words(caption, [*WORDS, "of"], None, finders)
    with pytest.raises(ValueError, match=said) as caught:
        vocabulary.check_describes(caption, words)
    assert "\n" not in str(caught.value)
    for described, known in (("the dog", None), ("a zebra", FINDERS)):
        bag = vocabulary.bag_of_words(described, WORDS, None, known)
        vocabulary.check_describes(described, bag)

"""What the grounder says of a problem: of which photos and captions, and when it says nothing."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.beyond import grounding
from cagic_tf.method import problems, vocabulary
from cagic_tf.method.objective import CropLoss, Objective
from cagic_tf.networks import bundle, grounder
from cagic_tf.photos import reading
from cagic_tf.system import resources
from tests import seeded

VOCABULARY = ["<start>", "a", "dog", "man", "grass", "puppy", "'"]
FIXED = len(grounder.lattice())


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grounder")
    seeded.write_grounder(folder)
    return bundle.Networks(grounder=str(folder))


@pytest.fixture(scope="module")
def photo():
    return reading.read(resources.package_path("samples") / "workers.jpg")


def bag(caption, synonyms=None):
    return vocabulary.bag_of_words(caption, VOCABULARY, None, None, synonyms)


def test_words_are_kept_in_the_order_in_which_they_are_read():
    words = bag("Two puppies, an OKAPI and the dog's man")
    assert words.read == ("two", "puppy", "an", "okapi", "and", "the", "dog", "s", "man")
    assert bag("a sedan and puppies", {"sedan": ["man"]}).read == ("a", "man", "and", "puppy")
    assert bag("the okapi saw a dog").read == ("the", "okapi", "saw", "a", "dog")
    assert words.without_stop_words().read == words.read
    assert vocabulary.no_words(VOCABULARY).read == ()


def test_words_that_the_grounder_knows_are_read_as_written_and_known():
    synonyms = {"sedan": ["man"]}
    known = {"sedan", "puppies", "a", "the"}
    words = vocabulary.bag_of_words(
        "a sedan, puppies and an okapi", VOCABULARY, None, None, synonyms, known
    )
    # The losses go on with what the captioner knows.
    assert words.read == ("a", "sedan", "puppies", "and", "an", "okapi")
    assert words.words == ("a", "man", "puppy")
    assert words.read_as == {"sedan": "man", "puppies": "puppy"} and list(words.unknown) == [
        *("and", "an", "okapi")
    ]
    alone = vocabulary.bag_of_words("a sedan", VOCABULARY, None, {}, None, known)
    assert alone.read == ("a", "sedan") and alone.words == ("a",) and alone.unknown == {}
    assert alone.content.sum() == 0  # That "a" fits says nothing.
    vocabulary.check_describes("a sedan", alone, known)
    with pytest.raises(ValueError, match="no word of the caption is known: sedan"):
        vocabulary.bag_of_words("sedan", VOCABULARY, None)
    with pytest.raises(ValueError, match="such as 'a' and 'the' alone"):
        vocabulary.check_describes("the", vocabulary.bag_of_words("a", VOCABULARY, None), known)


def test_the_photo_is_squashed_to_the_pixels_of_training(networks, photo):
    words = bag("a man on the grass")
    for longest in (0, 300):
        reduced = reading.reduced(photo, longest)
        found = grounding.Grounding(networks)(reduced, words).numpy()
        shown = grounder.picture(np.round(reduced * 255).astype(np.uint8))
        fine, coarse = grounder.view(networks.caption_trunk)(tf.constant(shown[np.newaxis]))
        labels = tf.constant(networks.grounder.labels(words.read)[np.newaxis])
        boxes = networks.grounder.boxes(fine, coarse)
        expected = networks.grounder.logits(fine, coarse, boxes[np.newaxis], labels).numpy()[0]
        assert found.shape == (len(boxes), 5) and len(boxes) > FIXED
        np.testing.assert_allclose(found[:, :4], boxes, atol=1e-4)
        np.testing.assert_allclose(found[:, 4], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(31, 400), (224, 224), (900, 37), (1, 2)])
def test_photos_of_any_size(networks, shape):
    photo = np.random.default_rng(1).random((*shape, 3), np.float32)
    found = grounding.Grounding(networks)(photo, bag("a dog")).numpy()
    assert FIXED <= len(found) <= FIXED + grounder.PROPOSALS and np.isfinite(found).all()
    low, high = found[:, :2], found[:, 2:4]
    assert (low >= 0).all() and (high <= 1).all() and (high - low >= 0.01 - 1e-6).all()
    np.testing.assert_array_equal(found[-FIXED:, :4], grounder.lattice())


def test_the_same_bits_each_time_and_words_of_its_own(networks, photo):
    ask, fractions = grounding.Grounding(networks), reading.reduced(photo, 0)
    first = ask(fractions, bag("a man on the grass")).numpy()
    other = ask(fractions, bag("a dog on the grass")).numpy()
    np.testing.assert_array_equal(other[:, :4], first[:, :4])
    assert not np.array_equal(other[:, 4], first[:, 4])
    np.testing.assert_array_equal(ask(fractions, bag("a man on the grass")).numpy(), first)
    again = grounding.Grounding(networks)
    np.testing.assert_array_equal(again(fractions, bag("a man on the grass")).numpy(), first)
    # Words that it does not know are all one to it, whatever the captioner knows.
    np.testing.assert_array_equal(ask(fractions, bag("a man under the grass")).numpy(), first)


def test_of_a_long_caption_the_first_words_count(networks, photo):
    ask, fractions = grounding.Grounding(networks), reading.reduced(photo, 0)
    long = " ".join(["a dog"] * grounding.MOST_WORDS)
    found = ask(fractions, bag(long + " man")).numpy()
    cut = " ".join(long.split()[: grounding.MOST_WORDS])
    np.testing.assert_array_equal(ask(fractions, bag(cut)).numpy(), found)


@pytest.mark.parametrize("caption", ["the puppy", "a", "a puppy in the"])
def test_of_words_that_it_does_not_know_it_says_nothing(networks, photo, caption):
    fractions = reading.reduced(photo[:50], 0)
    assert grounding.Grounding(networks)(fractions, bag(caption)).shape == (0, 5)
    assert len(grounding.Grounding(networks)(fractions, bag(caption + " dog"))) >= FIXED


def test_a_problem_has_it_and_no_loss_reads_it(networks, photo):
    loss, plain = (CropLoss(Objective(), each) for each in (networks, bundle.Networks()))
    fractions, theta = reading.reduced(photo, 0), tf.constant([[0.1, 0, 0.6]])
    captions = networks.captioner.vocabulary
    words = vocabulary.bag_of_words("a man", captions, None)
    expected = grounding.Grounding(networks)(fractions, words)
    problem = loss.problem(fractions, words, meant=expected)
    without = plain.problem(fractions, words)
    np.testing.assert_array_equal(problem.meant, expected)
    assert without.meant.shape == (0, 5)
    assert loss.problem(fractions, vocabulary.no_words(captions)).meant.shape == (0, 5)
    compute = tf.function(loss, input_signature=[loss.signature, tf.TensorSpec([1, 3])])
    np.testing.assert_array_equal(compute(problem, theta).total, compute(without, theta).total)
    assert "meant" not in problems.Batch._fields
    many = loss.side_by_side([problem, without])
    tf.nest.assert_same_structure(many, loss.batch_signature)

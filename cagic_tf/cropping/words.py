"""A caption's words as an objective knows them."""

from cagic_tf.method import vocabulary
from cagic_tf.method.objective import CropLoss


def of(loss: CropLoss, caption: str | None) -> vocabulary.BagOfWords:
    """The words of a caption; of None there are none.

    Raises:
      ValueError: The caption is empty or none of its words that say something is known.
    """
    captioner = loss.networks.captioner
    if caption is None:
        return vocabulary.no_words(captioner.vocabulary)
    grounder = loss.networks.grounder
    grounded = frozenset(grounder.vocabulary) if grounder else frozenset()
    words = vocabulary.bag_of_words(
        caption,
        captioner.vocabulary,
        captioner.end_word if loss.objective.user_end_word else None,
        loss.word_finders,
        loss.networks.synonyms,
        grounded,
    )
    vocabulary.check_describes(caption, words, grounded)
    return words

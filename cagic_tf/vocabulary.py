"""A user's caption to the bag of words of Eq. 4; words that no network knows."""

import dataclasses
import difflib
import re
from collections.abc import Sequence

import numpy as np

from cagic_tf.nouns import STOP_WORDS, Noun, NounTable

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


@dataclasses.dataclass(frozen=True)
class BagOfWords:
    """A caption as Eq. 4 sees it.

    Attributes:
      distribution: `[V]` float32, the mean of the one-hot vectors of the words that a network
        knows; sums to 1, or to less where the lexicon alone knows some.
      words: These words, in order, repeats included.
      unknown: Each word that neither knows once, in order, to its nearest known words (perhaps
        none).
      nouns: The nouns that the lexicon knows, in order; none without a lexicon.
    """

    distribution: np.ndarray
    words: tuple[str, ...]
    unknown: dict[str, tuple[str, ...]]
    nouns: tuple[Noun, ...] = ()


def tokenize(caption: str) -> list[str]:
    """Lower-case words of a caption; punctuation is dropped, `man's` stays one word."""
    return _WORD.findall(caption.lower().replace("\u2019", "'"))


def bag_of_words(
    caption: str,
    vocabulary: Sequence[str],
    end_word: str | None,
    table: NounTable | None = None,
) -> BagOfWords:
    """Encodes a user's caption: `1/T_u sum_t y_t` of Eq. 4, and its nouns where there is a lexicon.

    Args:
      caption: Any text.
      vocabulary: The captioner's words; index 0 is `<start>`.
      end_word: Counted as the caption's last word when given (the paper does not say).
      table: The lexicon's nouns.

    Returns:
      The bag of words.

    Raises:
      ValueError: The caption is empty, or none of its words is known; with a lexicon, none but
        `nouns.STOP_WORDS`. The message is one line and names the nearest known words.
    """
    index = {word: number for number, word in enumerate(vocabulary)}
    tokens = _split_possessives(tokenize(caption), index)
    if not tokens:
        raise ValueError(f"the caption {caption!r} has no words; write what the crop should show")
    known = [token for token in tokens if token in index]
    found = table.find(tokens) if table else []
    in_nouns = {at for noun in found for at in range(noun.start, noun.stop)}
    names = [*vocabulary[1:], *(table.names if table else ())]
    unknown = {
        token: tuple(difflib.get_close_matches(token, names, n=3, cutoff=0.75))
        for token in dict.fromkeys(
            token for at, token in enumerate(tokens) if token not in index and at not in in_nouns
        )
    }
    describing = known if table is None else [w for w in known if w not in STOP_WORDS]
    if unknown and not describing and not found:
        raise ValueError(f"no word of the caption is known: {describe_unknown(unknown)}")
    counted = known if end_word is None else [*known, end_word]
    total = len(counted) + sum(tokens[at] not in index for at in in_nouns)  # T_u
    distribution = np.zeros(len(vocabulary), np.float32)
    np.add.at(distribution, [index[word] for word in counted], 1 / total)
    found = [noun._replace(share=(noun.stop - noun.start) / total) for noun in found]
    return BagOfWords(distribution, tuple(known), unknown, tuple(found))


def _split_possessives(tokens, index):
    """A possessive, `dog's`, in two where the captioner knows only `dog` or `s`."""
    split = []
    for token in tokens:
        parts = token.split("'")
        split += parts if token not in index and any(p in index for p in parts) else [token]
    return split


def describe_unknown(unknown: dict[str, tuple[str, ...]]) -> str:
    """Unknown words and their nearest known ones, in one line."""
    return "; ".join(
        f"{word} (nearest known: {', '.join(nearest) if nearest else 'none'})"
        for word, nearest in unknown.items()
    )

"""A user's caption to the bag of words of Eq. 4; words that the captioner does not know."""

import dataclasses
import difflib
import re
from collections.abc import Sequence

import numpy as np

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


@dataclasses.dataclass(frozen=True)
class BagOfWords:
    """A caption as Eq. 4 sees it.

    Attributes:
      distribution: `[V]` float32, the mean of the known words' one-hot vectors; sums to 1.
      words: The known words, in order, repeats included.
      unknown: Each unknown word once, in order, to its nearest known words (perhaps none).
    """

    distribution: np.ndarray
    words: tuple[str, ...]
    unknown: dict[str, tuple[str, ...]]


def tokenize(caption: str) -> list[str]:
    """Lower-case words of a caption; punctuation is dropped, `man's` stays one word."""
    return _WORD.findall(caption.lower().replace("\u2019", "'"))


def bag_of_words(caption: str, vocabulary: Sequence[str], end_word: str | None) -> BagOfWords:
    """Encodes a user's caption: `1/T_u sum_t y_t` of Eq. 4.

    Args:
      caption: Any text.
      vocabulary: The captioner's words; index 0 is `<start>`.
      end_word: Counted as the caption's last word when given (the paper does not say).

    Returns:
      The bag of words.

    Raises:
      ValueError: The caption is empty, or none of its words is known; the message is one line and
        names the nearest known words.
    """
    index = {word: number for number, word in enumerate(vocabulary)}
    tokens = []
    for token in tokenize(caption):  # "dog's": the captioner may know only "dog" and "s".
        parts = token.split("'")
        split = token not in index and any(part in index for part in parts)
        tokens += parts if split else [token]
    if not tokens:
        raise ValueError(f"the caption {caption!r} has no words; write what the crop should show")
    known = [token for token in tokens if token in index]
    unknown = {
        token: tuple(difflib.get_close_matches(token, vocabulary[1:], n=3, cutoff=0.75))
        for token in dict.fromkeys(tokens)
        if token not in index
    }
    if not known:
        raise ValueError(f"no word of the caption is known: {describe_unknown(unknown)}")
    counted = known if end_word is None else [*known, end_word]
    distribution = np.zeros(len(vocabulary), np.float32)
    np.add.at(distribution, [index[word] for word in counted], 1 / len(counted))
    return BagOfWords(distribution, tuple(known), unknown)


def describe_unknown(unknown: dict[str, tuple[str, ...]]) -> str:
    """Unknown words and their nearest known ones, in one line."""
    return "; ".join(
        f"{word} (nearest known: {', '.join(nearest) if nearest else 'none'})"
        for word, nearest in unknown.items()
    )

"""A user's caption to the bag of words of Eq. 4; words that no network knows."""

import dataclasses
import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

from cagic_tf.beyond.nouns import DETACHMENTS, STOP_WORDS, Noun, NounTable

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")  # Of any script.
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u0060\u00b4\uff07", "'"))
_ACCENTS = re.compile("[\u0300-\u036f]")  # After `NFKD`, which parts them from their letters.
# WordNet's rules of detachment for verbs, morphy(7WN); those for nouns are `DETACHMENTS`.
_OF_VERBS = (
    ("s", ""),
    ("ies", "y"),
    ("es", "e"),
    ("es", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
)
_CONTRACTED = {"n't": "not", "'re": "are", "'ve": "have", "'ll": "will", "'m": "am", "'d": "would"}
_IRREGULAR = {"can't": ("can", "not"), "won't": ("will", "not"), "shan't": ("shall", "not")}


@dataclasses.dataclass(frozen=True)
class BagOfWords:
    """A caption as Eq. 4 sees it.

    Attributes:
      distribution: `[V]` float32, the mean of the one-hot vectors of the words that a network
        knows; sums to 1, or to less where the lexicon alone knows some.
      words: These words, in order, repeats included, as the captioner has them.
      unknown: Each word that neither knows once, in order, to its nearest known words (perhaps
        none).
      nouns: The nouns that the lexicon knows, in order; none without a lexicon.
      read_as: Each word that the captioner does not know, but in another inflection, to that one.
    """

    distribution: np.ndarray
    words: tuple[str, ...]
    unknown: dict[str, tuple[str, ...]]
    nouns: tuple[Noun, ...] = ()
    read_as: dict[str, str] = dataclasses.field(default_factory=dict)


def tokenize(caption: str) -> list[str]:
    """Lower-case words of a caption, in any script, without accents; `man's` stays one word.

    Hyphens part words, other punctuation is dropped, and an emoji is a word of its own: no network
    knows it, and the user is told so.
    """
    text = unicodedata.normalize("NFKD", caption.translate(_APOSTROPHES)).casefold()
    text = unicodedata.normalize("NFC", _ACCENTS.sub("", text))
    spaced = (f" {char} " if unicodedata.category(char) == "So" else char for char in text)
    words = "".join(spaced).split()
    return [word for part in words for word in _WORD.findall(part) or _symbols(part)]


def _symbols(part: str) -> list[str]:
    return [part] if unicodedata.category(part[0]) == "So" else []


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
    tokens = _split_contractions(tokenize(caption), index)
    if not tokens:
        raise ValueError(f"the caption {caption!r} has no words; write what the crop should show")
    found = table.find(tokens) if table else []
    lemmas = {token: _lemma(token, index) for token in tokens if token not in index}
    read_as = {token: lemma for token, lemma in lemmas.items() if lemma}
    tokens = [read_as.get(token, token) for token in tokens]
    known = [token for token in tokens if token in index]
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
    return BagOfWords(distribution, tuple(known), unknown, tuple(found), read_as)


def _split_contractions(tokens, index):
    """`dog's` to `dog` and `s`, `isn't` to `is` and `not`, where the captioner has no such word."""
    split = []
    for token in tokens:
        ending = next((end for end in _CONTRACTED if token.endswith(end)), None)
        parts = token.split("'")
        if token in index:
            split.append(token)
        elif token in _IRREGULAR:
            split += _IRREGULAR[token]
        elif ending:
            split += [token.removesuffix(ending), _CONTRACTED[ending]]
        else:
            split += parts if any(part in index for part in parts) else [token]
    return split


def _lemma(token: str, index: Mapping[str, int]) -> str | None:
    """The captioner's word of which another is an inflection by WordNet's rules, or None."""
    for ending, replacement in (*DETACHMENTS, *_OF_VERBS):
        if token.endswith(ending) and not token.endswith("ss"):
            lemma = token.removesuffix(ending) + replacement
            if lemma in index and lemma not in STOP_WORDS and len(lemma) > 2:
                return lemma
    return None


def describe_unknown(unknown: Mapping[str, Sequence[str]]) -> str:
    """Unknown words and their nearest known ones, in one line."""
    return "; ".join(
        f"{word} (nearest known: {', '.join(nearest) if nearest else 'none'})"
        for word, nearest in unknown.items()
    )

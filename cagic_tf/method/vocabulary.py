"""A user's caption to the bag of words of Eq. 4; words that no network knows."""

import dataclasses
import difflib
import itertools
import math
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

MOST_TOLD, LONGEST_TOLD = 10, 40  # Unknown words in a message, and characters of one.
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")  # Of any script.
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u0060\u00b4\uff07", "'"))
_ACCENTS = re.compile("[\u0300-\u036f]")  # After `NFKD`, which parts them from their letters.
# WordNet's rules of detachment for nouns, morphy(7WN): a plural's ending to the singular's.
DETACHMENTS = (
    ("s", ""),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
)
# What carries no content: a caption of these alone describes nothing, and none of them is taken for
# a noun, though WordNet has some ("he" is helium).
STOP_WORDS = frozenset(
    "a an the this that these those some any no each every both all another other "
    "i you he she it we they me him her us them my your his its our their who which what one s "
    "and or but not as if than so too very "
    "of in on at by for with without from to into onto over under above below near beside between "
    "behind through across along around against among up down out off about during while next "
    "is are was were be been being am has have had do does did there here".split()
)
# The same for verbs.
_OF_VERBS = (
    *(("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", "")),
    *(("ing", "e"), ("ing", "")),
)
_CONTRACTED = {"n't": "not", "'re": "are", "'ve": "have", "'ll": "will", "'m": "am", "'d": "would"}
_IRREGULAR = {"can't": ("can", "not"), "won't": ("will", "not"), "shan't": ("shall", "not")}


class FoundWords(Protocol):
    """Words of a caption that another network than the captioner knows."""

    @property
    def start(self) -> int:
        """Index of the first in the caption's words."""

    @property
    def stop(self) -> int:
        """Index after the last."""


class WordFinder(Protocol):
    """Finds such words."""

    @property
    def names(self) -> Sequence[str]:
        """Every word or phrase that it knows."""

    def find(self, words: Sequence[str]) -> Sequence[FoundWords]:
        """What it knows of a caption's words, in order, repeats included."""


@dataclasses.dataclass(frozen=True)
class BagOfWords:
    """A caption as Eq. 4 sees it.

    Attributes:
      distribution: `[V]` float32, the mean of the one-hot vectors of the words that a network
        knows; sums to 1, or to less where another network alone knows some.
      words: These words, in order, repeats included, as the captioner has them.
      unknown: Each word that no network knows once, in order, to its nearest known words (perhaps
        none).
      found: Name of each term that knows words of its own to those it knows, in order.
      read_as: Each word that is read as another to that one: the captioner's word of which it is an
        inflection, or a synonym or kind that a network knows.
      count: T_u of Eq. 4, how many words the mean is of; see `content_count`.
      content: `[V]` float32, the words with content alone, without `STOP_WORDS` and the end word:
        the sum of their one-hot vectors over `content_count`. The distribution where nothing else
        is said, not even a word that another network knows.
      content_count: The square root of their number: more words are more evidence of what is meant,
        but not that many times as much, since they are seldom independent.
      read: All words in order as a grounder reads them, those that none knows too: as they are
        written where it knows them so, else what they are read as.
    """

    distribution: np.ndarray
    words: tuple[str, ...]
    unknown: dict[str, tuple[str, ...]]
    found: Mapping[str, Sequence[Any]]
    read_as: dict[str, str]
    count: float
    content: np.ndarray
    content_count: float
    read: tuple[str, ...] = ()

    def without_stop_words(self) -> "BagOfWords":
        """The same caption, of which only the words with content count."""
        return dataclasses.replace(self, distribution=self.content, count=self.content_count)


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
    finders: Mapping[str, WordFinder] | None = None,
    synonyms: Mapping[str, Sequence[str]] | None = None,
    grounded: Collection[str] = frozenset(),
) -> BagOfWords:
    """Encodes a user's caption: `1/T_u sum_t y_t` of Eq. 4, and what other networks know of it.

    Args:
      caption: Any text.
      vocabulary: The captioner's words; index 0 is `<start>`.
      end_word: Counted as the caption's last word when given (the paper does not say).
      finders: Name of a term to what finds the words that it knows besides the captioner's.
      synonyms: Word to what it may be read as where no network knows it, nearest meaning first.
      grounded: Words that a grounder knows. It reads these as they are written, whatever the losses
        make of them; they are no unknown words.

    Returns:
      The bag of words.

    Raises:
      ValueError: The caption is empty, or none of its words is known; with finders, none but
        `STOP_WORDS`. The message is one line and names the nearest known words.
    """
    index = {word: number for number, word in enumerate(vocabulary)}
    tokens = _split_contractions(tokenize(caption), index)
    if not tokens:
        raise ValueError(f"the caption {caption!r} has no words; write what the crop should show")
    finders = finders or {}
    written = tokens
    meant = _synonyms(written, index, list(finders.values()), synonyms or {})
    tokens = [meant.get(token, token) for token in written]
    found = {name: tuple(finder.find(tokens)) for name, finder in finders.items()}
    lemmas = {token: _lemma(token, index) for token in tokens if token not in index}
    read_as = meant | {token: lemma for token, lemma in lemmas.items() if lemma}
    read_as = {token: read_as[token] for token in written if token in read_as}
    tokens = [read_as.get(token, token) for token in tokens]
    known = [token for token in tokens if token in index]
    parts = [part for words in found.values() for part in words]
    elsewhere = {at for part in parts for at in range(part.start, part.stop)}
    others = [name for finder in finders.values() for name in finder.names]
    names = list(dict.fromkeys([*vocabulary[1:], *others]))
    unknown = {
        token: tuple(difflib.get_close_matches(token, names, n=3, cutoff=0.75))
        for token in dict.fromkeys(
            token
            for at, token in enumerate(tokens)
            if token not in index and at not in elsewhere and written[at] not in grounded
        )
    }
    describing = [w for w in known if w not in STOP_WORDS] if finders else known
    meant_elsewhere = parts or any(w in grounded and w not in STOP_WORDS for w in written)
    if not describing and not meant_elsewhere:
        raise _says_nothing(caption, unknown)
    counted = known if end_word is None else [*known, end_word]
    only_elsewhere = sum(tokens[at] not in index for at in elsewhere)
    total = len(counted) + only_elsewhere  # T_u
    distribution = _mean_of_words([index[word] for word in counted], total, len(vocabulary))
    with_content = [index[word] for word in known if word not in STOP_WORDS]
    content_total = math.sqrt(len(with_content) + only_elsewhere)
    content = _mean_of_words(with_content, content_total, len(vocabulary))
    if not with_content and not meant_elsewhere:
        content, content_total = distribution, total
    bags = distribution, tuple(known), unknown, found, read_as, total, content, content_total
    pairs = zip(written, tokens, strict=True)
    return BagOfWords(*bags, tuple(word if word in grounded else token for word, token in pairs))


def check_describes(caption: str, words: BagOfWords, grounded: Collection[str] = ()) -> None:
    """Holds that a caption has a word with content that a network knows.

    Eq. 4 is defined for `the` as well, but nobody means anything by that.

    Raises:
      ValueError: It has none; the message is one line and names the nearest known words.
    """
    described = [*words.words, *(word for word in words.read if word in grounded)]
    if STOP_WORDS.issuperset(described) and not any(words.found.values()):
        raise _says_nothing(caption, words.unknown)


def _says_nothing(caption: str, unknown: Mapping[str, Sequence[str]]) -> ValueError:
    if unknown:
        return ValueError(f"no word of the caption is known: {describe_unknown(unknown)}")
    return ValueError(
        f"the caption {caption!r} has words such as 'a' and 'the' alone; write what the crop "
        "should show"
    )


def _mean_of_words(words: Sequence[int], count: float, size: int) -> np.ndarray:
    """The sum of the words' one-hot vectors `[size]` over `count`; float32."""
    mean = np.zeros(size, np.float32)
    if words:
        np.add.at(mean, words, 1 / count)
    return mean


def no_words(vocabulary: Sequence[str]) -> BagOfWords:
    """The bag of a caption that says nothing."""
    nothing = np.zeros(len(vocabulary), np.float32)
    return BagOfWords(nothing, (), {}, {}, {}, 0, nothing, 0)


def _split_contractions(tokens: Sequence[str], index: Mapping[str, int]) -> list[str]:
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


def _synonyms(
    tokens: Sequence[str],
    index: Mapping[str, int],
    finders: Sequence[WordFinder],
    synonyms: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """Each word that no network knows to the first of its synonyms that one does.

    A word that is part of what a finder found, such as `fire truck`, is known.
    """
    in_phrases = {
        token
        for finder in finders
        for part in finder.find(tokens)
        for token in tokens[part.start : part.stop]
    }

    def known(word: str) -> str | None:
        """A word as a network knows it; the captioner comes first."""
        of_captioner = word if word in index else _lemma(word, index)
        return of_captioner or (word if any(finder.find([word]) for finder in finders) else None)

    read_as = {}
    for token in dict.fromkeys(tokens):
        if token not in in_phrases and token not in STOP_WORDS and not known(token):
            words = map(known, synonyms.get(token.removesuffix("'s"), ()))
            if word := next(filter(None, words), None):
                read_as[token] = word
    return read_as


def describe_unknown(unknown: Mapping[str, Sequence[str]]) -> str:
    """Unknown words, the first of many, and their nearest known ones, in one line."""
    told = [
        f"{word[:LONGEST_TOLD]}{'...' * (len(word) > LONGEST_TOLD)} "
        f"(nearest known: {', '.join(nearest) if nearest else 'none'})"
        for word, nearest in itertools.islice(unknown.items(), MOST_TOLD)
    ]
    more = len(unknown) - len(told)
    return "; ".join([*told, f"and {more} more"] if more else told)

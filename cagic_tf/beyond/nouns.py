"""Nouns of a caption that the lexicon knows, each with its ImageNet classes. No network here.

A noun may have several words (`fire truck`), stand in the plural, or be spelt apart or together
(`cell phone`, `cellphone`); the longest match wins.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

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


class Noun(NamedTuple):
    """A noun found in a caption.

    Attributes:
      name: The lexicon's noun, `fire truck`.
      text: The caption's words, `fire trucks`.
      start: Index of its first word in the caption.
      stop: Index after its last word.
      classes: Numbers of its ImageNet classes, ascending.
      share: Its words' share of the caption's, `1 / T_u` each in Eq. 4; `vocabulary` fills it in.
    """

    name: str
    text: str
    start: int
    stop: int
    classes: tuple[int, ...]
    share: float = 0.0


class NounTable:
    """The lexicon's nouns.

    Attributes:
      names: Every noun.
    """

    def __init__(self, nouns: Mapping[str, str], irregular_plurals: Mapping[str, str]):
        """Takes the table of a "lexicon" checkpoint.

        Args:
          nouns: Noun to its classes as ranges, "2-5 9".
          irregular_plurals: Plural to its singular.
        """
        self.names = tuple(nouns)
        self._classes = nouns
        self._plurals = {_joined(plural): one for plural, one in irregular_plurals.items()}
        self._spellings = {_joined(noun): noun for noun in reversed(nouns)}
        self._longest = max((len(noun.split()) for noun in nouns), default=1)

    def find(self, words: Sequence[str]) -> list[Noun]:
        """The nouns among a caption's words, in order, repeats included.

        Of nouns side by side only the last counts: the others say what kind it is (an `orange
        shirt` shows no orange).
        """
        found, at = [], 0
        while at < len(words):
            noun = next(self._starting_at(words, at), None)
            if noun and found and found[-1].stop == noun.start:
                found.pop()
            if noun:
                found.append(noun)
            at = noun.stop if noun else at + 1
        return found

    def _starting_at(self, words, at) -> Iterator[Noun]:
        for stop in range(min(len(words), at + self._longest), at, -1):
            part = words[at:stop]
            name = None if STOP_WORDS.intersection(part) else self.look_up(part)
            if name is not None:
                yield Noun(name, " ".join(part), at, stop, ranges(self._classes[name]))

    def look_up(self, words: Sequence[str]) -> str | None:
        """The lexicon's noun for some words: as they stand, or in the singular; or None."""
        text = _joined(" ".join(words).removesuffix("'s"))
        plural = self._plurals.get(text)
        candidates = [text] if plural is None else [text, _joined(plural)]
        candidates += [
            text.removesuffix(ending) + replacement
            for ending, replacement in DETACHMENTS
            if text.endswith(ending) and not text.endswith("ss")
        ]
        return next((self._spellings[key] for key in candidates if key in self._spellings), None)


def ranges(text: str) -> tuple[int, ...]:
    """The numbers of "2-5 9": `(2, 3, 4, 5, 9)`."""
    parts = [part.partition("-") for part in text.split()]
    return tuple(
        number for first, _, last in parts for number in range(int(first), int(last or first) + 1)
    )


def _joined(text: str) -> str:
    return text.replace(" ", "")

"""English plurals and verb forms: WordNet's list of irregular ones, and the rules for the rest."""

import collections
from collections.abc import Mapping, Sequence

# A plural that WordNet has as a word of its own.
_PEOPLE = {"person": ["people"]}
_SIBILANTS = ("s", "x", "z", "ch", "sh")
_VOWELS = "aeiou"
ENDINGS = ("s", "ed", "ing")  # Of verbs.


class Inflections:
    """Forms of nouns and verbs."""

    def __init__(self, nouns: Mapping[str, Sequence[str]], verbs: Mapping[str, Sequence[str]]):
        """Takes WordNet's exceptions, `noun.exc` and `verb.exc`: irregular form to its words."""
        self._plurals = _by_word(nouns) | _PEOPLE
        self._verbs = _by_word(verbs)

    def noun(self, word: str) -> list[str]:
        """A noun's plurals, `["women"]` of `woman`."""
        return self._plurals.get(word) or [_plural(word)]

    def verb(self, word: str, ending: str) -> list[str]:
        """A verb's forms that have this one of `ENDINGS`, or stand in its place: `ran`."""
        irregular = self._verbs.get(word, [])
        same = [form for form in irregular if _ending(form) == ending]
        return same or [_plural(word) if ending == "s" else _attached(word, ending)]


def _by_word(exceptions: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    forms: dict[str, list[str]] = collections.defaultdict(list)
    for form, words in exceptions.items():
        for word in words:
            forms[word].append(form)
    return dict(forms)


def _ending(form: str) -> str:
    """Which of `ENDINGS` an irregular form stands for; the past where it shows none."""
    return "ing" if form.endswith("ing") else "s" if form.endswith("s") else "ed"


def _plural(word: str) -> str:
    if word.endswith("man"):
        return word.removesuffix("man") + "men"
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word.removesuffix("y") + "ies"
    return word + ("es" if word.endswith(_SIBILANTS) else "s")


def _attached(word: str, ending: str) -> str:
    if ending == "ed" and word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word.removesuffix("y") + "ied"
    if word.endswith("e") and not (ending == "ing" and word.endswith(("ee", "oe", "ye"))):
        return word.removesuffix("e") + ending
    return word + ending

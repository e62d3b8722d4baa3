"""What unknown words are read as: WordNet's synonyms and what they are kinds of, nearest first.

A wrong reading is worse than none, so much is left out:

- Only senses that a photo can show count: animals, people, plants, food, artifacts, bodies, natural
  objects and colours; motions, contacts and the like of verbs. A word that is commoner in other
  senses (by the tags of WordNet's own concordance), or is a name or a slur, has no reading.
- Of a noun's senses, those count that are tagged at least a quarter as often as the commonest; all
  where none is tagged twice. Where several count, only what all of them can be read as is left:
  `canary` is a bird and a singer, and has no reading. Of a verb's, the first alone counts.
- A word is a reading only of the sense in which it is commonest, and if it is a noun of the
  lexicon, only of the sense that its ImageNet classes have: `king` is no `monarch`, a butterfly.
- Synonyms come first, then what the word is a kind of, step by step (`cottage`: `house`,
  `building`). Things go up three steps, and past nothing as broad as `device`; verbs go up one.
  Living beings, which WordNet divides as biologists do, go up to `animal`, `person` or `plant`.
- A young animal is read by its gloss: a kitten, "young domestic cat", is a kind of young mammal.
"""

import collections
import functools
import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping

from nltk.corpus.reader.wordnet import Synset

from cagic_tf.method import vocabulary
from cagic_tf.port import inflections, wordnet

MOST = 5  # Readings of a word.
OF_SYNSET = 2  # Of these, words of one synset.
STEPS = 3  # That a thing goes up.
# What has more kinds than this is too broad to be seen.
BROAD = {"noun.artifact": 600, "noun.food": 600, "noun.object": 600, "noun.body": 100}
BROAD_VERB = 100
TAGGED = 3  # How often a common word is tagged, at least.
NAME = 2  # As how many tags in other senses it counts that a word is a name too.
BY_FAR = 9  # Tags that a verb has more than twice a noun's, where the noun can be seen.
LIVING = {"noun.animal", "noun.person", "noun.plant"}
SHOWN = LIVING | {"noun.artifact", "noun.body", "noun.food", "noun.object"}
SHOWN_VERBS = {
    f"verb.{name}" for name in ("body", "consumption", "contact", "motion", "perception")
}
BASIC = {"person.n.01", "animal.n.01", "plant.n.02", "food.n.01", "food.n.02"}  # Broad, but seen.
COLOR, YOUNG = "color.n.01", "young.n.01"
SLURS = {"ethnic_slur.n.01", "disparagement.n.01", "obscenity.n.02"}
# "a young female horse under the age of four", "young of domestic cattle"
_YOUNG_OF = re.compile(r"(?:an? )?young (?:of )?(?:\w+ ){0,2}?(\w+)(?: under .*| especially .*)?")


class Thesaurus:
    """WordNet's words as captions use them."""

    def __init__(
        self, words: wordnet.Reader, known: Collection[str], nouns: Mapping[str, Collection[str]]
    ):
        """Takes what the readings come from.

        Args:
          words: WordNet, opened with `wordnet.WORDS`.
          known: A captioner's words.
          nouns: A lexicon's nouns, each to the names of its classes.
        """
        self._words, self._known, self._nouns = words, set(known), nouns
        self._tags, self._by_part = self._read_tags()
        self._verb_forms = wordnet.irregular(words, "verb.exc")
        forms = inflections.Inflections(wordnet.irregular(words), self._verb_forms)
        verbs = [functools.partial(forms.verb, ending=ending) for ending in inflections.ENDINGS]
        self._inflections: dict[str, list[Callable[[str], list[str]]]]
        self._inflections = {"n": [forms.noun], "v": [*verbs]}

    def _read_tags(self) -> tuple[dict[str, int], dict[str, collections.Counter[str]]]:
        """How often each sense, and each word as a part of speech, was tagged."""
        tags: dict[str, int] = {}
        by_part: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        with self._words.open("cntlist.rev") as file:
            for line in file:
                key, _, count = line.split()
                tags[key] = int(count)
                word, _, sense = key.partition("%")
                by_part[word]["_nvara"[int(sense[0])]] += int(count)
        return tags, by_part

    @functools.cache  # noqa: B019  It lives as long as the port.
    def readings(self, word: str) -> tuple[str, tuple[str, ...]]:
        """What a word may be read as, nearest first, and as which part of speech, "n" or "v"."""
        common = self._by_part[word].total()
        if any(self._by_part[w]["v"] > common for w in self._verb_forms.get(word, [])):
            return "v", ()  # The past of another: "fell", "rose".
        nouns = [s for s in self._senses(word, "n") if self._is_shown(s)]
        part, senses = ("n", self._main_nouns(word, nouns)) if nouns else ("v", [])
        if not senses:
            part, senses = "v", self._main_verb(word)
        found = [list(dict.fromkeys(self._nearest(word, sense))) for sense in senses]
        agreed = [w for w in found[0] if all(w in others for others in found)] if found else []
        return part, tuple(agreed[:MOST])

    @functools.cache  # noqa: B019  As above.
    def _senses(self, word: str, part: str) -> list[Synset]:
        """A word's senses, WordNet's first first; in capitals only what is nothing else."""
        synsets = self._synsets(word)
        lower = [s for s in synsets if word in s.lemma_names()]
        return [s for s in lower or synsets if s.pos() == part and not s.instance_hypernyms()]

    def _synsets(self, word: str) -> list[Synset]:
        """Those of the word as it stands; nltk has those of `glass` for `glasses`, too."""
        found = self._words.synsets(word)
        return [s for s in found if word in map(str.lower, s.lemma_names())]

    def _tagged(self, word: str, sense: Synset) -> int:
        keys = (lemma.key() for lemma in sense.lemmas() if lemma.name().lower() == word)
        return sum(self._tags.get(key.lower(), 0) for key in keys)

    def _main_nouns(self, word: str, senses: list[Synset]) -> list[Synset]:
        """Of a noun's senses that can be seen, those that count; none where others are commoner."""
        tags, here = self._by_part[word], [self._tagged(word, s) for s in senses]
        others = tags.total() - sum(here) - (tags["a"] if self._is_color(senses[0]) else 0)
        others += NAME * self._is_name(word)
        if others and sum(here) <= others or any(map(self._is_slur, senses)):
            return []
        pairs = zip(senses, here, strict=True)
        return [sense for sense, count in pairs if max(here) < 2 or 4 * count >= max(here)]

    def _is_name(self, word: str) -> bool:
        """Whether a word is a name too: of one thing, or in capitals beside other senses."""
        nouns = [sense for sense in self._synsets(word) if sense.pos() == "n"]
        capital = [sense for sense in nouns if word not in sense.lemma_names()]
        return len(nouns) > len(capital) > 0 or any(s.instance_hypernyms() for s in capital)

    def _main_verb(self, word: str) -> list[Synset]:
        """A verb's first sense, if the word is by far commonest in that."""
        senses = self._senses(word, "v")
        if not senses or senses[0].lexname() not in SHOWN_VERBS or self._is_slur(senses[0]):
            return []
        first, *others = (self._tagged(word, sense) for sense in senses)
        is_clear = not others or first > 2 * max(others)
        return senses[:1] if is_clear and self._is_verb(word) else []

    def _is_verb(self, word: str) -> bool:
        """Whether a word is mostly a verb; by far, if it could be something to be seen as well."""
        tags = self._by_part[word]
        is_noun = any(map(self._is_shown, self._senses(word, "n")))
        by_far = tags["v"] >= 2 * tags["n"] + BY_FAR
        return 2 * tags["v"] >= tags.total() and (by_far or not is_noun)

    def _is_color(self, sense: Synset) -> bool:
        is_attribute = sense.lexname() == "noun.attribute"
        return is_attribute and any(s.name() == COLOR for s in sense.closure(Synset.hypernyms))

    def _is_shown(self, sense: Synset) -> bool:
        return sense.lexname() in SHOWN or sense.name() in BASIC or self._is_color(sense)

    def _is_slur(self, sense: Synset) -> bool:
        return any(domain.name() in SLURS for domain in sense.usage_domains())

    def _nearest(self, word: str, sense: Synset) -> Iterator[str]:
        """One sense's readings, nearest first; at the same distance the commonest first."""
        for step, level in enumerate(self._levels(sense)):
            if step == 1:
                yield from self._adult(sense)
            found: list[tuple[int, int, str]] = []
            for synset in level if step == 0 else filter(self._says_something, level):
                others = enumerate(name for name in synset.lemma_names() if name != word)
                ranked = sorted((-self._tagged(name, synset), at, name) for at, name in others)
                known = (each for each in ranked if self._is_known(each[2], step))
                meant = (each for each in known if self._means(each[2], synset))
                found += itertools.islice(meant, OF_SYNSET)
            yield from (name for _, _, name in sorted(found))

    def _levels(self, sense: Synset) -> Iterator[list[Synset]]:
        """A sense, what it is a kind of, what these are kinds of, and so on."""
        steps = 1 if sense.pos() == "v" else 20 if sense.lexname() in LIVING else STEPS
        level, seen = [sense], {sense}
        for _ in range(steps + 1):
            yield level
            above = [s for below in level for s in below.hypernyms()]
            level = [s for s in dict.fromkeys(above) if s not in seen]
            seen.update(level)

    def _adult(self, sense: Synset) -> Iterator[str]:
        gloss = _YOUNG_OF.fullmatch(sense.definition())
        if gloss and any(s.name() == YOUNG for s in sense.closure(Synset.hypernyms)):
            adult = gloss[1]
            if self._is_known(adult, 1) and self._senses(adult, "n"):
                yield adult

    def _is_known(self, name: str, step: int) -> bool:
        """Whether a network may know a word: a common one, or as a synonym any of ours."""
        is_plural = self._by_part[name.removesuffix("s")]["n"] > self._by_part[name]["n"]
        is_word = name.isalpha() and name.islower() and name not in vocabulary.STOP_WORDS
        is_common = name in self._known or self._by_part[name].total() >= TAGGED
        may_be_known = is_common or step == 0 and name in self._nouns
        return is_word and may_be_known and not (name.endswith("s") and is_plural)

    def _means(self, name: str, sense: Synset) -> bool:
        """Whether a word is used most in this sense, of all that it has in all parts of speech."""
        part = sense.pos()
        senses = self._senses(name, part)
        tags, by_part = [self._tagged(name, s) for s in senses], self._by_part[name]
        if not senses or senses[tags.index(max(tags))] != sense:
            return False
        if part == "v":
            return self._is_verb(name)
        is_clear = max(tags) > 1 or sum(map(self._is_shown, senses)) == 1
        is_noun = 2 * (by_part["n"] + 1) > by_part.total() or self._is_color(sense)
        return is_clear and is_noun and self._is_of_lexicon(name, sense)

    def _is_of_lexicon(self, name: str, sense: Synset) -> bool:
        """Whether the lexicon, if it knows a noun at all, takes it in this sense."""
        classes = self._nouns.get(name, ())
        return 2 * sum(found in self._names(sense) for found in classes) >= len(classes)

    @functools.cache  # noqa: B019  As above.
    def _names(self, sense: Synset) -> frozenset[str]:
        """What ImageNet's classes are called that are at or below a synset."""
        return frozenset(map(wordnet.name, (sense, *self._kinds(sense))))

    def _says_something(self, synset: Synset) -> bool:
        if synset.lexname() in LIVING or synset.name() in BASIC or self._is_color(synset):
            return True
        broad = BROAD.get(synset.lexname(), 0) if synset.pos() == "n" else BROAD_VERB
        return len(self._kinds(synset)) <= broad

    @functools.cache  # noqa: B019  As above.
    def _kinds(self, synset: Synset) -> frozenset[Synset]:
        """All synsets below one."""
        below = synset.hyponyms()
        return frozenset(below).union(*map(self._kinds, below))

    def table(self) -> dict[str, tuple[str, ...]]:
        """Every word that has readings, and its inflections, to these, in order."""
        names = {name for part in "nv" for name in self._words.all_lemma_names(part)}
        words = [w for w in names if len(w) > 2 and w.isascii() and w.isalpha()]
        words = sorted(w for w in words if w not in vocabulary.STOP_WORDS)
        rows = {word: found for word in words if (found := self.readings(word)[1])}
        inflected: dict[str, tuple[str, ...]] = {}
        for word in sorted(rows, key=lambda word: -self._by_part[word].total()):
            for form, readings in self._inflected(word):
                if not (form in names and self._is_rather(form, word)):
                    inflected.setdefault(form, readings)
        return dict(sorted((inflected | rows).items()))

    def _inflected(self, word: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """A word's inflections; the readings of each in the same inflection, and as they are."""
        part, readings = self.readings(word)
        for inflect in self._inflections[part]:
            both = [form for reading in readings for form in (*inflect(reading), reading)]
            yield from ((form, tuple(dict.fromkeys(both))) for form in inflect(word))

    def _is_rather(self, form: str, word: str) -> bool:
        """Whether an inflection is a word of its own: `glasses`; not `jogging`, which is rarer."""
        part, _ = self.readings(word)
        return part == "n" or self._by_part[form].total() > self._by_part[word]["v"]

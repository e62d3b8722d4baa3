"""What unknown words are read as: WordNet's synonyms and what they are kinds of, nearest first.

A wrong reading is worse than none, so much is left out:

- Only senses that a photo can show count: animals, people, plants, food, artifacts, bodies, natural
  objects and colours; motions, contacts and the like of verbs; adjectives. A word that is tagged
  more often in other senses is left out.
- Of a word's senses, those count that are tagged (in WordNet's own concordance) at least a quarter
  as often as the commonest one; all where none is tagged twice. Where several count, only what all
  of them can be read as is left: `canary` is a bird and a singer, and has no reading.
- A word is offered as a reading only of the sense that it is tagged with most.
- Synonyms come first, then what the word is a kind of, step by step (`rooster`: `cock`, `chicken`).
  Things go up three steps, past nothing as broad as `device`; living beings, which WordNet divides
  as biologists do, go up to `animal`, `person` or `plant`. Verbs and adjectives go up one.
- A young animal is read by its gloss: a kitten, "young domestic cat", is a kind of young mammal.
"""

import collections
import functools
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from nltk.corpus.reader.wordnet import Synset

from cagic_tf.method import vocabulary
from cagic_tf.networks import bundle, checkpoints, synonyms
from cagic_tf.port import inflections, output, wordnet
from cagic_tf.system import files

LICENCE = "WORDNET_LICENSE"
CAPTIONER, LEXICON = "sat", "lexicon"  # Whose words are readings, however rare.
MOST = 4  # Words that one is read as.
STEPS = 3
BROAD = 600  # Kinds below a thing that says nothing of how it looks.
TAGGED = 2  # How often a word is to be tagged for a common one.
LIVING = {"noun.animal", "noun.person", "noun.plant"}
SHOWN = LIVING | {"noun.artifact", "noun.body", "noun.food", "noun.object"}
SHOWN_VERBS = {
    f"verb.{name}" for name in ("body", "consumption", "contact", "motion", "perception")
}
# The only ones of the broadest synsets that say something; and those whose kinds have a rule.
BASIC = {"person.n.01", "animal.n.01", "plant.n.02", "food.n.01", "food.n.02"}
COLOR, YOUNG = "color.n.01", "young.n.01"
# "a young female horse under the age of four", "young of domestic cattle"
_YOUNG_OF = re.compile(r"(?:an? )?young (?:of )?(?:\w+ ){0,2}?(\w+)(?: under .*| especially .*)?")


class Thesaurus:
    """WordNet's words as captions use them."""

    def __init__(self, words: wordnet.Reader, known: Collection[str], nouns: Collection[str]):
        """Takes WordNet, opened with `wordnet.WORDS`, a captioner's words and a lexicon's nouns."""
        self._words, self._known, self._nouns = words, set(known), set(nouns)
        self._tags, self._by_part = self._read_tags()
        self._hyponyms: dict[int, frozenset[int]] = {}
        plurals = wordnet.irregular(words)
        forms = inflections.Inflections(plurals, wordnet.irregular(words, "verb.exc"))
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

    def readings(self, word: str) -> list[str]:
        """What a word, `kitten` or `sprint`, may be read as: at most `MOST` words."""
        return self.part_and_readings(word)[1]

    @functools.cache  # noqa: B019  It lives as long as the port.
    def part_and_readings(self, word: str) -> tuple[str, list[str]]:
        """The same, and the part of speech in which it is read, "n", "v" or "a"."""
        for part, senses in (("n", self._shown(word)), ("v", self._main(word, "v"))):
            if senses:
                return part, self._agreed(word, senses)[:MOST]
        return "a", self._agreed(word, self._main(word, "a"))[:MOST]

    @functools.cache  # noqa: B019  As above.
    def _senses(self, word: str, part: str) -> list[Synset]:
        """A word's senses, WordNet's first first; names are senses only of what is nothing else."""
        synsets = [s for s in self._words.synsets(word) if word in map(str.lower, s.lemma_names())]
        lower = [s for s in synsets if word in s.lemma_names()]
        return [s for s in lower or synsets if s.pos().replace("s", "a") == part]

    def _tagged(self, word: str, sense: Synset) -> int:
        keys = (lemma.key() for lemma in sense.lemmas() if lemma.name().lower() == word)
        return sum(self._tags.get(key.lower(), 0) for key in keys)

    def _shown(self, word: str) -> list[Synset]:
        """The noun's senses that count; none where other senses of the word are commoner."""
        senses = self._senses(word, "n")
        shown = [s for s in senses if self._is_shown(s) and not s.instance_hypernyms()]
        if not shown:
            return []
        tags = self._by_part[word]
        others = (
            sum(self._tagged(word, s) for s in senses if s not in shown) + tags["v"] + tags["r"]
        )
        others += 0 if self._is_color(shown[0]) else tags["a"]
        is_rare = sum(self._tagged(word, s) for s in shown) < others
        return [] if is_rare else self._counting(word, shown)

    def _counting(self, word: str, senses: list[Synset]) -> list[Synset]:
        most = max(self._tagged(word, s) for s in senses)
        return [s for s in senses if most < 2 or 4 * self._tagged(word, s) >= most]

    def _main(self, word: str, part: str) -> list[Synset]:
        """The verb's or adjective's first sense alone, if it is by far the commonest."""
        senses = self._senses(word, part)
        tags = [self._tagged(word, s) for s in senses]
        clear = len(tags) == 1 or (tags and tags[0] > 2 * max(tags[1:]))
        common = 2 * self._by_part[word][part] >= self._by_part[word].total()
        if part == "v" and any(map(self._is_shown, self._senses(word, "n"))):
            common = self._by_part[word]["v"] >= 4 * (self._by_part[word]["n"] + 1)
        shown = senses and (part == "a" or senses[0].lexname() in SHOWN_VERBS)
        return senses[:1] if clear and common and shown else []

    def _is_color(self, sense: Synset) -> bool:
        is_attribute = sense.lexname() == "noun.attribute"
        return is_attribute and any(s.name() == COLOR for s in sense.closure(Synset.hypernyms))

    def _is_shown(self, sense: Synset) -> bool:
        return sense.lexname() in SHOWN or sense.name() in BASIC or self._is_color(sense)

    def _agreed(self, word: str, senses: list[Synset]) -> list[str]:
        """What each of some senses can be read as."""
        found = [list(dict.fromkeys(self._nearest(word, sense))) for sense in senses]
        return [w for w in found[0] if all(w in others for others in found)] if found else []

    def _nearest(self, word: str, sense: Synset) -> Iterator[str]:
        """One sense's readings, nearest first; at the same distance the commonest first."""
        for step, level in enumerate(self._levels(sense)):
            if step == 1:
                yield from self._adult(sense)
            for synset in level if step == 0 else filter(self._says_something, level):
                names = [name for name in synset.lemma_names() if name != word]
                names.sort(key=lambda name: -self._tagged(name, synset))
                yield from (n for n in names if self._is_known(n, step) and self._means(n, synset))

    def _levels(self, sense: Synset) -> Iterator[list[Synset]]:
        """A sense, what it is a kind of, what these are kinds of, and so on."""
        part = sense.pos()
        steps = 20 if sense.lexname() in LIVING else STEPS if part == "n" else 1
        level, seen = [sense], {sense}
        for _ in range(steps + 1):
            yield level
            above = [s.similar_tos() if s.pos() == "s" else s.hypernyms() for s in level]
            level = [s for part in above for s in part if s not in seen]
            seen.update(level)

    def _adult(self, sense: Synset) -> Iterator[str]:
        gloss = _YOUNG_OF.fullmatch(sense.definition())
        if gloss and any(s.name() == YOUNG for s in sense.closure(Synset.hypernyms)):
            adult = gloss[1]
            if self._is_known(adult, 1) and self._senses(adult, "n"):
                yield adult

    def _is_known(self, name: str, step: int) -> bool:
        """Whether a network may know a word: a common one, or for a synonym, any that ours know."""
        fits = name.isalpha() and name.islower() and name not in vocabulary.STOP_WORDS
        is_common = name in self._known or self._by_part[name].total() >= TAGGED
        return fits and (is_common or step == 0 and name in self._nouns)

    def _means(self, name: str, sense: Synset) -> bool:
        """Whether this is the sense in which a word is used most, of all its parts of speech."""
        part = "a" if sense.pos() == "s" else sense.pos()
        senses = self._senses(name, part)
        if sense not in senses:
            return False
        tags = [self._tagged(name, s) for s in senses]
        at = tags.index(max(tags))  # The first of several.
        is_most = senses[at] == sense and (part == "n" or tags[at] > 0)
        tagged = self._by_part[name]
        return is_most and (2 * (tagged[part] + 1) > tagged.total() or self._is_color(sense))

    def _says_something(self, synset: Synset) -> bool:
        if synset.pos() != "n" or synset.lexname() in LIVING or synset.name() in BASIC:
            return True
        return self._is_shown(synset) and len(self._kinds(synset)) <= BROAD

    def _kinds(self, synset: Synset) -> frozenset[int]:
        """The numbers of all synsets below."""
        number = synset.offset()
        if number not in self._hyponyms:
            below = synset.hyponyms()
            kinds = frozenset(s.offset() for s in below).union(*map(self._kinds, below))
            self._hyponyms[number] = kinds
        return self._hyponyms[number]

    def table(self) -> dict[str, tuple[str, ...]]:
        """Every word that has readings, and its inflections, to these, in order."""
        names = {name for part in "nva" for name in self._words.all_lemma_names(part)}
        words = [w for w in names if len(w) > 2 and w.isascii() and w.isalpha()]
        words = sorted(w for w in words if w not in vocabulary.STOP_WORDS)
        rows = {word: tuple(found) for word in words if (found := self.readings(word))}
        inflected: dict[str, tuple[str, ...]] = {}
        for word in sorted(rows, key=lambda word: -self._by_part[word].total()):
            for form, readings in self._inflected(word):
                if not (form in names and self._is_rather(form, word)):
                    inflected.setdefault(form, readings)
        return dict(sorted((inflected | rows).items()))

    def _inflected(self, word: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """A word's inflections; the readings of each in the same inflection, and as they are."""
        part, readings = self.part_and_readings(word)
        for inflect in self._inflections.get(part, []):
            both = [form for reading in readings for form in (*inflect(reading), reading)]
            yield from ((form, tuple(dict.fromkeys(both))) for form in inflect(word))

    def _is_rather(self, form: str, word: str) -> bool:
        """Whether an inflection is a word of its own: `glasses`; not `jogging`, which is rarer."""
        part, _ = self.part_and_readings(word)
        return part == "n" or self._by_part[form].total() > self._by_part[word]["v"]


def port(wordnet_folder: Path, folder: Path, command: str, commit: str) -> list[str]:
    """Writes the table of readings and WordNet's licence to `folder`.

    Args:
      wordnet_folder: A folder with WordNet 3.0's files, `wordnet.WORDS`.
      folder: Where to write; must not be there yet.
      command: The command, for the manifest.
      commit: The commit, for the manifest.

    Returns:
      What was found and made, a line each.

    Raises:
      checkpoints.CheckpointError: A source is not what it should be; `folder` exists.
      OSError: A file cannot be read or written.
    """
    captioner = checkpoints.load(bundle.find(CAPTIONER), "sat")
    lexicon = checkpoints.load(bundle.find(LEXICON), "lexicon")
    with wordnet.opened(wordnet_folder, wordnet.WORDS) as words:
        known, nouns = captioner.manifest["vocabulary"][1:], lexicon.manifest["nouns"]
        table = Thesaurus(words, known, nouns).table()
    readings = {reading for row in table.values() for reading in row}
    facts = [
        f"{len(table)} words of WordNet 3.0, inflections included, each to at most {2 * MOST} of "
        f"{len(readings)} that it may be read as, nearest first; licence in {LICENCE}"
    ]
    sources = (
        f"WordNet 3.0 (Princeton University), {wordnet.describe(wordnet_folder, wordnet.WORDS)}; "
        f"the words of the captioner {captioner.name}, SHA-256 {captioner.sha256}, and of the "
        f"lexicon {lexicon.name}, SHA-256 {lexicon.sha256}"
    )
    with output.new_folder(folder) as made:
        manifest = output.save(
            made,
            "synonyms",
            synonyms.to_tensors(table),
            facts,
            source=sources,
            command=command,
            commit=commit,
        )
        files.write_atomically(made / LICENCE, wordnet.licence(wordnet_folder).encode())
    return [*facts, output.describe(folder, manifest)]

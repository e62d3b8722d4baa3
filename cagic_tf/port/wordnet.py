"""WordNet, read by nltk: its files, and which ImageNet classes each noun means.

Miller, "WordNet: A Lexical Database for English", Communications of the ACM 38(11), 1995.
"""

import collections
import contextlib
import io
import itertools
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import nltk.data
from nltk.corpus.reader import wordnet as reader

from cagic_tf.networks import checkpoints
from cagic_tf.port import source

NOUNS = ("index.noun", "data.noun", "noun.exc")
# Nouns and verbs, and how often each sense of a word is tagged in a concordance.
WORDS = (*NOUNS, "index.verb", "data.verb", "verb.exc", "cntlist.rev")
# Names of the lexicographers' files, in the order of their numbers: lexnames(5WN).
_PARTS = {
    "adj": "all pert",
    "adv": "all",
    "noun": "Tops act animal artifact attribute body cognition communication event feeling food "
    "group location motive object person phenomenon plant possession process quantity relation "
    "shape state substance time",
    "verb": "body change cognition communication competition consumption contact creation emotion "
    "motion perception possession social stative weather",
}
LEXNAMES = [f"{part}.{name}" for part, names in _PARTS.items() for name in names.split()]
LEXNAMES += ["adj.ppl"]


class Reader(reader.WordNetCorpusReader):
    """nltk's reader on some of WordNet's files; it finds the other parts of speech empty."""

    def __init__(self, root: str, names: Sequence[str]):
        self._names = names
        super().__init__(root, None)

    def open(self, file: str) -> IO[str]:
        """One of the files."""
        if file in self._names:
            return super().open(file)
        # Debian has no such file, and nltk wants a name for each number that there is in the data.
        names = [*LEXNAMES, *["unnamed"] * (100 - len(LEXNAMES))]
        lines = [f"{number:02d} {name} 0\n" for number, name in enumerate(names)]
        return io.StringIO("".join(lines) if file == "lexnames" else "")

    def map_wn(self, version: str = "wordnet") -> None:
        """Numbers are those of the files; nltk's own would need its download of WordNet."""


@contextlib.contextmanager
def opened(folder: Path, names: Sequence[str] = NOUNS) -> Iterator[Reader]:
    """WordNet 3.0, from its files of these names in a folder, until the block ends.

    Raises:
      checkpoints.CheckpointError: A file is not what it should be; also where the block finds out.
      OSError: A file is missing.
    """
    root, paths = str(folder.resolve()), list(nltk.data.path)
    nltk.data.path.append(root)  # nltk opens nothing elsewhere.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It has no other languages; an unknown number.
            yield Reader(root, names)
    except (OSError, checkpoints.CheckpointError):
        raise
    except Exception as error:  # Damaged files raise nearly every kind.
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise checkpoints.CheckpointError(
            f"{folder} has no readable files of WordNet 3.0 ({', '.join(names)}): {text}"
        ) from error
    finally:
        nltk.data.path[:] = paths


def read_classes(path: Path, nouns: Reader) -> list[reader.Synset]:
    """The synsets of ImageNet's classes, in their order, from lines such as `n02084071`.

    Raises:
      checkpoints.CheckpointError: A line is no synset of this WordNet, or is there twice.
      OSError: The file is missing.
    """
    lines = path.read_text(encoding="utf-8").split()
    found = {
        line: nouns.synset_from_pos_and_offset("n", int(line[1:]))
        for line in lines
        if re.fullmatch("n[0-9]{8}", line)
    }
    strange = [line for line in lines if found.get(line) is None]
    if strange or not lines or len(found) < len(lines):
        raise checkpoints.CheckpointError(
            f"{path}: {len(lines)} classes, {len(set(lines))} of them different; "
            f"not WordNet 3.0's: {strange[:3]}"
        )
    return list(found.values())


def classes_by_noun(classes: Sequence[reader.Synset]) -> dict[str, frozenset[int]]:
    """Noun to the numbers of its classes: those at or below any of its synsets."""
    found: dict[str, set[int]] = collections.defaultdict(set)
    for number, synset in enumerate(classes):
        for above in {each for path in synset.hypernym_paths() for each in path}:
            for lemma in above.lemma_names():
                found[spaced(lemma)].add(number)
    return {noun: frozenset(numbers) for noun, numbers in found.items()}


def irregular(words: Reader, name: str = NOUNS[2]) -> dict[str, list[str]]:
    """Irregular plural, or form of a verb in `verb.exc`, to the words that it is of."""
    with words.open(name) as file:
        lines = [[spaced(word) for word in line.split()] for line in file]
    return {line[0]: line[1:] for line in lines if line}


def irregular_plurals(
    singulars: Mapping[str, Sequence[str]], known: Collection[str]
) -> dict[str, str]:
    """Plural to its singular, where that is a known noun and the plural itself is none.

    Args:
      singulars: See `irregular`.
      known: The known nouns.
    """
    return {
        plural: next(word for word in words if word in known)
        for plural, words in sorted(singulars.items())
        if plural not in known and any(word in known for word in words)
    }


def name(synset: reader.Synset) -> str:
    """A synset's first lemma."""
    return spaced(synset.lemma_names()[0])


def spaced(lemma: str) -> str:
    """A lemma in lower case, its words joined by a space."""
    return lemma.lower().replace("_", " ")


def licence(folder: Path) -> str:
    """The licence that stands on top of WordNet's files; every copy has to carry it."""
    with open(folder / "data.noun", encoding="utf-8") as file:
        top = itertools.takewhile(lambda line: line.startswith("  "), file)
        return "".join(line.strip().partition(" ")[2].rstrip() + "\n" for line in top)


def describe(folder: Path, names: Sequence[str] = NOUNS) -> str:
    """The files and their hashes, in a sentence."""
    return "; ".join(f"{name}, SHA-256 {source.sha256(folder / name)}" for name in names)

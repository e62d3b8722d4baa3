"""WordNet's nouns, read by nltk: which ImageNet classes each noun means.

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

FILES = ("index.noun", "data.noun", "noun.exc")


class Nouns(reader.WordNetCorpusReader):
    """nltk's reader on the noun files alone; it finds the other parts of speech empty."""

    def open(self, file: str) -> IO[str]:
        """One of the files."""
        if file in FILES:
            return super().open(file)
        # The lexicographers' files have numbers in data.noun, and nltk wants a name for each.
        names = [f"{number:02d} unnamed 0\n" for number in range(100)]
        return io.StringIO("".join(names) if file == "lexnames" else "")

    def map_wn(self, version: str = "wordnet") -> None:
        """Numbers are those of the files; nltk's own would need its download of WordNet."""


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Nouns]:
    """WordNet 3.0's nouns, from the three `FILES` in a folder, until the block ends.

    Raises:
      checkpoints.CheckpointError: A file is not what it should be; also where the block finds out.
      OSError: A file is missing.
    """
    root, paths = str(folder.resolve()), list(nltk.data.path)
    nltk.data.path.append(root)  # nltk opens nothing elsewhere.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It has no other languages; an unknown number.
            yield Nouns(root, None)
    except (OSError, checkpoints.CheckpointError):
        raise
    except Exception as error:  # Damaged files raise nearly every kind.
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise checkpoints.CheckpointError(
            f"{folder} has no readable noun files of WordNet 3.0 ({', '.join(FILES)}): {text}"
        ) from error
    finally:
        nltk.data.path[:] = paths


def read_classes(path: Path, nouns: Nouns) -> list[reader.Synset]:
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


def irregular(nouns: Nouns) -> dict[str, list[str]]:
    """Irregular plural to its singulars."""
    with nouns.open("noun.exc") as file:
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


def describe(folder: Path) -> str:
    """The files and their hashes, in a sentence."""
    return "; ".join(f"{name}, SHA-256 {source.sha256(folder / name)}" for name in FILES)

"""WordNet's nouns: which ImageNet classes each noun means.

Miller, "WordNet: A Lexical Database for English", Communications of the ACM 38(11), 1995. Reads
`index.noun`, `data.noun` and `noun.exc` as the manual page `wndb(5WN)` describes them.
"""

import collections
import itertools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cagic_tf.networks import checkpoints
from cagic_tf.port import source

FILES = ("index.noun", "data.noun", "noun.exc")
HYPERNYMS = ("@", "@i")  # "is a kind of", "is an instance of".


class WordNet(NamedTuple):
    """The nouns.

    Attributes:
      senses: Lower-case lemma, words joined by a space, to its synsets, the most frequent first.
      names: Synset to its first lemma.
      parents: Synset to its hypernyms.
      irregular: Plural to its singulars.
    """

    senses: dict[str, tuple[int, ...]]
    names: dict[int, str]
    parents: dict[int, tuple[int, ...]]
    irregular: dict[str, tuple[str, ...]]


def read(folder: Path) -> WordNet:
    """Reads WordNet 3.0's noun files in a folder.

    Raises:
      checkpoints.CheckpointError: A file is not what it should be.
      OSError: A file is missing.
    """
    senses, names, parents, irregular = {}, {}, {}, {}
    for name in FILES:
        for number, fields in _lines(folder / name):
            try:
                if name == "index.noun":
                    count = int(fields[2])
                    senses[_spaced(fields[0])] = tuple(int(offset) for offset in fields[-count:])
                elif name == "data.noun":
                    synset = int(fields[0])
                    names[synset], parents[synset] = _spaced(fields[4]), tuple(_hypernyms(fields))
                else:
                    irregular[_spaced(fields[0])] = tuple(_spaced(word) for word in fields[1:])
            except (ValueError, IndexError) as error:
                raise checkpoints.CheckpointError(
                    f"{folder / name}, line {number}: not a line of WordNet 3.0: {error}"
                ) from error
    return WordNet(senses, names, parents, irregular)


def read_classes(path: Path, nouns: WordNet) -> list[int]:
    """The synsets of ImageNet's classes, in their order, from lines such as `n02084071`.

    Raises:
      checkpoints.CheckpointError: A line is no synset of this WordNet, or is there twice.
      OSError: The file is missing.
    """
    lines = path.read_text(encoding="utf-8").split()
    known = {f"n{synset:08d}": synset for synset in nouns.names}
    strange = [line for line in lines if line not in known]
    if strange or not lines or len(set(lines)) < len(lines):
        raise checkpoints.CheckpointError(
            f"{path}: {len(lines)} classes, {len(set(lines))} of them different; "
            f"not WordNet 3.0's: {strange[:3]}"
        )
    return [known[line] for line in lines]


def classes_below(nouns: WordNet, classes: Sequence[int]) -> dict[int, frozenset[int]]:
    """Synset to the numbers of the classes that it is or that are kinds of it."""
    below = collections.defaultdict(set)
    for number, synset in enumerate(classes):
        waiting, seen = [synset], set()
        while waiting:
            current = waiting.pop()
            if current not in seen:
                seen.add(current)
                below[current].add(number)
                waiting += nouns.parents[current]
    return {synset: frozenset(numbers) for synset, numbers in below.items()}


def classes_by_noun(
    nouns: WordNet, classes: Sequence[int], most_senses: int | None = None
) -> dict[str, frozenset[int]]:
    """Noun to its classes: those at or below one of its first senses; nouns without any are out.

    Args:
      nouns: WordNet.
      classes: See `read_classes`.
      most_senses: How many of a noun's senses count, the most frequent first; None: all.
    """
    below = classes_below(nouns, classes)
    found = {
        noun: frozenset().union(*(below.get(synset, ()) for synset in synsets[:most_senses]))
        for noun, synsets in nouns.senses.items()
    }
    return {noun: numbers for noun, numbers in found.items() if numbers}


def irregular_plurals(nouns: WordNet, known: Collection[str]) -> dict[str, str]:
    """Plural to its singular, where that is a known noun and the plural itself is none."""
    return {
        plural: next(word for word in singulars if word in known)
        for plural, singulars in sorted(nouns.irregular.items())
        if plural not in known and any(word in known for word in singulars)
    }


def licence(folder: Path) -> str:
    """The licence that stands on top of WordNet's files; every copy has to carry it."""
    with open(folder / "data.noun", encoding="utf-8") as file:
        top = itertools.takewhile(lambda line: line.startswith("  "), file)
        return "".join(line.strip().partition(" ")[2].rstrip() + "\n" for line in top)


def describe(folder: Path) -> str:
    """The files and their hashes, in a sentence."""
    return "; ".join(f"{name}, SHA-256 {source.sha256(folder / name)}" for name in FILES)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields; the licence on top, indented by two spaces, is left out."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip() and not line.startswith("  "):
                yield number, line.split(" | ")[0].split()


def _hypernyms(fields: list[str]) -> Iterator[int]:
    """Hypernyms of a line of data.noun: words in hexadecimal count, then pointers of four."""
    at = 4 + 2 * int(fields[3], 16)
    for start in range(at + 1, at + 1 + 4 * int(fields[at]), 4):
        if fields[start] in HYPERNYMS:
            yield int(fields[start + 1])


def _spaced(lemma: str) -> str:
    return lemma.lower().replace("_", " ")

"""The lexicon: the classifier of EfficientNet-Lite0 and, from WordNet, the nouns of its classes."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from cagic_tf.method import vocabulary
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.port import lite0, output, source, wordnet
from cagic_tf.system import files

TRUNK = "lite0"
LICENCE = "WORDNET_LICENSE"


def classifier(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of a "lexicon" checkpoint: PyTorch's `[1000, 1280]` transposed, half precision.

    Raises:
      checkpoints.CheckpointError: A tensor is missing.
    """
    try:
        kernel, bias = state["_fc.weight"].T, state["_fc.bias"]
    except KeyError as error:
        raise checkpoints.CheckpointError(f"the source has no tensor {error}") from error
    return {"fc/kernel": kernel.astype(np.float16), "fc/bias": bias.astype(np.float16)}


def read_trunk(state: Mapping[str, np.ndarray]) -> checkpoints.Checkpoint:
    """The project's trunk, once it is certain that the classifier is its own.

    Raises:
      checkpoints.CheckpointError: There is no such trunk, or it has other weights.
    """
    trunk = checkpoints.load(bundle.find(TRUNK), "lite0")
    folded = lite0.fold_batch_norms(state)
    if any(not np.array_equal(folded[name], value) for name, value in trunk.tensors.items()):
        raise checkpoints.CheckpointError(
            f"the classifier belongs to another trunk than {trunk.name!r}, SHA-256 {trunk.sha256}"
        )
    return trunk


def table(by_noun: Mapping[str, Collection[int]], class_count: int) -> dict[str, str]:
    """Noun to its classes, as `vocabulary` splits captions and as ranges: `"2-5 9"`.

    A noun that means more than half of the classes ("object") says nothing of a crop and is out.
    """
    joined: dict[str, set[int]] = {}
    for noun, classes in by_noun.items():
        joined.setdefault(" ".join(vocabulary.tokenize(noun)), set()).update(classes)
    joined.pop("", None)
    return {
        noun: as_ranges(sorted(classes))
        for noun, classes in sorted(joined.items())
        if len(classes) <= class_count / 2
    }


def as_ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as text: `[2, 3, 4, 9]` is "2-4 9"."""
    parts, start = [], 0
    for at, number in enumerate(numbers):
        if at + 1 == len(numbers) or numbers[at + 1] != number + 1:
            first = numbers[start]
            parts.append(str(first) if first == number else f"{first}-{number}")
            start = at + 1
    return " ".join(parts)


def port(
    weights: Path | None, nouns: Path, synsets_file: Path, folder: Path, command: str, commit: str
) -> list[str]:
    """Writes the classifier, its table of nouns and WordNet's licence to `folder`.

    Args:
      weights: See `lite0.read_state`.
      nouns: A folder with WordNet 3.0's noun files.
      synsets_file: A file of ImageNet's 1,000 synsets, in the order of the classes.
      folder: Where to write; must not be there yet.
      command: The command, for the manifest.
      commit: The commit, for the manifest.

    Returns:
      What was found and made, a line each.

    Raises:
      checkpoints.CheckpointError: A source is not what it should be; the trunk is another one;
        `folder` exists.
      OSError: A file cannot be read or written.
    """
    state, origin = lite0.read_state(weights)
    trunk, tensors = read_trunk(state), classifier(state)
    with wordnet.opened(nouns) as words:
        synsets = wordnet.read_classes(synsets_file, words)
        classes = [wordnet.name(synset) for synset in synsets]
        meanings, singulars = wordnet.classes_by_noun(synsets), wordnet.irregular(words)
    if len(classes) != tensors["fc/bias"].size:
        raise checkpoints.CheckpointError(
            f"{synsets_file} has {len(classes)} classes, the classifier {tensors['fc/bias'].size}"
        )
    by_noun = table(meanings, len(classes))
    plurals = wordnet.irregular_plurals(singulars, by_noun)
    facts = [
        f"classifier of 1280 features and {len(classes)} classes, half precision",
        f"{len(by_noun)} nouns of WordNet 3.0 with classes at or below their synsets, "
        f"{len(plurals)} irregular plurals; licence in {LICENCE}",
    ]
    extra = {
        "trunk": TRUNK,
        "trunk_sha256": trunk.sha256,
        "classes": classes,
        "nouns": by_noun,
        "irregular_plurals": plurals,
    }
    sources = (
        f"{origin}, its classifier; WordNet 3.0 (Princeton University), {wordnet.describe(nouns)}; "
        f"{synsets_file.name} (ImageNet's classes), SHA-256 {source.sha256(synsets_file)}"
    )
    with output.new_folder(folder) as made:
        manifest = output.save(
            made,
            "lexicon",
            tensors,
            facts,
            source=sources,
            command=command,
            commit=commit,
            extra=extra,
        )
        files.write_atomically(made / LICENCE, wordnet.licence(nouns).encode())
    return [*facts, output.describe(folder, manifest)]

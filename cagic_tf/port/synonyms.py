"""The table of what unknown words are read as, from WordNet by the rules of `thesaurus.py`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cagic_tf.beyond.lexicon import ranges
from cagic_tf.networks import bundle, checkpoints, synonyms
from cagic_tf.port import output, thesaurus, wordnet
from cagic_tf.system import files

LICENCE = "WORDNET_LICENSE"
CAPTIONER, LEXICON = "sat", "lexicon"  # Whose words are readings, however rare.


def class_names(lexicon: Mapping[str, Any]) -> dict[str, list[str]]:
    """A lexicon's nouns, by its manifest, each to the names of its classes."""
    names = lexicon["classes"]
    return {noun: [names[at] for at in ranges(text)] for noun, text in lexicon["nouns"].items()}


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
        known = captioner.manifest["vocabulary"][1:]
        table = thesaurus.Thesaurus(words, known, class_names(lexicon.manifest)).table()
    readings = {reading for row in table.values() for reading in row}
    facts = [
        f"{len(table)} words of WordNet 3.0, inflections included, each to at most "
        f"{2 * thesaurus.MOST} of {len(readings)} that it may be read as, nearest first; licence "
        f"in {LICENCE}"
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

"""DeepRNN's `vocabulary.csv`: columns word, index and frequency, in any order."""

import csv
from pathlib import Path

from cagic_tf.networks import checkpoints, sat


def read(path: Path) -> list[str]:
    """Reads the words in the order of their indices.

    Every word is text: `nan`, `null` and quotes are words like any other.

    Args:
      path: The CSV, UTF-8, with a header.

    Returns:
      The words; index 0 is `<start>`.

    Raises:
      checkpoints.CheckpointError: A column is missing, an index is no number, missing or there
        twice, a word is empty or there twice, or the end word "." is not among them.
      OSError: The file cannot be read.
    """
    words = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            if not {"word", "index"} <= set(rows.fieldnames or ()):
                raise ValueError(f"the columns are {rows.fieldnames}; word and index are needed")
            for row in rows:
                index = int(row["index"])
                if index in words or not row["word"]:
                    problem = "is there twice" if index in words else "has no word"
                    raise ValueError(f"line {rows.line_num}: the index {index} {problem}")
                words[index] = row["word"]
        if sorted(words) != list(range(len(words))):
            raise ValueError(f"the indices are not 0 to {len(words) - 1}")
        ordered = [words[index] for index in range(len(words))]
        if len(set(ordered)) != len(ordered):
            twice = sorted({word for word in ordered if ordered.count(word) > 1})
            raise ValueError(f"words there twice: {twice}")
        if sat.END_WORD not in ordered:
            raise ValueError(f'no end word "{sat.END_WORD}"')
    except (ValueError, TypeError, csv.Error) as error:
        raise checkpoints.CheckpointError(f"{path} is no vocabulary: {error}") from error
    return ordered

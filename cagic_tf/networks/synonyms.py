"""The table of what unknown words may be read as, as a checkpoint holds it.

`cagic_tf/port/synonyms.py` makes it from WordNet. No network computes with it; as a checkpoint it
is checked, and named in results, like those of networks.
"""

from collections.abc import Mapping, Sequence

import numpy as np

NONE = -1  # Fills up the rows of words with fewer readings.


def to_tensors(table: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """A table as the tensors of a "synonyms" checkpoint.

    Args:
      table: Word to what it may be read as, nearest meaning first.

    Returns:
      "words" `[N]` and "readings" `[M]`, text; "rows" `[N, K]` int16, the places of each word's in
      "readings", in order.
    """
    readings = sorted({reading for row in table.values() for reading in row})
    place = {reading: at for at, reading in enumerate(readings)}
    rows = np.full((len(table), max(map(len, table.values()), default=0)), NONE, np.int16)
    for row, found in zip(rows, table.values(), strict=True):
        row[: len(found)] = [place[reading] for reading in found]
    return {"words": _text(list(table)), "readings": _text(readings), "rows": rows}


def from_tensors(tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[str, ...]]:
    """The table of which `to_tensors` made these."""
    readings = tensors["readings"].tolist()
    rows = zip(tensors["words"].tolist(), tensors["rows"].tolist(), strict=True)
    return {word: tuple(readings[at] for at in row if at != NONE) for word, row in rows}


def _text(words: Sequence[str]) -> np.ndarray:
    return np.array(words, np.str_)

"""A phrase to the words that MAttNet knows."""

from collections.abc import Sequence

import numpy as np

from cagic_tf.system import arguments

PADDING = 0  # Label of `<PAD>`, which stands after a text's last word.
UNKNOWN = "<UNK>"


def tokens(phrase: str) -> list[str]:
    """A phrase's words as the authors' demo has them: in lower case, cut at white space, no more.

    Punctuation stays at its word, which makes it an unknown one.

        >>> tokens("  The woman in RED, left ")
        ['the', 'woman', 'in', 'red,', 'left']
    """
    return phrase.lower().split()


class Vocabulary:
    """The words of a checkpoint.

    Attributes:
      words: The words; a word's label is its place. The first is `<PAD>`.
    """

    def __init__(self, words: Sequence[str]):
        self.words = list(words)
        self._labels = {word: label for label, word in enumerate(self.words)}

    def encode(self, phrase: str) -> list[int]:
        """Labels of a phrase's words; those that are not known get that of `<UNK>`.

        Raises:
          ValueError: The phrase is no text, it has no words, or a word is unknown and there is no
            `<UNK>`: a vocabulary without rare words has none.
        """
        arguments.check("the phrase", phrase, str, "a text is needed")
        words = tokens(phrase)
        if not words:
            raise ValueError(f"the phrase {phrase!r} has no words; give at least one")
        unknown = [word for word in words if word not in self._labels]
        if unknown and UNKNOWN not in self._labels:
            raise ValueError(f"this MAttNet does not know the words {', '.join(unknown)}")
        return [self._labels.get(word, self._labels.get(UNKNOWN, PADDING)) for word in words]

    def labels(self, phrases: Sequence[str], length: int | None = None) -> np.ndarray:
        """Labels of several phrases, with padding after their ends.

        Args:
          phrases: The phrases.
          length: Each is cut or filled up to so many words: 10 as the loader of RefCOCO and
            RefCOCO+ has it, 20 for RefCOCOg. None cuts nothing, as the demo.

        Returns:
          `[M, length]` int32; without a length, as long as the longest.

        Raises:
          ValueError: As `encode`.
        """
        encoded = [self.encode(phrase) for phrase in phrases]
        columns = length or max(map(len, encoded))
        table = np.full((len(encoded), columns), PADDING, np.int32)
        for row, labels in zip(table, encoded, strict=True):
            row[: len(labels)] = labels[:columns]
        return table

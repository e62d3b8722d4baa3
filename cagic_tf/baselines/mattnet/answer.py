"""MAttNet's answer to a phrase: which detection it means, and why."""

from typing import NamedTuple

import numpy as np

Box = tuple[float, float, float, float]
NO_BOX: Box = (0.0, 0.0, 0.0, 0.0)


class Answer(NamedTuple):
    """The detection that a phrase means, of n.

    Attributes:
      chosen: Its id: its place among the detections.
      box: Its own box x, y, w, h in pixels, as it was detected; the phrase does not refine it.
      related: Id of what is around it and fits the phrase best; -1 where an empty slot does.
      related_box: The box of that. As in the authors' demo it is zeros for -1, *and for id 0*: the
        demo asks whether the id is above 0.
      scores: `[n]` float32, how well each detection fits, -1 to 1.
      module_scores: `[n, 3]` float32, of subject, location and relationship.
      module_weights: `[3]` float32, how much each counts for this phrase; they sum up to 1.
      words: The phrase's words.
      word_attention: `[3, T]` float32, how much each module looks at each word.
      attributes: The five attributes that the chosen one has most likely, best first, each with
        its probability. The phrase does not matter for them.
      grid_attention: `[n, 49]` float32, where in each box the subject module looks, row by row.
      all_related: `[n]` int64, `related` of each detection.
    """

    chosen: int
    box: Box
    related: int
    related_box: Box
    scores: np.ndarray
    module_scores: np.ndarray
    module_weights: np.ndarray
    words: list[str]
    word_attention: np.ndarray
    attributes: list[tuple[str, float]]
    grid_attention: np.ndarray
    all_related: np.ndarray


def box_of(boxes: np.ndarray, number: int) -> Box:
    """A detection's box as plain numbers."""
    x, y, w, h = (float(value) for value in boxes[number])
    return x, y, w, h

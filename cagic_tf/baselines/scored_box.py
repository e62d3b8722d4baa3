"""What every system of Table 1 answers with."""

from typing import NamedTuple


class ScoredBox(NamedTuple):
    """A box `(x, y, w, h)` in pixels of the photo, and how good the system finds it."""

    box: tuple[float, float, float, float]
    score: float

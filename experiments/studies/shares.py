"""Table 3 out of people's decisions: how often each method's crop was chosen."""

import collections
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.studies.folder import Study
from experiments.tables import agreement, resampling, table_files

ORIGINAL = "Original image"
# The paper's Table 3, in per cent.
PAPER = {ORIGINAL: 21.04, "MAttNet": 23.93, "GradCAM": 25.51, "CAGIC": 29.52}
SHARE, OVER_PHOTOS, OVER_PEOPLE = "share (%)", "95 % (photos)", "95 % (people)"
COLUMNS = {"method": "", "chosen": "d", "decisions": "d", SHARE: ".2f"}
COLUMNS |= {OVER_PHOTOS: ".1f", OVER_PEOPLE: ".1f"}
NOTES = [
    "No figure above the paper's rows is the paper's: its photos, crops, networks and people's "
    "choices are not public. It had more than 1000 decisions of 13 people, each of a random part "
    "of its rows.",
    "Shares are of all decisions. The intervals are BCa bootstraps, one of which draws photos, the "
    "other people; p is of a two-sided paired permutation test of the shares, photo by photo.",
]


class Decision(NamedTuple):
    """What a person chose.

    Attributes:
      person: Who.
      task: The task's number.
      photo: The photo.
      method: The method whose crop was chosen.
      place: Where it stood, from 1 on.
    """

    person: str
    task: int
    photo: str
    method: str
    place: int


def p_column(reference: str) -> str:
    """Heading of the p-values."""
    return f"p (against {reference})"


def table(decisions: Sequence[Decision], methods: Sequence[str]) -> pd.DataFrame:
    """A row for each method.

    Args:
      decisions: One or more.
      methods: The methods that were shown together, the first one that others are compared with.
    """
    photos = [one.photo for one in decisions]
    people = [one.person for one in decisions]
    chosen = {
        name: np.array([100.0 * (one.method == name) for one in decisions]) for name in methods
    }
    rows = []
    for name, values in chosen.items():
        row = {"method": name, "chosen": int((values > 0).sum()), "decisions": len(decisions)}
        row[SHARE] = float(values.mean())
        for column, groups in ((OVER_PHOTOS, photos), (OVER_PEOPLE, people)):
            interval = resampling.mean_interval(values, groups) or (None, None)
            row |= dict(zip(table_files.interval_columns(column), interval, strict=True))
        if name != methods[0]:
            row[p_column(methods[0])] = resampling.paired_p(values - chosen[methods[0]], photos)
        rows.append(row)
    return pd.DataFrame(rows)


def paper() -> pd.DataFrame:
    """The paper's rows."""
    return pd.DataFrame(
        [{"method": f"{name} (the paper's Table 3)", SHARE: share} for name, share in PAPER.items()]
    )


def notes(decisions: Sequence[Decision], study: Study) -> list[str]:
    """What a table of these decisions is of, a sentence each.

    Args:
      decisions: The decisions.
      study: Their study.
    """
    each = collections.Counter(one.person for one in decisions)
    rows = {one.task for one in decisions}
    places = collections.Counter(one.place for one in decisions)
    where = ", ".join(
        f"{place}: {places[place] / len(decisions):.0%}"
        for place in range(1, len(study.methods) + 1)
    )
    return [
        *NOTES,
        f"{len(decisions)} decisions of {len(each)} people ({min(each.values())} to "
        f"{max(each.values())} each) on {len(rows)} of {len(study.tasks)} rows.",
        _agreement_note(decisions),
        f"How often each place was chosen: {where}.",
        *study.notes,
    ]


def _agreement_note(decisions: Sequence[Decision]) -> str:
    by_task: dict[int, list[str]] = collections.defaultdict(list)
    for one in decisions:
        by_task[one.task].append(one.method)
    found = agreement.nominal(list(by_task.values()))
    if found is None:
        return "No two people had the same row, so their agreement is not known."
    alpha = "not defined" if found.alpha is None else f"{found.alpha:.3f}"
    return (
        f"Two people chose the same crop of a row in {found.share:.1%} of {found.pairs} pairs; "
        f"Krippendorff's alpha is {alpha} (1: always, 0: as by chance)."
    )

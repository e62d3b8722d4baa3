"""How well a student agrees with its teacher on a photo's boxes."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

CORRELATION = "rank correlation in a photo"


def rank_correlation(student: np.ndarray, teacher: np.ndarray) -> float:
    """Spearman's, of scores `[N]` of the same boxes; 0 where one of the two scores all alike."""
    ranks = stats.rankdata(student), stats.rankdata(teacher)
    if any(np.ptp(each) == 0 for each in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def mean_rank_correlation(student: Sequence[np.ndarray], teacher: Sequence[np.ndarray]) -> float:
    """The mean over photos of the correlation within each, of `[N]` scores a photo."""
    return float(np.mean([rank_correlation(*pair) for pair in zip(student, teacher, strict=True)]))


def best_boxes(student: Sequence[np.ndarray], teacher: Sequence[np.ndarray]) -> dict[str, float]:
    """What the teacher thinks of the student's best box, in the mean over photos.

    Args:
      student: `[N]` scores a photo.
      teacher: `[N]` scores of the same boxes.

    Returns:
      The teacher's score of the student's best box and of its own best, and the mean of its scores;
      their spread, as the mean standard deviation in a photo, says what a difference means.
    """
    pairs = list(zip(student, teacher, strict=True))
    return {
        "teacher's score of the student's best box": float(
            np.mean([judged[np.argmax(own)] for own, judged in pairs])
        ),
        "teacher's score of its own best box": float(np.mean([each.max() for each in teacher])),
        "teacher's mean score of a photo's boxes": float(
            np.mean([each.mean() for each in teacher])
        ),
        "standard deviation of its scores in a photo": float(
            np.mean([each.std() for each in teacher])
        ),
    }


def mean_scores(
    numbers: Sequence[np.ndarray], scores: Sequence[np.ndarray], count: int
) -> np.ndarray:
    """What is known of boxes without a look at the photo: their scores in the mean.

    Args:
      numbers: A photo's `[N]` int each: which of so many boxes.
      scores: `[N]` each, which are counted from their mean in the photo.
      count: How many boxes there are.

    Returns:
      `[count]` float64, 0 for a box that is of no photo.
    """
    totals, seen = np.zeros((2, count))
    for which, own in zip(numbers, scores, strict=True):
        totals[which] += own - own.mean()
        seen[which] += 1
    return totals / np.maximum(seen, 1)

"""Intervals and tests of means over rows: whole photos are resampled.

Rows of one photo are not independent, so photos are what is drawn or swapped.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 9999
_BATCH_NUMBERS = 2_000_000  # Numbers in memory at once.


def mean_interval(values: np.ndarray, photos: Sequence[str], seed: int = 0) -> list[float] | None:
    """95 % bootstrap interval (BCa) of a mean over rows, resampling photos.

    Args:
      values: `[N]`, one a row.
      photos: The photo of each row.
      seed: Seed of the resampling.

    Returns:
      `[low, high]`, or None with fewer than two photos. Where every photo has the same mean, both
      are that mean.
    """
    sums, counts = by_photo(values, photos)
    if len(sums) < 2:
        return None
    if np.ptp(sums / counts) == 0:
        return [float(values.mean())] * 2
    found = stats.bootstrap(
        (sums, counts),
        lambda sums, counts, axis: sums.sum(axis=axis) / counts.sum(axis=axis),
        paired=True,
        vectorized=True,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=_batch(sums),
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return [float(found.low), float(found.high)]


def paired_p(difference: np.ndarray, photos: Sequence[str], seed: int = 0) -> float:
    """Two-sided p-value of a permutation test of "the mean difference is zero".

    The two methods are swapped on each photo. Unlike Wilcoxon's test it is about the very figure
    that is reported, the difference of the means, keeps photos on which the methods agree, and
    assumes nothing of the distribution but that swapping makes no difference. It is exact up to 13
    photos; beyond that `RESAMPLES` swaps are drawn, so p is never below 2 / (RESAMPLES + 1). With
    one photo it is 1: both ways to swap are as extreme.

    Args:
      difference: `[N]`, one a row: the first method's figure less the second's.
      photos: The photo of each row.
      seed: Seed of the resampling.
    """
    sums, _ = by_photo(difference, photos)
    if len(sums) < 2:  # SciPy wants two.
        return 1.0
    test = stats.permutation_test(
        (sums, np.zeros_like(sums)),
        lambda x, y, axis: (x - y).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_batch(sums),
        rng=np.random.default_rng(seed),
    )
    return float(test.pvalue)


def by_photo(values: np.ndarray, photos: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each photo."""
    _, place = np.unique(np.asarray(photos), return_inverse=True)
    return np.bincount(place, values), np.bincount(place)


def _batch(sums: np.ndarray) -> int:
    return max(1, _BATCH_NUMBERS // len(sums))

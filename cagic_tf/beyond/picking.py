"""Beyond the paper: which crop to take when many were tried and none of them is sure.

The loss of a single crop is noisy, and the lowest of many follows the noise. So the losses are read
as a distribution over the crop that is meant, and the crop is taken that overlaps it most in the
mean: the one of the highest expected IoU. Of two dogs far apart it takes one, not the middle.
"""

from collections.abc import Sequence

import numpy as np

STEPS = 13  # Candidates along each of x, y and s.
NEGLIGIBLE = 1e-4  # Crops so much less likely than the likeliest do not count.


def probabilities(
    losses: np.ndarray,
    grid: np.ndarray,
    temperature: float,
    scale_log_prior: np.ndarray | float = 0,
) -> np.ndarray:
    """How likely each tried crop is the one that is meant.

    Args:
      losses: `[N]`; NaN for a crop that has none.
      grid: `[N, 3]` its rows `(x, y, s)`. A scale with more centres is no likelier for that.
      temperature: By how much more loss a crop is less likely by a factor of e.
      scale_log_prior: `[N]`, logarithms of how likely each crop's scale is beforehand.

    Returns:
      `[N]`, sums to 1.
    """
    _, scale, count = np.unique(grid[:, 2], return_inverse=True, return_counts=True)
    logits = scale_log_prior - losses / temperature - np.log(count[scale])
    logits = np.where(np.isfinite(logits), logits, -np.inf)
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def expected_iou(candidates: np.ndarray, grid: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean IoU of candidates with crops, all of one shape, in a distribution over the crops.

    Args:
      candidates: `[C, 3]` rows `(x, y, s)`, in units of the shape's base size.
      grid: `[N, 3]`, likewise.
      weights: `[N]`, sums to 1.

    Returns:
      `[C]`, in [0, 1].
    """
    total = np.zeros(len(candidates))
    for (x, y, scale), weight in zip(grid, weights, strict=True):
        reach = np.minimum(candidates[:, 2], scale)
        half = (candidates[:, 2] + scale) / 2
        shared = np.ones(len(candidates))
        for own, other in ((candidates[:, 0], x), (candidates[:, 1], y)):
            shared *= np.clip(half - np.abs(own - other) / 2, 0, reach)
        total += weight * shared / (candidates[:, 2] ** 2 + scale**2 - shared)
    return total


def pick(
    grid: np.ndarray, weights: np.ndarray, base_size: Sequence[float] = (1.0, 1.0)
) -> np.ndarray:
    """The crop of the highest expected IoU.

    Args:
      grid: `[N, 3]` tried crops, rows `(x, y, s)`.
      weights: `[N]`, how likely each is.
      base_size: Width and height of the crop of scale 1 as fractions of the photo's.

    Returns:
      `[3]`, a crop inside the photo with a scale between the grid's.
    """
    units = np.array([*base_size, 1.0])
    likely = weights > NEGLIGIBLE * weights.max()
    crops, weights = (grid / units)[likely], weights[likely]
    limits = np.array([[-1 / side, 1 / side] for side in base_size])
    limits = np.array([*limits, [grid[:, 2].min(), grid[:, 2].max()]])
    ends = limits
    for _ in range(2):  # Coarsely everywhere, then finely around the best.
        axes = np.linspace(ends[:, 0], ends[:, 1], STEPS)  # [STEPS, 3]
        candidates = np.stack(np.meshgrid(*axes.T, indexing="ij"), axis=-1).reshape(-1, 3)
        reach = 1 / np.array(base_size) - candidates[:, 2:]
        candidates[:, :2] = np.clip(candidates[:, :2], -reach, reach)
        best = candidates[np.argmax(expected_iou(candidates, crops, weights))]
        step = axes[1] - axes[0]
        ends = np.clip(np.column_stack([best - step, best + step]), *limits.T[..., np.newaxis])
    return best * units

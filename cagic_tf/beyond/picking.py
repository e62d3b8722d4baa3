"""Beyond the paper: which of many scanned crops to take, where no single loss can be trusted.

Losses of single crops jump from pixel to pixel, and the lowest of many follows the noise.
`LowestMean` takes the crop around which the losses are low. `HighestExpectedIoU` reads them as a
distribution over the crop that is meant, and takes the one that overlaps it most in the mean. So it
finds a scale of its own, and of two dogs far apart it takes one, not the middle. What a grounder
says of the photo is read by `grounded_picking` alone.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from cagic_tf.system import arguments

STEPS = 13  # Candidates along each of x, y and s.
NEGLIGIBLE = 1e-4  # Crops so much less likely than the likeliest do not count.


class Picked(NamedTuple):
    """What was chosen of scanned crops.

    Attributes:
      theta: `[3]`, the crop; perhaps none of the scanned ones.
      ranks: `[N]`, by which the scanned crops are ordered, lower is better; infinite for those that
        have no loss.
      base_size: Where the rule chose another shape than the scanned crops', width and height of
        the crop of scale 1 as fractions of the photo's; None: it did not.
    """

    theta: np.ndarray
    ranks: np.ndarray
    base_size: tuple[float, float] | None = None


class Meant(NamedTuple):
    """Which boxes of a photo its caption may mean, as a grounder has it.

    Attributes:
      boxes: `[A, 4]` corners `(x0, y0, x1, y1)` as fractions of the photo.
      logits: `[A]`, how likely each is, logarithms up to a constant.
    """

    boxes: np.ndarray
    logits: np.ndarray


class Pick(Protocol):
    """A rule, as gin binds it: `CoarseToFine.pick`."""

    def __call__(
        self,
        losses: np.ndarray,
        grid: np.ndarray,
        base_size: Sequence[float],
        meant: Meant | None = None,
    ) -> Picked:
        """Chooses a crop.

        Args:
          losses: `[N]`; NaN for a crop that has none.
          grid: `[N, 3]` the scanned crops, rows `(x, y, s)`.
          base_size: Width and height of the crop of scale 1 as fractions of the photo's.
          meant: What a grounder says; None where none does.
        """


@dataclasses.dataclass(frozen=True)
class LowestMean:
    """The scanned crop with the lowest Gaussian mean of the losses around it.

    Attributes:
      sigma: Standard deviation of that Gaussian in each of x, y and s; 0 smooths nothing.
    """

    sigma: float = 0.2

    def __post_init__(self) -> None:
        arguments.check_number("LowestMean.sigma", self.sigma)

    def __call__(
        self,
        losses: np.ndarray,
        grid: np.ndarray,
        base_size: Sequence[float],
        meant: Meant | None = None,
    ) -> Picked:
        """See `Pick`."""
        ranks = smooth(losses, grid, self.sigma)
        return Picked(grid[np.argmin(ranks)], ranks)


@dataclasses.dataclass(frozen=True)
class HighestExpectedIoU:
    """The crop that overlaps most, in the mean, the crop that is meant.

    A scanned crop is the one that is meant with a probability proportional to `exp(-loss / T)`.

    Attributes:
      temperature: T.
      likely_scale: The scale that is likeliest beforehand.
      scale_spread: Standard deviation of the scale's logarithm beforehand; 0: all are alike.
    """

    temperature: float = 0.2
    likely_scale: float = 0.6
    scale_spread: float = 0.0

    def __post_init__(self) -> None:
        self._check("temperature", "likely_scale", positive=True)
        self._check("scale_spread")

    def _check(self, *names: str, positive: bool = False) -> None:
        for name in names:
            full_name = f"{type(self).__name__}.{name}"
            arguments.check_number(full_name, getattr(self, name), positive)

    def __call__(
        self,
        losses: np.ndarray,
        grid: np.ndarray,
        base_size: Sequence[float],
        meant: Meant | None = None,
    ) -> Picked:
        """See `Pick`."""
        weights = self.likely(losses, grid)
        theta = most_overlapping(grid, weights, base_size)
        units = np.array([*base_size, 1.0])
        overlap = expected_iou(grid / units, grid / units, weights)
        return Picked(theta, np.where(np.isfinite(losses), 1 - overlap, np.inf))

    def likely(self, losses: np.ndarray, grid: np.ndarray) -> np.ndarray:
        """How likely each scanned crop is the one that is meant, `[N]`; see `probabilities`."""
        prior: np.ndarray | float = 0.0
        if self.scale_spread:
            steps = np.log(grid[:, 2] / self.likely_scale) / self.scale_spread
            prior = -0.5 * np.square(steps)
        return probabilities(losses, grid, self.temperature, prior)


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
      `[N]`, sums to 1; all alike where no crop has a loss.
    """
    if not np.isfinite(losses).any():
        losses = np.zeros(len(losses))
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


def most_overlapping(
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
    scales = grid[:, 2].min(), grid[:, 2].max()
    return highest(lambda each: expected_iou(each, crops, weights), scales, base_size)


def highest(
    value: Callable[[np.ndarray], np.ndarray],
    scales: tuple[float, float],
    base_size: Sequence[float] = (1.0, 1.0),
) -> np.ndarray:
    """The crop of the highest value: looked for coarsely everywhere, then finely around the best.

    Args:
      value: Gives `[C]` of crops `[C, 3]`, rows `(x, y, s)` in units of the shape's base size.
      scales: The least and the greatest scale.
      base_size: Width and height of the crop of scale 1 as fractions of the photo's.

    Returns:
      `[3]`, a crop inside the photo with a scale between those.
    """
    limits = np.array([*([-1 / side, 1 / side] for side in base_size), scales])
    ends = limits
    for _ in range(2):
        axes = np.linspace(ends[:, 0], ends[:, 1], STEPS)  # [STEPS, 3]
        candidates = np.stack(np.meshgrid(*axes.T, indexing="ij"), axis=-1).reshape(-1, 3)
        reach = 1 / np.array(base_size) - candidates[:, 2:]
        candidates[:, :2] = np.clip(candidates[:, :2], -reach, reach)
        best = candidates[np.argmax(value(candidates))]
        step = axes[1] - axes[0]
        ends = np.clip(np.column_stack([best - step, best + step]), *limits.T[..., np.newaxis])
    return best * np.array([*base_size, 1.0])


def smooth(losses: np.ndarray, grid: np.ndarray, sigma: float) -> np.ndarray:
    """The Gaussian mean of the losses around each scanned crop.

    Args:
      losses: `[N]`; NaN for a crop that has none.
      grid: `[N, 3]` its `(x, y, s)`.
      sigma: Standard deviation in each of x, y and s; 0 smooths nothing.

    Returns:
      `[N]` means over the crops that have a loss; infinite for those that have none.
    """
    exists = np.isfinite(losses)
    values = np.where(exists, losses, 0)
    means = np.full(len(losses), np.inf)
    for at in np.flatnonzero(exists):  # All at once would need N^2 numbers: much for a panorama.
        squares = np.square(grid - grid[at]).sum(axis=1)
        weights = exists * np.exp(-0.5 * squares / max(sigma, 1e-6) ** 2)
        means[at] = weights @ values / weights.sum()
    return means

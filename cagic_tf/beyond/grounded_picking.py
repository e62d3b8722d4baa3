"""Beyond the paper: which crop of a scan to take, where a grounder says which boxes are meant.

The scan and the grounder are two witnesses: one compares crops of the photo's shape with the
caption, the other boxes of any shape. A box is likely if the grounder says so and likely crops show
it, and the crop that is taken fits the likely boxes best, in the mean. If its shape is free, it is
stretched for that, within limits.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from cagic_tf.beyond import picking
from cagic_tf.beyond.picking import Meant, Picked
from cagic_tf.method.search import Placed

UNSEEN = 1e-3  # What a box counts for that no likely crop shows: scans err, too.
NEARLY_WHOLE, WHOLE = 0.75, 0.95  # Of a box: shares that a crop shows of it.
ROWS = 256  # Crops that are compared with all boxes at a time; more would need more memory.
MOVES = (0.08, 0.04, 0.02, 0.01, 0.005)  # How far sides go, as fractions of the photo's.
MOST_MOVES = 30  # Of each length.
ROUNDING = 1e-9  # Of sides: else a crop at a limit, as in a scan of one scale, could not move.


@dataclasses.dataclass(frozen=True)
class HighestExpectedUtility(picking.HighestExpectedIoU):
    """The crop that fits best, in the mean, the box that is meant.

    Crops are as likely as `HighestExpectedIoU` has them. A box is the one that is meant with a
    probability proportional to `exp(logit / box_temperature) * shown^agreement`, where `shown` is
    the share of it that crops show in the mean. A crop fits a box by its IoU with it, and by
    `wholeness` more if it shows the whole box. Without a grounder's boxes this is
    `HighestExpectedIoU`, and the crop's shape the scanned ones'.

    Attributes:
      temperature: T of the crops, see `HighestExpectedIoU`.
      likely_scale: See there.
      scale_spread: See there.
      box_temperature: By how much a smaller logit a box is less likely by a factor of e.
      agreement: How much it counts that likely crops show a box; 0: nothing.
      wholeness: How much IoU it is worth to cut nothing off; 0: nothing.
      most_stretch: How many times wider for its height a crop may be than the photo, or higher for
        its width, where its shape is free; 1: it has the photo's shape.
    """

    temperature: float = 0.2
    likely_scale: float = 0.6
    scale_spread: float = 0.0
    box_temperature: float = 1.0
    agreement: float = 2.0
    wholeness: float = 0.1
    most_stretch: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("box_temperature", positive=True)
        self._check("agreement", "wholeness")
        self._check("most_stretch", positive=True)
        if self.most_stretch < 1:
            raise ValueError(
                f"HighestExpectedUtility.most_stretch is {self.most_stretch}; at least 1 is needed"
            )

    def __call__(
        self,
        losses: np.ndarray,
        grid: np.ndarray,
        base_size: Sequence[float],
        meant: Meant | None = None,
        smallest_sides: Sequence[float] | None = None,
    ) -> Picked:
        """See `picking.Pick`.

        Args:
          losses: See there.
          grid: See there.
          base_size: See there; (1, 1) where the shape is free.
          meant: See there.
          smallest_sides: Least width and height of a crop of free shape, as fractions of the
            photo's; None: the crop's shape is that of the base size.
        """
        if meant is None:
            return super().__call__(losses, grid, base_size)
        scanned = corners(grid, base_size)
        weights = self.box_weights(meant, scanned, self.likely(losses, grid))
        likely = weights > picking.NEGLIGIBLE * weights.max()
        boxes, weights = meant.boxes[likely], weights[likely] / weights[likely].sum()
        units = np.array([*base_size, 1.0])
        scales = grid[:, 2].min(), grid[:, 2].max()

        def fit(crops: np.ndarray) -> np.ndarray:
            return utility(crops, boxes, weights, self.wholeness)

        theta = picking.highest(
            lambda each: fit(corners(each * units, base_size)), scales, base_size
        )
        ranks = np.where(np.isfinite(losses), 1 + self.wholeness - fit(scanned), np.inf)
        if smallest_sides is None:
            return Picked(theta, ranks)
        limits = Limits(self.most_stretch, scales, smallest_sides)
        crop = stretched(fit, corners(theta[np.newaxis], base_size)[0], limits)
        low, high = crop[:2], crop[2:]
        theta, shape = Placed.of((low + high - 1).tolist(), (high - low).tolist())
        return Picked(theta, ranks, shape)

    def box_weights(self, meant: Meant, scanned: np.ndarray, likely: np.ndarray) -> np.ndarray:
        """How likely each box is the one that is meant.

        Args:
          meant: What the grounder says.
          scanned: `[N, 4]` corners of the scanned crops.
          likely: `[N]`, how likely each is; sums to 1.

        Returns:
          `[A]`, sums to 1.
        """
        shown = np.zeros(len(meant.boxes))
        for rows in _parts(len(scanned)):
            each = common(scanned[rows], meant.boxes) / areas(meant.boxes)
            shown += (likely[rows, np.newaxis] * each).sum(axis=0)
        logits = meant.logits / self.box_temperature + self.agreement * np.log(shown + UNSEEN)
        weights = np.exp(logits - logits.max())
        return weights / weights.sum()


@dataclasses.dataclass(frozen=True)
class Limits:
    """What crops of free shape are possible.

    Attributes:
      most_stretch: See `HighestExpectedUtility`.
      scales: Least and greatest length of the longer side, each side as a fraction of the photo's.
      smallest_sides: Least width and height, likewise.
    """

    most_stretch: float
    scales: tuple[float, float]
    smallest_sides: Sequence[float]

    def allow(self, crops: np.ndarray) -> np.ndarray:
        """Whether each of some crops, corners `[C, 4]`, is possible and inside the photo."""
        sides = crops[:, 2:] - crops[:, :2]
        shorter, longer = sides.min(axis=1), sides.max(axis=1)
        inside = (crops >= 0) & (crops <= 1)
        within = (longer >= self.scales[0] - ROUNDING) & (longer <= self.scales[1] + ROUNDING)
        large = (sides >= np.array(self.smallest_sides) - ROUNDING).all(axis=1)
        alike = longer <= shorter * self.most_stretch + ROUNDING
        return inside.all(axis=1) & within & large & alike


def stretched(
    fit: Callable[[np.ndarray], np.ndarray], crop: np.ndarray, limits: Limits
) -> np.ndarray:
    """The best crop near one: sides are moved, any at a time, as long as it gets better.

    Args:
      fit: Gives `[C]`, how good crops, corners `[C, 4]`, are.
      crop: Corners `[4]`, where it begins.
      limits: What crops are possible.

    Returns:
      Corners `[4]`.
    """
    ways = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=4)))
    best = float(fit(crop[np.newaxis])[0])
    for length in MOVES:
        for _ in range(MOST_MOVES):
            moved = np.clip(crop + length * ways, 0, 1)
            moved = moved[limits.allow(moved)]
            values = fit(moved)
            if not len(moved) or values.max() <= best:
                break
            crop, best = moved[values.argmax()], float(values.max())
    return crop


def utility(
    crops: np.ndarray, boxes: np.ndarray, weights: np.ndarray, wholeness: float
) -> np.ndarray:
    """How well crops fit boxes, in the mean: their IoU, and `wholeness` for what is not cut.

    Args:
      crops: `[C, 4]` corners.
      boxes: `[A, 4]` corners.
      weights: `[A]`, how likely each box is; sums to 1.
      wholeness: Added for a box of which a crop shows `WHOLE`, less for less, and nothing for
        `NEARLY_WHOLE`.

    Returns:
      `[C]`, in [0, 1 + wholeness].
    """
    found = np.zeros(len(crops))
    of_boxes = areas(boxes)
    for rows in _parts(len(crops)):
        shared = common(crops[rows], boxes)
        fit = shared / (areas(crops[rows])[:, np.newaxis] + of_boxes - shared)
        if wholeness:
            share = shared / of_boxes
            fit += wholeness * np.clip((share - NEARLY_WHOLE) / (WHOLE - NEARLY_WHOLE), 0, 1)
        found[rows] = (fit * weights).sum(axis=1)
    return found


def common(crops: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Areas that crops `[C, 4]` and boxes `[A, 4]` have in common, `[C, A]`."""
    shared = np.ones((len(crops), len(boxes)))
    for low, high in ((0, 2), (1, 3)):
        end = np.minimum(crops[:, high, np.newaxis], boxes[:, high])
        shared *= np.maximum(end - np.maximum(crops[:, low, np.newaxis], boxes[:, low]), 0)
    return shared


def areas(boxes: np.ndarray) -> np.ndarray:
    """Areas of boxes, corners `[A, 4]`."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def corners(crops: np.ndarray, base_size: Sequence[float]) -> np.ndarray:
    """Corners `[N, 4]` of crops, rows `(x, y, s)`, as fractions of the photo's sides."""
    half = crops[:, 2:] * np.array(base_size)
    return (np.concatenate([crops[:, :2] - half, crops[:, :2] + half], axis=1) + 1) / 2


def _parts(count: int) -> list[slice]:
    return [slice(start, start + ROWS) for start in range(0, count, ROWS)]

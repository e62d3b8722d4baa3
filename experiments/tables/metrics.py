"""How good crops are: Table 1's IoU and other figures, against one or more annotated crops a row.

Boxes are `(x, y, w, h)` in pixels of the upright photo. A row's `crops` are its ground truths; all
its figures are means over them, as in the paper ("the average IoU between produced crops and all
eight of the ground-truth annotations", Sec. 4.2). No network and no file is read here.

A crop cuts through a thing of which it keeps 20 to 90 %: less is hardly there, more is as good as
whole. Rows may have boxes of the people in their photo, which are looked at in this way alone.

A method may refuse a row, such as one whose caption has no word that it knows. Such a row counts,
with the worst figures that there are: IoU 0, no hit, nothing kept, displacement 1, and the truth
and all people cut through. So every method has the same rows, means can be compared, and refusing
what is hard gains nothing.

Intervals and tests resample whole photos, see `resampling`.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cagic_tf.batch import manifest
from cagic_tf.method import geometry
from experiments.tables import resampling

Box = tuple[float, float, float, float]

CUT = (0.2, 0.9)  # Least and greatest fraction that is kept of what is cut through.


@dataclasses.dataclass(frozen=True)
class Measured:
    """Figures of one method's boxes, row by row.

    Attributes:
      ids: Ids of the N rows that have ground truth.
      photos: Path of each row's photo.
      ious: Of each row, IoU with each of its annotations, float64 `[A]`, in the manifest's order.
      iou: `[N]`, mean of these, in [0, 1].
      displacement: `[N]`, mean of `boundary_displacement` over the annotations, in [0, 1].
      hit: `[N]`, fraction of the annotations that hold the crop's centre, in [0, 1].
      kept: `[N]`, mean of `kept_fraction` over the annotations, in [0, 1].
      cut: `[N]`, fraction of the annotations that the crop cuts through, in [0, 1].
      people_cut: Of each row, whether the crop cuts through each of its people, 0 or 1, `[P]`.
      refused: How many of the N rows the method gave no box; see above.
      without_crops: Rows left out because they have no ground truth.
    """

    ids: tuple[str, ...]
    photos: tuple[str, ...]
    ious: tuple[np.ndarray, ...]
    iou: np.ndarray
    displacement: np.ndarray
    hit: np.ndarray
    kept: np.ndarray
    cut: np.ndarray
    people_cut: tuple[np.ndarray, ...]
    refused: int
    without_crops: int

    def summary(self, seed: int = 0) -> dict[str, int | float | list[float] | None]:
        """The figures over the rows, ready for JSON.

        Standard deviations divide by N. The paper's "Std." (Tables 1 and 4) may be either of the
        two; the second needs the same number of annotations (two or more) in every row, the j-th
        of each by the same person, and is None otherwise.

        Args:
          seed: Seed of the bootstrap.

        Returns:
          Counts, means and standard deviations; "IoU interval" is the 95 % bootstrap interval of
          the mean IoU as `[low, high]`, None with fewer than two photos.

        Raises:
          ValueError: No row was measured.
        """
        if not self.ids:
            raise ValueError("no row has ground-truth crops: nothing to measure")
        return {
            "rows": len(self.ids),
            "photos": len(set(self.photos)),
            "refused": self.refused,
            "rows without ground truth": self.without_crops,
            "mean IoU": float(self.iou.mean()),
            "IoU interval": resampling.mean_interval(self.iou, self.photos, seed),
            "std over images of the mean over annotators": self.std_over_images(),
            "std over annotators of the mean over images": self.std_over_annotators(),
            "boundary displacement": float(self.displacement.mean()),
            "hit rate": float(self.hit.mean()),
            "ground truth kept": float(self.kept.mean()),
            "cut through": float(self.cut.mean()),
            "people cut through": self.people_cut_through(),
        }

    def people_cut_through(self) -> float | None:
        """Fraction of all rows' people that are cut through; None where no row has people."""
        every = np.concatenate(self.people_cut)
        return float(every.mean()) if len(every) else None

    def std_over_images(self) -> float:
        """Standard deviation, over photos, of the mean IoU over a photo's rows and annotations."""
        sums, counts = resampling.by_photo(self.iou, self.photos)
        return float(np.std(sums / counts))

    def std_over_annotators(self) -> float | None:
        """Standard deviation, over annotators, of the mean IoU with an annotator's crops."""
        annotators = {len(values) for values in self.ious}
        if len(annotators) != 1 or annotators == {1}:
            return None
        return float(np.std(np.mean(self.ious, axis=0)))


@dataclasses.dataclass(frozen=True)
class Compared:
    """Two methods on the rows that both have.

    Attributes:
      rows: How many rows.
      photos: Of how many photos.
      difference: Mean IoU of the first less that of the second.
      interval: 95 % bootstrap interval of it, `[low, high]`; None with fewer than two photos.
      p: Two-sided p-value of the permutation test of "the mean difference is zero".
    """

    rows: int
    photos: int
    difference: float
    interval: list[float] | None
    p: float


def measure(
    boxes: Mapping[str, Box], rows: Sequence[manifest.Row], sizes: Mapping[str, tuple[int, int]]
) -> Measured:
    """Measures one method's boxes.

    Args:
      boxes: Row id to box; a row without one was refused.
      rows: Rows with their ground truths; those without any are left out and counted.
      sizes: Row id to `(width, height)` of the upright photo in pixels.

    Returns:
      The figures of each row, in the order of `rows`.
    """
    annotated = [row for row in rows if row.crops]

    def over(
        parts: Callable[[manifest.Row], Sequence[Box]],
        function: Callable[[Box, Box, tuple[int, int]], float],
        refused: float,
    ) -> list[np.ndarray]:
        """A number for each part of each row."""
        return [
            np.array(
                [
                    function(boxes[row.id], part, sizes[row.id]) if row.id in boxes else refused
                    for part in parts(row)
                ],
                np.float64,
            )
            for row in annotated
        ]

    over_crops = functools.partial(over, lambda row: row.crops)

    def means(values: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([each.mean() for each in values])

    ious = over_crops(lambda box, crop, size: geometry.iou(box, crop), 0.0)
    hits = over_crops(lambda box, crop, size: geometry.contains_center(box, crop), 0.0)
    return Measured(
        ids=tuple(row.id for row in annotated),
        photos=tuple(str(row.path) for row in annotated),
        ious=tuple(ious),
        iou=means(ious),
        displacement=means(over_crops(boundary_displacement, 1.0)),
        hit=means(hits),
        kept=means(over_crops(lambda box, crop, size: kept_fraction(box, crop), 0.0)),
        cut=means(over_crops(lambda box, crop, size: is_cut_through(box, crop), 1.0)),
        people_cut=tuple(
            over(lambda row: row.people, lambda box, one, size: is_cut_through(box, one), 1.0)
        ),
        refused=sum(row.id not in boxes for row in annotated),
        without_crops=len(rows) - len(annotated),
    )


def boundary_displacement(box: Box, truth: Box, size: tuple[int, int]) -> float:
    """Mean displacement of the four edges, as a fraction of the photo's width or height.

    Yan, Lin, Kang and Tang, "Learning the Change for Automatic Image Cropping", CVPR 2013
    (boundary displacement error), normalised as in the evaluation of the View Finding Network
    (Chen et al. 2017, reference 11): left and right edges by the width, upper and lower ones by
    the height.

    Args:
      box: The crop.
      truth: The ground truth.
      size: `(width, height)` of the photo in pixels.

    Returns:
      A number in [0, 1] for boxes inside the photo; 0 for equal boxes.
    """
    edges = np.array([_edges(box), _edges(truth)]) / (2 * tuple(size))
    return float(np.abs(edges[0] - edges[1]).mean())


def kept_fraction(box: Box, truth: Box) -> float:
    """Fraction of the ground truth's area that the crop keeps, in [0, 1]."""
    left, top, right, bottom = _edges(box)
    truth_left, truth_top, truth_right, truth_bottom = _edges(truth)
    across = max(0.0, min(right, truth_right) - max(left, truth_left))
    down = max(0.0, min(bottom, truth_bottom) - max(top, truth_top))
    return across * down / (truth[2] * truth[3])


def is_cut_through(box: Box, thing: Box) -> bool:
    """Whether a crop keeps 20 to 90 % of a thing's area."""
    return CUT[0] <= kept_fraction(box, thing) <= CUT[1]


def compare(a: Measured, b: Measured, seed: int = 0) -> Compared:
    """Tests whether two methods differ in mean IoU, on the rows that both have.

    By `resampling.paired_p`, photo by photo.

    Args:
      a: One method.
      b: Another, measured against the same ground truths.
      seed: Seed of the resampling.

    Returns:
      The difference `a - b`, its bootstrap interval and p-value.

    Raises:
      ValueError: They have no row in common.
    """
    place = {name: at for at, name in enumerate(b.ids)}
    chosen = [at for at, name in enumerate(a.ids) if name in place]
    if not chosen:
        raise ValueError("the two methods have no row in common")
    difference = a.iou[chosen] - b.iou[[place[a.ids[at]] for at in chosen]]
    photos = [a.photos[at] for at in chosen]
    return Compared(
        rows=len(chosen),
        photos=len(set(photos)),
        difference=float(difference.mean()),
        interval=resampling.mean_interval(difference, photos, seed),
        p=resampling.paired_p(difference, photos, seed),
    )


def _edges(box: Box) -> tuple[float, float, float, float]:
    x, y, w, h = box
    return x, y, x + w, y + h

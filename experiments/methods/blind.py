"""Boxes that look at neither photo nor caption: what any method has to beat.

Each is called `(image, caption)` and returns a box `(x, y, w, h)` in pixels of the upright photo;
an image is whatever `reading.read` takes.
"""

import dataclasses
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cagic_tf.batch import manifest
from cagic_tf.method import geometry
from cagic_tf.photos import reading

Box = tuple[int, int, int, int]

SCALES = tuple(round(0.3 + 0.05 * step, 2) for step in range(15))  # 0.3 to 1.


@dataclasses.dataclass(frozen=True)
class Centre:
    """A crop in the middle; with scale 1 the whole picture, Table 1's "Original".

    Attributes:
      scale: Its side as a fraction of the photo's.
    """

    scale: float

    def __call__(self, image, caption: str) -> Box:
        height, width = reading.read(image).shape[:2]
        return geometry.pixel_box((0, 0), self.scale, width, height)


class BestCentre(Centre):
    """The centre crop of the scale that is best on given rows: no fixed scale does better there.

    Its scale is chosen by the truth of the very rows that it is measured on, so this is no method
    but a bound: what any centre crop could have there at most.
    """

    def __init__(self, rows: Sequence[manifest.Row], sizes: Mapping[str, tuple[int, int]]):
        """Takes the rows that have ground truth, and row id to `(width, height)` of its photo.

        The scale is the one of `SCALES` with the highest mean IoU over the rows, each with the mean
        over its annotations; of equal ones the smallest.

        Raises:
          ValueError: No row has ground truth.
        """
        annotated = [row for row in rows if row.crops]
        if not annotated:
            raise ValueError("no row has ground truth to choose the scale by; leave the method out")

        def mean_iou(scale: float) -> float:
            found = []
            for row in annotated:
                box = geometry.pixel_box((0, 0), scale, *sizes[row.id])
                found.append(np.mean([geometry.iou(box, crop) for crop in row.crops]))
            return float(np.mean(found))

        super().__init__(max(SCALES, key=mean_iou))


@dataclasses.dataclass(frozen=True)
class Random:
    """A crop anywhere, its scale uniform; the same photo and caption always get the same one.

    Attributes:
      smallest_scale: Least side as a fraction of the photo's; by default where `paper.gin` ends.
      largest_scale: Greatest side.
      seed: Another seed, other crops.
    """

    smallest_scale: float = 0.4
    largest_scale: float = 1.0
    seed: int = 0

    def __call__(self, image, caption: str) -> Box:
        photo = reading.read(image)
        row = zlib.crc32(caption.encode(), zlib.crc32(photo.tobytes()))
        rng = np.random.default_rng([self.seed, row])
        scale = rng.uniform(self.smallest_scale, self.largest_scale)
        center = rng.uniform(-1, 1, 2) * (1 - scale)
        return geometry.pixel_box(center, scale, photo.shape[1], photo.shape[0])


class Prior:
    """The best fixed box: the mean ground truth of the other photos, as fractions of the sides.

    A row counts once, with the mean over its annotations; the rows of a photo never count for it.
    """

    def __init__(self, rows: Sequence[manifest.Row], sizes: Mapping[str, tuple[int, int]]):
        """Takes the rows that have ground truth, and row id to `(width, height)` of its photo.

        Raises:
          ValueError: Fewer than two photos have ground truth.
        """
        self._paths = [row.path for row in rows if row.crops]
        self._corners = np.array(
            [np.mean(_corners(row.crops, sizes[row.id]), axis=0) for row in rows if row.crops]
        )
        if len(set(self._paths)) < 2:
            raise ValueError(
                "the prior of a photo comes from the others' ground truth, and fewer than two "
                "photos have some; leave the method out"
            )

    def __call__(self, image: Path, caption: str) -> Box:
        others = [path != image for path in self._paths]
        height, width = reading.read(image).shape[:2]
        return geometry.whole_pixels(np.mean(self._corners[others], axis=0), width, height)

    def __repr__(self) -> str:
        digest = hashlib.sha256(self._corners.tobytes()).hexdigest()
        return f"Prior({len(self._paths)} rows, SHA-256 {digest})"


def _corners(crops, size) -> np.ndarray:
    """Boxes `[A, 4]` as `(x0, y0, x1, y1)` in fractions of the photo's sides."""
    boxes = np.array(crops, np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) / (size * 2)

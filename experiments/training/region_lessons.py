"""What stand-ins that read boxes from views of a photo learn from: features, and scores of boxes.

Features of a box are many (65 KB), and the trunk that gives them is frozen, so they are computed
once and kept on disk, in parts of a few photos: a run that was stopped goes on where it was.
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from cagic_tf.baselines import region_scorer
from cagic_tf.baselines.region_scorer import Features, RegionScorer
from cagic_tf.system import files
from experiments.training import scored_boxes
from experiments.training.scored_boxes import ScoredBoxes

PART = 5  # Photos whose features are kept in one file.


class Lesson(NamedTuple):
    """Some boxes of a photo.

    Attributes:
      features: `[N, F]` float16, all that the head sees of them, mapped from the disk.
      scores: `[N]` float32, the teacher's.
    """

    features: np.ndarray
    scores: np.ndarray


def of_photos(
    folder: Path,
    photos: Sequence[Path],
    boxes: Sequence[ScoredBoxes],
    regions: RegionScorer,
    trunk_sha256: str,
) -> list[Lesson]:
    """A lesson of each photo, with features computed now or by an earlier run.

    Args:
      folder: Where features are kept; made when missing.
      photos: Files.
      boxes: Of each.
      regions: Reads the features; its head's weights do not matter, only what it sees.
      trunk_sha256: Of its trunk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for at in tqdm(range(0, len(photos), PART), desc=folder.name, unit="part", disable=None):
        part, own = photos[at : at + PART], boxes[at : at + PART]
        depends_on = [trunk_sha256, regions.sides, regions.spread, regions.sees_the_rest]
        for path, each in zip(part, own, strict=True):
            depends_on.append((path.name, path.stat().st_size, each.boxes.tolist()))
        digest = hashlib.sha256(repr(depends_on).encode()).hexdigest()[:16]
        rows = _kept(folder / f"{digest}.npy", part, own, regions)
        ends = np.cumsum([len(each.boxes) for each in own])[:-1]
        scores = [each.scores for each in own]
        found += map(Lesson, np.split(rows, ends), scores)
    return found


def _kept(
    path: Path, photos: Sequence[Path], boxes: Sequence[ScoredBoxes], regions: RegionScorer
) -> np.ndarray:
    """Features of all boxes of some photos, one photo's after another's."""
    if not path.is_file():
        rows = []
        for photo, each in zip(photos, boxes, strict=True):
            corners = each.boxes.astype(np.float64)
            corners[:, 2:] += corners[:, :2]
            found = regions.features(scored_boxes.read(photo), corners)
            rows.append(np.concatenate(found, axis=1).astype(np.float16))
        buffer = io.BytesIO()
        np.save(buffer, np.concatenate(rows))
        files.write_atomically(path, buffer.getvalue())
    return np.load(path, mmap_mode="r")


def parted(rows: np.ndarray) -> Features:
    """`[N, F]` features of `Lesson` as the head takes them, float32."""
    ends = np.cumsum([region_scorer.COARSE_SIZE, region_scorer.FINE_SIZE])
    coarse, fine, others = np.split(rows, ends, axis=1)
    rest, place = np.split(others, [others.shape[1] - region_scorer.PLACE], axis=1)
    return Features(*(part.astype(np.float32) for part in (coarse, fine, rest, place)))

"""What the trunk and the teacher say of an agent's windows, computed once for each window.

The stand-in of A2-RL and its teacher stand on the same trunk, so one pass of a window gives what
the agent sees of it and what it is worth. Windows lie on a grid of twentieths, so the agent comes
back to many of them; what is known is kept on disk, in parts, for the next run.
"""

import hashlib
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cagic_tf.baselines.a2rl import preprocessing, windows
from cagic_tf.baselines.a2rl.windows import Window
from cagic_tf.networks import vfn
from cagic_tf.system import files
from experiments.training import scored_boxes, views
from experiments.training.teacher import Teacher

BATCH = 30  # Windows that go through the trunk at once.
PART = 1000  # Windows of a file.
BINS = 2  # A side, that the trunk's grid is pooled to; the whole is the mean of what they overlap.

Key = tuple[int, int, int, int, int]  # Of a window: its photo's `number` and its ends.


class Photo(NamedTuple):
    """A photo, and the number that is its own.

    Attributes:
      name: File name.
      pixels: `[H, W, 3]` uint8, RGB.
      number: A checksum of the pixels.
    """

    name: str
    pixels: np.ndarray
    number: int


def read(path: Path) -> Photo:
    """A photo of a file."""
    pixels = scored_boxes.read(path)
    return Photo(path.name, pixels, zlib.crc32(pixels.tobytes()))


class SeenWindows:
    """Windows' pooled features and the teacher's scores."""

    def __init__(self, folder: Path, teacher: Teacher):
        """Takes what earlier runs with this teacher have left under a folder."""
        digest = hashlib.sha256(repr([teacher.sha256, BINS]).encode()).hexdigest()[:12]
        self._folder, self._teacher = folder / f"a2rl_windows_{digest}", teacher
        self._folder.mkdir(parents=True, exist_ok=True)
        self._places: dict[Key, tuple[int, int]] = {}  # The part, and the row in it.
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []
        self._new: list[tuple[Key, np.ndarray, np.float32]] = []
        for path in sorted(self._folder.glob("*.npz")):
            with np.load(path) as part:
                self._add(part["keys"], part["features"], part["scores"])
        self._kept = len(self._parts)  # Parts that are on the disk.

    def __len__(self) -> int:
        """How many windows are known."""
        return len(self._places)

    def look(
        self, photos: Sequence[Photo], seen: Sequence[Window]
    ) -> tuple[np.ndarray, np.ndarray]:
        """What is seen in a window of each photo, and what it is worth.

        Args:
          photos: N photos.
          seen: A window of each.

        Returns:
          `[N, 4, D]` float32, the trunk's grid pooled to 2 x 2, and the teacher's scores `[N]`.
        """
        keys = [(photo.number, *window) for photo, window in zip(photos, seen, strict=True)]
        unknown = {
            key: (photo, window)
            for key, photo, window in zip(keys, photos, seen, strict=True)
            if key not in self._places
        }
        self._compute(list(unknown), list(unknown.values()))
        rows = [self._places[key] for key in keys]
        features = np.stack([self._parts[part][0][row] for part, row in rows])
        scores = np.array([self._parts[part][1][row] for part, row in rows])
        return features.astype(np.float32), scores

    def save(self) -> None:
        """Has all that is known on the disk; parts are written as they get full, too."""
        if self._new:
            keys, features, scores = zip(*self._new, strict=True)
            buffer = io.BytesIO()
            np.savez(
                buffer,
                keys=np.array(keys, np.int64),
                features=np.stack(features),
                scores=np.array(scores),
            )
            name = f"{self._kept:06d}.npz"
            files.write_atomically(self._folder / name, buffer.getvalue())
            self._kept, self._new = self._kept + 1, []

    def _compute(self, keys: Sequence[Key], unknown: Sequence[tuple[Photo, Window]]) -> None:
        for at in range(0, len(keys), BATCH):
            shown = [picture(photo.pixels, seen) for photo, seen in unknown[at : at + BATCH]]
            vectors = self._teacher.vectors(np.stack(shown))
            pooled = vfn.spatial_pyramid(vectors, (BINS,)).numpy().astype(np.float16)
            features = pooled.reshape(len(shown), BINS * BINS, -1)
            scores = self._teacher.judge(vectors).numpy()
            self._add(np.array(keys[at : at + BATCH], np.int64), features, scores)
            self._new += zip(keys[at : at + BATCH], features, scores, strict=True)
            if len(self._new) >= PART:
                self.save()

    def _add(self, keys: np.ndarray, features: np.ndarray, scores: np.ndarray) -> None:
        for row, key in enumerate(keys.tolist()):
            self._places[tuple(key)] = len(self._parts), row
        self._parts.append((features, scores))


def picture(pixels: np.ndarray, seen: Window) -> np.ndarray:
    """A window of a photo in [0, 1] `[224, 224, 3]` float32, as A2-RL shows it to its trunk."""
    left, top, right, bottom = windows.pixels(seen, pixels.shape[1], pixels.shape[0])
    return preprocessing.resize(pixels[top:bottom, left:right], *views.SIZE) + np.float32(0.5)

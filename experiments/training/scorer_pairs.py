"""Pairs of views that a scorer learns to rank, and their annotation vectors.

The ranking of Chen et al. 2017: a photo above a random crop of itself. A crop of a small photo is
blurrier than the photo, which would give the answer away, so in half of the pairs the photo is
first reduced to about the crop's number of pixels. Most pairs go through the pyramid of Eq. 1, as
the method's crops do. `region_pairs` has the other sort of pairs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.networks.vfn import spatial_pyramid
from experiments.data import flickr8k
from experiments.training import views

SCALES = (0.5, 0.9)  # Of the crops that photos are ranked above.
SIGMA = 1.0
SIDE, CHANNELS = 7, 1280  # Of the trunk's annotation vectors.
PLACES = SIDE * SIDE
# How a pair is shown, and the share of training pairs: through the pyramid with the photo reduced
# to the crop's number of pixels, give or take; through the pyramid as the method sees it; plain.
KINDS = {"pyramid, same number of pixels": 0.5, "pyramid": 0.25, "plain": 0.25}
_WHOLE_PHOTO = np.array([0, 0, 1], np.float32)


class View(NamedTuple):
    """A crop of a photo, and how it is shown.

    Attributes:
      theta: `[3]` float32, `(x, y, s)`.
      pyramid: Whether it goes through the pyramid of Eq. 1.
      reduce: By which the photo is reduced first.
    """

    theta: np.ndarray
    pyramid: bool
    reduce: float = 1.0


class ViewPair(NamedTuple):
    """Two views of one photo, by its file name; `above` is the better one."""

    photo: str
    above: View
    below: View


def draw_crops(split: str, number: int, count: int, seed: int) -> np.ndarray:
    """Random crops `[count, 3]`, rows `(x, y, s)`, the same at each call."""
    rng = np.random.default_rng([seed, number, len(split)])
    scale = rng.uniform(*SCALES, count)
    center = rng.uniform(-1, 1, (count, 2)) * (1 - scale)[:, np.newaxis]
    return np.column_stack([center, scale]).astype(np.float32)


def photos_above_crops(
    names: Sequence[str], split: str, number: int, seed: int, kind: str | None = None
) -> list[ViewPair]:
    """Each photo, and a random crop of it.

    Args:
      names: The photos.
      split: "train", "dev" or "test".
      number: Which draw of crops.
      seed: Seed of the draws.
      kind: One of `KINDS` for all pairs; None mixes them.
    """
    crops = draw_crops(split, number, len(names), seed)
    rng = np.random.default_rng([seed, number, len(split), 1])
    kinds = rng.choice(list(KINDS), len(names), p=list(KINDS.values()))
    if kind is not None:
        kinds = np.full(len(names), kind)
    matching = np.minimum(crops[:, 2] * rng.uniform(0.75, 1.33, len(names)), 1)
    pairs = []
    for at, name in enumerate(names):
        pyramid = bool(kinds[at] != "plain")
        reduce = matching[at] if kinds[at] == "pyramid, same number of pixels" else 1.0
        above = View(_WHOLE_PHOTO, pyramid, reduce)
        pairs.append(ViewPair(name, above, View(crops[at], pyramid)))
    return pairs


def features(
    path: Path, data_dir: Path, pairs: Sequence[ViewPair], trunk: Callable[..., tf.Tensor]
) -> np.ndarray:
    """Annotation vectors `[pairs, 2, 49, 1280]` float16, the better view's first.

    Args:
      path: Where they are kept, see `views.cached_features`.
      data_dir: The folder of Flickr8k.
      pairs: The pairs.
      trunk: The trunk, traced.
    """

    def compute(start: int, stop: int) -> np.ndarray:
        rendered = []
        for pair in pairs[start:stop]:
            image = flickr8k.read_image(data_dir, pair.photo)
            for view in (pair.above, pair.below):
                sigma = SIGMA if view.pyramid else 0.0
                shown = views.render(image, False, view.pyramid, view.reduce, sigma, view.theta)
                rendered.append(shown)
        return trunk(tf.stack(rendered)).numpy().reshape(-1, 2, PLACES, CHANNELS)

    return views.cached_features(path, len(pairs), (2, PLACES, CHANNELS), compute)


def pooled(
    path: Path, found: np.ndarray, bins: Sequence[int], mirrored: bool = False
) -> np.ndarray:
    """Pooled features `[pairs, 2, P]` float16, kept beside the features.

    Args:
      path: Of the features.
      found: `[pairs, 2, 49, 1280]`, the features.
      bins: Bins a side, level by level.
      mirrored: Whether the grid is mirrored left to right first.
    """

    def compute(start: int, stop: int) -> np.ndarray:
        grid = found[start:stop].astype(np.float32).reshape(-1, SIDE, SIDE, CHANNELS)
        grid = grid[:, :, ::-1] if mirrored else grid
        vectors = tf.constant(grid.reshape(-1, PLACES, CHANNELS))
        return spatial_pyramid(vectors, bins).numpy().reshape(stop - start, 2, -1)

    label = "-".join(map(str, bins)) + ("-mirrored" if mirrored else "")
    size = sum(count * count for count in bins) * CHANNELS
    kept = path.with_name(f"{path.stem}_{label}.npy")
    return views.cached_features(kept, len(found), (2, size), compute)


class TrainingPairs:
    """Pooled pairs in several arrays, each with its weight, as if they were one."""

    def __init__(self, parts: Sequence[tuple[np.ndarray, float]]):
        """Takes arrays `[pairs, 2, P]` float16, better crops first, and how much a pair counts."""
        self._arrays = [pooled for pooled, _ in parts]
        self._ends = np.cumsum([len(pooled) for pooled in self._arrays])
        lengths = [len(pooled) for pooled in self._arrays]
        self._weights = np.repeat(np.array([weight for _, weight in parts], np.float32), lengths)
        self.size = self._arrays[0].shape[-1]

    def __len__(self) -> int:
        return len(self._weights)

    def rows(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs `[N, 2, P]` and weights `[N]`, float32, of sorted numbers."""
        pieces = np.split(chosen, np.searchsorted(chosen, self._ends[:-1]))
        starts = [0, *self._ends[:-1]]
        found = [
            array[numbers - start]
            for array, start, numbers in zip(self._arrays, starts, pieces, strict=True)
        ]
        return np.concatenate(found).astype(np.float32), self._weights[chosen]

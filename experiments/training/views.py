"""Views of photos as the pyramid of Eq. 1 shows crops to the networks, and their features.

A captioner that never saw blur is hurt by it, so training photos go through the same sampler as
the method's crops: cropped, reduced, blurred and averaged over the levels. The trunk is frozen,
so its annotation vectors are computed once for each view and kept on disk.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from cagic_tf.method import sampling
from experiments.data import flickr8k

PYRAMID = (1 / 4, 1 / 3, 1 / 2, 1)
SIZE = (flickr8k.SIDE, flickr8k.SIDE)
BATCH = 32
# What each view draws from, given as ranges: does the mirror image stand a chance of one in two, is
# the pyramid used (chance), reduction before it, scale of the crop, blur in pixels.
SAT_VIEWS = (
    {"flip": 0.0, "pyramid": 0.0, "reduce": (1, 1), "scale": (1, 1), "sigma": (0, 0)},
    {"flip": 1.0, "pyramid": 0.0, "reduce": (1, 1), "scale": (0.85, 1), "sigma": (0, 0)},
    {"flip": 0.0, "pyramid": 1.0, "reduce": (1, 1), "scale": (1, 1), "sigma": (1, 1)},
    {"flip": 1.0, "pyramid": 1.0, "reduce": (0.7, 1), "scale": (0.85, 1), "sigma": (0.5, 1.5)},
    {"flip": 0.5, "pyramid": 0.0, "reduce": (0.4, 1), "scale": (0.65, 1), "sigma": (0, 1)},
    {"flip": 0.5, "pyramid": 0.5, "reduce": (0.6, 1), "scale": (0.65, 1), "sigma": (0.5, 1.5)},
    {"flip": 0.5, "pyramid": 1.0, "reduce": (0.6, 1), "scale": (0.7, 1), "sigma": (0.5, 1.5)},
)


def draw(spec: dict, rng: np.random.Generator) -> tuple[bool, bool, float, float, np.ndarray]:
    """Draws a view: mirrored or not, pyramid or not, reduction, sigma, theta `(x, y, s)`."""
    scale = rng.uniform(*spec["scale"])
    center = rng.uniform(-1, 1, 2) * (1 - scale)
    return (
        rng.random() < spec["flip"],
        rng.random() < spec["pyramid"],
        rng.uniform(*spec["reduce"]),
        rng.uniform(*spec["sigma"]),
        np.array([*center, scale], np.float32),
    )


@tf.function(
    input_signature=[
        tf.TensorSpec([*SIZE, 3], tf.uint8),
        tf.TensorSpec([], tf.bool),
        tf.TensorSpec([], tf.bool),
        tf.TensorSpec([], tf.float32),
        tf.TensorSpec([], tf.float32),
        tf.TensorSpec([3], tf.float32),
    ]
)
def render(image, flip, pyramid, reduce, sigma, theta):
    """One view as `[224, 224, 3]` float32 in [0, 1]."""
    image = tf.cast(image, tf.float32) / 255
    if flip:
        image = image[:, ::-1]
    side = tf.cast(tf.round(reduce * flickr8k.SIDE), tf.int32)
    image = tf.image.resize(image, [side, side], antialias=True)
    if pyramid:
        picture = sampling.pyramid_mean(image, PYRAMID, sigma)
    else:
        picture = sampling.pyramid_mean(image, (1,), sigma)
    return sampling.crop(picture, theta[tf.newaxis], SIZE)[0]


def cached_features(
    path: Path, count: int, shape: tuple[int, ...], compute: Callable[[int, int], np.ndarray]
) -> np.ndarray:
    """Rows of features from a file, computed and saved first when the file is not there.

    Args:
      path: The `.npy` file; written as a whole, so that a killed run leaves none.
      count: Number of rows.
      shape: Shape of a row.
      compute: `compute(start, stop)` returns the rows of that range.

    Returns:
      `[count, *shape]` float16, mapped from the disk.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        rows = np.lib.format.open_memmap(partial, "w+", np.float16, (count, *shape))
        for start in tqdm(range(0, count, BATCH), desc=path.stem, unit="batch", disable=None):
            stop = min(start + BATCH, count)
            rows[start:stop] = compute(start, stop)
        rows.flush()
        os.replace(partial, path)
    return np.load(path, mmap_mode="r")

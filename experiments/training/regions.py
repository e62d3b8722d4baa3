"""Crops of photos with described regions: which crop shows what a description says, by its box.

For each photo of Flickr30k Entities a list of crops is drawn: the whole photo, some around
described regions and some anywhere, half of them blurred as by Eq. 1. How well a crop fits a
description is its IoU with the description's box. The trunk is frozen, so the crops' features are
computed once.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from cagic_tf.method import sampling, vocabulary
from cagic_tf.networks import bundle, checkpoints
from experiments.data import entities, flickr8k
from experiments.training import crops_and_boxes, views

CROPS = 14  # Of a photo: the first is the whole, then those around regions.
AROUND = 6
SIDES = (0.9, 1.7)  # Of a crop around a region, by the longer side of the region's box.
SHIFT = 0.1  # Standard deviation of such a crop's centre, by its side.
SCALES = (0.25, 0.95)  # Of a crop anywhere.
SMALLEST = 0.2  # Side of any crop, as a fraction of the photo's.
CLOSE = 0.15  # Of the best crop's IoU: with so much less, a crop is less likely by a factor of e.
SHOWN = 0.5  # IoU with which a crop shows a region well enough to be captioned with its words.
PHOTOS = 4  # Of which crops go through the trunk at once.


class Regions(NamedTuple):
    """Described regions of one photo and crops of it.

    Attributes:
      texts: R descriptions.
      theta: `[CROPS, 3]` float32 rows `(x, y, s)`.
      iou: `[R, CROPS]`, of crops with the descriptions' boxes.
      mirrored: Whether the photo is mirrored before it is cropped; theta is of the mirrored one.
    """

    texts: tuple[str, ...]
    theta: np.ndarray
    iou: np.ndarray
    mirrored: bool


def draw(described: Sequence[entities.Description], rng: np.random.Generator) -> Regions:
    """Draws the crops of a photo."""
    boxes = np.array([each.corners for each in described], np.float64).reshape(-1, 4)
    mirrored = bool(rng.random() < 0.5)
    if mirrored:
        boxes = np.column_stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]])
    chosen = rng.integers(len(boxes), size=AROUND) if len(boxes) else []
    rows = [(0.0, 0.0, 1.0), *(_around(boxes[at], rng) for at in chosen)]
    while len(rows) < CROPS:
        scale = rng.uniform(*SCALES)
        rows.append((*(rng.uniform(-1, 1, 2) * (1 - scale)), scale))
    theta = np.array(rows, np.float32)
    return Regions(
        tuple(each.text for each in described), theta, crops_and_boxes.iou(theta, boxes), mirrored
    )


def _around(box: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
    longer = max(box[2] - box[0], box[3] - box[1])
    scale = float(np.clip(rng.uniform(*SIDES) * longer, SMALLEST, 1))
    center = box[:2] + box[2:] - 1 + rng.normal(0, SHIFT, 2) * scale
    x, y = np.clip(center, scale - 1, 1 - scale)
    return float(x), float(y), scale


def likely(iou: np.ndarray) -> np.ndarray:
    """How likely each crop is the answer to each description, `[R, CROPS]`; rows sum to 1."""
    weights = np.exp((iou / iou.max(axis=1, keepdims=True) - 1) / CLOSE)
    return weights / weights.sum(axis=1, keepdims=True)


def read(entities_dir: Path, names: Sequence[str], seed: int) -> list[Regions]:
    """Regions and crops of photos by file name; a photo that is not annotated has no regions."""
    annotated = {photo.name: photo for photo in entities.read(entities_dir, names)}
    found = []
    for number, name in enumerate(names):
        photo = annotated.get(name)
        described = [*entities.phrases(photo), *entities.parts(photo)] if photo else []
        found.append(draw(described, np.random.default_rng([seed, number])))
    return found


def read_photo(data_dir: Path, entities_dir: Path, name: str) -> np.ndarray:
    """A photo `[H, W, 3]` uint8: at its own size where Entities has it, else Flickr8k's square."""
    own = entities_dir / "images" / name
    if not own.is_file():
        return flickr8k.read_image(data_dir, name)
    with Image.open(own) as image:
        return np.asarray(image.convert("RGB"))


@tf.function(
    input_signature=[
        tf.TensorSpec([None, None, 3], tf.uint8),
        tf.TensorSpec([CROPS, 3], tf.float32),
        tf.TensorSpec([], tf.bool),
    ]
)
def render(photo, theta, mirrored):
    """The crops `[CROPS, 224, 224, 3]` in [0, 1], every other one through the pyramid of Eq. 1."""
    photo = tf.cast(photo, tf.float32) / 255
    if mirrored:
        photo = photo[:, ::-1]
    blurred = sampling.pyramid_mean(photo, views.PYRAMID, 1.0)
    sharp = sampling.pyramid_mean(photo, (1,), 0)
    pairs = (
        sampling.crop(blurred, theta[::2], views.SIZE),
        sampling.crop(sharp, theta[1::2], views.SIZE),
    )
    return tf.reshape(tf.stack(pairs, axis=1), [CROPS, *views.SIZE, 3])


class RegionSet(NamedTuple):
    """The described regions of some photos.

    Attributes:
      photos: The regions of each photo.
      features: `[photos, CROPS, L, D]` float16, annotation vectors of their crops.
    """

    photos: list[Regions]
    features: np.ndarray

    def shown(self) -> list[tuple[int, str, np.ndarray]]:
        """Every description that a crop shows: photo's number, words, numbers of such crops."""
        return [
            (number, text, np.flatnonzero(row >= SHOWN))
            for number, photo in enumerate(self.photos)
            for text, row in zip(photo.texts, photo.iou, strict=True)
            if row.max() >= SHOWN
        ]


def load(
    path: Path,
    data_dir: Path,
    entities_dir: Path,
    names: Sequence[str],
    trunk: bundle.Trunk,
    seed: int,
) -> RegionSet:
    """The described regions of photos by file name, the features from the cache.

    Args:
      path: The cache's file; computed and saved first when it is not there.
      data_dir: The folder of Flickr8k.
      entities_dir: The folder of Flickr30k Entities.
      names: File names.
      trunk: The trunk.
      seed: Seed of the crops.

    Raises:
      checkpoints.CheckpointError: The cache is of another trunk or of other photos.
    """
    found = read(entities_dir, names, seed)
    compute_trunk = tf.function(trunk, reduce_retracing=True)

    def compute(start: int, stop: int) -> np.ndarray:
        made = []
        for at in range(start, stop, PHOTOS):
            crops = [
                render(
                    read_photo(data_dir, entities_dir, names[photo]),
                    found[photo].theta,
                    found[photo].mirrored,
                )
                for photo in range(at, min(at + PHOTOS, stop))
            ]
            made.append(compute_trunk(tf.concat(crops, axis=0)).numpy())
        return np.concatenate(made).reshape(stop - start, CROPS, *made[0].shape[1:])

    shape = (CROPS, *trunk(tf.zeros([1, *trunk.input_size, 3])).shape[1:])
    rows = views.cached_features(path, len(names), shape, compute)
    if rows.shape != (len(names), *shape):
        raise checkpoints.CheckpointError(
            f"{path} has shape {rows.shape}, not {(len(names), *shape)}: it is of another trunk or "
            "other photos; give another --work_dir"
        )
    return RegionSet(found, rows)


def content(texts: Sequence[str], words: Sequence[str]) -> np.ndarray:
    """Each text's words with content as Eq. 4's bag, `[R, V]`; zeros where none is known."""
    index = {word: number for number, word in enumerate(words)}
    bags = np.zeros((len(texts), len(words)), np.float32)
    for bag, text in zip(bags, texts, strict=True):
        known = [
            index[word]
            for word in vocabulary.tokenize(text)
            if word in index and word not in vocabulary.STOP_WORDS
        ]
        np.add.at(bag, known, 1 / max(1, len(known)))
    return bags

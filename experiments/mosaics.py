"""Mosaics of captioned photos: the caption of one tile, whose box is the ground truth.

    python -m experiments.mosaics --data_dir=FLICKR8K --output_dir=MOSAICS --count=100

Writes PNGs and a manifest for `python -m cagic_tf.run --manifest=MOSAICS/manifest.jsonl`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags
from tqdm import tqdm

from cagic_tf import files, image_io
from experiments import flickr8k

TILE = flickr8k.SIDE

FLAGS = flags.FLAGS


class Mosaic(NamedTuple):
    """One mosaic.

    Attributes:
      image: `[2 * 224, 2 * 224, 3]` uint8.
      caption: A caption of the target tile's photo.
      tile: Which tile: 0 top left, 1 top right, 2 bottom left, 3 bottom right.
      names: File names of the four photos.
    """

    image: np.ndarray
    caption: str
    tile: int
    names: tuple[str, ...]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The target tile as `(x, y, w, h)`."""
        return TILE * (self.tile % 2), TILE * (self.tile // 2), TILE, TILE


def make(data_dir: Path, split: str, count: int, seed: int) -> Iterator[Mosaic]:
    """Mosaics of four different photos of a split, drawn from a seed."""
    names = flickr8k.split_names(data_dir, split)
    captions = flickr8k.captions_by_name(data_dir)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        chosen = tuple(names[at] for at in rng.choice(len(names), 4, replace=False))
        tile = int(rng.integers(4))
        caption = captions[chosen[tile]][rng.integers(5)]
        photos = [flickr8k.read_image(data_dir, name) for name in chosen]
        rows = [np.concatenate(photos[:2], axis=1), np.concatenate(photos[2:], axis=1)]
        yield Mosaic(np.concatenate(rows), caption, tile, chosen)


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string("data_dir", None, "folder of Flickr8k (see experiments/flickr8k.py)")
    flags.DEFINE_string("output_dir", None, "folder to write")
    flags.DEFINE_integer("count", 100, "mosaics")
    flags.DEFINE_integer("seed", 0, "seed of photos, tiles and captions")
    flags.DEFINE_string("split", "test", "split of the photos")
    flags.mark_flags_as_required(["data_dir", "output_dir"])


def main(_) -> None:
    output = Path(FLAGS.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    mosaics = make(Path(FLAGS.data_dir), FLAGS.split, FLAGS.count, FLAGS.seed)
    for number, mosaic in enumerate(tqdm(mosaics, total=FLAGS.count, desc="mosaics")):
        name = f"{number:04d}"
        image_io.write(output / f"{name}.png", mosaic.image)
        row = {"id": name, "image": f"{name}.png", "caption": mosaic.caption}
        rows.append({**row, "crops": [mosaic.box]})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    files.write_atomically(output / "manifest.jsonl", text.encode())


if __name__ == "__main__":
    define_flags()
    app.run(main)

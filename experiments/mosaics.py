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

from cagic_tf.photos import reading
from cagic_tf.system import files
from experiments import command
from experiments.data import flickr8k
from experiments.errors import ExperimentError

TILE = flickr8k.SIDE

FLAGS = flags.FLAGS


class Mosaic(NamedTuple):
    """One mosaic.

    Attributes:
      image: `[n * 224, n * 224, 3]` uint8, of n x n tiles.
      caption: A caption of the target tile's photo.
      tile: Which tile, row by row: 0 top left, 1 right of it, n * n - 1 bottom right.
      names: File names of the n * n photos, in that order.
    """

    image: np.ndarray
    caption: str
    tile: int
    names: tuple[str, ...]

    @property
    def tiles_per_side(self) -> int:
        """Tiles in a row, and rows: n."""
        return self.image.shape[0] // TILE

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The target tile as `(x, y, w, h)`."""
        down, across = divmod(self.tile, self.tiles_per_side)
        return TILE * across, TILE * down, TILE, TILE


def make(
    data_dir: Path, split: str, count: int, seed: int, tiles_per_side: int = 2
) -> Iterator[Mosaic]:
    """Mosaics of different photos of a split, four or `tiles_per_side` squared, from a seed.

    Raises:
      ExperimentError: The split has fewer photos than a mosaic has tiles.
      OSError: The data set is not there.
    """
    tiles = tiles_per_side**2
    names = flickr8k.split_names(data_dir, split)
    if len(names) < tiles:
        raise ExperimentError(
            f"the split {split!r} has {len(names)} photos; a mosaic needs {tiles} different ones"
        )
    captions = flickr8k.captions_by_name(data_dir)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        chosen = tuple(names[at] for at in rng.choice(len(names), tiles, replace=False))
        tile = int(rng.integers(tiles))
        caption = captions[chosen[tile]][rng.integers(5)]
        photos = [flickr8k.read_image(data_dir, name) for name in chosen]
        rows = [
            np.concatenate(photos[at : at + tiles_per_side], axis=1)
            for at in range(0, tiles, tiles_per_side)
        ]
        yield Mosaic(np.concatenate(rows), caption, tile, chosen)


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string(
        "data_dir", None, "The folder of Flickr8k; experiments/data/flickr8k.py says what is in it."
    )
    flags.DEFINE_string("output_dir", None, "The folder to write to.")
    flags.DEFINE_integer("count", 100, "How many mosaics are made.")
    flags.DEFINE_integer(
        "tiles_per_side",
        2,
        "How many tiles a mosaic has on each side: 2 makes four, 3 makes nine.",
        2,
        3,
    )
    flags.DEFINE_integer("seed", 0, "The seed of the photos, tiles and captions.")
    flags.DEFINE_string("split", "test", "The split that the photos are from: train, dev or test.")
    flags.mark_flags_as_required(["data_dir", "output_dir"])


def main() -> None:
    """Makes the mosaics, then the manifest."""
    output = Path(FLAGS.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    mosaics = make(Path(FLAGS.data_dir), FLAGS.split, FLAGS.count, FLAGS.seed, FLAGS.tiles_per_side)
    bar = tqdm(mosaics, total=FLAGS.count, desc="mosaics", disable=None)
    for number, mosaic in enumerate(bar):
        name = f"{number:04d}"
        reading.write(output / f"{name}.png", mosaic.image)
        row = {"id": name, "image": f"{name}.png", "caption": mosaic.caption}
        rows.append({**row, "crops": [mosaic.box]})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    files.write_atomically(output / "manifest.jsonl", text.encode())


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

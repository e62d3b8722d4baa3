"""Flickr8k (Hodosh, Young and Hockenmaier, JAIR 2013) as this project's scripts read it.

Layout of `--data_dir`: `images/*.jpg`, `captions.tsv` (`file<TAB>caption`, five lines a photo) and
`train.txt`, `dev.txt`, `test.txt` (a file name a line). The photos come from the dataset's owners.
"""

import collections
from pathlib import Path

import numpy as np
from PIL import Image

from cagic_tf.method import vocabulary as vocabulary_lib
from cagic_tf.networks import sat

SIDE = 224  # Photos are squashed to a square, the captioner's input.


def split_names(data_dir: Path, split: str) -> list[str]:
    """File names of a split: "train", "dev" or "test"."""
    return (data_dir / f"{split}.txt").read_text(encoding="utf-8").split()


def captions_by_name(data_dir: Path) -> dict[str, list[str]]:
    """File name to its captions."""
    captions = collections.defaultdict(list)
    for line in (data_dir / "captions.tsv").read_text(encoding="utf-8").splitlines():
        name, caption = line.split("\t")
        captions[name].append(caption)
    return captions


def read_image(data_dir: Path, name: str) -> np.ndarray:
    """A photo as `[224, 224, 3]` uint8 RGB."""
    return read_square(data_dir / "images" / name)


def read_square(path: Path) -> np.ndarray:
    """Any photo squashed to `[224, 224, 3]` uint8 RGB."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def build_vocabulary(captions: list[str], min_count: int) -> list[str]:
    """`<start>`, then the words seen `min_count` times or more (most frequent first), then "."."""
    counts = collections.Counter(
        word for caption in captions for word in vocabulary_lib.tokenize(caption)
    )
    words = sorted((-count, word) for word, count in counts.items() if count >= min_count)
    return ["<start>", *(word for _, word in words), sat.END_WORD]

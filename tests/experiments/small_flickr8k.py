"""A data set in Flickr8k's form: nine photos of one colour each, with five captions a photo."""

import numpy as np
from PIL import Image

NAMES = [f"{number}.png" for number in range(9)]
SPLITS = {"many": NAMES, "train": NAMES[:2], "dev": NAMES[2:3], "test": NAMES[2:8]}


def write(folder):
    """Writes the data set into a folder, and returns the folder."""
    (folder / "images").mkdir()
    lines = []
    for number, name in enumerate(NAMES):
        pixels = np.full((10 + number, 20, 3), [10 * number, 50, 200], np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
        lines += [f"{name}\tphoto {number} caption {at}" for at in range(5)]
    (folder / "captions.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for split, names in SPLITS.items():
        (folder / f"{split}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return folder

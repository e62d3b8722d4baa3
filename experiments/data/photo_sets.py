"""Photos with captions to train a captioner on: Flickr8k, or MS-COCO's own files.

COCO (Lin et al., ECCV 2014, captions of Chen et al. 2015) comes from https://cocodataset.org: a
file such as `captions_train2014.json` and the folder of its photos. Of those one in twenty is kept
as a dev split, or about a thousand where that is fewer.
"""

import collections
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.data import flickr8k
from experiments.data.annotations import DataError

DEV_STEP, DEV_PHOTOS = 20, 1000


class PhotoSet(NamedTuple):
    """Some photos.

    Attributes:
      names: A file name each.
      captions: The captions of each.
      read: `read(name)` is the photo as `[224, 224, 3]` uint8 RGB.
    """

    names: list[str]
    captions: list[list[str]]
    read: Callable[[str], np.ndarray]


def flickr8k_split(data_dir: Path, split: str) -> PhotoSet:
    """Flickr8k's "train", "dev" or "test"."""
    names, captions = flickr8k.split_names(data_dir, split), flickr8k.captions_by_name(data_dir)
    return PhotoSet(
        names, [captions[name] for name in names], lambda name: flickr8k.read_image(data_dir, name)
    )


def coco_split(captions_file: Path, images: Path, split: str) -> PhotoSet:
    """The photos of a COCO captions file that are kept for "dev", or the others.

    Raises:
      DataError: The file is no COCO captions file.
      OSError: It cannot be read.
    """
    captions = collections.defaultdict(list)
    try:
        content = json.loads(captions_file.read_text(encoding="utf-8"))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        for annotation in content["annotations"]:
            captions[names[annotation["image_id"]]].append(annotation["caption"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{captions_file} is no COCO captions file: {error!r}") from error
    ordered = sorted(captions)
    step = max(DEV_STEP, len(ordered) // DEV_PHOTOS)
    kept = set(ordered[::step])
    chosen = [name for name in ordered if (name in kept) == (split == "dev")]
    return PhotoSet(
        chosen,
        [captions[name] for name in chosen],
        lambda name: flickr8k.read_square(images / name),
    )

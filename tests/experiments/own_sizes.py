"""Flickr8k and Flickr30k Entities in small, with noisy photos at their own size, too."""

import numpy as np
from PIL import Image

from tests.experiments import small_entities, small_flickr8k


def write(folder, own):
    """Writes both into a folder.

    Args:
      folder: Where to.
      own: Names of the photos that are there at their own size.

    Returns:
      Both folders.
    """
    data = small_flickr8k.write(folder)
    entities = small_entities.write(folder / "entities")
    (entities / "images").mkdir()
    for name in own:
        pixels = np.random.default_rng(len(name)).integers(0, 256, (60, 80, 3), np.uint8)
        Image.fromarray(pixels).save(entities / "images" / name)
    return data, entities

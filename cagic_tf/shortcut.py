"""`crop_image`: a photo cropped by one call."""

import functools
import os

import numpy as np
from PIL import Image

from cagic_tf.pipeline import Cropper
from cagic_tf.results import CropResult
from cagic_tf.system import arguments


@functools.lru_cache(maxsize=1)
def _default_cropper() -> Cropper:
    return Cropper()


def crop_image(
    image: str | os.PathLike | Image.Image | np.ndarray,
    caption: str | None,
    cropper: Cropper | None = None,
    seed: int | None = None,
) -> CropResult:
    """Crops a photo to what a caption says.

        >>> import cagic_tf
        >>> fast = cagic_tf.load_cropper("fast.gin")
        >>> result = cagic_tf.crop_image("photo.jpg", "a dog on the grass", fast)
        >>> x, y, w, h = result.box
        >>> result.crop.shape == (h, w, 3)
        True
        >>> result.save("dog.png")
        >>> result.overlay().save("overlay.jpg")

    `Cropper.crop` has more to choose:

        >>> result = fast.crop("photo.jpg", "a dog", shape="200x100", candidate_count=2)
        >>> [list(crop.loss) for crop in result.candidates[:1]]
        [['total', 'caption', 'aesthetic', 'lexicon', 'sentence']]

    Args:
      image: A path, a PIL image, or an array (see `reading.read`).
      caption: What the crop should show; None: the crop of lowest aesthetic loss alone.
      cropper: Networks, objective and search; None takes the paper's method on the embedded
        checkpoints, loaded at the first call. `config.load_cropper("fast.gin")` makes a quick one.
      seed: Seed of the restarts; None takes the cropper's.

    Returns:
      The crop, see `CropResult`.

    Raises:
      reading.ImageError: The photo cannot be read.
      ValueError: The caption is empty or none of its words is known, or a value is of a wrong type.
    """
    arguments.check_has("the cropper", cropper, "crop", "one of load_cropper is needed")
    return (cropper or _default_cropper()).crop(image, caption, seed)

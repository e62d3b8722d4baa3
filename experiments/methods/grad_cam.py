"""Table 1's Grad-CAM: where the captioner looks for the user's caption, as a box.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017 (the paper's reference 41): the gradient of a caption's log probability by
the last convolutional features, averaged over the places, weighs the channels; the weighted sum
after a ReLU is the activation map. The paper thresholds it at 0.2 of its maximum (Sec. 4.1.2).
"""

import dataclasses

import numpy as np
import scipy.ndimage
import tensorflow as tf
from PIL import Image

from cagic_tf.method import geometry, vocabulary
from cagic_tf.networks.bundle import Networks
from cagic_tf.photos import reading
from experiments.methods.blind import Box
from experiments.training import teacher_forcing


@dataclasses.dataclass(frozen=True)
class GradCam:
    """Grad-CAM of the caption through the captioner, then mask to box.

    How the mask becomes a box is not in the paper. Here the map is enlarged bilinearly from the
    trunk's grid to its input size, and the box is the tight one around the largest connected
    component of what reaches the threshold, or around all of it.

    Attributes:
      networks: The captioner is used.
      whole_mask: Whether the box holds the whole mask or its largest connected component.
      threshold: Least activation, as a fraction of the map's maximum.
    """

    networks: Networks = dataclasses.field(repr=False)
    whole_mask: bool = False
    threshold: float = 0.2

    def __call__(self, image, caption: str) -> Box:
        photo = reading.read(image)
        activation = activation_map(self.networks, photo, caption)
        size = self.networks.caption_trunk.input_size
        enlarged = tf.image.resize(activation[..., np.newaxis], size)[..., 0].numpy()
        corners = mask_box(enlarged, self.threshold, self.whole_mask)
        return geometry.whole_pixels(corners, photo.shape[1], photo.shape[0])


def activation_map(networks: Networks, photo: np.ndarray, caption: str) -> np.ndarray:
    """Grad-CAM of a caption: `[S, S]` float32, not negative, on the captioner's square grid.

    The score is the log probability of the user's words in their order, each given those before
    it; unknown words and the end word are left out, as in Eq. 4.

    Args:
      networks: The captioner is used.
      photo: `[H, W, 3]` uint8.
      caption: The user's.

    Raises:
      ValueError: The caption has no word that the captioner knows.
    """
    captioner, trunk = networks.captioner, networks.caption_trunk
    words = vocabulary.bag_of_words(caption, captioner.vocabulary, None).words
    targets = tf.constant([[captioner.vocabulary.index(word) for word in words]])
    features = trunk(tf.cast(resized(photo, None, trunk.input_size)[np.newaxis], networks.dtype))
    with tf.GradientTape() as tape:
        tape.watch(features)
        contexts = captioner.project(features)
        keys, state = captioner.attention_keys(contexts), captioner.initialize(contexts)
        logits, _ = teacher_forcing.unroll(captioner, contexts, keys, state, targets, lambda x: x)
        likelihood = tf.nn.log_softmax(logits)
        score = tf.reduce_sum(tf.gather(likelihood, targets, axis=-1, batch_dims=2))
    weights = tf.reduce_mean(tape.gradient(score, features), axis=1)  # [1, D]
    places = tf.nn.relu(tf.linalg.matvec(features, weights))[0].numpy()
    side = round(len(places) ** 0.5)
    return places.reshape(side, side).astype(np.float32)


def mask_box(
    activation: np.ndarray, threshold: float, whole_mask: bool
) -> tuple[float, float, float, float]:
    """The tight box around what reaches `threshold` times the maximum.

    Args:
      activation: `[h, w]`, not negative.
      threshold: In (0, 1].
      whole_mask: Whether the box is around everything, or around the largest component (most
        cells; cells connect through their sides; of equal ones the first in reading order).

    Returns:
      Corners `(x0, y0, x1, y1)` as fractions of the sides; the whole picture where the map is zero.
    """
    if not activation.max() > 0:
        return 0.0, 0.0, 1.0, 1.0
    mask = activation >= threshold * activation.max()
    if not whole_mask:
        labels, _ = scipy.ndimage.label(mask)
        mask = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return (
        *(columns[0] / width, rows[0] / height),
        *((columns[-1] + 1) / width, (rows[-1] + 1) / height),
    )


def resized(photo: np.ndarray, box: Box | None, size: tuple[int, int]) -> np.ndarray:
    """A box of a photo (None: all of it) at a network's input size, antialiased.

    Args:
      photo: `[H, W, 3]` uint8.
      box: `(x, y, w, h)` in pixels.
      size: `(height, width)` of the result.

    Returns:
      `[*size, 3]` float32 in [0, 1].
    """
    x, y, w, h = box or (0, 0, photo.shape[1], photo.shape[0])
    region = Image.fromarray(photo).crop((x, y, x + w, y + h))
    small = region.resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(small, np.float32) / 255

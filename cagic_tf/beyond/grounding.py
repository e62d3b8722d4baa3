"""Beyond the paper: what a grounder says of a photo and its caption, before any crop is tried."""

from typing import cast

import numpy as np
import tensorflow as tf

from cagic_tf.method.problems import MEANT
from cagic_tf.method.vocabulary import STOP_WORDS, BagOfWords
from cagic_tf.networks import grounder
from cagic_tf.networks.bundle import Networks
from cagic_tf.networks.trunks.lite0 import Lite0

MOST_WORDS = 24  # Of a caption; the grounder has seen no longer ones.


class Grounding:
    """The grounder of some networks, if they have one, on photos of any size."""

    def __init__(self, networks: Networks):
        self._networks = networks
        shown = tf.TensorSpec([1, grounder.SIDE, grounder.SIDE, 3])
        labels = tf.TensorSpec([1, None], tf.int32)
        self._ask = tf.function(self._meant, input_signature=[shown, labels], autograph=False)

    def __call__(self, photo: np.ndarray, words: BagOfWords) -> tf.Tensor:
        """Boxes that a caption may mean, and how likely each is.

        Args:
          photo: `[H, W, 3]`, RGB in [0, 1].
          words: The caption's; of more than `MOST_WORDS` the first count.

        Returns:
          `[A, MEANT]`: corners `(x0, y0, x1, y1)` as fractions of the photo's sides, and
          `Grounder.logits`; `[0, MEANT]` without a grounder, or where it knows no word that has
          content.
        """
        network = self._networks.grounder
        nothing = tf.zeros([0, MEANT], self._networks.dtype)
        if network is None:
            return nothing
        read = words.read[:MOST_WORDS]
        content = network.labels([word for word in read if word not in STOP_WORDS])
        if not set(content) - set(network.labels([grounder.UNKNOWN])):
            return nothing
        # In whole numbers again, so that it is squashed to the very pixels of training.
        shown = grounder.picture(np.clip(np.round(photo * 255), 0, 255).astype(np.uint8))
        return self._ask(shown[np.newaxis], network.labels(read)[np.newaxis])

    def _meant(self, shown: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        network = cast(grounder.Grounder, self._networks.grounder)
        trunk = cast(Lite0, self._networks.caption_trunk)  # The one that it was trained on.
        fine, coarse = trunk.grids(shown, grounder.BLOCKS)
        boxes = network.boxes(fine, coarse)
        logits = network.logits(fine, coarse, boxes[tf.newaxis], labels)
        return tf.concat([boxes, tf.transpose(logits)], axis=1)

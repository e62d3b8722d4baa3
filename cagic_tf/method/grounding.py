"""Beyond the paper: what a grounder says of a photo and its caption, before any crop is tried."""

from typing import cast

import numpy as np
import tensorflow as tf

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
        self._ask = tf.function(self._logits, input_signature=[shown, labels], autograph=False)

    def __call__(self, photo: np.ndarray, words: BagOfWords) -> tf.Tensor:
        """How likely each box is what a caption means.

        Args:
          photo: `[H, W, 3]`, RGB in [0, 1].
          words: The caption's; of more than `MOST_WORDS` the first count.

        Returns:
          `[A]`, see `Grounder.logits`; `[0]` without a grounder, or where it knows no word that has
          content.
        """
        network = self._networks.grounder
        nothing = tf.zeros([0], self._networks.dtype)
        if network is None:
            return nothing
        read = words.read[:MOST_WORDS]
        content = network.labels([word for word in read if word not in STOP_WORDS])
        if not set(content) - set(network.labels([grounder.UNKNOWN])):
            return nothing
        # In whole numbers again, so that it is squashed to the very pixels of training.
        shown = grounder.picture(np.clip(np.round(photo * 255), 0, 255).astype(np.uint8))
        return self._ask(shown[np.newaxis], network.labels(read)[np.newaxis])

    def _logits(self, shown: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        network = cast(grounder.Grounder, self._networks.grounder)
        trunk = cast(Lite0, self._networks.caption_trunk)  # The one that it was trained on.
        fine, coarse = trunk.grids(shown, grounder.BLOCKS)
        return network.logits(fine, coarse, labels)[0]

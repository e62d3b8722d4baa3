"""Beyond the paper: what a grounder says of a photo and its caption, before any crop is tried."""

from typing import cast

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
        photo = tf.TensorSpec([None, None, 3], networks.dtype)
        labels = tf.TensorSpec([None], tf.int32)
        self._ask = tf.function(self._logits, input_signature=[photo, labels], autograph=False)

    def __call__(self, photo: tf.Tensor, words: BagOfWords) -> tf.Tensor:
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
        return self._ask(photo, tf.constant(network.labels(read)))

    def _logits(self, photo: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        network = cast(grounder.Grounder, self._networks.grounder)
        trunk = cast(Lite0, self._networks.caption_trunk)  # The one that it was trained on.
        # The filter of `grounder.picture`, by which training photos were squashed.
        square = (grounder.SIDE, grounder.SIDE)
        shown = tf.image.resize(photo[tf.newaxis], square, antialias=True)
        return network.logits(*grounder.view(trunk)(shown), labels[tf.newaxis])[0]

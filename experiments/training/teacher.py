"""The teacher of the stand-ins of Table 1's other systems: what the embedded scorer says of boxes.

The scorer sees each box as the sliding window of `experiments.methods` shows it: resized to the
trunk's input, without pyramid and blur.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from cagic_tf.networks import bundle, checkpoints
from experiments.methods.grad_cam import resized

BATCH = 30  # Boxes that go through the trunk at once.


class Teacher:
    """A scorer of boxes.

    Attributes:
      trunk: The checkpoint of its trunk.
      network: The trunk.
      tensors: Of its head.
      sha256: Hex digests of what it is made of, head and trunk.
      vectors: Pictures `[N, 224, 224, 3]` in [0, 1] to annotation vectors `[N, L, D]`.
      judge: Annotation vectors to scores `[N]`, higher is better.
    """

    def __init__(self, name: str = "vfn"):
        """Loads a scorer and its trunk, a name under `checkpoints/` or a path.

        Raises:
          checkpoints.CheckpointError: One is missing, damaged or of another kind.
        """
        head = checkpoints.load(bundle.find(name), "vfn")
        self.trunk = bundle.load_trunk(bundle.find(name), head)
        self.sha256 = head.sha256, self.trunk.sha256
        self.tensors = head.tensors
        self.network = network = bundle.build_trunk(self.trunk)
        self._size = network.input_size
        signature = [tf.TensorSpec([None, *self._size, 3], tf.float32)]
        self.vectors = tf.function(network, input_signature=signature, autograph=False)
        self.judge = bundle.SCORERS["vfn"](head, tf.float32)
        self._score = tf.function(
            lambda pictures: self.judge(network(pictures)),
            input_signature=signature,
            autograph=False,
        )

    def scores(self, photo: np.ndarray, boxes: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        """The scores of boxes of a photo.

        Args:
          photo: `[H, W, 3]` uint8, RGB.
          boxes: `[N, 4]` rows `(x, y, w, h)` in whole pixels, each with a pixel at least.

        Returns:
          `[N]` float32, without unit; higher is better.
        """
        found = [np.zeros(0, np.float32)]
        for at in range(0, len(boxes), BATCH):
            crops = [resized(photo, tuple(box), self._size) for box in boxes[at : at + BATCH]]
            found.append(self._score(np.stack(crops)).numpy())
        return np.concatenate(found)

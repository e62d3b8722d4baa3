"""The frozen networks of one run: a captioner and a scorer, which may share their trunk."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from cagic_tf import checkpoints, resources
from cagic_tf.networks.lite0 import Lite0
from cagic_tf.networks.sat import ShowAttendTell
from cagic_tf.networks.vfn import ViewFindingNetwork


class Networks:
    """Captioner and scorer, loaded from checkpoints.

    Attributes:
      decoder: The captioner's decoder.
      scorer: The scorer's head.
      checkpoints: Name of each checkpoint to its SHA-256.
      dtype: What everything is computed in.
    """

    def __init__(self, captioner: str = "sat", scorer: str = "vfn", dtype: tf.DType = tf.float32):
        """Loads the checkpoints and the trunks that they were trained on.

        Args:
          captioner: A "sat" checkpoint: a name under `checkpoints/`, or a folder.
          scorer: A "vfn" checkpoint, likewise.
          dtype: tf.float32, or tf.float64 to check gradients.

        Raises:
          checkpoints.CheckpointError: A checkpoint is missing or damaged, or its trunk is not the
            one that it was trained on.
        """
        caption = checkpoints.load(_find(captioner), "sat")
        aesthetic = checkpoints.load(_find(scorer), "vfn")
        self.dtype = dtype
        self.decoder = ShowAttendTell(caption.tensors, caption.manifest["vocabulary"], dtype)
        self.scorer = ViewFindingNetwork(aesthetic.tensors, aesthetic.manifest["bins"], dtype)
        trunk = _load_trunk(caption)
        self._caption_trunk = Lite0(trunk.tensors, dtype)
        self._scorer_trunk = self._caption_trunk
        scorer_trunk = _load_trunk(aesthetic)
        if scorer_trunk.sha256 != trunk.sha256:
            self._scorer_trunk = Lite0(scorer_trunk.tensors, dtype)
        loaded = (trunk, scorer_trunk, caption, aesthetic)
        self.checkpoints = {checkpoint.name: checkpoint.sha256 for checkpoint in loaded}

    def features(
        self, sample: Callable[[tuple[int, int]], tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Annotation vectors of crops for the captioner and for the scorer.

        Args:
          sample: `sample((height, width))` gives the crops `[N, height, width, 3]`, RGB in [0, 1].

        Returns:
          Two `[N, L, D]` tensors: one and the same where the networks share trunk and input.
        """
        caption = self._caption_trunk(sample(self._caption_trunk.input_size))
        if self._scorer_trunk is self._caption_trunk:
            return caption, caption
        return caption, self._scorer_trunk(sample(self._scorer_trunk.input_size))


def _find(name: str) -> Path:
    """A folder of that name as given, or under the project's `checkpoints/`."""
    return Path(name) if Path(name).is_dir() else resources.path("checkpoints") / name


def _load_trunk(head: checkpoints.Checkpoint) -> checkpoints.Checkpoint:
    trunk = checkpoints.load(_find(head.manifest["trunk"]), "lite0")
    if trunk.sha256 != head.manifest["trunk_sha256"]:
        raise checkpoints.CheckpointError(
            f"checkpoint {head.name!r} was trained on a trunk with SHA-256 "
            f"{head.manifest['trunk_sha256']}, but {trunk.name!r} has {trunk.sha256}"
        )
    return trunk

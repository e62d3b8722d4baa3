"""The frozen networks of one run: captioner, scorer and perhaps a lexicon, on shared trunks."""

import copy
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from cagic_tf.beyond import nouns
from cagic_tf.networks import checkpoints
from cagic_tf.networks.accelerated import AcceleratedTrunk
from cagic_tf.networks.lexicon import Lexicon
from cagic_tf.networks.sat import ShowAttendTell
from cagic_tf.networks.trunks.alexnet import AlexNet
from cagic_tf.networks.trunks.lite0 import Lite0
from cagic_tf.networks.trunks.resnet50 import ResNet50
from cagic_tf.networks.trunks.vgg16 import VGG16
from cagic_tf.networks.vfn import ViewFindingNetwork
from cagic_tf.system import resources

Trunk = AlexNet | Lite0 | ResNet50 | VGG16 | AcceleratedTrunk
# A trunk checkpoint's kind to its network. Each takes RGB in [0, 1] at its own `input_size`, and
# does its own preprocessing.
TRUNKS = {"alexnet": AlexNet, "lite0": Lite0, "resnet50": ResNet50, "vgg16": VGG16}
# Names of what a trunk may be computed in.
PRECISIONS = {None: None, "bfloat16": tf.bfloat16, "float16": tf.float16}
# The paper's own networks cannot ship with the project: name under checkpoints/ to the files to
# get, where, and the command that ports them.
RELEASED = {
    "original-sat": (
        "289999.npy and vocabulary.csv",
        "https://github.com/DeepRNN/image_captioning",
        "deeprnn --weights=289999.npy --vocabulary=vocabulary.csv",
    ),
    "original-vfn": (
        "the model-spp-max files",
        "https://github.com/yiling-chen/view-finding-network",
        "vfn --weights=model-spp-max",
    ),
}


class Networks:
    """Captioner and scorer, loaded from checkpoints.

    Attributes:
      decoder: The captioner's decoder.
      scorer: The scorer's head.
      lexicon: The classifier of nouns on the captioner's trunk, or None.
      checkpoints: Name of each checkpoint to its SHA-256.
      caption_trunk: The trunk of the captioner.
      scorer_trunk: The trunk of the scorer; the same object where the two share it.
      dtype: What everything is computed in.
    """

    def __init__(
        self,
        captioner: str = "sat",
        scorer: str = "vfn",
        dtype: tf.DType = tf.float32,
        lexicon: str | None = None,
        trunk_precision: str | None = None,
        jit_compile: bool = False,
    ):
        """Loads the checkpoints and the trunks that they were trained on.

        Args:
          captioner: A "sat" checkpoint: a name under `checkpoints/`, or a folder.
          scorer: A "vfn" checkpoint, likewise.
          dtype: tf.float32, or tf.float64 to check gradients.
          lexicon: A "lexicon" checkpoint, likewise; None: the captioner's words are all there are.
          trunk_precision: "bfloat16" or "float16", what the trunks are computed in; None: `dtype`.
          jit_compile: Whether XLA compiles the trunks; for GPUs.

        Raises:
          checkpoints.CheckpointError: A checkpoint is missing or damaged, or its trunk is not the
            one that it was trained on; captioner and lexicon have different trunks.
          ValueError: No such precision.
        """
        if trunk_precision not in PRECISIONS:
            raise ValueError(
                f"Networks.trunk_precision is {trunk_precision!r}; accepted are "
                f"{', '.join(map(repr, PRECISIONS))}"
            )
        missing = [_how_to_get(name) for name in (captioner, scorer) if _is_missing_release(name)]
        if missing:
            raise checkpoints.CheckpointError("; ".join(missing))
        caption = checkpoints.load(find(captioner), "sat")
        aesthetic = checkpoints.load(find(scorer), "vfn")
        self.dtype = dtype
        self.decoder = ShowAttendTell(caption.tensors, caption.manifest["vocabulary"], dtype)
        self.scorer = ViewFindingNetwork(
            aesthetic.tensors,
            aesthetic.manifest["bins"],
            dtype,
            aesthetic.manifest.get("pooling", "mean"),
        )
        precision = PRECISIONS[trunk_precision]
        trunk = load_trunk(find(captioner), caption)
        self.caption_trunk = build_trunk(trunk, dtype, precision, jit_compile)
        self.scorer_trunk = self.caption_trunk
        scorer_trunk = load_trunk(find(scorer), aesthetic)
        if scorer_trunk.sha256 != trunk.sha256:
            self.scorer_trunk = build_trunk(scorer_trunk, dtype, precision, jit_compile)
        loaded = (trunk, scorer_trunk, caption, aesthetic)
        self.checkpoints = {checkpoint.name: checkpoint.sha256 for checkpoint in loaded}
        self._caption_trunk_name = trunk.name
        self.lexicon = None
        if lexicon is not None:
            self._load_lexicon(lexicon)

    def with_lexicon(self, lexicon: str) -> "Networks":
        """The same networks, not loaded again, with a lexicon.

        Raises:
          checkpoints.CheckpointError: It is missing or damaged, or stands on another trunk.
        """
        networks = copy.copy(self)
        networks._load_lexicon(lexicon)
        return networks

    def _load_lexicon(self, name):
        checkpoint = checkpoints.load(find(name), "lexicon")
        trunk = self._caption_trunk_name
        self.lexicon = build_lexicon(checkpoint, trunk, self.checkpoints[trunk], self.dtype)
        self.checkpoints = {**self.checkpoints, checkpoint.name: checkpoint.sha256}

    def features(
        self, sample: Callable[[tuple[int, int]], tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Annotation vectors of crops for the captioner and for the scorer.

        Args:
          sample: `sample((height, width))` gives the crops `[N, height, width, 3]`, RGB in [0, 1].

        Returns:
          Two `[N, L, D]` tensors: one and the same where the networks share trunk and input.
        """
        caption = self.caption_trunk(sample(self.caption_trunk.input_size))
        if self.scorer_trunk is self.caption_trunk:
            return caption, caption
        return caption, self.scorer_trunk(sample(self.scorer_trunk.input_size))


def find(name: str) -> Path:
    """A folder of that name as given, or under the project's `checkpoints/`."""
    return Path(name) if Path(name).is_dir() else resources.path("checkpoints") / name


def build_trunk(
    checkpoint: checkpoints.Checkpoint,
    dtype: tf.DType = tf.float32,
    precision: tf.DType | None = None,
    jit_compile: bool = False,
) -> Trunk:
    """The trunk network of a checkpoint, by its kind.

    Args:
      checkpoint: A trunk's.
      dtype: What its pictures and annotation vectors are in.
      precision: What it is computed in; None: `dtype`.
      jit_compile: Whether XLA compiles it.

    Raises:
      checkpoints.CheckpointError: The checkpoint is no trunk.
    """
    if checkpoint.kind not in TRUNKS:
        raise checkpoints.CheckpointError(
            f"{checkpoint.name} is a {checkpoint.kind!r} checkpoint; a trunk is needed: "
            f"{', '.join(TRUNKS)}"
        )
    trunk = TRUNKS[checkpoint.kind](checkpoint.tensors, precision or dtype)
    return AcceleratedTrunk(trunk, dtype, jit_compile) if precision or jit_compile else trunk


def load_trunk(folder: Path, head: checkpoints.Checkpoint) -> checkpoints.Checkpoint:
    """The trunk that a head's manifest names: inside the head's folder, or under `checkpoints/`."""
    name = head.manifest["trunk"]
    own = folder / name
    trunk = checkpoints.load(own if own.is_dir() else resources.path("checkpoints") / name)
    if trunk.sha256 != head.manifest["trunk_sha256"]:
        raise checkpoints.CheckpointError(
            f"checkpoint {head.name!r} was trained on a trunk with SHA-256 "
            f"{head.manifest['trunk_sha256']}, but {trunk.name!r} has {trunk.sha256}"
        )
    return trunk


def build_lexicon(
    checkpoint: checkpoints.Checkpoint, trunk: str, trunk_sha256: str, dtype: tf.DType
) -> Lexicon:
    """The lexicon of a checkpoint, on the captioner's trunk of that name and hash.

    Raises:
      checkpoints.CheckpointError: It was trained on another trunk.
    """
    manifest = checkpoint.manifest
    if manifest["trunk_sha256"] != trunk_sha256:
        raise checkpoints.CheckpointError(
            f"the lexicon {checkpoint.name!r} stands on {manifest['trunk']!r}, but the captioner "
            f"on {trunk!r}: run without it (Networks.lexicon = None)"
        )
    table = nouns.NounTable(manifest["nouns"], manifest["irregular_plurals"])
    return Lexicon(checkpoint.tensors, manifest["classes"], table, dtype)


def _is_missing_release(name: str) -> bool:
    return name in RELEASED and not find(name).is_dir()


def _how_to_get(name: str) -> str:
    files, repository, command = RELEASED[name]
    return (
        f"no checkpoint {name}: get {files} (the README of {repository} links to them), then run "
        f"python -m cagic_tf.port {command} --output={find(name)}"
    )

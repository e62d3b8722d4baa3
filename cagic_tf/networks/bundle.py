"""The frozen networks of one run: captioner, scorer, perhaps a lexicon and a grounder.

They stand on shared trunks. A table of synonyms, if there is one, is loaded beside them.
"""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import tensorflow as tf

from cagic_tf.networks import checkpoints
from cagic_tf.networks import grounder as grounder_network
from cagic_tf.networks import synonyms as synonym_table
from cagic_tf.networks.checkpoints import Checkpoint
from cagic_tf.networks.grounder import Grounder
from cagic_tf.networks.lexicon import Lexicon
from cagic_tf.networks.protocols import Captioner, Scorer, Trunk
from cagic_tf.networks.sat import ShowAttendTell
from cagic_tf.networks.trunks.alexnet import AlexNet
from cagic_tf.networks.trunks.lite0 import Lite0
from cagic_tf.networks.trunks.mobilenetv2 import MobileNetV2
from cagic_tf.networks.trunks.resnet50 import ResNet50
from cagic_tf.networks.trunks.shufflenetv2 import ShuffleNetV2
from cagic_tf.networks.trunks.vgg16 import VGG16
from cagic_tf.networks.vfn import ViewFindingNetwork
from cagic_tf.system import arguments, resources

Network = TypeVar("Network")

# A checkpoint's kind to what builds its network, of that checkpoint and dtype. Another network is a
# file of its own and a line here.
TRUNKS: dict[str, Callable[[Checkpoint, tf.DType], Trunk]] = {
    "alexnet": lambda checkpoint, dtype: AlexNet(checkpoint.tensors, dtype),
    "lite0": lambda checkpoint, dtype: Lite0(checkpoint.tensors, dtype),
    "mobilenetv2": lambda checkpoint, dtype: MobileNetV2(checkpoint.tensors, dtype),
    "resnet50": lambda checkpoint, dtype: ResNet50(checkpoint.tensors, dtype),
    "shufflenetv2": lambda checkpoint, dtype: ShuffleNetV2(checkpoint.tensors, dtype),
    "vgg16": lambda checkpoint, dtype: VGG16(checkpoint.tensors, dtype),
}
CAPTIONERS: dict[str, Callable[[Checkpoint, tf.DType], Captioner]] = {
    "sat": lambda checkpoint, dtype: ShowAttendTell(
        checkpoint.tensors, checkpoint.manifest["vocabulary"], dtype
    ),
}
SCORERS: dict[str, Callable[[Checkpoint, tf.DType], Scorer]] = {
    "vfn": lambda checkpoint, dtype: ViewFindingNetwork(
        checkpoint.tensors,
        checkpoint.manifest["bins"],
        dtype,
        checkpoint.manifest.get("pooling", "mean"),
    ),
}
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
      captioner: Captions crops.
      scorer: Scores crops.
      lexicon: The classifier of nouns on the captioner's trunk, or None.
      grounder: What says which box of a photo a caption means, on that trunk too, or None.
      synonyms: Word to what it is read as where no network knows it, nearest meaning first.
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
        synonyms: str | None = None,
        grounder: str | None = None,
    ):
        """Loads the checkpoints and the trunks that they were trained on.

        Args:
          captioner: The captioner's checkpoint: a name under `checkpoints/`, or the path of a
            folder, which has a separator, such as "./sat".
          scorer: The scorer's checkpoint, likewise.
          dtype: tf.float32, or tf.float64 to check gradients.
          lexicon: A "lexicon" checkpoint, likewise; None: the captioner's words are all there are.
          synonyms: A "synonyms" checkpoint, likewise; None: no word is read as another.
          grounder: A "grounder" checkpoint, likewise; None: crops are picked by their losses alone.

        Raises:
          checkpoints.CheckpointError: A checkpoint is missing, damaged or of another kind, or its
            trunk is not the one that it was trained on; the lexicon or the grounder has another
            trunk than the captioner.
        """
        missing = [_how_to_get(name) for name in (captioner, scorer) if _is_missing_release(name)]
        if missing:
            raise checkpoints.CheckpointError("; ".join(missing))
        caption = checkpoints.load(find(captioner))
        aesthetic = checkpoints.load(find(scorer))
        self.dtype = dtype
        self.captioner = _build(caption, CAPTIONERS, "captioner", dtype)
        self.scorer = _build(aesthetic, SCORERS, "scorer", dtype)
        trunk = load_trunk(find(captioner), caption)
        scorer_trunk = load_trunk(find(scorer), aesthetic)
        self.caption_trunk = self.scorer_trunk = build_trunk(trunk, dtype)
        if scorer_trunk.sha256 != trunk.sha256:
            self.scorer_trunk = build_trunk(scorer_trunk, dtype)
        loaded = (trunk, scorer_trunk, caption, aesthetic)
        self.checkpoints = {checkpoint.name: checkpoint.sha256 for checkpoint in loaded}
        self._caption_trunk_name = trunk.name
        self.lexicon: Lexicon | None = None
        if lexicon is not None:
            self._load_lexicon(lexicon)
        self.synonyms: Mapping[str, Sequence[str]] = {}
        if synonyms is not None:
            self._load_synonyms(synonyms)
        self.grounder: Grounder | None = None
        if grounder is not None:
            self._load_grounder(grounder)

    def with_lexicon(self, lexicon: str) -> "Networks":
        """The same networks, not loaded again, with a lexicon.

        Raises:
          checkpoints.CheckpointError: It is missing or damaged, or stands on another trunk.
        """
        networks = copy.copy(self)
        networks._load_lexicon(lexicon)
        return networks

    def with_synonyms(self, synonyms: str) -> "Networks":
        """The same networks, not loaded again, with a table of synonyms.

        Raises:
          checkpoints.CheckpointError: It is missing or damaged.
        """
        networks = copy.copy(self)
        networks._load_synonyms(synonyms)
        return networks

    def with_grounder(self, grounder: str) -> "Networks":
        """The same networks, not loaded again, with a grounder.

        Raises:
          checkpoints.CheckpointError: It is missing or damaged, or stands on another trunk.
        """
        networks = copy.copy(self)
        networks._load_grounder(grounder)
        return networks

    def _load_lexicon(self, name: str) -> None:
        checkpoint = checkpoints.load(find(name), "lexicon")
        trunk = self._caption_trunk_name
        self.lexicon = build_lexicon(checkpoint, trunk, self.checkpoints[trunk], self.dtype)
        self.checkpoints = {**self.checkpoints, checkpoint.name: checkpoint.sha256}

    def _load_synonyms(self, name: str) -> None:
        checkpoint = checkpoints.load(find(name), "synonyms")
        self.synonyms = synonym_table.from_tensors(checkpoint.tensors)
        self.checkpoints = {**self.checkpoints, checkpoint.name: checkpoint.sha256}

    def _load_grounder(self, name: str) -> None:
        checkpoint = checkpoints.load(find(name), "grounder")
        trunk = self._caption_trunk_name
        self.grounder = build_grounder(checkpoint, trunk, self.checkpoints[trunk], self.dtype)
        self.checkpoints = {**self.checkpoints, checkpoint.name: checkpoint.sha256}


def find(name: str) -> Path:
    """The folder of a checkpoint: a path where there is a separator, else under `checkpoints/`."""
    arguments.check("a checkpoint", name, str, "its name or path is needed, as a text")
    is_path = os.sep in name or "/" in name
    return Path(os.path.expanduser(name)) if is_path else resources.path("checkpoints") / name


def build_trunk(checkpoint: Checkpoint, dtype: tf.DType = tf.float32) -> Trunk:
    """The trunk network of a checkpoint, by its kind.

    Raises:
      checkpoints.CheckpointError: The checkpoint is no trunk.
    """
    return _build(checkpoint, TRUNKS, "trunk", dtype)


def _build(
    checkpoint: Checkpoint,
    builders: Mapping[str, Callable[[Checkpoint, tf.DType], Network]],
    role: str,
    dtype: tf.DType,
) -> Network:
    if checkpoint.kind not in builders:
        raise checkpoints.CheckpointError(
            f"{checkpoint.name} is a {checkpoint.kind!r} checkpoint; a {role} is needed: "
            f"{', '.join(builders)}"
        )
    return builders[checkpoint.kind](checkpoint, dtype)


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
            f"on {trunk!r}: leave @NounLoss() out of Objective.terms, and bind "
            "Networks.lexicon = None and Objective.lexicon_weight = None"
        )
    tables = manifest["classes"], manifest["nouns"], manifest["irregular_plurals"]
    return Lexicon(checkpoint.tensors, *tables, dtype)


def build_grounder(
    checkpoint: checkpoints.Checkpoint, trunk: str, trunk_sha256: str, dtype: tf.DType
) -> Grounder:
    """The grounder of a checkpoint, on the captioner's trunk of that name and hash.

    Raises:
      checkpoints.CheckpointError: It was trained on another trunk, or its tensors and words are no
        grounder's.
    """
    manifest = checkpoint.manifest
    _check_grounder(checkpoint)
    if manifest["trunk_sha256"] != trunk_sha256:
        raise checkpoints.CheckpointError(
            f"the grounder {checkpoint.name!r} stands on {manifest['trunk']!r}, but the captioner "
            f"on {trunk!r}: bind Networks.grounder = None and another CoarseToFine.pick, such as "
            "@HighestExpectedIoU()"
        )
    return Grounder(checkpoint.tensors, manifest["vocabulary"], dtype)


def _check_grounder(checkpoint: checkpoints.Checkpoint) -> None:
    """Raises `CheckpointError` where a grounder could be built only to fail at the first photo."""
    try:
        words = checkpoint.manifest["vocabulary"]
        if list(words[:2]) != [grounder_network.PADDING, grounder_network.UNKNOWN]:
            raise ValueError(f"its words begin with {words[:2]}")
        needed = grounder_network.shapes_like(checkpoint.tensors, len(words))
        checkpoint.manifest["trunk"], checkpoint.manifest["trunk_sha256"]  # Are there.
    except (LookupError, TypeError, ValueError) as error:
        raise checkpoints.CheckpointError(
            f"{checkpoint.name} is no whole grounder: {type(error).__name__}: {error}"
        ) from error
    expected = {name: {"shape": shape, "dtype": "float32"} for name, shape in needed.items()}
    checkpoints.check_tensors(checkpoint.tensors, expected, checkpoint.name)


def _is_missing_release(name: str) -> bool:
    return name in RELEASED and not find(name).is_dir()


def _how_to_get(name: str) -> str:
    files, repository, command = RELEASED[name]
    return (
        f"no checkpoint {name}: get {files} (the README of {repository} links to them), then run "
        f"python -m cagic_tf.port {command} --output={find(name)}"
    )

"""The View Finding Network as Chen et al. released it: TensorFlow 1 Saver files.

https://github.com/yiling-chen/view-finding-network; its evaluation script takes `model-spp-max` by
default.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from cagic_tf.networks import checkpoints, vfn
from cagic_tf.networks.trunks import alexnet
from cagic_tf.port import output, source

HEAD = ("ranker/fc6w", "ranker/fc6b", "ranker/W")
CHANNELS = 256  # Of an annotation vector.
# The training script's learning rate: a number in a variable without a name, after the weights.
LEARNING_RATE = "Variable_10"
# Command-line name to the reduction, where the pyramid's 49 bins do not tell.
POOLINGS = {"spp-max": "max", "spp-avg": "mean"}


def find_prefix(weights: Path) -> Path:
    """The Saver prefix that a path means: itself, one of its files, or the only one in a folder.

    Raises:
      checkpoints.CheckpointError: There is none, or a folder holds several.
    """
    if weights.is_dir():
        prefixes = sorted(path.with_suffix("") for path in weights.glob("*.index"))
        if len(prefixes) != 1:
            names = ", ".join(path.name for path in prefixes) or "none"
            raise checkpoints.CheckpointError(
                f"{weights} holds these TensorFlow 1 checkpoints: {names}; give one as "
                f"--weights={weights}/NAME"
            )
        return prefixes[0]
    name = weights.name
    for ending in (".index", ".meta", ".data-00000-of-00001"):
        name = name.removesuffix(ending)
    return weights.with_name(name)


def read(prefix: Path) -> dict[str, np.ndarray]:
    """Every tensor of a TensorFlow 1 checkpoint.

    Raises:
      checkpoints.CheckpointError: There is no readable checkpoint.
    """
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = reader.get_variable_to_shape_map()
        return {name: np.asarray(reader.get_tensor(name)) for name in names}
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        text = " ".join(str(error).split())
        raise checkpoints.CheckpointError(
            f"no readable TensorFlow 1 checkpoint {prefix} (.index and .data files): {text}"
        ) from error


def unnamed(order: int) -> str:
    """What TensorFlow 1 called the variable that was made so many after the first."""
    return f"Variable_{order}" if order else "Variable"


def choose_pooling(bins_total: int, name: str, pooling: str | None) -> tuple[str, tuple[int, ...]]:
    """How the network pools: the reduction, and the bins a side of each level.

    Args:
      bins_total: Bins of all levels, from fc6's inputs.
      name: The checkpoint's name: "model-spp-avg" has the same tensors as "model-spp-max".
      pooling: "spp-max" or "spp-avg" where the user said so.

    Raises:
      checkpoints.CheckpointError: No pooling has so many bins, or max and mean are both possible.
    """
    if bins_total == 36:
        if pooling is not None:
            raise checkpoints.CheckpointError(
                f"--pooling={pooling} cannot be: fc6 has 36 bins, a network without pyramid"
            )
        return "max", vfn.RELEASED_BINS["none"]
    if bins_total != 49:
        raise checkpoints.CheckpointError(f"fc6 has {bins_total} bins; 49 or 36 are known")
    named = [key for key in POOLINGS if key.removeprefix("spp-") in name.lower()]
    if pooling is None and len(named) != 1:
        raise checkpoints.CheckpointError(
            f"the name {name!r} does not say which pooling, and the tensors of both are alike: add "
            f"--pooling={' or --pooling='.join(POOLINGS)}"
        )
    return POOLINGS[pooling or named[0]], vfn.RELEASED_BINS["spp"]


def head_shapes(weights: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Name to shape of the ranker; the sizes of fc6 come from its kernel."""
    shape = weights[HEAD[0]].shape if HEAD[0] in weights else ()
    inputs, hidden = shape if len(shape) == 2 else (49 * CHANNELS, 1000)
    return dict(zip(HEAD, ((inputs, hidden), (hidden,), (hidden, 1)), strict=True))


def port(
    weights_path: Path, pooling: str | None, folder: Path, command: str, commit: str
) -> list[str]:
    """Writes the ranker to `folder` and AlexNet to a folder inside it.

    Args:
      weights_path: See `find_prefix`.
      pooling: See `choose_pooling`.
      folder: Where to write; must not be there yet.
      command: The command, for the manifest.
      commit: The commit, for the manifest.

    Returns:
      What was found and made, a line each.

    Raises:
      checkpoints.CheckpointError: No readable checkpoint; a tensor is missing, left over or of
        another shape; the pooling is open; `folder` exists.
      OSError: A file cannot be written.
    """
    prefix = find_prefix(weights_path)
    weights, dropped = source.split_training_state(read(prefix))
    if np.shape(weights.get(LEARNING_RATE, np.zeros(1))) == ():
        del weights[LEARNING_RATE]
        dropped.append(f"{LEARNING_RATE} (learning rate)")
    ours = {unnamed(order): name for order, name in enumerate(alexnet.shapes())}
    convolutions = {theirs: alexnet.shapes()[name] for theirs, name in ours.items()}
    source.check(weights, convolutions | head_shapes(weights), prefix)
    inputs, hidden = weights[HEAD[0]].shape
    reduction, bins = choose_pooling(inputs // CHANNELS, prefix.name, pooling)

    digests = [
        f"{path.name}, SHA-256 {source.sha256(path)}"
        for path in sorted(prefix.parent.glob(f"{prefix.name}.*"))
        if path.suffix == ".index" or ".data-" in path.name
    ]
    origin = f"Chen et al., view-finding-network, {'; '.join(digests)}"
    facts = [
        "trunk alexnet, 169 annotation vectors of 256; "
        + ", ".join(f"{theirs} is {name}" for theirs, name in ours.items()),
        f"pooling {reduction} over {' + '.join(f'{n} x {n}' for n in bins)} bins",
        f"fc6 with {hidden} units",
        f"dropped {len(dropped)} tensors of training state: {', '.join(dropped) or 'none'}",
    ]
    trunk = "alexnet", {name: weights[theirs] for theirs, name in ours.items()}
    head = "vfn", {name: weights[name] for name in HEAD}
    extra = {"bins": bins, "pooling": reduction}
    return output.save_with_trunk(
        folder, trunk, head, facts, extra, source=origin, command=command, commit=commit
    )

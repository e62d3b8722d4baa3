"""The View Finding Network as Chen et al. released it: TensorFlow 1 Saver files.

https://github.com/yiling-chen/view-finding-network; its evaluation script takes `model-spp-max` by
default.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cagic_tf.networks import checkpoints, vfn
from cagic_tf.networks.trunks import alexnet
from cagic_tf.port import output, saver_files, source

HEAD = ("ranker/fc6w", "ranker/fc6b", "ranker/W")
CHANNELS = 256  # Of an annotation vector.
# The training script's learning rate: a number in a variable without a name, after the weights.
LEARNING_RATE = "Variable_10"
# Command-line name to the reduction, where the pyramid's 49 bins do not tell.
POOLINGS = {"spp-max": "max", "spp-avg": "mean"}


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
      weights_path: See `saver_files.find_prefix`.
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
    prefix = saver_files.find_prefix(weights_path)
    weights, dropped = source.split_training_state(saver_files.read(prefix))
    if np.shape(weights.get(LEARNING_RATE, np.zeros(1))) == ():
        del weights[LEARNING_RATE]
        dropped.append(f"{LEARNING_RATE} (learning rate)")
    ours = {unnamed(order): name for order, name in enumerate(alexnet.shapes())}
    convolutions = {theirs: alexnet.shapes()[name] for theirs, name in ours.items()}
    source.check(weights, convolutions | head_shapes(weights), prefix)
    inputs, hidden = weights[HEAD[0]].shape
    reduction, bins = choose_pooling(inputs // CHANNELS, prefix.name, pooling)

    origin = f"Chen et al., view-finding-network, {saver_files.digests(prefix)}"
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

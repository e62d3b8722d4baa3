"""Checkpoints as TensorFlow 1's Saver wrote them: PREFIX.index and PREFIX.data-*."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from cagic_tf.networks import checkpoints
from cagic_tf.port import source


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


def read(prefix: Path, wanted: Callable[[str], bool] | None = None) -> dict[str, np.ndarray]:
    """The tensors of a TensorFlow 1 checkpoint.

    Args:
      prefix: See `find_prefix`.
      wanted: Which of them to read, by their names; None reads all.

    Raises:
      checkpoints.CheckpointError: There is no readable checkpoint.
    """
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = filter(wanted, sorted(reader.get_variable_to_shape_map()))
        return {name: np.asarray(reader.get_tensor(name)) for name in names}
    except Exception as error:  # Of a damaged file the reader raises many kinds.
        text = " ".join(str(error).split())
        raise checkpoints.CheckpointError(
            f"no readable TensorFlow 1 checkpoint {prefix} (.index and .data files): {text}"
        ) from error


def digests(prefix: Path) -> str:
    """The checkpoint's files, each with its SHA-256, in a line."""
    return "; ".join(
        f"{path.name}, SHA-256 {source.sha256(path)}"
        for path in sorted(prefix.parent.glob(f"{prefix.name}.*"))
        if path.suffix == ".index" or ".data-" in path.name
    )

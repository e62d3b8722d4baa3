"""What the ports do with a source file's tensors: leave out training state, check the rest."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cagic_tf.networks import checkpoints

# What TensorFlow 1's optimizers and loops kept beside the weights.
_TRAINING_STATE = re.compile(
    r"(^|.*/)(global_step|beta[12]_power|learning_rate)$"
    r"|.*/(Adam|Momentum|RMSProp)(_\d+)?$"
    r"|(optimizer/)?OptimizeLoss/.*"
)


def split_training_state(
    tensors: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Parts a file's weights from its training state.

    Args:
      tensors: Name to array; a TensorFlow 1 name may end with ":0".

    Returns:
      The weights as float32, without ":0", and the names that were left out.
    """
    weights, dropped = {}, []
    for name, value in tensors.items():
        short = name.removesuffix(":0")
        if _TRAINING_STATE.fullmatch(short):
            dropped.append(short)
        else:
            is_float = np.issubdtype(value.dtype, np.floating)
            weights[short] = value.astype(np.float32) if is_float else value
    return weights, sorted(dropped)


def check(
    tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], where: Path
) -> None:
    """Raises `checkpoints.CheckpointError` unless names and shapes are the expected ones, float."""
    expected = {name: {"shape": shape, "dtype": "float32"} for name, shape in shapes.items()}
    checkpoints.check_tensors(tensors, expected, str(where))


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""DeepRNN's `.npy` files: a dict of arrays, pickled. Read without running anything in them."""

from pathlib import Path
from typing import Any

import numpy as np

from cagic_tf.networks import checkpoints
from cagic_tf.port import pickled_arrays


def read(path: Path) -> dict[str, np.ndarray]:
    """Reads a pickled dict of arrays, written by any NumPy under Python 2 or 3.

    Args:
      path: The `.npy` file.

    Returns:
      Name to array or scalar, numbers only.

    Raises:
      checkpoints.CheckpointError: The file is no such `.npy`, is damaged, or asks for more than
        arrays of numbers in plain containers.
      OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            header = {(1, 0): np.lib.format.read_array_header_1_0}.get(
                version, np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = header(file)
            if not dtype.hasobject:
                raise ValueError(f"it holds an array of {dtype}, shape {list(shape)}")
            return _to_dict(pickled_arrays.objects(pickled_arrays.load(file)))
        except Exception as error:  # Damaged pickles raise nearly every kind.
            text = " ".join(str(error).split()) or type(error).__name__
            raise checkpoints.CheckpointError(
                f"{path} is no DeepRNN .npy of named arrays: {text}"
            ) from error


def _to_dict(entries: Any) -> dict[str, np.ndarray]:
    if not (isinstance(entries, list) and len(entries) == 1 and isinstance(entries[0], dict)):
        raise ValueError("it holds no dict")
    return pickled_arrays.named(entries[0])

"""DeepRNN's `.npy` files: a dict of arrays, pickled. Read without running anything in them.

NumPy's own reader runs whatever a pickle asks for. This one allows five of NumPy's names, puts a
class of its own that only records in the place of each, and builds the arrays itself from plain
bytes.
"""

import pickle
import re
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from cagic_tf.networks import checkpoints
from cagic_tf.port import plain_pickle


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
            # latin1: under Python 2 the bytes of an array were text.
            return _to_dict(plain_pickle.load(file, _ALLOWED, encoding="latin1"))
        except Exception as error:  # Damaged pickles raise nearly every kind.
            text = " ".join(str(error).split()) or type(error).__name__
            raise checkpoints.CheckpointError(
                f"{path} is no DeepRNN .npy of named arrays: {text}"
            ) from error


def _to_dict(content: Any) -> dict[str, np.ndarray]:
    entries = content.value if isinstance(content, _Array) else content
    if not (isinstance(entries, list) and len(entries) == 1 and isinstance(entries[0], dict)):
        raise ValueError("it holds no dict")
    found = {}
    for name, entry in entries[0].items():
        value = getattr(entry, "value", None)
        if not (isinstance(name, str) and isinstance(value, np.ndarray)):
            raise ValueError(f"the entry {name!r} is a {type(entry).__name__}, not a named array")
        found[name] = value
    return found


class _Dtype:
    """Stands in for `numpy.dtype`: numbers, and the object of the outermost array."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch(r"[fiub][1248]|O8?", code):
            raise pickle.UnpicklingError(f"arrays of dtype {code!r} are not admitted")
        self.code = code
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        self.order = {"<": "<", ">": ">", "|": "=", "=": "="}[state[1]]

    @property
    def is_object(self) -> bool:
        return self.code.startswith("O")

    def parse(
        self, data: bytes | str, shape: tuple[int, ...], order: Literal["C", "F"] = "C"
    ) -> np.ndarray:
        """An array from its bytes; Python 2's came as latin1 text."""
        data = data.encode("latin1") if isinstance(data, str) else data
        values = np.frombuffer(data, np.dtype(self.order + self.code))
        return values.reshape(shape, order=order).astype(values.dtype.newbyteorder("="))


class _Array:
    """Stands in for what rebuilds an array: an empty one first, then `__setstate__`."""

    def __init__(self, *_: Any) -> None:
        self.value: np.ndarray | list | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype):
            raise pickle.UnpicklingError("an array without a dtype")
        if dtype.is_object:
            self.value = list(data)
        else:
            self.value = dtype.parse(data, shape, "F" if fortran else "C")


class _Scalar:
    """Stands in for what rebuilds a NumPy number."""

    def __init__(self, dtype: _Dtype, data: bytes | str) -> None:
        self.value = dtype.parse(data, ())


class _Bytes(bytes):
    """Stands in for `_codecs.encode`: how Python 3 wrote bytes for Python 2."""

    def __new__(cls, text: str, encoding: str) -> Self:
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"text in {encoding!r} is not admitted")
        return super().__new__(cls, text.encode("latin1"))


# NumPy's names, before and since NumPy 2 renamed a module, to what stands in for them.
_ALLOWED: plain_pickle.Allowed = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,  # Only ever handed to the next one.
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _Scalar,
    ("numpy._core.multiarray", "scalar"): _Scalar,
    ("_codecs", "encode"): _Bytes,
}

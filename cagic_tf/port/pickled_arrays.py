"""Reads pickles of NumPy's arrays without running anything in them.

NumPy's own reader runs whatever a pickle asks for. This one allows the names that arrays of numbers
are pickled by, puts a class of its own that only records in the place of each, and builds the
arrays itself from plain bytes.
"""

import pickle
import re
from collections.abc import Mapping
from typing import IO, Any, Literal, Self

import numpy as np

from cagic_tf.port import plain_pickle


def load(file: IO[bytes]) -> Any:
    """Loads one pickle, written under Python 2 or 3; its arrays are for `named`.

    Args:
      file: The file, at the pickle's first byte.

    Raises:
      pickle.UnpicklingError: The pickle is damaged, or asks for more than arrays of numbers in
        plain containers; one line.
      OSError: The file cannot be read.
    """
    # latin1: under Python 2 the bytes of an array were text.
    return plain_pickle.load(file, _ALLOWED, encoding="latin1")


def objects(content: Any) -> Any:
    """What `load` gave, or the list of what is in it if it is an array of objects."""
    return content.value if isinstance(content, _Array) else content


def named(entries: Mapping[Any, Any]) -> dict[str, np.ndarray]:
    """The arrays and numbers of a dict that `load` gave.

    Raises:
      ValueError: A name is no text, or an entry is none of these.
    """
    found = {}
    for name, entry in entries.items():
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
        self, data: bytes | bytearray | str, shape: tuple[int, ...], order: Literal["C", "F"] = "C"
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


def _from_buffer(
    data: bytes | bytearray, dtype: _Dtype, shape: tuple[int, ...], order: str
) -> _Array:
    """Stands in for what rebuilds an array since pickle's protocol 5."""
    array = _Array()
    array.__setstate__((1, shape, dtype, order == "F", data))
    return array


# NumPy's names, before and since NumPy 2 renamed a module, to what stands in for them.
_ALLOWED: plain_pickle.Allowed = {
    ("collections", "OrderedDict"): dict,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,  # Only ever handed to the next one.
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("numpy.core.multiarray", "scalar"): _Scalar,
    ("numpy._core.multiarray", "scalar"): _Scalar,
    ("_codecs", "encode"): _Bytes,
}

"""PyTorch's pickles without PyTorch: arrays in the place of tensors, and nothing named is run.

Where a file holds whole modules, a harmless object that only keeps its state stands in for each.
"""

import io
import math
import pickle
import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from cagic_tf.port import plain_pickle


class Module:
    """Stands in for an object of a class that the caller admits: it keeps its state, no more.

    Attributes:
      class_name: What the file calls its class, such as "torch.nn.modules.linear.Linear".
      state: What the file gives it; of a module a dict with `_parameters`, `_buffers`, `_modules`.
    """

    class_name: ClassVar[str] = ""
    state: Any = None

    def __init__(self, *_: Any) -> None:
        pass


class StorageType:
    """Stands in for a class such as `torch.FloatStorage`: how numbers lie in the file, and here."""

    stored: ClassVar[np.dtype]
    kept: ClassVar[np.dtype]

    def __init__(self, *_: Any) -> None:
        raise pickle.UnpicklingError("it makes a storage that is none of its own")

    @classmethod
    def decode(cls, raw: bytes | memoryview, order: Literal["<", ">"]) -> np.ndarray:
        values = np.frombuffer(raw, cls.stored.newbyteorder(order))
        if cls.__name__ == "BFloat16Storage":  # The upper half of a float32.
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(cls.kept)


def _storage_type(name: str, stored: str, kept: str | None = None) -> type[StorageType]:
    kinds = {"stored": np.dtype(stored), "kept": np.dtype(kept or stored)}
    return type(name, (StorageType,), kinds)


_STORAGE_TYPES = [
    _storage_type("FloatStorage", "f4"),
    _storage_type("DoubleStorage", "f8"),
    _storage_type("HalfStorage", "f2"),
    _storage_type("BFloat16Storage", "u2", "f4"),
    _storage_type("LongStorage", "i8"),
    _storage_type("IntStorage", "i4"),
    _storage_type("ShortStorage", "i2"),
    _storage_type("CharStorage", "i1"),
    _storage_type("ByteStorage", "u1"),
    _storage_type("BoolStorage", "u1", "?"),
]


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> np.ndarray:
    """A view of a storage; offset and strides are elements.

    Every element lies inside the storage and is no other's, so nothing is larger than the file.
    """
    shape, steps = tuple(size), tuple(stride)
    if not (isinstance(storage, np.ndarray) and storage.ndim == 1 and len(shape) == len(steps)):
        raise pickle.UnpicklingError("a tensor without a storage, or with odd strides")
    if not all(type(number) is int and number >= 0 for number in (offset, *shape, *steps)):
        raise pickle.UnpicklingError("a tensor whose size, offset or strides are not 0, 1, 2, ...")
    if math.prod(shape) == 0:
        return np.empty(shape, storage.dtype)
    last = 0
    for step, count in sorted((s, n) for s, n in zip(steps, shape, strict=True) if n > 1):
        if step <= last:
            raise pickle.UnpicklingError("a tensor whose elements overlap in memory")
        last += step * (count - 1)
    if offset + last >= len(storage):
        raise pickle.UnpicklingError("a tensor that is larger than its storage")
    width = storage.dtype.itemsize
    strides = tuple(step * width if n > 1 else 0 for step, n in zip(steps, shape, strict=True))
    return np.ndarray(shape, storage.dtype, storage.data, offset * width, strides)


def _data_of(data: Any, *_: Any) -> np.ndarray:
    """A parameter or variable is its tensor: whether it needs a gradient is training's."""
    if not isinstance(data, np.ndarray):
        raise pickle.UnpicklingError("a parameter without a tensor")
    return data


_ALLOWED: plain_pickle.Allowed = {
    ("collections", "OrderedDict"): dict,
    ("__builtin__", "set"): set,  # Python 2's.
    ("builtins", "set"): set,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _data_of,
    ("torch.nn.parameter", "Parameter"): _data_of,
    ("torch.autograd.variable", "Variable"): _data_of,
    **{("torch", kind.__name__): kind for kind in _STORAGE_TYPES},
    **{("torch.cuda", kind.__name__): kind for kind in _STORAGE_TYPES},
}
# A storage's type, key and count of elements to its numbers, `[count]`.
Storages = Callable[[type[StorageType], str, int], np.ndarray]


class Unpickler(plain_pickle.Unpickler):
    """Builds what a file holds, with arrays in the place of tensors."""

    def __init__(
        self, file: io.BytesIO, modules: str | None = None, storages: Storages | None = None
    ) -> None:
        super().__init__(file, _ALLOWED, encoding="utf-8", errors="replace")
        self._modules = modules
        self._storages = storages
        self._stand_ins: dict[str, type[Module]] = {}

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        full = f"{module}.{name}"
        known = (module, name) in _ALLOWED
        if known or self._modules is None or not re.fullmatch(self._modules, full):
            return super().find_class(module, name)
        if full not in self._stand_ins:
            self._stand_ins[full] = type("Module", (Module,), {"class_name": full})
        return self._stand_ins[full]

    def persistent_load(self, pid: Any) -> Any:
        """What the file keeps outside its pickle: storages, and the sources of its classes."""
        if not (isinstance(pid, tuple) and pid) or self._storages is None:
            raise pickle.UnpicklingError("it has a persistent id of an unknown kind")
        if pid[0] == "module" and len(pid) == 4 and _is_a(pid[1], Module):
            return pid[1]  # The file's name and text of its source are left alone.
        if pid[0] != "storage" or len(pid) not in (5, 6) or not _is_a(pid[1], StorageType):
            raise pickle.UnpicklingError("it has a persistent id of an unknown kind")
        _, kind, key, _, count, *view = pid
        if not (isinstance(key, str) and type(count) is int and count >= 0):
            raise pickle.UnpicklingError("a storage with an odd key or size")
        storage = self._storages(kind, key, count)
        if not view or view[0] is None:
            return storage
        _, start, length = view[0]
        if not (type(start) is type(length) is int and 0 <= start <= start + length <= count):
            raise pickle.UnpicklingError("a view that is larger than its storage")
        return storage[start : start + length]

    def load_build(self) -> None:
        """Keeps the state of a module; what else has one here keeps nothing of it."""
        state = self.stack.pop()
        holder = self.stack[-1]
        if isinstance(holder, Module):
            holder.state = state
        elif not isinstance(holder, dict | np.ndarray):  # Metadata; whether a gradient is needed.
            raise pickle.UnpicklingError("it changes what is no module, dict or tensor")

    dispatch: ClassVar[dict[int, Any]] = {
        **plain_pickle.Unpickler.dispatch,
        pickle.BUILD[0]: load_build,
    }


def _is_a(found: Any, base: type) -> bool:
    return isinstance(found, type) and issubclass(found, base)

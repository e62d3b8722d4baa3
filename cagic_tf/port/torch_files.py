"""PyTorch's files without PyTorch: what they hold comes back, and nothing that they name is run.

Both of PyTorch's containers are read: the zip archive of version 1.6 and later, and the one before
it, in which raw numbers follow on pickles, also as Python 2 wrote it. Tensors become NumPy arrays.
"""

import io
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cagic_tf.networks import checkpoints
from cagic_tf.port import torch_pickle

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # How the old container begins: two pickles.
BYTE_ORDERS: dict[bytes, Literal["<", ">"]] = {b"little": "<", b"big": ">"}
DEPTH, MODULES = 64, 10_000  # No network nests so deep or has so many; a hostile file may.


class _OldContainer:
    """Pickles one after the other, then each storage: its count of elements, and these.

    The tensors are named before their numbers come, so they are views of what is filled afterwards.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._claimed = 0
        self._storages: dict[str, tuple[type[torch_pickle.StorageType], np.ndarray]] = {}

    def read(self, modules: str | None) -> Any:
        file = io.BytesIO(self._content)
        magic, protocol, system = (torch_pickle.Unpickler(file).load() for _ in range(3))
        if (magic, protocol) != (MAGIC, PROTOCOL) or not isinstance(system, dict):
            raise pickle.UnpicklingError("it does not begin as torch.save begins")
        if system.get("little_endian") is not True:
            raise pickle.UnpicklingError("it was written on a big-endian machine")
        found = torch_pickle.Unpickler(file, modules, self._storage).load()
        keys = torch_pickle.Unpickler(file).load()
        if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(self._storages):
            raise pickle.UnpicklingError("its storages are not those that its tensors name")
        at = file.tell()
        for key in keys:
            kind, storage = self._storages[key]
            count = int.from_bytes(self._content[at : at + 8], "little", signed=True)
            end = at + 8 + count * kind.stored.itemsize
            if count != len(storage) or end > len(self._content):
                raise pickle.UnpicklingError("a storage is cut off or of another size than it says")
            storage[:] = kind.decode(memoryview(self._content)[at + 8 : end], "<")
            at = end
        return found

    def _storage(self, kind: type[torch_pickle.StorageType], key: str, count: int) -> np.ndarray:
        if key not in self._storages:
            self._claimed += count * kind.stored.itemsize
            if self._claimed > len(self._content):
                raise pickle.UnpicklingError("its storages are larger than the file")
            self._storages[key] = kind, np.zeros(count, kind.kept)
        known, storage = self._storages[key]
        if known is not kind or len(storage) != count:
            raise pickle.UnpicklingError("a storage has two types or sizes")
        return storage


class _ZipContainer:
    """An archive with NAME/data.pkl, NAME/data/KEY for each storage and maybe NAME/byteorder."""

    def __init__(self, content: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(content))
        self._entries = {entry.filename: entry for entry in self._archive.infolist()}
        pickles = [name for name in self._entries if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(pickles) != 1:
            raise pickle.UnpicklingError("it is a zip archive without one NAME/data.pkl")
        if sum(entry.file_size for entry in self._entries.values()) > len(content):
            raise pickle.UnpicklingError("it is a zip archive of compressed or overlapping files")
        self._folder = pickles[0].removesuffix("data.pkl")
        has_order = self._folder + "byteorder" in self._entries  # Since version 2.1.
        order = self._part("byteorder") if has_order else b"little"
        self._order = BYTE_ORDERS[order]
        self._storages: dict[tuple[type[torch_pickle.StorageType], str], np.ndarray] = {}

    def read(self, modules: str | None) -> Any:
        file = io.BytesIO(self._part("data.pkl"))
        return torch_pickle.Unpickler(file, modules, self._storage).load()

    def _part(self, name: str) -> bytes:
        entry = self._entries.get(self._folder + name)
        if entry is None:
            raise pickle.UnpicklingError(f"its part {name} is missing")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise pickle.UnpicklingError(f"its part {name} is compressed, which PyTorch never does")
        return self._archive.read(entry)

    def _storage(self, kind: type[torch_pickle.StorageType], key: str, count: int) -> np.ndarray:
        if (kind, key) not in self._storages:
            self._storages[kind, key] = kind.decode(self._part(f"data/{key}"), self._order)
        storage = self._storages[kind, key]
        if len(storage) < count:
            raise pickle.UnpicklingError("a storage is cut off or of another size than it says")
        return storage[:count]


def read(path: Path, modules: str | None = None) -> Any:
    """What a file of `torch.save` holds.

    Args:
      path: The file, of either container, little-endian.
      modules: A regular expression of the full names ("layers.joint.Joint") of further classes and
        functions that the file may name; a `Module` stands in for each of their objects. None
        admits none.

    Returns:
      Plain data; an OrderedDict is a dict, a tensor or parameter an array of its shape and dtype
      (of bfloat16: float32), maybe a view that shares memory with others as in the file.

    Raises:
      checkpoints.CheckpointError: The file is no such file, is damaged, or names what is not
        admitted; one line.
      OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        start = file.read(512)
        if start[257:262] == b"ustar":
            raise checkpoints.CheckpointError(
                f"{path} is a tar archive of PyTorch before 0.2; save it again with a newer one"
            )
        if not start.startswith((b"PK\x03\x04", b"\x80")):
            raise checkpoints.CheckpointError(f"{path} is no file of PyTorch's torch.save")
        content = start + file.read()
    container = _ZipContainer if content.startswith(b"PK") else _OldContainer
    try:
        return container(content).read(modules)
    except Exception as error:  # Damaged archives and pickles raise nearly every kind.
        text = " ".join(str(error).split()) or type(error).__name__
        raise checkpoints.CheckpointError(
            f"{path} is no readable file of PyTorch: {text}"
        ) from error


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """A file's tensors by name, where it holds a module's state_dict and nothing else.

    Raises:
      checkpoints.CheckpointError: As `read`, and where the file holds anything else.
      OSError: The file cannot be read.
    """
    found = read(path)
    if not isinstance(found, dict) or not found:
        raise checkpoints.CheckpointError(f"{path} holds no state_dict of named tensors")
    for name, value in found.items():
        if not (isinstance(name, str) and isinstance(value, np.ndarray)):
            raise checkpoints.CheckpointError(
                f"{path} holds no state_dict: the entry {str(name)[:80]!r} is no named tensor"
            )
    return found


def state_dict(module: Any) -> dict[str, np.ndarray]:
    """The tensors of a whole module, named as PyTorch's `state_dict` names them.

    Args:
      module: A `Module`, as `read` gives it.

    Returns:
      Name to array: "layer.weight" is `weight` of the module's part `layer`.

    Raises:
      checkpoints.CheckpointError: It is no module, or one without end; one line.
    """
    found: dict[str, np.ndarray] = {}
    seen = 0

    def walk(part: Any, prefix: str, depth: int) -> None:
        nonlocal seen
        seen += 1
        if not (isinstance(part, torch_pickle.Module) and isinstance(part.state, dict)):
            raise checkpoints.CheckpointError(f"{prefix[:80] or 'the file'!r} is no PyTorch module")
        if depth > DEPTH or seen > MODULES:
            raise checkpoints.CheckpointError("the module's parts nest too deep, or are too many")
        for kind in ("_parameters", "_buffers", "_modules"):
            entries = part.state.get(kind)
            for name, value in (entries if isinstance(entries, dict) else {}).items():
                if value is None:  # A layer without bias.
                    continue
                if kind == "_modules":
                    walk(value, f"{prefix}{name}.", depth + 1)
                elif isinstance(value, np.ndarray):
                    found[f"{prefix}{name}"] = value
                else:
                    raise checkpoints.CheckpointError(f"{prefix}{name} is no tensor"[:200])

    walk(module, "", 0)
    return found

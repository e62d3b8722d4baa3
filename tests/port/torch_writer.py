"""Writes files as `torch.save` does, of both containers, without PyTorch; hostile ones too."""

import collections
import io
import pickle
import zipfile

import numpy as np

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
SYSTEM = {
    "protocol_version": PROTOCOL,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
KINDS = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


class Global:
    """A name in the file, of whatever."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        raise AssertionError("only ever written")


class Call:
    """What a function of the file makes, and the state that it is given."""

    def __init__(self, function, *args, state=None):
        self.function, self.args, self.state = function, args, state


class New:
    """An object of a class of the file, as Python 2 pickles it, with its state."""

    def __init__(self, kind, state):
        self.kind, self.state = kind, state


class Persistent:
    """Something outside the pickle."""

    def __init__(self, pid):
        self.pid = pid


class Storage:
    """Numbers `[n]`; `claims` is the count that the tensors say, `view` the part that is meant."""

    def __init__(self, values, kind=None, claims=None, view=None, location="cpu", key=None):
        self.values = np.ravel(values)
        self.kind = kind or KINDS[self.values.dtype.name]
        self.claims = len(self.values) if claims is None else claims
        self.view, self.location, self.key = view, location, key


class Tensor:
    """A view of a storage, offset and stride in elements."""

    def __init__(self, storage, offset, size, stride):
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    @classmethod
    def of(cls, array, **storage):
        strides = tuple(np.cumprod((1, *array.shape[:0:-1]))[::-1].tolist()) if array.ndim else ()
        return cls(Storage(array, **storage), 0, array.shape, strides)


def module(name, parameters=None, buffers=None, modules=None, source=True, **state):
    """A whole module as PyTorch 0.2 pickles it; `source`: with the text of its class."""
    kind = Global(*name.rsplit(".", 1))
    if source:
        kind = Persistent(("module", kind, f"{name}.py", "class Caf\xe9: pass"))
    parts = {"_parameters": parameters, "_buffers": buffers, "_modules": modules}
    ordered = {key: collections.OrderedDict(value or {}) for key, value in parts.items()}
    backend = Call(Global("torch.nn.backends.thnn", "_get_thnn_function_backend"))
    return New(kind, {"_backend": backend, "training": False, **ordered, **state})


def parameter(array):
    """A parameter as PyTorch 0.2 pickles it."""
    kind = Global("torch.nn.parameter", "Parameter")
    return Call(kind, Tensor.of(array), state=(True, False, collections.OrderedDict()))


class Writer(pickle._Pickler):
    """One pickle; `storages` gets what is outside it."""

    dispatch = dict(pickle._Pickler.dispatch)

    def __init__(self, file, storages, old, python2, rebuild, protocol=2):
        super().__init__(file, protocol)
        self.storages, self.old, self.python2, self.rebuild = storages, old, python2, rebuild

    def persistent_id(self, value):
        if isinstance(value, Persistent):
            return value.pid
        if not isinstance(value, Storage):
            return None
        value.key = value.key or str(len(self.storages))
        self.storages[value.key] = value
        kind = Global("torch", value.kind)
        pid = ("storage", kind, value.key, value.location, value.claims)
        return (*pid, value.view) if self.old else pid

    def save_global_name(self, value):
        self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        self.memoize(value)

    def save_call(self, value):
        self.save_reduce(value.function, value.args, value.state)

    def save_new(self, value):
        self.save(value.kind)
        self.save(())
        self.write(pickle.NEWOBJ)
        self.memoize(value)
        self.save(value.state)
        self.write(pickle.BUILD)

    def save_tensor(self, value):
        rest = (False, collections.OrderedDict()) if self.rebuild.endswith("_v2") else ()
        args = (value.storage, value.offset, tuple(value.size), tuple(value.stride), *rest)
        self.save_reduce(Global("torch._utils", self.rebuild), args)

    def save_ordered(self, value):
        function = Global("collections", "OrderedDict")
        if self.python2:
            self.save_reduce(function, ([list(item) for item in value.items()],))
        else:
            self.save_reduce(function, (), None, None, iter(value.items()))

    def save_text(self, value):
        if not self.python2:
            return super().save_str(value)
        data = value.encode("latin1")
        self.write(pickle.BINSTRING + len(data).to_bytes(4, "little") + data)
        self.memoize(value)

    def save_array(self, value):
        self.save(Tensor.of(value))

    dispatch |= {
        Global: save_global_name,
        Call: save_call,
        New: save_new,
        Tensor: save_tensor,
        np.ndarray: save_array,
        collections.OrderedDict: save_ordered,
        str: save_text,
    }


def write(
    path, content, container="zip", *, python2=False, rebuild="_rebuild_tensor_v2", **changes
):
    """Writes a file.

    Args:
      path: Where to.
      content: Plain data, arrays, OrderedDicts and what this module has.
      container: "zip" or "old".
      python2: Texts and OrderedDicts as Python 2 pickles them.
      rebuild: Which of PyTorch's functions makes tensors.
      changes: "zip": name of a part to its bytes, None leaves it out; `compression`. "old":
        `system`, the dict at its start; `keys`, a function that changes the list of keys.
    """
    storages = {}
    buffer = io.BytesIO()
    Writer(buffer, storages, container == "old", python2, rebuild).dump(content)
    if container == "zip":
        return _write_zip(path, buffer.getvalue(), storages, **changes)
    keys = changes.pop("keys", sorted)(storages)
    with open(path, "wb") as file:
        for value in (MAGIC, PROTOCOL, changes.pop("system", SYSTEM)):
            pickle.dump(value, file, 2)
        file.write(buffer.getvalue())
        Writer(file, {}, True, python2, rebuild).dump(keys)
        for key in keys:
            values = storages[key].values if key in storages else np.zeros(1, np.float32)
            file.write(len(values).to_bytes(8, "little") + values.tobytes())
    assert not changes


def _write_zip(path, data, storages, compression=zipfile.ZIP_STORED, **changes):
    parts = {"data.pkl": data, "byteorder": b"little", "version": b"3\n"}
    parts |= {f"data/{key}": storage.values.tobytes() for key, storage in storages.items()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in (parts | changes).items():
            if content is not None:
                archive.writestr(f"{path.stem}/{name}", content)

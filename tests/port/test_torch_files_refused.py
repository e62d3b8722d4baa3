"""PyTorch's files that are hostile, damaged or odd: one line says so, and nothing is run."""

import collections
import os
import zipfile

import numpy as np
import pytest

from cagic_tf.networks import checkpoints
from cagic_tf.port import torch_files, torch_pickle
from tests.port import torch_writer
from tests.port.test_torch_files import PATTERN, ROWS, WRITTEN
from tests.port.torch_writer import Call, Global, Storage, Tensor, write


def refused(path, message, **options):
    with pytest.raises(checkpoints.CheckpointError) as caught:
        torch_files.read(path, **options)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(path))


def test_modules_without_end(tmp_path):
    whole = torch_pickle.Module()
    whole.state = {"_modules": {"again": whole}}
    with pytest.raises(checkpoints.CheckpointError, match="nest too deep"):
        torch_files.state_dict(whole)
    for _ in range(40):  # Each has the one before twice: 2^40 ways to the first.
        outer = torch_pickle.Module()
        outer.state = {"_modules": {"a": whole, "b": whole}}
        whole = outer
    with pytest.raises(checkpoints.CheckpointError, match="too many"):
        torch_files.state_dict(whole)
    with pytest.raises(checkpoints.CheckpointError, match="no PyTorch module"):
        torch_files.state_dict({"weight": ROWS})


@pytest.mark.parametrize("container", ["zip", "old"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Call(Global("os", "mkdir"), "owned"), "it names os.mkdir, which is not allowed"),
        (Call(Global("builtins", "eval"), "1"), "it names builtins.eval"),
        (Call(Global("torch.nn.os", "system"), "x"), "it names torch.nn.os.system"),
        (Call(Global("torch", "FloatStorage"), 10**12), "it makes a storage"),
        (torch_writer.Persistent("text"), "persistent id"),
        (torch_writer.Persistent(("storage", 1, "0", "cpu", 4)), "persistent id"),
        (torch_writer.Persistent(("module", Global("torch", "Size"), "", "")), "persistent id"),
        (Call(Global("torch", "Size"), (1,), state={"a": 1}), "it changes what is no module"),
        (Tensor([1.0], 0, (1,), (1,)), "without a storage"),
        (Tensor(Storage(ROWS), 0, (25,), (1,)), "larger than its storage"),
        (Tensor(Storage(ROWS), 1, (4, 6), (6, 1)), "larger than its storage"),
        (Tensor(Storage(ROWS), 24, (), ()), "larger than its storage"),
        (Tensor(Storage(ROWS), 2**70, (1,), (1,)), "larger than its storage"),
        (Tensor(Storage(ROWS), 0, (2**40, 2**40), (1, 2**40)), "larger than its storage"),
        (Tensor(Storage(ROWS), 0, (10**12,), (0,)), "overlap"),
        (Tensor(Storage(ROWS), 0, (4, 6), (3, 1)), "overlap"),
        (Tensor(Storage(ROWS), 0, (3, 3), (1, 1)), "overlap"),
        (Tensor(Storage(ROWS), 5, (4,), (-1,)), "are not 0, 1, 2"),
        (Tensor(Storage(ROWS), -1, (4,), (1,)), "are not 0, 1, 2"),
        (Tensor(Storage(ROWS), 0, (-4,), (1,)), "are not 0, 1, 2"),
        (Tensor(Storage(ROWS), 0, (4.0,), (1,)), "are not 0, 1, 2"),
        (Tensor(Storage(ROWS), 0, (4,), (1, 1)), "odd strides"),
        (Tensor(Storage(ROWS, claims=25), 0, (24,), (1,)), ""),
        (Tensor(Storage(ROWS, claims=10**15), 0, (10**15,), (1,)), ""),
        (Tensor(Storage(ROWS, claims=-1), 0, (1,), (1,)), "odd key or size"),
        (Call(Global("torch.nn.parameter", "Parameter"), [1]), "a parameter without a tensor"),
    ],
)
def test_what_is_refused(content, message, container, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "file.pth", {"a": content}, container)
    refused(tmp_path / "file.pth", message)
    assert os.listdir(tmp_path) == ["file.pth"]


def test_modules_may_not_name_functions_of_others(tmp_path):
    """The pattern takes the whole name; what it takes is still never run."""
    write(tmp_path / "a.pth", Call(Global("os.layers", "x"), 1))
    refused(tmp_path / "a.pth", "it names os.layers.x", modules=PATTERN)
    write(tmp_path / "a.pth", Call(Global("os", "mkdir"), str(tmp_path / "owned")))
    assert torch_files.read(tmp_path / "a.pth", modules=r"os\..+").class_name == "os.mkdir"
    assert not (tmp_path / "owned").exists()
    write(tmp_path / "a.pth", Call(Global("torch.nn", "F"), state={"__class__": 1, "state": 2}))
    assert torch_files.read(tmp_path / "a.pth", modules=PATTERN).state == {
        "__class__": 1,
        "state": 2,
    }


@pytest.mark.parametrize("how", WRITTEN)
def test_cut_files(how, tmp_path):
    """Wherever a file ends too soon, it is one line."""
    path = tmp_path / "file.pth"
    write(path, collections.OrderedDict(a=ROWS, b=ROWS[0] * 1), **how)
    data = path.read_bytes()
    for length in [0, 1, 2, 5, 20, *range(40, len(data), 37), len(data) - 1]:
        path.write_bytes(data[:length])
        refused(path, str(path))


@pytest.mark.parametrize("how", WRITTEN[1:3])
def test_changed_bytes(how, tmp_path):
    """Other bytes anywhere give a one-line error, or arrays no larger than the file."""
    path = tmp_path / "file.pth"
    write(path, {"a": ROWS, "b": [1, "text"]}, **how)
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(data)
        for at in rng.integers(0, len(data), 2):
            changed[at] = rng.integers(0, 256)
        path.write_bytes(changed)
        try:
            torch_files.read(path)
        except checkpoints.CheckpointError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compression": zipfile.ZIP_DEFLATED}, "compressed"),
        ({"data.pkl": None}, "without one NAME/data.pkl"),
        ({"byteorder": b"middle"}, "middle"),
        ({"data/0": None}, "its part data/0 is missing"),
        ({"data/0": b"123"}, "buffer size"),
        ({"data/0": b"1234"}, "cut off"),
        ({"extra/data.pkl": b"N."}, None),
    ],
)
def test_odd_archives(changes, message, tmp_path):
    write(tmp_path / "a.pth", {"a": ROWS}, **changes)
    if message is None:
        assert set(torch_files.read(tmp_path / "a.pth")) == {"a"}
    else:
        refused(tmp_path / "a.pth", message)


def test_compressed_archives_take_no_memory(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(10**7))
    refused(tmp_path / "a.pth", "compressed")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": lambda keys: []}, "are not those that its tensors name"),
        ({"keys": lambda keys: [*keys, "9"]}, "are not those that its tensors name"),
        ({"keys": lambda keys: [*keys, *keys]}, "are not those that its tensors name"),
        ({"keys": lambda keys: [0]}, "is no readable file"),
        ({"system": {"little_endian": False}}, "big-endian"),
        ({"system": []}, "does not begin"),
    ],
)
def test_odd_old_files(changes, message, tmp_path):
    write(tmp_path / "a.pth", {"a": ROWS}, "old", **changes)
    refused(tmp_path / "a.pth", message)


def test_a_storage_of_two_types(tmp_path):
    both = [Tensor(Storage(ROWS, key="0"), 0, (2,), (1,))]
    both.append(Tensor(Storage(ROWS, "IntStorage", key="0"), 0, (2,), (1,)))
    write(tmp_path / "a.pth", both, "old")
    refused(tmp_path / "a.pth", "two types or sizes")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no file of PyTorch's torch.save"),
        (b"text", "is no file of PyTorch's torch.save"),
        (b"\x89HDF\r\n", "is no file of PyTorch's torch.save"),
        (b"\x80\x02K\x01.K\x02.}.", "does not begin as torch.save begins"),
        (b"PK\x03\x04" + bytes(100), "no readable file"),
        (bytes(257) + b"ustar" + bytes(300), "a tar archive of PyTorch before 0.2"),
    ],
)
def test_other_files(data, message, tmp_path):
    (tmp_path / "a.pth").write_bytes(data)
    refused(tmp_path / "a.pth", message)


@pytest.mark.parametrize("content", [[ROWS], {}, {"a": 1}, {1: ROWS}, {"a": {"b": ROWS}}])
def test_what_is_no_state_dict(content, tmp_path):
    write(tmp_path / "a.pth", content)
    with pytest.raises(checkpoints.CheckpointError, match="no state_dict"):
        torch_files.read_state_dict(tmp_path / "a.pth")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        torch_files.read(tmp_path / "a.pth")

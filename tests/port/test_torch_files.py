"""PyTorch's files, read without it: arrays come back, and the states of modules."""

import collections

import numpy as np
import pytest

from cagic_tf.networks import checkpoints
from cagic_tf.port import torch_files
from tests.port import torch_writer
from tests.port.torch_writer import Call, Global, Storage, Tensor, module, parameter, write

WRITTEN = [
    {"container": "zip"},
    {"container": "zip", "byteorder": None},  # Before version 2.1.
    {"container": "old"},
    {"container": "old", "python2": True},
    {"container": "old", "python2": True, "rebuild": "_rebuild_tensor"},
]
PATTERN = r"(layers|torch\.nn)\..+"
ROWS = np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("dtype", torch_writer.KINDS)
def test_numbers_of_every_type(dtype, how, tmp_path):
    values = (np.arange(-6, 6) % 7).astype(dtype).reshape(3, 4)
    write(tmp_path / "file.pth", collections.OrderedDict(a=values, n=np.array(3, dtype)), **how)
    found = torch_files.read_state_dict(tmp_path / "file.pth")
    assert list(found) == ["a", "n"] and found["n"].shape == () and found["n"] == np.array(3, dtype)
    assert found["a"].dtype == dtype
    np.testing.assert_array_equal(found["a"], values)


@pytest.mark.parametrize("how", WRITTEN)
def test_views_of_one_storage(how, tmp_path):
    """Offsets, transposed axes, columns, empty ones, and one of a single row with any stride."""
    storage = Storage(ROWS, location="cuda:0")
    content = {
        "whole": Tensor(storage, 0, (4, 6), (6, 1)),
        "transposed": Tensor(storage, 0, (6, 4), (1, 6)),
        "rows": Tensor(storage, 6, (2, 6), (6, 1)),
        "column": Tensor(storage, 2, (4,), (6,)),
        "last": Tensor(storage, 23, (), ()),
        "empty": Tensor(storage, 0, (0, 6), (6, 1)),
        "one": Tensor(storage, 6, (1, 6), (2**70, 1)),
        "expanded": Tensor(storage, 3, (1, 1), (0, 0)),
    }
    write(tmp_path / "file.pth", content, **how)
    found = torch_files.read(tmp_path / "file.pth")
    expected = {
        "whole": ROWS,
        "transposed": ROWS.T,
        "rows": ROWS[1:3],
        "column": ROWS[:, 2],
        "last": ROWS[3, 5],
        "empty": ROWS[:0],
        "one": ROWS[1:2],
        "expanded": ROWS[:1, 3:4],
    }
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, strict=True)
    assert np.shares_memory(found["whole"], found["column"])


def test_bfloat16_is_widened(tmp_path):
    values = np.array([1, -2.5, 3.140625, np.inf], np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    for container in ("zip", "old"):
        storage = Storage(upper, "BFloat16Storage")
        write(tmp_path / "a.pth", [Tensor(storage, 1, (3,), (1,))], container)
        (found,) = torch_files.read(tmp_path / "a.pth")
        np.testing.assert_array_equal(found, values[1:], strict=True)


def test_big_endian_archives(tmp_path):
    storage = Storage(ROWS.astype(">f4"), "FloatStorage")
    write(tmp_path / "a.pth", [Tensor(storage, 0, (24,), (1,))], byteorder=b"big")
    np.testing.assert_array_equal(torch_files.read(tmp_path / "a.pth"), [ROWS.ravel()])


def test_views_of_storages_in_the_old_container(tmp_path):
    """A storage that is itself a part of another: `(key, start, length)`."""
    part = Storage(ROWS, view=("9", 12, 6))
    write(tmp_path / "a.pth", [Tensor(part, 2, (4,), (1,))], "old")
    np.testing.assert_array_equal(torch_files.read(tmp_path / "a.pth"), [ROWS[2, 2:]])
    write(tmp_path / "a.pth", [Tensor(Storage(ROWS, view=("9", 20, 5)), 0, (2,), (1,))], "old")
    with pytest.raises(checkpoints.CheckpointError, match="a view that is larger than"):
        torch_files.read(tmp_path / "a.pth")


@pytest.mark.parametrize("how", WRITTEN)
def test_whole_modules(how, tmp_path):
    """As MAttNet's file: classes that are not here, of which only the state is kept."""
    weight, bias = ROWS, ROWS[0] * 2
    linear = module(
        "torch.nn.modules.linear.Linear", {"weight": parameter(weight), "bias": None}, in_features=6
    )
    norm = module(
        "torch.nn.modules.batchnorm.BatchNorm1d",
        {"weight": parameter(bias)},
        {"running_mean": bias + 1},
    )
    inner = module("layers.part.Part", modules={"0": linear, "1": None, "2": norm}, source=False)
    joint = module(
        "layers.joint_match.JointMatching", {"scale": parameter(bias)}, None, {"a": inner}
    )
    write(tmp_path / "file.pth", {"model": joint, "opt": {"id": "x", "size": 5}}, **how)
    for pattern in (None, r"layers\..+"):
        with pytest.raises(checkpoints.CheckpointError, match="it names "):
            torch_files.read(tmp_path / "file.pth", modules=pattern)
    found = torch_files.read(tmp_path / "file.pth", modules=PATTERN)
    assert found["opt"] == {"id": "x", "size": 5}
    assert found["model"].class_name == "layers.joint_match.JointMatching"
    tensors = torch_files.state_dict(found["model"])
    expected = {"scale": bias, "a.0.weight": weight, "a.2.weight": bias}
    expected["a.2.running_mean"] = bias + 1
    assert list(tensors) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(tensors[name], value, strict=True)


def test_attributes_of_dicts_are_left_out(tmp_path):
    """A state_dict has its versions in an attribute, `_metadata`."""
    content = Call(
        Global("collections", "OrderedDict"), [["a", ROWS]], state={"_metadata": {"v": 1}}
    )
    for container in ("zip", "old"):
        write(tmp_path / "a.pth", content, container)
        assert list(torch_files.read_state_dict(tmp_path / "a.pth")) == ["a"]


@pytest.mark.parametrize("new", [True, False])
def test_what_torch_itself_writes(new, tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4))
    kinds = "float32 float64 float16 int64 int32 int16 int8 uint8 bool".split()
    content = {kind: (torch.arange(6) % 2).to(getattr(torch, kind)) for kind in kinds}
    content |= {
        "bfloat16": torch.tensor([1.5, -2]).to(torch.bfloat16),
        "transposed": torch.arange(6.0).reshape(2, 3).T[1:],
        "parameter": network[0].weight,
        "network": network.state_dict(),
        "plain": [1, "text", None, (2.5, True)],
    }
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    found = torch_files.read(tmp_path / "a.pth")
    assert found.pop("plain") == content.pop("plain")
    inner, expected = found.pop("network"), content.pop("network")
    assert list(inner) == list(expected)
    for name, value in (content | expected).items():
        value = value.detach().float() if name == "bfloat16" else value.detach()
        np.testing.assert_array_equal((found | inner)[name], value.numpy(), strict=True)

    torch.save({"model": network}, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    whole = torch_files.read(tmp_path / "a.pth", modules=r"torch\.nn\..+")["model"]
    for name, value in torch_files.state_dict(whole).items():
        np.testing.assert_array_equal(value, expected[name].numpy(), strict=True)

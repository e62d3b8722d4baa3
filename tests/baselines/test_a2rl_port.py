"""The port of A2-RL's pickle: what it reads, what it leaves out, what it refuses."""

import collections
import io
import os
import pickle

import numpy as np
import pytest

from cagic_tf.networks import checkpoints
from cagic_tf.port import __main__ as command
from tests.baselines import seeded_croppers as seeded

SMALL = {"fc6": 6, "dense": 5, "state": 4}


@pytest.fixture(scope="module")
def weights():
    return seeded.a2rl_weights(7, SMALL)


@pytest.fixture
def port(tmp_path, capsys):
    """Writes a file, ports it, and returns the status and what was printed."""

    def run(content, protocol=2):
        path = tmp_path / "vfn_rl.pkl"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            seeded.write_pickle(path, content, protocol)
        output = f"--output={tmp_path}/out"
        status = command.main(["a2rl", f"--weights={path}", output])
        captured = capsys.readouterr()
        if status:
            assert not (tmp_path / "out").exists()
            assert captured.err.count("\n") == 1 and captured.err.startswith("error: ")
            assert str(path) in captured.err
        return status, captured.out + captured.err

    return run


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol(protocol, weights, port, tmp_path):
    status, printed = port(collections.OrderedDict(weights), protocol)
    assert status == 0, printed
    head = checkpoints.load(tmp_path / "out", "a2rl")
    np.testing.assert_array_equal(head.tensors["fc1/kernel"], weights["fc1.weight"].T)
    trunk = checkpoints.load(tmp_path / "out" / "alexnet", "alexnet")
    np.testing.assert_array_equal(trunk.tensors["conv4/kernel"], weights["c4w"])
    assert trunk.sha256 == head.manifest["trunk_sha256"]
    assert "fc6 with 6 units, fc1 with 5, fc2 with 5, fc3 with 5, LSTM 4, 14 actions" in printed
    assert (tmp_path / "out" / "MODEL_CARD.md").exists()


def test_other_entries_and_layouts(weights, port, tmp_path):
    """What is not the network's may be anything plain; arrays may be doubles, columns first."""
    content = {name: np.asfortranarray(value.astype(np.float64)) for name, value in weights.items()}
    content |= {"value_fc.weight": np.zeros((1, 4)), "step": 7, "two\nlines": ["a", None], 3: b"x"}
    status, printed = port(content)
    assert status == 0, printed
    others = r"'step', 'two\nlines', 'value_fc.weight', 3"
    assert f"left out 4 entries of other names: {others}" in printed
    head = checkpoints.load(tmp_path / "out", "a2rl")
    np.testing.assert_array_equal(head.tensors["fc6/kernel"], weights["fc6w"])
    assert head.tensors["fc6/kernel"].dtype == np.float32
    assert len(head.tensors) == 13


def python_2(entries):
    """The pickle of such a dict as Python 2 wrote it, with names and bytes as text."""
    found = b"(dp1\n"
    for name, value in entries.items():
        text = repr(value.tobytes().decode("latin1")).encode("ascii", "backslashreplace")
        shape = b"(" + b"".join(b"I%d\n" % side for side in value.shape) + b"t"
        dtype = b"cnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
        make = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        array = make + b"(I1\n" + shape + dtype + b"I00\nS" + text + b"\ntb"
        found += b"S'" + name.encode() + b"'\n" + array + b"s"
    return found + b"."


def test_what_python_2_wrote_as_text(weights, port):
    """Its arrays are read: the first error is that the others are missing."""
    few = {name: weights[name] for name in ("c1b", "fc3.bias")}
    data = python_2(few)
    assert pickle.loads(data, encoding="latin1").keys() == few.keys()
    status, printed = port(data)
    assert status == 1
    missing = printed.partition("missing tensors ")[2]
    assert "'c1w'" in missing and "'c1b'" not in missing and "'fc3.bias'" not in missing


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"c1w": None}, "missing tensors ['c1w']"),
        ({"lstm.weight_hh": None}, "missing tensors ['lstm.weight_hh']"),
        ({"fc6w": None}, "missing tensors ['fc6w']"),
        ({"fc2.weight": np.zeros((5, 9))}, "'fc2.weight' is ([5, 9], 'float32')"),
        ({"fc1.weight": np.zeros((5, 6))}, "'fc1.weight' is ([5, 6], 'float32')"),
        ({"c2w": np.zeros((5, 5, 96, 256))}, "'c2w' is ([5, 5, 96, 256], 'float32')"),
        ({"action_fc.bias": np.zeros(15)}, "'action_fc.bias' is ([15], 'float32')"),
        ({"action_fc.bias": np.zeros(14, int)}, "'action_fc.bias' is ([14], 'int64')"),
        ({"lstm.bias_hh": [0.0] * 16}, "'lstm.bias_hh' is a list, not a named array"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(changes, message, weights, port):
    content = {name: value for name, value in (weights | changes).items() if value is not None}
    status, printed = port(content)
    assert status == 1 and message in printed


class Evil:
    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


@pytest.mark.parametrize("where", ["value", "other", "key", "all"])
def test_nothing_is_run(where, weights, port, tmp_path):
    evil = Evil(tmp_path / "owned")
    few = {"c1b": weights["c1b"]}
    content = {
        "value": few | {"c1w": evil},
        "other": few | {"notes": [evil]},
        "key": few | {evil: 1},
        "all": evil,
    }[where]
    status, printed = port(content)
    assert status == 1 and "mkdir, which is not allowed, so nothing was run" in printed
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is damaged"),
        (b"not a pickle", "it is damaged"),
        (b"PK\x03\x04", "unsupported persistent id"),  # How a .zip or a newer .pth begins.
        (pickle.dumps([1, 2]), "it holds a list, not a dict"),
        (pickle.dumps(np.zeros(3)), "not a dict"),
        (b"cos\nsystem\n(S'true'\ntR.", "it names os.system"),
        (b"cnumpy\nload\n(S'x'\ntR.", "it names numpy.load"),
        (b"ctorch._utils\n_rebuild_tensor\n(tR.", "it names torch._utils._rebuild_tensor"),
        (b"ccollections\nOrderedDict\n}S'x'\nI1\nsb.", "it changes a class or function"),
    ],
)
def test_what_is_no_such_pickle(data, message, port):
    status, printed = port(data)
    assert status == 1 and message in printed and "no pickle of A2-RL's arrays" in printed


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_file_that_was_cut(share, weights, port):
    data = io.BytesIO()
    pickle.dump({name: value for name, value in weights.items() if value.ndim < 4}, data, 2)
    status, printed = port(data.getvalue()[: int(share * data.tell())])
    assert status == 1 and "no pickle of A2-RL's arrays" in printed


def test_an_array_that_says_it_is_larger_than_its_bytes(port):
    array = np.zeros(7, np.float32)
    data = pickle.dumps({"c1b": array}, 2)
    at = data.index(b"K\x07\x85")  # Its shape.
    status, printed = port(data[:at] + b"J\xff\xff\xff\x7f\x85" + data[at + 3 :])
    assert status == 1 and "it is damaged (ValueError: cannot reshape" in printed


def test_no_file(tmp_path, capsys):
    weights, output = f"--weights={tmp_path}/none.pkl", f"--output={tmp_path}/out"
    assert command.main(["a2rl", weights, output]) == 1
    printed = capsys.readouterr().err
    assert "No such file" in printed and printed.count("\n") == 1

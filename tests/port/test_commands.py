"""Ports of released files: what they infer, what they make, what they refuse."""

import json
import sys

import numpy as np
import pytest

from cagic_tf.networks import checkpoints, sat_sizes
from cagic_tf.port import __main__ as command
from cagic_tf.port import deeprnn, npy, output, saver_files, source, vfn
from tests import seeded

ONE_LAYER = sat_sizes.Sizes(
    11, 196, 512, embedding=8, memory=4, initialize=None, attend=None, decode=None
)
TWO_LAYERS = ONE_LAYER._replace(initialize=3, attend=5, decode=6)
RECORD = ("python -m cagic_tf.port", "abc")


def test_training_state_is_dropped_by_name():
    names = [
        "global_step:0",
        "beta1_power",
        "ranker/beta2_power",
        "optimizer/OptimizeLoss/learning_rate:0",
        "OptimizeLoss/beta2_power:0",
        "optimizer/OptimizeLoss/conv1/kernel/Adam_1:0",
        "ranker/fc6w/Adam",
        "Variable_3/Momentum",
        "x/RMSProp_2",
    ]
    kept = ["lstm/lstm_cell/kernel:0", "Variable", "Variable_10", "adam/w", "global_step/w"]
    weights, dropped = source.split_training_state({name: np.zeros(1) for name in names + kept})
    assert dropped == sorted(name.removesuffix(":0") for name in names)
    assert list(weights) == [name.removesuffix(":0") for name in kept]
    assert all(value.dtype == np.float32 for value in weights.values())


@pytest.fixture
def deeprnn_file(tmp_path, monkeypatch):
    """Ports a file of zeros; its variables can be changed first."""

    def run(sizes, kind="vgg16", words=None, **changes):
        variables = {
            f"{name}:0": np.zeros(shape, np.float32)
            for name, shape in (deeprnn.trunk_shapes(kind) | sat_sizes.shapes(sizes)).items()
        } | {name.replace("__", "/"): value for name, value in changes.items()}
        kept = {name: value for name, value in variables.items() if value is not None}
        monkeypatch.setattr(npy, "read", lambda path: kept)
        (tmp_path / "w.npy").write_bytes(b"zeros")
        seeded.write_vocabulary(tmp_path / "v.csv", words or sizes.words)
        return deeprnn.port(tmp_path / "w.npy", tmp_path / "v.csv", tmp_path / "out", *RECORD)

    return run


@pytest.mark.parametrize("sizes", [ONE_LAYER, TWO_LAYERS])
def test_head_depths_are_inferred(sizes, deeprnn_file, tmp_path):
    lines = deeprnn_file(sizes, **{"global_step:0": np.int32(7)})
    head = checkpoints.load(tmp_path / "out", "sat")
    assert {name: value.shape for name, value in head.tensors.items()} == sat_sizes.shapes(sizes)
    trunk = checkpoints.load(tmp_path / "out" / head.manifest["trunk"], "vgg16")
    assert head.manifest["trunk_sha256"] == trunk.sha256
    np.testing.assert_allclose(
        trunk.tensors["pixel_mean"], [104.00698793, 116.66876762, 122.67891434]
    )
    assert "trunk vgg16" in lines[0] and "dropped 1 tensors" in lines[3]
    assert ("initialize 1 layer" if sizes is ONE_LAYER else "decode 2 layers (6") in lines[1]
    for folder in (tmp_path / "out", tmp_path / "out" / "vgg16"):
        card = (folder / output.MODEL_CARD).read_text()
        manifest = json.loads((folder / "manifest.json").read_text())
        assert lines[1] in card and manifest["sha256"] in card


@pytest.mark.parametrize(
    "name", list(sat_sizes.shapes(TWO_LAYERS)) + ["conv1_1/kernel", "conv5_3/bias"]
)
def test_a_missing_tensor_is_named(name, deeprnn_file, tmp_path):
    with pytest.raises(checkpoints.CheckpointError, match=name):
        deeprnn_file(TWO_LAYERS, **{f"{name}:0": None})
    assert {path.name for path in tmp_path.iterdir()} == {"w.npy", "v.csv"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bn1/gamma:0": np.zeros(64, np.float32)}, r"unexpected tensors \['bn1/gamma'\]"),
        ({"decode/fc_2/bias:0": np.zeros(12, np.float32)}, r"'decode/fc_2/bias' is \(\[12\]"),
        ({"conv1_1/bias:0": np.zeros(64, np.int32)}, "int32"),
        ({"attend/fc_1a/kernel:0": np.zeros(5, np.float32)}, "no matrix 'attend/fc_1a/kernel'"),
    ],
)
def test_a_wrong_tensor_is_named(changes, message, deeprnn_file):
    with pytest.raises(checkpoints.CheckpointError, match=message):
        deeprnn_file(TWO_LAYERS, **changes)


def test_vocabulary_of_another_size(deeprnn_file, tmp_path):
    with pytest.raises(checkpoints.CheckpointError, match="has 12 words, but .* with 11"):
        deeprnn_file(TWO_LAYERS, words=12)
    assert not (tmp_path / "out").exists()


def test_output_that_exists_is_left_alone(deeprnn_file, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(checkpoints.CheckpointError, match="exists already"):
        deeprnn_file(TWO_LAYERS)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_port_that_fails_leaves_nothing(deeprnn_file, tmp_path, monkeypatch):
    saved = checkpoints.save

    def fail(folder, kind, *args, **kwargs):
        if kind == "sat":
            raise OSError("no space left")
        return saved(folder, kind, *args, **kwargs)

    monkeypatch.setattr(checkpoints, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        deeprnn_file(TWO_LAYERS)
    assert {path.name for path in tmp_path.iterdir()} == {"w.npy", "v.csv"}


def port_vfn(weights, folder, pooling=None):
    return vfn.port(weights, pooling, folder, *RECORD)


@pytest.fixture(scope="module")
def vfn_folder(tmp_path_factory):
    """A folder with one Saver checkpoint, its "checkpoint" file pointing elsewhere."""
    folder = tmp_path_factory.mktemp("released")
    seeded.write_vfn(folder / "model-spp-avg", seeded.vfn_variables(49, 3, hidden=20))
    (folder / "checkpoint").write_text('model_checkpoint_path: "/home/jan/model-spp-avg"\n')
    return folder


@pytest.mark.parametrize("given", ["", "model-spp-avg", "model-spp-avg.index"])
def test_vfn_prefix_or_folder(given, vfn_folder, tmp_path):
    lines = port_vfn(vfn_folder / given, tmp_path / "out")
    head = checkpoints.load(tmp_path / "out", "vfn")
    assert (head.manifest["pooling"], head.manifest["bins"]) == ("mean", [6, 2, 3])
    variables = seeded.vfn_variables(49, 3, hidden=20)
    assert set(head.tensors) == {"ranker/fc6w", "ranker/fc6b", "ranker/W"}
    for name, value in head.tensors.items():
        np.testing.assert_array_equal(value, variables[name])
    trunk = checkpoints.load(tmp_path / "out" / "alexnet", "alexnet")
    assert len(trunk.tensors) == 10
    np.testing.assert_array_equal(trunk.tensors["conv5/bias"], variables["Variable_9"])
    np.testing.assert_array_equal(trunk.tensors["conv2/kernel"], variables["Variable_2"])
    dropped = "dropped 3 tensors of training state: Variable/Adam, beta1_power, Variable_10"
    assert dropped in lines[3]
    assert (tmp_path / "out" / output.MODEL_CARD).exists()


@pytest.mark.parametrize(
    ("bins", "name", "pooling", "expected"),
    [
        (49, "model-spp-max", None, ("max", (6, 2, 3))),
        (49, "snapshot-15000", "spp-avg", ("mean", (6, 2, 3))),
        (49, "model-spp-max", "spp-avg", ("mean", (6, 2, 3))),
        (36, "model-wo-spp", None, ("max", (6,))),
        (49, "snapshot-15000", None, "add --pooling=spp-max or --pooling=spp-avg"),
        (36, "model", "spp-max", "cannot be"),
        (40, "model", None, "40 bins"),
    ],
)
def test_vfn_pooling(bins, name, pooling, expected):
    if isinstance(expected, tuple):
        assert vfn.choose_pooling(bins, name, pooling) == expected
    else:
        with pytest.raises(checkpoints.CheckpointError, match=expected):
            vfn.choose_pooling(bins, name, pooling)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Variable_4": None}, r"missing tensors \['Variable_4'\]"),
        ({"Variable_11": np.zeros(2)}, r"unexpected tensors \['Variable_11'\]"),
        ({"Variable_10": np.zeros(2)}, r"unexpected tensors \['Variable_10'\]"),
        ({"Variable_6": np.zeros((3, 3, 384, 192))}, "'Variable_6' is .*384, 192"),
        ({"ranker/fc6w": None}, r"missing tensors \['ranker/fc6w'\]"),
        ({"ranker/W": np.zeros((21, 1))}, "'ranker/W' is"),
    ],
)
def test_vfn_tensors_that_do_not_fit(changes, message, vfn_folder, tmp_path, monkeypatch):
    variables = seeded.vfn_variables(49, 3, hidden=20) | changes
    kept = {name: value for name, value in variables.items() if value is not None}
    monkeypatch.setattr(saver_files, "read", lambda prefix: kept)
    with pytest.raises(checkpoints.CheckpointError, match=message):
        port_vfn(vfn_folder, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_commands_print_one_line_errors(tmp_path, capsys):
    (tmp_path / "two").mkdir()
    for name in ("a.index", "b.index"):
        (tmp_path / "two" / name).write_bytes(b"")
    nowhere, target = tmp_path / "nowhere", f"--output={tmp_path}/out"
    for arguments, message in (
        (["vfn", f"--weights={nowhere}"], "no readable TensorFlow 1 checkpoint"),
        (["vfn", f"--weights={tmp_path}/two"], "these TensorFlow 1 checkpoints: a, b"),
        (["vfn", f"--weights={tmp_path}/two/a"], "no readable TensorFlow 1 checkpoint"),
        (["deeprnn", f"--weights={nowhere}", f"--vocabulary={nowhere}"], "No such file"),
        (["keras_vgg16", f"--weights={nowhere}"], "No such file"),
        (["keras_vgg16", f"--weights={tmp_path}/two/a.index"], "no readable .h5"),
    ):
        assert command.main([*arguments, target]) == 1
        printed = capsys.readouterr().err
        assert message in printed and printed.count("\n") == 1, printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("torch", ["lite0"]),
        ("nltk", ["lexicon", "--wordnet=wordnet", "--synsets=synsets.txt"]),
    ],
)
def test_a_missing_extra_says_what_to_install(package, arguments, tmp_path, capsys, monkeypatch):
    for name in ("lexicon", "wordnet"):  # As in a process that has imported neither.
        monkeypatch.delattr(f"cagic_tf.port.{name}", raising=False)
        monkeypatch.delitem(sys.modules, f"cagic_tf.port.{name}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    assert command.main([*arguments, f"--output={tmp_path}/out"]) == 1
    printed = capsys.readouterr().err
    assert "pip install 'cagic_tf[port]'" in printed and package in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("origin", [[], *([name] for name in command.ORIGINS)])
def test_help_is_in_whole_sentences(origin, capsys):
    with pytest.raises(SystemExit) as left:
        command.main([*origin, "--help"])
    assert left.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        " ".join((command.ORIGINS[origin[0]] if origin else command.DESCRIPTION).split()) in printed
    )
    if origin:
        assert "--output OUTPUT The folder to make. It must not be there yet" in printed
    else:
        assert all(text in printed for text in command.ORIGINS.values())
    if origin == ["lexicon"]:
        assert "with the files index.noun, data.noun and noun.exc." in printed

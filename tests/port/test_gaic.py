"""The port of GAIC: which trunk and head a file has, and what it refuses."""

import numpy as np
import pytest

from cagic_tf.networks import checkpoints
from cagic_tf.port import __main__ as command
from cagic_tf.port import gaic, output, torch_layers
from tests.baselines import seeded_gaic
from tests.port import torch_writer

RECORD = ("python -m cagic_tf.port", "abc")


@pytest.fixture(scope="module")
def mobilenetv2():
    return seeded_gaic.state("mobilenetv2")


@pytest.fixture
def port(tmp_path):
    """Ports a state, with changes to it; None leaves a tensor out."""

    def run(state, **changes):
        state = {**state, **{name.replace("__", "."): new for name, new in changes.items()}}
        kept = {name: value for name, value in state.items() if value is not None}
        torch_writer.write(tmp_path / "a.pth", kept, "old", python2=True)
        return gaic.port(tmp_path / "a.pth", tmp_path / "out", *RECORD)

    return run


@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("last", [2, 3])
def test_both_heads_by_both_names(norms, last, port, tmp_path):
    lines = port(seeded_gaic.state("shufflenetv2", norms=norms, last=last))
    assert lines[0] == "trunk shufflenetv2, 812 channels at three scales"
    assert f"head {'with' if norms else 'without'} batch norms" in lines[1]
    assert f"FC_layers.{last}" in lines[1]
    head = checkpoints.load(tmp_path / "out", "gaic")
    trunk = checkpoints.load(tmp_path / "out" / "shufflenetv2", "shufflenetv2")
    assert head.manifest["trunk_sha256"] == trunk.sha256
    assert {name: value.shape for name, value in head.tensors.items()} == {
        "reduction/kernel": (1, 1, 812, 8),
        "reduction/bias": (8,),
        "fc1/kernel": (9, 9, 16, 768),
        "fc1/bias": (768,),
        "fc2/kernel": (1, 1, 768, 128),
        "fc2/bias": (128,),
        "fc3/kernel": (1, 1, 128, 1),
        "fc3/bias": (1,),
    }
    assert "a.pth, SHA-256" in (tmp_path / "out" / output.MODEL_CARD).read_text()


def test_batch_norms_are_folded():
    rng = np.random.default_rng(0)
    layer = torch_layers.Layer("a", (1, 1, 3, 2), "conv", "norm")
    state = {name: rng.uniform(0.5, 2, shape) for name, shape in layer.shapes().items()}
    made = layer.convert(state)
    x = rng.standard_normal(3)
    before = state["conv.weight"][:, :, 0, 0] @ x + state["conv.bias"]
    spread = np.sqrt(state["norm.running_var"] + 1e-5)
    expected = (before - state["norm.running_mean"]) / spread * state["norm.weight"]
    np.testing.assert_allclose(
        x @ made["a/kernel"][0, 0] + made["a/bias"], expected + state["norm.bias"], rtol=1e-5
    )


def test_numbers_of_other_precisions(mobilenetv2, port):
    """Half or double precision is what some save; counters and doubles alike are read."""
    name = "DimRed.weight"
    assert port({**mobilenetv2, name: mobilenetv2[name].astype(np.float64)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DimRed.bias": None}, r"missing tensors \['DimRed.bias'\]"),
        ({"Feat_ext.feature5.0.17.conv.7.running_var": None}, "17.conv.7.running_var"),
        ({"Feat_ext.feature3.0.0.0.weight": None}, r"missing tensors \['Feat_ext.feature3.0.0.0"),
        ({"extra": np.zeros(1, np.float32)}, r"unexpected tensors \['extra'\]"),
        ({"FC_layers.2.weight": np.zeros((1, 128, 1, 1), np.float32)}, "FC_layers.2.bias"),
        ({"FC_layers.0.1.weight": np.zeros(768, np.float32)}, "FC_layers.0.1.bias"),
        ({"DimRed.weight": np.zeros((8, 96, 1, 1), np.float32)}, r"\[8, 96, 1, 1\]"),
        ({"DimRed.bias": np.zeros(8, np.int64)}, "int64"),
    ],
)
def test_what_is_missing_or_too_much_is_named(changes, message, mobilenetv2, port, tmp_path):
    with pytest.raises(checkpoints.CheckpointError, match=message):
        port({**mobilenetv2, **changes})
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_other_networks(port):
    with pytest.raises(checkpoints.CheckpointError, match="no GAIC with one of the trunks"):
        port({"layer1.0.conv1.weight": np.zeros((1, 1, 1, 1), np.float32)})


def zeros(trunk):
    shapes = seeded_gaic.listed(seeded_gaic.golden(trunk)["variables"])
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def test_the_second_copy_of_vgg16():
    """It is left out where it is one, whole or in part, and anything else is an error."""
    state = zeros("vgg16")
    copies = [name for name in state if name.startswith("Feat_ext.feature.0.")]
    assert len(copies) == 26
    rest = gaic.without_copies(state, "file")
    assert set(state) - set(rest) == set(copies)
    assert gaic.without_copies(rest, "file").keys() == rest.keys()
    state["Feat_ext.feature.0.28.bias"] = np.ones(512, np.float32)
    with pytest.raises(checkpoints.CheckpointError, match="feature.0.28.bias is no copy of"):
        gaic.without_copies(state, "file")
    rest["Feat_ext.feature.0.1.weight"] = np.zeros(1, np.float32)
    assert "Feat_ext.feature.0.1.weight" in gaic.without_copies(rest, "file")


@pytest.mark.parametrize("trunk", ["mobilenetv2", "shufflenetv2", "vgg16"])
def test_all_names_are_the_authors(trunk):
    arrays = seeded_gaic.golden(trunk)
    shapes = seeded_gaic.listed(arrays["variables"])
    layers, channels = gaic.TRUNKS[trunk]
    for extra in ({}, seeded_gaic.listed(arrays["variables_bn_only"])):
        expected = {}
        for layer in layers() + gaic.head_layers(shapes | extra, channels):
            expected |= layer.shapes()
        copies = {name for name in shapes if name.startswith("Feat_ext.feature.0.")}
        assert expected == {k: v for k, v in (shapes | extra).items() if k not in copies}


def test_hostile_files_are_one_line(tmp_path, capsys):
    evil = torch_writer.Call(torch_writer.Global("os", "mkdir"), str(tmp_path / "owned"))
    torch_writer.write(tmp_path / "a.pth", {"DimRed.weight": evil})
    arguments = ["gaic", f"--weights={tmp_path / 'a.pth'}", f"--output={tmp_path / 'out'}"]
    assert command.main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and "os.mkdir" in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]
    assert command.main(["gaic", "--weights=missing.pth", f"--output={tmp_path / 'out'}"]) == 1
    assert "missing.pth" in capsys.readouterr().err


def test_output_that_exists_is_left_alone(mobilenetv2, port, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(checkpoints.CheckpointError, match="exists already"):
        port(mobilenetv2)
    assert (tmp_path / "out" / "mine").read_text() == "kept"

"""The port of EfficientNet-Lite0: PyTorch's convolutions and batch norms become one kernel."""

import numpy as np
import pytest

from cagic_tf.networks import bundle, checkpoints
from cagic_tf.port import __main__ as command
from cagic_tf.port import lite0

PARTS = {
    "expand": ("expand_conv", 0),
    "depthwise": ("depthwise_conv", 1),
    "project": ("project_conv", 2),
}


def theirs(ours):
    """The released names of a convolution and its batch norm."""
    if not ours.startswith("block"):
        return {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}[ours]
    block, part = ours.removeprefix("block").split("/")
    convolution, norm = PARTS[part]
    return f"_blocks.{int(block)}._{convolution}", f"_blocks.{int(block)}._bn{norm}"


@pytest.fixture(scope="module")
def shapes():
    """Our names of the convolutions and their kernels' shapes, from the shipped checkpoint."""
    tensors = checkpoints.load(bundle.find("lite0"), "lite0").tensors
    kernels = {name: value.shape for name, value in tensors.items() if name.endswith("/kernel")}
    return {name.removesuffix("/kernel"): shape for name, shape in kernels.items()}


@pytest.fixture
def state(shapes, monkeypatch):
    """Tensors as the package has them, made from a seed."""
    rng, made = np.random.default_rng(0), {"_fc.weight": np.ones(1), "_fc.bias": np.ones(1)}
    for ours, (height, width, inputs, outputs) in shapes.items():
        convolution, norm = theirs(ours)
        if ours.endswith("depthwise"):
            inputs, outputs = outputs, inputs  # PyTorch has a filter a channel: [channels, 1, ...].
        made[f"{convolution}.weight"] = rng.standard_normal((outputs, inputs, height, width))
        for part in ("weight", "bias", "running_mean"):
            made[f"{norm}.{part}"] = rng.standard_normal(outputs)
        made[f"{norm}.running_var"] = rng.uniform(0.5, 2, outputs)
        made[f"{norm}.num_batches_tracked"] = np.array(7)
    made = {name: value.astype(np.float32) for name, value in made.items()}
    monkeypatch.setattr(lite0, "read_state", lambda weights: (made, "a file"))
    return made


def test_a_convolution_and_its_norm_are_one_kernel(state, shapes, tmp_path, capsys):
    assert command.main(["lite0", f"--output={tmp_path}/out"]) == 0
    assert "made " in capsys.readouterr().out
    made = checkpoints.load(tmp_path / "out", "lite0")
    assert made.manifest["source"] == "a file; batch norms folded"
    assert {name.rpartition("/")[0] for name in made.tensors} == set(shapes)
    for ours, shape in shapes.items():
        convolution, norm = theirs(ours)
        kernel, bias = made.tensors[f"{ours}/kernel"], made.tensors[f"{ours}/bias"]
        assert kernel.shape == shape
        gamma, beta, mean, variance = (
            state[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        # A patch of ones through the convolution and then the norm, and through what was made.
        answer = state[f"{convolution}.weight"].sum(axis=(1, 2, 3))
        expected = (answer - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        axes = (0, 1, 3) if ours.endswith("depthwise") else (0, 1, 2)
        np.testing.assert_allclose(kernel.sum(axis=axes) + bias, expected, rtol=1e-3, atol=1e-3)
    weight = state["_blocks.3._project_conv.weight"]
    ratio = made.tensors["block03/project/kernel"][0, 0] / weight[:, :, 0, 0].T
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1], ratio.shape), rtol=1e-4)
    ratio = made.tensors["block03/depthwise/kernel"][..., 0].transpose(2, 0, 1)
    ratio = ratio / state["_blocks.3._depthwise_conv.weight"][:, 0]
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1, :1], ratio.shape), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("_blocks.0._bn1.running_var", "no tensor '_blocks.0._bn1.running_var'"),
        (None, "unexpected tensors ['stray']"),
    ],
)
def test_other_tensors_are_one_line(name, message, state, tmp_path, capsys):
    state.pop(name, None)
    if name is None:
        state["stray"] = np.zeros(1)
    assert command.main(["lite0", f"--output={tmp_path}/out"]) == 1
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_exists_is_left_alone(state, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    assert command.main(["lite0", f"--output={tmp_path}/out"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]

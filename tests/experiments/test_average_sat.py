import numpy as np
import pytest

from cagic_tf.networks import checkpoints
from experiments import average_sat
from experiments.errors import ExperimentError
from tests.experiments import commands

TENSORS = {"a/kernel": np.array([[1.0, 3.0]], np.float32), "a/bias": np.array([2.0], np.float32)}


def write(folder, factor=1.0, **changes):
    extra = {"vocabulary": ["<start>", "."], "trunk": "lite0", "trunk_sha256": "0" * 64}
    checkpoints.save(
        folder,
        "sat",
        {name: factor * value for name, value in TENSORS.items()},
        source="a test",
        command="none",
        commit="0" * 40,
        metrics={},
        extra=extra | changes,
    )
    return folder


def test_weighted_mean(tmp_path):
    one, other = write(tmp_path / "one"), write(tmp_path / "other", 3.0)
    mean = average_sat.average(average_sat.read_inputs([f"{one}=0.25", f"{other}=0.75"]))
    for name, value in TENSORS.items():
        np.testing.assert_array_equal(mean[name], 2.5 * value)
        assert mean[name].dtype == np.float16


@pytest.mark.parametrize(
    ("shares", "message"),
    [(["0.5", "0.4"], "sum to 0.9"), (["0.5", "much"], "CHECKPOINT=SHARE"), ([""], "SHARE")],
)
def test_bad_shares(shares, message, tmp_path):
    one = write(tmp_path / "one")
    with pytest.raises(ExperimentError, match=message):
        average_sat.read_inputs([f"{one}={share}" for share in shares])


def test_strangers(tmp_path):
    one, other = write(tmp_path / "one"), write(tmp_path / "other", trunk_sha256="1" * 64)
    with pytest.raises(checkpoints.CheckpointError, match="other and one differ in trunk_sha256"):
        average_sat.read_inputs([f"{one}=0.5", f"{other}=0.5"])


def test_the_command_itself(tmp_path):
    one, other = write(tmp_path / "one"), write(tmp_path / "other", 3.0)
    inputs = f"--input={one}=0.25", f"--input={other}=0.75"
    commands.call(average_sat, *inputs, f"--output={tmp_path / 'mean'}")
    made = checkpoints.load(tmp_path / "mean", "sat")
    np.testing.assert_array_equal(made.tensors["a/kernel"], [[2.5, 7.5]])
    assert made.manifest["command"].endswith("--input=one=0.25 --input=other=0.75")
    assert made.manifest["trunk_sha256"] == "0" * 64 and str(tmp_path) not in str(made.manifest)
    error = commands.error_of(average_sat, f"--input={one}=0.5", f"--output={tmp_path / 'none'}")
    assert "sum to 0.5" in error and not (tmp_path / "none").exists()

import numpy as np
import pytest

from cagic_tf.networks import checkpoints
from experiments import average_sat

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
    with pytest.raises(ValueError, match=message):
        average_sat.read_inputs([f"{one}={share}" for share in shares])


def test_strangers(tmp_path):
    one, other = write(tmp_path / "one"), write(tmp_path / "other", trunk_sha256="1" * 64)
    with pytest.raises(checkpoints.CheckpointError, match="other and one differ in trunk_sha256"):
        average_sat.read_inputs([f"{one}=0.5", f"{other}=0.5"])

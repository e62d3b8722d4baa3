import hashlib
import io
import json
import pathlib

import numpy as np
import pytest

from cagic_tf.networks import checkpoints
from cagic_tf.system import resources

RECORDS = {"source": "a test", "command": "pytest", "commit": "0" * 40}


def tensors():
    rng = np.random.default_rng(0)
    return {
        "head/kernel": rng.normal(size=(3, 4)).astype(np.float32),
        "head/bias": rng.normal(size=4).astype(np.float16),
        "double": rng.normal(size=(2, 1, 2)),
        "steps": np.array(7, np.int64),
    }


@pytest.fixture
def folder(tmp_path):
    checkpoints.save(tmp_path / "model", "sat", tensors(), **RECORDS)
    return tmp_path / "model"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_has_diverged_is_not_written(tmp_path, value):
    given = tensors()
    given["head/bias"][2] = value
    with pytest.raises(checkpoints.CheckpointError) as caught:
        checkpoints.save(tmp_path / "model", "sat", given, **RECORDS)
    message = (
        f"{tmp_path / 'model'} is not written: 'head/bias' has values that are no finite float16"
    )
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
    assert not (tmp_path / "model").exists()


def rewrite(folder, archive=None, **changes):
    """Replaces the weights by others (with their right digest) and entries of the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    if archive is not None:
        buffer = io.BytesIO()
        np.savez(buffer, **archive)
        (folder / "weights.npz").write_bytes(buffer.getvalue())
        manifest["sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def error(folder, kind=None):
    with pytest.raises(checkpoints.CheckpointError) as caught:
        checkpoints.load(folder, kind)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_round_trip(folder):
    loaded = checkpoints.load(folder, "sat")
    assert (loaded.name, loaded.kind) == ("model", "sat")
    assert loaded.sha256 == hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()
    assert set(loaded.tensors) == set(tensors())
    for name, value in tensors().items():
        np.testing.assert_array_equal(loaded.tensors[name], value)
        assert loaded.tensors[name].shape == value.shape
    assert {name: value.dtype.name for name, value in loaded.tensors.items()} == {
        "head/kernel": "float32",
        "head/bias": "float32",  # Widened from float16.
        "double": "float64",
        "steps": "int64",
    }


def test_manifest_says_what_is_in_the_folder(tmp_path):
    folder = tmp_path / "not" / "yet" / "there"
    written = checkpoints.save(
        folder,
        "vfn",
        tensors(),
        **RECORDS,
        metrics={"accuracy": 0.75},
        extra={"vocabulary": ["<start>", "é"]},
    )
    assert checkpoints.load(folder).manifest == written
    assert written["tensors"]["head/bias"] == {"shape": [4], "dtype": "float16"}
    assert written["tensors"]["steps"] == {"shape": [], "dtype": "int64"}
    assert {key: written[key] for key in RECORDS} == RECORDS
    assert (written["kind"], written["metrics"]) == ("vfn", {"accuracy": 0.75})
    assert written["vocabulary"] == ["<start>", "é"]
    assert {path.name for path in folder.iterdir()} == {"weights.npz", "manifest.json"}


def test_saved_again_it_is_the_new_one(folder):
    changed = {"w": np.arange(3, dtype=np.float32)}
    checkpoints.save(folder, "vfn", changed, **RECORDS)
    loaded = checkpoints.load(folder, "vfn")
    assert set(loaded.tensors) == {"w"}
    np.testing.assert_array_equal(loaded.tensors["w"], changed["w"])


@pytest.mark.parametrize("place", [0, 0.25, 0.5, 0.75, 1])
def test_changed_byte(folder, place):
    data = bytearray((folder / "weights.npz").read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    (folder / "weights.npz").write_bytes(data)
    message = error(folder)
    assert hashlib.sha256(data).hexdigest() in message
    assert json.loads((folder / "manifest.json").read_text())["sha256"] in message


def test_truncated_weights(folder):
    data = (folder / "weights.npz").read_bytes()
    (folder / "weights.npz").write_bytes(data[:-1])
    assert "SHA-256" in error(folder)


def test_missing_and_extra_tensors(folder):
    archive = tensors()
    archive["added"] = archive.pop("double")
    rewrite(folder, archive)
    message = error(folder)
    assert "missing tensors ['double']" in message
    assert "unexpected tensors ['added']" in message


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("head/kernel", np.zeros((4, 3), np.float32), "[4, 3]"),
        ("head/kernel", np.zeros(12, np.float32), "[12]"),
        ("head/kernel", np.zeros((3, 4), np.float64), "float64"),
        ("head/bias", np.zeros(4, np.float32), "float32"),
        ("steps", np.array([7], np.int64), "[1]"),
    ],
)
def test_wrong_shape_or_dtype(folder, name, value, found):
    rewrite(folder, {**tensors(), name: value})
    message = error(folder)
    assert repr(name) in message and found in message


class Bomb:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_pickled_array_is_refused_and_not_executed(folder, tmp_path):
    proof = tmp_path / "executed"
    pickled = np.empty(1, object)
    pickled[0] = Bomb(proof)
    entry = {"shape": [1], "dtype": "object"}
    rewrite(folder, {"w": pickled}, tensors={"w": entry})
    assert "allow_pickle" in error(folder)
    assert not proof.exists()
    with np.load(folder / "weights.npz", allow_pickle=True) as archive:
        assert archive["w"].shape == (1,)
    assert proof.exists()  # It would have been.


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x80\x04N.", b"PK\x03\x04 broken"])
def test_weights_that_are_no_archive(folder, content):
    (folder / "weights.npz").write_bytes(content)
    rewrite(folder, sha256=hashlib.sha256(content).hexdigest())
    assert "no readable .npz" in error(folder)


def test_weights_that_are_a_single_array(folder):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    (folder / "weights.npz").write_bytes(buffer.getvalue())
    rewrite(folder, sha256=hashlib.sha256(buffer.getvalue()).hexdigest())
    assert "no readable .npz" in error(folder)


def test_kind(folder):
    assert checkpoints.load(folder).kind == "sat"
    message = error(folder, "lite0")
    assert "'sat'" in message and "'lite0'" in message


@pytest.mark.parametrize("missing", ["weights.npz", "manifest.json"])
def test_missing_file(folder, missing):
    (folder / missing).unlink()
    assert missing in error(folder)


def test_missing_folder(tmp_path):
    assert "FileNotFoundError" in error(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "{}", '{"kind": "sat"}', '{"tensors": {}}', "\ufffe"]
)
def test_manifest_that_is_none(folder, content):
    (folder / "manifest.json").write_text(content, encoding="utf-16")
    error(folder)
    (folder / "manifest.json").write_text(content, encoding="utf-8")
    error(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": None},
        {"sha256": 5},
        {"tensors": []},
        {"tensors": ["double", "head/bias", "head/kernel", "steps"]},
        {"tensors": dict.fromkeys(tensors())},
        {"tensors": {name: {"shape": [1]} for name in tensors()}},
        {"tensors": {name: {"shape": 1, "dtype": "float32"} for name in tensors()}},
    ],
)
def test_manifest_with_wrong_entries(folder, changes):
    rewrite(folder, **changes)
    error(folder)


def test_failed_save_leaves_the_old_checkpoint(folder, monkeypatch):
    def fail(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        checkpoints.save(folder, "vfn", {"w": np.zeros(3)}, **RECORDS)
    assert set(checkpoints.load(folder, "sat").tensors) == set(tensors())


def test_shipped_trunk():
    loaded = checkpoints.load(resources.path("checkpoints") / "lite0", "lite0")
    sizes = {name: value.size for name, value in loaded.tensors.items()}
    assert loaded.tensors["stem/kernel"].shape == (3, 3, 3, 32)
    assert loaded.tensors["head/kernel"].shape == (1, 1, 320, 1280)
    # EfficientNet-Lite0 has 4,652,008 parameters, 1,281,000 of them in its classifier; each
    # channel's scale and shift were folded into a kernel and one bias.
    channels = sum(size for name, size in sizes.items() if name.endswith("/bias"))
    kernels = sum(size for name, size in sizes.items() if name.endswith("/kernel"))
    assert channels + kernels == sum(sizes.values())
    assert kernels + 2 * channels == 4_652_008 - 1_281_000

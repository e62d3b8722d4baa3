"""The readers of untrusted downloads: a pickle that cannot run code, and a vocabulary."""

import io
import pathlib
import pickle

import numpy as np
import pytest

from cagic_tf.networks import checkpoints
from cagic_tf.port import npy, vocabulary_csv
from tests import seeded


def write_object(path, content):
    """A .npy that holds an object, as `np.save` does."""
    array = np.empty((), object)
    array[()] = content
    np.save(path, array, allow_pickle=True)


class Bomb:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


@pytest.mark.parametrize("where", ["value", "key", "outermost", "inside an array"])
def test_npy_runs_nothing(where, tmp_path):
    proof, path = tmp_path / "executed", tmp_path / "weights.npy"
    bomb = Bomb(proof)
    nested = np.empty(1, object)
    nested[0] = bomb
    write_object(
        path,
        {
            "value": {"a": np.zeros(2), "b": bomb},
            "key": {bomb: np.zeros(2)},
            "outermost": bomb,
            "inside an array": {"a": nested},
        }[where],
    )
    with pytest.raises(checkpoints.CheckpointError, match="it names .* is not allowed") as caught:
        npy.read(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert not proof.exists()
    np.load(path, allow_pickle=True)
    assert proof.exists()  # It would have been.


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'x'\ntR.",
        b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93.",
        b"(S'true'\nios\nsystem\n.",
        b"cnumpy\ndtype\n(S'V8'\ntR.",
        b"cnumpy\ndtype\n(S'f4'\ntR(I3\nS'Q'\ntb.",
        b"c_codecs\nencode\n(S'x'\nS'zlib'\ntR.",
        b"cnumpy\nndarray\n(tR}(S'value'\nI1\nstb.",
        b"N.",
        b"",
    ],
)
def test_npy_refuses_hand_made_pickles(opcodes, tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    (tmp_path / "weights.npy").write_bytes(header.getvalue() + opcodes)
    with pytest.raises(checkpoints.CheckpointError):
        npy.read(tmp_path / "weights.npy")


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_npy_reads_numbers_of_every_pickle_protocol(protocol, tmp_path):
    rng = np.random.default_rng(0)
    content = {
        "w:0": rng.standard_normal((3, 4)).astype(np.float32),
        "fortran:0": np.asfortranarray(rng.standard_normal((2, 3))),
        "big:0": np.arange(5, dtype=">i4"),
        "half:0": np.ones(2, np.float16),
        "global_step:0": np.int32(289999),
    }
    array = np.empty((), object)
    array[()] = content
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    data = pickle.dumps(array, protocol=protocol)
    (tmp_path / "weights.npy").write_bytes(header.getvalue() + data)
    found = npy.read(tmp_path / "weights.npy")
    assert list(found) == list(content)
    for name, value in content.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == np.asarray(value).dtype.newbyteorder("=")


def test_npy_reads_what_python_2_wrote(tmp_path):
    """Keys and bytes are `str` there: opcode S or U, read as latin1."""
    values = np.array([1.5, -2.0], np.float32)
    text = repr(values.tobytes().decode("latin1")).encode("ascii", "backslashreplace")
    dtype = b"cnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
    make = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    inner = make + b"(I1\n(I2\nt" + dtype + b"I00\nS" + text + b"\ntb"
    objects = dtype.replace(b"f4", b"O8").replace(b"'<'", b"'|'").replace(b"I0\ntb", b"I63\ntb")
    outer = make + b"(I1\n(t" + objects + b"I00\n(lp0\n(dp1\nS'w:0'\n" + inner + b"satb."
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    (tmp_path / "weights.npy").write_bytes(header.getvalue() + outer)
    assert np.load(tmp_path / "weights.npy", allow_pickle=True, encoding="latin1").item()
    np.testing.assert_array_equal(npy.read(tmp_path / "weights.npy")["w:0"], values)


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x93NUMPY\x01\x00", None])
def test_npy_that_is_none(content, tmp_path):
    path = tmp_path / "weights.npy"
    np.save(path, np.zeros(3)) if content is None else path.write_bytes(content)
    with pytest.raises(checkpoints.CheckpointError, match=r"is no DeepRNN \.npy") as caught:
        npy.read(path)
    assert "\n" not in str(caught.value)


def test_vocabulary_keeps_every_word(tmp_path):
    words = seeded.write_vocabulary(tmp_path / "vocabulary.csv", 14)
    assert vocabulary_csv.read(tmp_path / "vocabulary.csv") == words
    assert {"nan", "null", "NA", '"', "''", "two,three"} <= set(words)


def test_vocabulary_is_ordered_by_index(tmp_path):
    path = tmp_path / "vocabulary.csv"
    path.write_text("frequency,index,word\n0,1,.\n0,0,<start>\n0,2,naïve\n", encoding="utf-8-sig")
    assert vocabulary_csv.read(path) == ["<start>", ".", "naïve"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns are None"),
        ("word,frequency\na,1\n", "word and index are needed"),
        ("word,index\n<start>,0\n.,0\n", "line 3: the index 0 is there twice"),
        ("word,index\n<start>,0\n,1\n.,2\n", "line 3: the index 1 has no word"),
        ("word,index\n<start>,0\n.,2\n", "not 0 to 1"),
        ("word,index\n<start>,zero\n", "zero"),
        ("word,index\n<start>\n", "NoneType"),
        ("word,index\n<start>,0\na,1\n", 'no end word "."'),
        ("word,index\n.,0\n.,1\n", "words there twice"),
    ],
)
def test_vocabulary_errors(text, message, tmp_path):
    path = tmp_path / "vocabulary.csv"
    path.write_text(text)
    with pytest.raises(checkpoints.CheckpointError) as caught:
        vocabulary_csv.read(path)
    assert message in str(caught.value) and str(path) in str(caught.value)

"""The reader of pickles: plain data comes back, and nothing that a file names is run."""

import copyreg
import io
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from cagic_tf.port import plain_pickle

PLAIN = {
    "list": [1, -(2**80), 2.5, True, None],
    "tuple": (1, (2, (3, 4, 5, 6))),
    "set": {1, 2},
    "frozenset": frozenset("a"),
    "text": "a café\n",
    b"bytes": b"\x00\xff" * 200,
}


def load(data, allowed=None, **options):
    return plain_pickle.load(io.BytesIO(data), allowed, **{"encoding": "utf-8", **options})


class Evil:
    def __init__(self, *call):
        self._call = call

    def __reduce__(self):
        return self._call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_comes_back(protocol):
    content = PLAIN
    if protocol < 4:  # Sets, and bytes at first, were pickled by name.
        content = {key: PLAIN[key] for key in ("list", "tuple", "text")}
    content = content | {"twice": [content["list"]] * 2}
    if protocol > 4:  # A bytearray is no name since then; the longer one is read in pieces.
        content |= {"short": bytearray(b"a\x00"), "long": bytearray(b"abcde" * 2**19)}
    found = load(pickle.dumps(content, protocol))
    assert found == content
    assert found["twice"][0] is found["twice"][1] is found["list"]


def test_texts_of_python_2_have_the_encoding_that_is_asked_for():
    data = b"(lp0\n(dp1\nS'raw'\np2\nS'a caf\\xc3\\xa9'\np3\nsS'id'\np4\nI7\nsa."
    assert load(data) == [{"raw": "a café", "id": 7}]
    assert load(data, encoding="latin1") == [{"raw": "a cafÃ©", "id": 7}]
    assert load(data.replace(b"\\xa9", b""), errors="replace") == [{"raw": "a caf\ufffd", "id": 7}]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_run(protocol, tmp_path):
    data = pickle.dumps([1, {"a": Evil(os.mkdir, (str(tmp_path / "owned"),))}], protocol)
    with pytest.raises(pickle.UnpicklingError, match=r"it names \w+\.mkdir, which is not allowed"):
        load(data)
    assert not (tmp_path / "owned").exists()
    pickle.loads(data)  # It would have worked.
    assert (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps(Evil(eval, ("1 + 1",))), "it names builtins.eval"),
        (pickle.dumps(np.float64(1)), "it names numpy"),  # A number, but of a class.
        (pickle.dumps(1 + 2j), "it names builtins.complex"),
        (b"(S'touch owned'\nios\nsystem\n.", "it names os.system"),  # INST.
        (b"(cos\nsystem\nS'touch owned'\no.", "it names os.system"),  # OBJ.
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "it names os.system"),  # STACK_GLOBAL.
        (b"Pname\n.", "persistent id"),
        (b"\x80\x02NQ.", "persistent id"),
        (b"\x80\x02\x82\x01.", "extension code"),
        (b"\x80\x02\x83\x01\x00.", "extension code"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "extension code"),
        (b"\x80\x05\x96\x09\0\0\0\0\0\0\0five.", "bytearray that is longer than the file"),
        (b"}}(S'__class__'\nS'x'\nub.", "it is damaged (AttributeError"),
        (pickle.dumps(PLAIN)[:-10], "pickle exhausted before end of frame"),
        (b"", "it is damaged (EOFError"),
        (b"plain text", "it is damaged (ValueError"),
        (b"\xff", "it is damaged (KeyError: 255"),
        (b"\x80\x63.", "unsupported pickle protocol: 99"),
    ],
)
def test_what_is_refused(data, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError) as caught:
        load(data)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "owned").exists()


def test_names_that_are_allowed_are_what_the_reader_says():
    allowed = {("collections", "OrderedDict"): dict, ("os", "system"): len}
    assert load(b"ccollections\nOrderedDict\n((lp0\n(S'a'\nI1\ntatR.", allowed) == {"a": 1}
    assert load(b"cos\nsystem\n(S'four'\ntR.", allowed) == 4
    with pytest.raises(pickle.UnpicklingError, match="it names posix.system"):
        load(b"cposix\nsystem\n(S'true'\ntR.", allowed)


class Kept:
    value = 1


def keep(value):
    return value


@pytest.mark.parametrize("stand_in", [Kept, keep])
@pytest.mark.parametrize("state", [b"}S'value'\nI2\ns", b"(N}S'value'\nI2\nst"])
def test_what_stands_in_for_a_name_stays_as_it_is(stand_in, state):
    before = dict(vars(stand_in))
    with pytest.raises(pickle.UnpicklingError, match="changes a class or function"):
        load(b"cother\nname\n" + state + b"b.", {("other", "name"): stand_in})
    assert dict(vars(stand_in)) == before


def test_extension_codes_of_the_program_are_not_the_files():
    """Also where the program has loaded one, and Python's own reader keeps what it found."""
    copyreg.add_extension("os", "system", 200)
    try:
        data = b"\x80\x02\x82\xc8."
        assert pickle.loads(data) is os.system
        with pytest.raises(pickle.UnpicklingError, match="extension code"):
            load(data)
    finally:
        copyreg.remove_extension("os", "system", 200)


LIMITED = """
import io, pickle, resource, sys
from cagic_tf.port import plain_pickle

data = bytes.fromhex(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
try:
    pickle.loads(data)
except MemoryError:
    print("Python's own reader takes more")
try:
    print(plain_pickle.load(io.BytesIO(data), encoding="utf-8"))
except pickle.UnpicklingError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x80\x04]r\xff\xff\xff\x07.", "[]"),  # Numbers its one object 2^27 - 1.
        (b"\x80\x04]r\xff\xff\xff\xff.", "[]"),
        (b"\x80\x05\x96" + (2**31).to_bytes(8, "little") + b".", "it has a bytearray"),
    ],
)
def test_a_few_bytes_take_little_memory(data, expected):
    """In a process of its own that may take half a gigabyte, code and all."""
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, data.hex()], capture_output=True, text=True, check=True
    )
    said, found = done.stdout.splitlines()
    assert said == "Python's own reader takes more"
    assert found.startswith(expected)

"""What cannot be printed or decoded decides no row."""

import io
import os
import sys

import pytest

from cagic_tf import run
from tests import fake_cropper, odd_files
from tests.fake_cropper import call, lines_of, three_photos


@pytest.fixture
def cropper(monkeypatch):
    return fake_cropper.install(monkeypatch)


class Gone(io.StringIO):
    """A pipe whose reader has gone away."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


def test_printing_decides_no_row(cropper, tmp_path, monkeypatch):
    values, out = three_photos(tmp_path), tmp_path / "out"
    (tmp_path / "d.png").write_bytes(b"broken")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", Gone())
        patched.setattr(sys, "stdout", Gone())
        patched.setattr(run, "print", lambda *_, **__: None, raising=False)
        assert call(**values) == run.EXIT_SOME_FAILED
    lines = lines_of(out)
    assert [line["status"] for line in lines] == ["ok", "ok", "ok", "error"]
    assert "pipe" not in lines[3]["error"]


def test_bytes_that_are_no_text(cropper, tmp_path):
    """As in a name of another system, or a caption from a terminal of another encoding."""
    name = os.fsdecode(b"caf\xe9")
    try:
        (tmp_path / f"{name}.png").write_bytes(odd_files.encoded(odd_files.RGB, "PNG"))
    except OSError:
        pytest.skip("this system has no such names")
    values = {"image": str(tmp_path / f"{name}.png"), "caption": f"a dog {name}"}
    values["output_dir"] = str(tmp_path / "out")
    assert call(**values) == run.EXIT_OK
    (line,) = lines_of(tmp_path / "out")
    assert line["image"] == str(tmp_path / "caf\ufffd.png") and line["caption"] == "a dog caf\ufffd"
    assert call(**values) == run.EXIT_OK and len(cropper.calls) == 1  # It is the same row.
    missing = {"image": str(tmp_path / f"no-{name}.png"), "output_dir": str(tmp_path / "o")}
    assert call(**values | missing) == run.EXIT_NOTHING  # The path itself is in the message.

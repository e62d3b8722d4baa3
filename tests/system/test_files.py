"""Whole files, and a lock that the dead do not hold."""

import os
import subprocess
import sys

import pytest

from cagic_tf.system import files


def test_a_failed_write_leaves_no_part(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        files.write_atomically(tmp_path / "x", b"data")
    assert list(tmp_path.iterdir()) == []


def test_a_write_replaces_and_is_on_the_disk_with_its_name(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def watched(descriptor):
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    (tmp_path / "x").write_bytes(b"old")
    if sys.platform == "linux":
        monkeypatch.setattr(os, "fsync", watched)
    files.write_atomically(tmp_path / "x", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"new")]
    if sys.platform == "linux":
        assert synced == [str(tmp_path / "x.partial"), str(tmp_path)]


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("as on Windows")

    monkeypatch.setattr(os, "open", refuse)
    files.write_atomically(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"


def test_a_lock_is_held_once_and_leaves_no_file(tmp_path):
    path = tmp_path / ".lock"
    lock = files.Lock(path)
    with pytest.raises(BlockingIOError, match="another process holds"):
        files.Lock(path)
    lock.release()
    assert not path.exists()
    second = files.Lock(path)
    lock.release()  # Not the second's.
    with pytest.raises(BlockingIOError):
        files.Lock(path)
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_was_left_does_not_block(tmp_path):
    (tmp_path / ".lock").write_text("from a process that died")
    files.Lock(tmp_path / ".lock").release()


def test_a_lock_nobody_has_any_more_is_dropped(tmp_path):
    lock = files.Lock(tmp_path / ".lock")
    del lock
    files.Lock(tmp_path / ".lock").release()


def test_no_module_needs_what_windows_has_not():
    code = (
        "import sys\n"
        "for name in ('fcntl', 'termios', 'pwd', 'grp', 'resource'): sys.modules[name] = None\n"
        "from cagic_tf.batch import output_folder\n"
        "from cagic_tf.system import files\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

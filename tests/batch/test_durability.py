"""Nothing is lost when a run dies, and one process at a time has the folder. No TensorFlow."""

import errno
import io
import os
import signal
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from cagic_tf.batch import manifest, output_folder, row_output
from cagic_tf.photos import crop_files, drawing, reading
from cagic_tf.system import files
from tests import held
from tests.batch.fake_rows import PHOTO, fail, lines_of, make_row, opened, result


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch):
    monkeypatch.setattr(drawing, "has_matplotlib", lambda: False)


def run_killer(tmp_path, *options):
    """Runs `kill_writer.py`; how many kills there were at set moments, and at random ones."""
    script = Path(__file__).with_name("kill_writer.py")
    root = str(script.parent.parent.parent)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), *options],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split() if word.isdigit()]


def test_killed_at_some_moments(tmp_path):
    kills = run_killer(tmp_path, "--quick")
    assert kills[0] >= 5 and kills[1] == 0


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path):
    kills = run_killer(tmp_path)
    assert kills[0] >= 100 and kills[1] >= 20


def test_a_killed_row_keeps_its_files_whatever_comes_between(tmp_path, monkeypatch):
    """Killed between the pictures of b and its line; a is written first when the run goes on."""
    folder = opened(tmp_path)
    a, b = make_row(tmp_path, "a"), make_row(tmp_path, "b")
    assert folder.fill(a, fail).status == "error"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(folder, "_append", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.fill(b, result)
    folder.close()
    assert (tmp_path / "out" / "b_crop.png").exists()
    folder = opened(tmp_path)
    folder.forget_errors([a])
    assert folder.fill(a, result).status == "ok"
    assert folder.fill(b, fail).status == "error"
    folder.close()
    folder = opened(tmp_path)  # An error does not give the files up either.
    folder.forget_errors([b])
    assert folder.fill(b, result).status == "ok"
    folder.close()
    assert not (tmp_path / "out" / ".writing").exists()


def test_the_second_run_refuses(tmp_path):
    folder = opened(tmp_path)
    folder.fill(make_row(tmp_path), result)
    code = (
        "import pathlib, sys; from cagic_tf.batch import output_folder\n"
        "try: kept = output_folder.OutputFolder(pathlib.Path(sys.argv[1]), sys.argv[2])\n"
        "except output_folder.OutputError as error: sys.exit(str(error))\n"
        "print('mine', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out"), "# config\n"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.PIPE}
    other = subprocess.run(command, capture_output=True, text=True)
    assert other.returncode == 1
    assert other.stderr.startswith(f"another run is writing to {tmp_path / 'out'}")
    folder.close()
    folder.close()
    with subprocess.Popen(command, text=True, **options) as other:
        assert other.stdout.readline() == "mine\n"
        with pytest.raises(output_folder.OutputError, match="another run"):
            opened(tmp_path)
        os.kill(other.pid, signal.SIGKILL)
    opened(tmp_path).close()  # A dead process holds nothing.
    assert not (tmp_path / "out" / ".lock").exists()


def test_a_folder_that_is_refused_is_not_held(tmp_path):
    folder = opened(tmp_path)
    folder.fill(make_row(tmp_path), result)
    folder.close()
    with pytest.raises(output_folder.OutputError, match="another configuration"):
        output_folder.OutputFolder(tmp_path / "out", "# other\n")
    opened(tmp_path).close()


class FullDisk(io.FileIO):
    """Takes one byte, then none."""

    def write(self, data):
        """As write(2) does: first what there is room for."""
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data[: len(data) - 10])


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    folder = opened(tmp_path, pictures=False)
    folder.fill(make_row(tmp_path, "a"), result)
    before = (tmp_path / "out" / output_folder.RESULTS).read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(
            files, "open", lambda path, mode, buffering: FullDisk(path, "ab"), raising=False
        )
        with pytest.raises(output_folder.OutputError, match="No space left"):
            folder.fill(make_row(tmp_path, "b"), result)
    assert (tmp_path / "out" / output_folder.RESULTS).read_bytes() == before
    assert folder.fill(make_row(tmp_path, "b"), result).status == "ok"
    assert [line.id for line in lines_of(tmp_path)] == ["a", "b"]


def test_200_rows_take_no_more_memory_than_their_records(tmp_path, monkeypatch):
    """What the folder and this code hold, counted object by object: nothing else is in it."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # Hundreds of them take seconds.
    folder, row, photos, sizes = opened(tmp_path), make_row(tmp_path), [], []
    ours = [vars(each) for each in (output_folder, row_output, crop_files, drawing, reading)]

    def crop():
        photo = PHOTO.copy()
        photos.append(weakref.ref(photo))
        return result(photo=photo)

    for number in range(200):
        one = manifest.Row(str(number), row.image, row.path, row.caption)
        assert folder.fill(one, crop).status == "ok"
        if number in (49, 199):
            sizes.append(held.size(folder, *ours))
    folder.close()
    assert 100 < (sizes[1] - sizes[0]) / 150 < 4000  # Bytes a row, its record being kept.
    assert len(photos) == 200 and not any(photo() is not None for photo in photos)
    assert held.alive(row_output.RowOutput) == 0

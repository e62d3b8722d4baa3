"""Nothing lost, nothing overwritten, one process at a time. No TensorFlow."""

import errno
import gc
import io
import os
import signal
import subprocess
import sys
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cagic_tf.batch import manifest, output_folder, records
from cagic_tf.photos import crop_files, drawing, reading
from cagic_tf.system import files

BOX = (2, 1, 12, 9)
PHOTO = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch):
    monkeypatch.setattr(drawing, "has_matplotlib", lambda: False)


def make_row(tmp_path, name="a", **changes):
    path = tmp_path / f"{name}.png"
    Image.fromarray(PHOTO).save(path)
    return manifest.Row(
        **{"id": name, "image": path.name, "path": path, "caption": "dog"} | changes
    )


def fail():
    raise ValueError("no luck")


def result(**fields):
    steps = [types.SimpleNamespace(center=(0.0, 0.0))]
    return types.SimpleNamespace(
        photo=PHOTO,
        box=BOX,
        path=types.SimpleNamespace(steps=steps),
        to_dict=lambda: {"box": list(BOX), "seconds": 0.5} | fields,
    )


def opened(tmp_path, **options):
    return output_folder.OutputFolder(tmp_path / "out", "# config\n", **options)


def lines_of(tmp_path):
    return list(records.read(tmp_path / "out" / output_folder.RESULTS).values())


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path):
    script = Path(__file__).with_name("kill_writer.py")
    root = str(script.parent.parent)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.returncode == 0, done.stderr
    kills = [int(word) for word in done.stdout.split() if word.isdigit()]
    assert kills[0] >= 100 and kills[1] >= 20


def test_pictures_and_their_names(tmp_path):
    saved = crop_files.SaveOptions("best-of-{id}", "webp", 80)
    folder = opened(tmp_path, save_options=saved)
    line = folder.fill(make_row(tmp_path), result)
    folder.close()
    assert line.status == "ok" and line.crop_file == "best-of-a.webp"
    assert lines_of(tmp_path) == [line]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {output_folder.RESULTS, output_folder.CONFIG, "best-of-a.webp", "a_overlay.jpg"}
    with Image.open(tmp_path / "out" / "best-of-a.webp") as crop:
        assert crop.format == "WEBP" and crop.size == (12, 9)


@pytest.mark.parametrize(
    "name",
    ["crop", "", "../{id}", "/tmp/{id}", "a/{id}", "{id}\\x", ".{id}", "{id}{0}", "{id} crop"]
    + ["{id}_overlay", "{id}_losses", "{id}\n", "{id!r}", "\0{id}"],
)
def test_names_that_could_be_elsewhere(tmp_path, name):
    with pytest.raises(output_folder.OutputError, match="cannot be named"):
        opened(tmp_path, save_options=crop_files.SaveOptions(name))
    assert list(tmp_path.iterdir()) == []


def test_other_files_stay(tmp_path):
    row = make_row(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a_crop.png").write_bytes(b"precious")
    folder = opened(tmp_path)
    calls = []
    line = folder.fill(row, lambda: calls.append(1) or result())
    assert "exists and is not of this run: --overwrite" in line.error and not calls
    folder.close()
    assert (tmp_path / "out" / "a_crop.png").read_bytes() == b"precious"
    folder = opened(tmp_path, overwrite=True)
    folder.forget_errors([row])
    assert folder.fill(row, result).status == "ok"
    folder.close()
    crop = reading.read(tmp_path / "out" / "a_crop.png")
    np.testing.assert_array_equal(crop, PHOTO[1:10, 2:14])


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("other", "taken"), [("a_overlay", "a_overlay.jpg"), ("a-2", "a-2.jpg"), ("a-3", "a-3.jpg")]
)
def test_a_row_does_not_take_another_rows_picture(other, taken, overwrite, tmp_path):
    saved = crop_files.SaveOptions("{id}", "jpeg")
    folder = opened(tmp_path, save_options=saved, overwrite=overwrite, candidate_count=3)
    boxes = [{"box": [at, 0, 5, 5]} for at in range(3)]
    assert folder.fill(make_row(tmp_path, "a"), lambda: result(candidates=boxes)).status == "ok"
    before = (tmp_path / "out" / taken).read_bytes()
    for _ in range(2):  # Again from what is on the disk.
        assert "is a file of the row 'a'" in folder.fill(make_row(tmp_path, other), result).error
        assert (tmp_path / "out" / taken).read_bytes() == before
        folder.close()
        folder = opened(tmp_path, save_options=saved, overwrite=overwrite, candidate_count=3)
        folder.forget_errors([make_row(tmp_path, other)])


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


def test_a_crop_never_replaces_its_photo(tmp_path):
    (tmp_path / "out").mkdir()
    row = make_row(tmp_path / "out")
    before = row.path.read_bytes()
    folder = opened(tmp_path, save_options=crop_files.SaveOptions("{id}"), overwrite=True)
    assert "its own photo" in folder.fill(row, result).error
    assert row.path.read_bytes() == before


def test_one_row_stops_no_other(tmp_path):
    folder = opened(tmp_path)

    def fail(error):
        raise error

    errors = {
        "v": (ValueError("two\nlines"), "two lines"),
        "m": (MemoryError(), "MemoryError: MemoryError"),
        "o": (OSError("device lost"), "OSError: device lost"),
        "r": (RuntimeError("odd"), "RuntimeError: odd"),
    }
    for name, (error, said) in errors.items():
        line = folder.fill(make_row(tmp_path, name), lambda error=error: fail(error))
        assert (line.status, line.error) == ("error", said)
    with pytest.raises(KeyboardInterrupt):
        folder.fill(make_row(tmp_path, "k"), lambda: fail(KeyboardInterrupt()))
    line = folder.fill(make_row(tmp_path, "p", problem="no caption"), lambda: fail(SystemError()))
    assert line.error == "no caption"
    row = make_row(tmp_path, "gone")
    assert "no photo at" in folder.fill(row, lambda: row.path.unlink() or result()).error
    assert [line.id for line in lines_of(tmp_path)] == [*errors, "p", "gone"]


def test_errors_are_retried_when_asked_or_changed(tmp_path):
    rows = [make_row(tmp_path, name, problem="no caption", caption="") for name in "ab"]
    rows.append(make_row(tmp_path, "c"))
    folder = opened(tmp_path)
    for row in rows:
        folder.fill(row, result)
    folder.close()
    before = (tmp_path / "out" / output_folder.RESULTS).read_bytes()
    changed = [make_row(tmp_path, "a", caption="a cat"), *rows[1:]]
    folder = opened(tmp_path)
    folder.forget_errors(rows, only_changed=True)
    assert (tmp_path / "out" / output_folder.RESULTS).read_bytes() == before
    with pytest.raises(output_folder.OutputError, match="choose another"):
        folder.is_done(changed[0])
    folder.forget_errors(changed, only_changed=True)
    assert [folder.is_done(row) for row in changed] == [False, True, True]
    folder.forget_errors(changed)
    assert [folder.is_done(row) for row in changed] == [False, False, True]
    assert [line.id for line in lines_of(tmp_path)] == ["c"]


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


def test_a_failed_write_leaves_no_part(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        files.write_atomically(tmp_path / "x", b"data")
    assert list(tmp_path.iterdir()) == []


def test_500_rows_take_no_more_memory_than_their_lines(tmp_path):
    folder, row = opened(tmp_path), make_row(tmp_path)
    sizes, ours = [], tracemalloc.Filter(True, output_folder.__file__, all_frames=True)
    tracemalloc.start(15)
    try:
        for number in range(500):
            one = manifest.Row(str(number), row.image, row.path, row.caption)
            assert folder.fill(one, result).status == "ok"
            if number in (99, 499):
                gc.collect()
                # Of this code alone: threads that other tests left allocate as well.
                mine = tracemalloc.take_snapshot().filter_traces([ours])
                sizes.append(sum(trace.size for trace in mine.traces))
    finally:
        tracemalloc.stop()
    assert 100 < (sizes[1] - sizes[0]) / 400 < 4000  # Bytes a row, its line being kept.

"""Kills a writer of results at every moment that counts; a script without TensorFlow.

`python kill_writer.py FOLDER [--quick]`: a fake cropper fills output folders in forked children
that kill themselves (SIGKILL) at the n-th write, sync, rename or removal, for each n that there is;
then one is killed from outside, again and again, at moments of chance. After each kill the same run
goes on. With --quick only some of the moments come, and none of chance. Prints how many kills there
were; exits with 1 where a row was lost, repeated or half written.
"""

import builtins
import itertools
import json
import os
import random
import shutil
import signal
import sys
import time
import types
from pathlib import Path

import numpy as np
from PIL import Image

from cagic_tf.batch import manifest, output_folder
from cagic_tf.photos import crop_files, drawing, reading
from cagic_tf.system import files

BOX = (2, 1, 12, 9)
drawing.has_matplotlib = lambda: False
_moments = itertools.count(1)


def moment(last):
    """One more moment; the process ends at the last."""
    if next(_moments) == last:
        os.kill(os.getpid(), signal.SIGKILL)


class Halves:
    """A file that writes half of what it is given, so that a kill can come between."""

    def __init__(self, file, last):
        self._file, self._last = file, last

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data):
        """Two moments; a buffered file gets all of it."""
        moment(self._last)
        half = self._file.write(data[: max(1, len(data) // 2)])
        self._file.flush()
        moment(self._last)
        buffered = not isinstance(self._file, builtins.open(os.devnull, "rb", 0).__class__)
        return half + self._file.write(data[half:]) if buffered else half


def slow_down(last):
    """Lets `moment` come before and after all that changes the disk."""

    def wrapped(call):
        def around(*arguments, **options):
            moment(last)
            found = call(*arguments, **options)
            moment(last)
            return found

        return around

    os.fsync, os.replace = wrapped(os.fsync), wrapped(os.replace)
    Path.unlink = wrapped(Path.unlink)
    files.open = lambda *given, **options: Halves(builtins.open(*given, **options), last)


def rows_of(folder, count):
    """Rows with photos of their own, one of them broken and one with a problem."""
    rows = []
    for number in range(count):
        path = folder / f"photo{number}.png"
        if not path.exists():
            pixels = np.random.default_rng(number).integers(0, 256, (16, 24, 3), np.uint8)
            Image.fromarray(pixels).save(path)
        problem = "no caption" if number == 1 else ""
        rows.append(manifest.Row(f"row{number}", path.name, path, "a dog", problem=problem))
    rows[2].path.write_bytes(b"broken")
    return rows


def write(rows, directory, style=None):
    """What the command does, with a crop that takes no time."""

    def crop(row):
        found = types.SimpleNamespace(photo=reading.read(row.path), box=BOX)
        found.to_dict = lambda: {"box": list(BOX), "seconds": 0.5}
        found.path = types.SimpleNamespace(steps=[types.SimpleNamespace(center=(0.0, 0.0))])
        return found

    folder = output_folder.OutputFolder(
        directory, "# config\n", provenance={"threads": 2}, save_options=style
    )
    _, rewritten = folder.outdated(rows)
    for row in rows:
        if row.id in rewritten:
            folder.write_again(row)
        if not folder.is_done(row):
            folder.fill(row, lambda row=row: crop(row))
    folder.close()


def forked(action, killed_after=None):
    """Runs it in a child; whether it was killed."""
    child = os.fork()
    if not child:
        try:
            action()
        except BaseException as error:
            print(f"the child failed: {error!r}", file=sys.stderr)
            os._exit(3)
        os._exit(0)
    if killed_after is not None:
        time.sleep(killed_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("a child failed")
    return os.WIFSIGNALED(status)


def whole_lines(directory):
    """The lines that are whole; each must have its crop on the disk, right to the last pixel."""
    path = directory / output_folder.RESULTS
    data = path.read_bytes() if path.exists() else b""
    lines = [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]
    for line in lines:
        if line["status"] == "ok":
            x, y, w, h = BOX
            photo = reading.read(directory.parent / line["image"])
            crop = reading.read(directory / line["crop_file"])
            np.testing.assert_array_equal(crop, photo[y : y + h, x : x + w])
            assert reading.read(directory / f"{line['id']}_overlay.jpg").shape == photo.shape
    return lines


def check(directory, rows, expected):
    """The folder of a run that ended."""
    lines = whole_lines(directory)
    assert [line["id"] for line in lines] == [row.id for row in rows]
    assert [line["status"] for line in lines] == ["ok", "error", "error"] + ["ok"] * (len(rows) - 3)
    found = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert set(found) == set(expected), set(found) ^ set(expected)
    assert found == expected


def main(folder, quick):
    """Kills at every moment, then at moments of chance; if `quick`, at every 23rd and no others."""
    rows = rows_of(folder, 4 if quick else 5)
    write(rows, folder / "undisturbed")
    expected = {path.name: path.read_bytes() for path in (folder / "undisturbed").iterdir()}
    out, kills = folder / "killed", 0
    for last in itertools.count(1, 23 if quick else 1):
        shutil.rmtree(out, ignore_errors=True)
        killed = forked(lambda last=last: (slow_down(last), write(rows, out)))
        if killed:
            kills += 1
            before = whole_lines(out)
            assert not forked(lambda: write(rows, out))
            assert whole_lines(out)[: len(before)] == before
        check(out, rows, expected)
        if not killed:
            break

    again = rows_of(folder, 4)
    style = crop_files.SaveOptions("{id}.new", "webp", strip_metadata=True)
    finished = folder / "finished"
    write(again, finished)
    shutil.copytree(finished, folder / "restyled")
    write(again, folder / "restyled", style)
    expected = {path.name: path.read_bytes() for path in (folder / "restyled").iterdir()}
    for last in itertools.count(1, 5 if quick else 1):
        shutil.rmtree(out)
        shutil.copytree(finished, out)
        killed = forked(lambda last=last: (slow_down(last), write(again, out, style)))
        if killed:
            kills += 1
            assert not forked(lambda: write(again, out, style))
        found = {path.name: path.read_bytes() for path in out.iterdir()}
        assert found == expected, set(found) ^ set(expected)
        if not killed:
            break

    rows = rows_of(folder, 40)
    chance, at_random = random.Random(0), 0
    write(rows, folder / "all")
    expected = {path.name: path.read_bytes() for path in (folder / "all").iterdir()}
    while at_random < (0 if quick else 25):
        out = folder / f"at_random_{at_random}"
        while forked(lambda out=out: write(rows, out), killed_after=chance.uniform(0, 0.3)):
            at_random += 1
            whole_lines(out)
        check(out, rows, expected)
    print(f"{kills} kills at set moments, {at_random} at random ones")


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--quick" in sys.argv[2:])

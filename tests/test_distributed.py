"""The distributed runner against the single process: same rows, same results, dead workers too."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Sequence
from pathlib import Path

import pytest
from absl import flags
from absl.testing import flagsaver

from cagic_tf import distributed, run
from cagic_tf.batch import manifest, output_folder, row_output, worker_pool
from cagic_tf.batch.resuming import PROVENANCE
from tests import odd_files

if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])
pytest.importorskip("ray", reason="needs the extra distributed")
QUICK = [
    "CoarseToFine.scan_scales = (0.5,)",
    "CoarseToFine.scan_centers = 2",
]
ONE_THREAD = ["--threads=1", "--gin_file=fast.gin", *(f"--gin_param={value}" for value in QUICK)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Eight photos, three of them broken."""
    folder = tmp_path_factory.mktemp("photos")
    good, bad = list(odd_files.good().items())[:5], list(odd_files.bad().items())[:3]
    for name, data in {**{n: data for n, (data, _) in good}, **dict(bad)}.items():
        (folder / name).write_bytes(data)
    return folder


def command(module: str, photos: Path, out: Path, *flags: str) -> list[str]:
    what = [f"--images={photos}/*", "--caption=a dog", "--aspect_ratio=1:1,16:9"]
    return [
        sys.executable,
        "-m",
        f"cagic_tf.{module}",
        *ONE_THREAD,
        *what,
        f"--output_dir={out}",
        *flags,
    ]


def call(*args, **kwargs) -> subprocess.CompletedProcess:
    found = subprocess.run(command(*args, **kwargs), capture_output=True, text=True, timeout=1800)
    assert found.returncode == run.EXIT_SOME_FAILED, found.stderr
    return found


def lines_of(out: Path) -> list[dict]:
    """What the lines say but for the time that it took."""
    lines = [json.loads(line) for line in (out / output_folder.RESULTS).read_text().splitlines()]
    return [{**line, "seconds": None} for line in lines]


def files_of(out: Path) -> dict[str, bytes]:
    """Files but for those that have a time or the command in them."""
    names = {path.name: path.read_bytes() for path in out.iterdir()}
    return {name: names[name] for name in names.keys() - {output_folder.RESULTS, PROVENANCE}}


def made_by(out: Path) -> dict:
    return {**json.loads((out / PROVENANCE).read_text()), "command": None}


@pytest.fixture(scope="module")
def alone(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "out"
    call("run", photos, out)
    return out


@pytest.mark.slow
def test_equal_to_the_single_process_though_a_worker_is_killed(photos, alone, tmp_path):
    killed = threading.Event()

    def kill_one():
        """Kills a worker once there is a result, so that it has work."""
        while not (out / output_folder.RESULTS).exists():
            time.sleep(0.05)
        os.kill(workers_below(process.pid)[0], signal.SIGKILL)
        killed.set()

    out = tmp_path / "out"
    process = subprocess.Popen(
        command("distributed", photos, out, "--workers=2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
    )
    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    text, errors = process.communicate(timeout=1800)
    assert killed.is_set() and process.returncode == run.EXIT_SOME_FAILED, text + errors
    assert [line[:9] for line in errors.splitlines()] == ["  error: "] * 6
    ours = [line for line in text.splitlines() if "(raylet)" not in line]  # It says who died.
    headings = [line.split()[0] for line in ours if line.startswith("[")]
    assert headings == [f"[{number}/16]" for number in range(1, 17)]
    assert all(line.startswith(("  ", "[")) for line in ours[:-1])
    assert ours[-1].startswith("16 rows, 6 errors")
    assert lines_of(out) == lines_of(alone)
    assert files_of(out) == files_of(alone) and made_by(out) == made_by(alone)
    before = (out / output_folder.RESULTS).read_bytes()
    call("distributed", photos, out)  # Nothing is left to do.
    assert (out / output_folder.RESULTS).read_bytes() == before


def workers_below(pid: int) -> list[int]:
    """Our workers that come from this process."""
    parents, names = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            names[int(path.name)] = (path / "cmdline").read_text()
        except OSError:  # It has ended.
            continue

    def is_below(each):
        return each == pid or (each in parents and is_below(parents[each]))

    return [each for each in parents if is_below(each) and "ray::Worker" in names[each]]


class Deadly:
    """Stands for `worker.Worker`: dies of the row "2", and leaves a mark for each try."""

    def __init__(self, folder: Path):
        self._folder = folder

    def ready(self) -> None:
        pass

    def crop(self, rows: Sequence[manifest.Row]) -> list[row_output.RowOutput]:
        (row,) = rows
        with open(self._folder / row.id, "a") as file:
            file.write("x")
        if row.id == "2":
            os.kill(os.getpid(), signal.SIGKILL)
        return [row_output.RowOutput({"box": [int(row.id), 0, 1, 1]}, {})]


@pytest.mark.slow
def test_a_row_that_kills_its_workers_takes_no_other_along(tmp_path, monkeypatch):
    import ray

    monkeypatch.setattr(distributed.worker, "Worker", Deadly)
    monkeypatch.setattr(distributed.worker, "Settings", lambda *_: tmp_path)
    rows = [manifest.Row(f"{at}", "a.png", tmp_path / "a.png", "a dog") for at in range(7)]
    distributed._connect(ray)
    try:
        found = list(worker_pool.crop(ray, distributed._start_workers(ray), rows))
    finally:
        ray.shutdown()
    assert [output.error for output in found] == [None] * 2 + [worker_pool.LOST] + [None] * 4
    assert [output.fields["box"][0] for output in found if not output.error] == [0, 1, 3, 4, 5, 6]
    tries = {row.id: len((tmp_path / row.id).read_text()) for row in rows}
    assert tries == {row.id: 3 if row.id == "2" else 1 for row in rows}


def test_rows_that_no_worker_finished_are_errors(tmp_path, monkeypatch, capsys):
    rows = [manifest.Row(f"{at}", "a.png", tmp_path / "a.png", "a dog") for at in range(1, 4)]
    good = row_output.RowOutput({"box": [0, 0, 5, 5], "predicted_caption": "a cat"}, {})
    found = [row_output.failed(worker_pool.LOST), good, row_output.failed(worker_pool.LOST)]
    for name in ("_connect", "_check_resources", "_start_workers"):
        monkeypatch.setattr(distributed, name, lambda ray: None)
    monkeypatch.setattr(worker_pool, "crop", lambda *_: iter(found))
    folder = output_folder.OutputFolder(tmp_path / "out", "# config", pictures=False)
    distributed._crop_rows(None, folder, rows)
    assert [folder.done[row.id].status for row in rows] == ["error", "ok", "error"]
    assert folder.done["1"].error == worker_pool.LOST and folder.done["2"].box == [0, 0, 5, 5]
    output = capsys.readouterr()
    assert output.out.splitlines()[2:4] == ["[2/3] a.png: a dog", "  2: box [0, 0, 5, 5]"]
    assert output.err.count("no worker finished it in 3 tries") == 2


def test_workers_that_cannot_go_on_are_one_line(tmp_path, monkeypatch):
    def crop(*_):
        raise worker_pool.PoolError("Traceback\n  of Ray\nDeviceError: there is no gpu:7\n")
        yield

    for name in ("_connect", "_check_resources", "_start_workers"):
        monkeypatch.setattr(distributed, name, lambda ray: None)
    monkeypatch.setattr(worker_pool, "crop", crop)
    with pytest.raises(run.CommandError) as error:
        distributed._crop_rows(None, None, [manifest.Row("a", "a.png", Path("a.png"), "a dog")])
    assert str(error.value) == "the workers cannot go on: DeviceError: there is no gpu:7"


def test_ctrl_c_while_ray_starts_counts_when_it_has_started():
    """Else the processes that it has started so far would go on."""
    started = []
    with pytest.raises(KeyboardInterrupt), distributed._interrupted_afterwards():
        os.kill(os.getpid(), signal.SIGINT)
        started.append("all of it")
    assert started == ["all of it"]
    with distributed._interrupted_afterwards():
        pass


@pytest.mark.parametrize(
    ("flags_", "fits"),
    [
        ({"gpus_per_worker": 0.5}, True),
        ({"threads": 4}, True),
        ({"gpus_per_worker": 2}, False),
        ({"threads": 4, "gpus_per_worker": 1}, False),  # Not on one machine.
    ],
)
def test_workers_that_would_wait_for_ever_are_refused(flags_, fits):
    gpu = {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}}
    nodes = [{"Alive": True, "Resources": {"CPU": 4.0}}, gpu]
    nodes.append({"Alive": False, "Resources": {"CPU": 99.0, "GPU": 99.0}})
    ray = types.SimpleNamespace(nodes=lambda: nodes)
    expected = pytest.raises(run.CommandError, match="no machine has")
    with flagsaver.flagsaver(**flags_), contextlib.nullcontext() if fits else expected:
        distributed._check_resources(ray)


@pytest.mark.slow
def test_an_address_where_nothing_is(photos, tmp_path):
    args = command("distributed", photos, tmp_path / "out", "--address=127.0.0.1:1")
    found = subprocess.run(args, capture_output=True, text=True, timeout=1800)
    assert found.returncode == run.EXIT_NOTHING
    assert "error: cannot join a Ray cluster at 127.0.0.1:1" in found.stderr
    assert "Traceback" not in found.stderr

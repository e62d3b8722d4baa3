"""The distributed runner against the single process: same rows, same results, dead workers too."""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest
from absl import flags
from absl.testing import flagsaver

from cagic_tf import distributed, run
from cagic_tf.batch import manifest, output_folder, row_output
from cagic_tf.beyond import shapes
from tests import odd_files

if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])
pytest.importorskip("ray", reason="needs the extra distributed")
QUICK = [
    "CoarseToFine.scan_scales = (0.5,)",
    "CoarseToFine.scan_centers = 2",
    "Annealing.restart_count = 2",
]
ENTRY = {"box": [0, 0, 5, 5], "loss": {"total": 1.0}, "predicted_caption": "", "iou": None}
ENTRY |= {"matched_words": {"captioner": [], "lexicon": {}}, "unknown_words": {}}
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
    found = subprocess.run(command(*args, **kwargs), capture_output=True, text=True, timeout=300)
    assert found.returncode == run.EXIT_SOME_FAILED, found.stderr
    return found


def lines_of(out: Path) -> list[dict]:
    """What the lines say but for the time that it took."""
    lines = [json.loads(line) for line in (out / output_folder.RESULTS).read_text().splitlines()]
    return [{**line, "seconds": None} for line in lines]


def files_of(out: Path) -> dict[str, bytes]:
    names = {path.name: path.read_bytes() for path in out.iterdir()}
    return {name: data for name, data in names.items() if name != output_folder.RESULTS}


@pytest.fixture(scope="module")
def alone(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "out"
    call("run", photos, out)
    return out


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
        stderr=subprocess.STDOUT,
        text=True,
    )
    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    text, _ = process.communicate(timeout=300)
    assert killed.is_set() and process.returncode == run.EXIT_SOME_FAILED, text
    assert text.count("  error: ") == 6 and "Traceback" not in text
    assert lines_of(out) == lines_of(alone)
    assert files_of(out) == files_of(alone)
    before = (out / output_folder.RESULTS).read_bytes()
    call("distributed", photos, out)  # Nothing is left to do.
    assert (out / output_folder.RESULTS).read_bytes() == before


def workers_below(pid: int) -> list[int]:
    """Processes of Ray's pool of workers that come from this one."""
    parents, names = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            names[int(path.name)] = (path / "cmdline").read_text()
        except OSError:  # It has ended.
            continue

    def is_below(each):
        return each == pid or (each in parents and is_below(parents[each]))

    return [each for each in parents if is_below(each) and "MapWorker" in names[each]]


def test_rows_that_no_worker_finished_are_errors(tmp_path, monkeypatch, capsys):
    rows = [manifest.Row(f"{at}", "a.png", tmp_path / "a.png", "a dog") for at in range(1, 6)]
    found = [(at, row_output.RowOutput(ENTRY | {"scale": at / 10}, {})) for at in (2, 4)]
    monkeypatch.setattr(distributed, "_outputs", lambda rows: iter(found))
    folder = output_folder.OutputFolder(tmp_path / "out", "# config", pictures=False)
    distributed._crop_rows(None, folder, rows)
    lines = [folder.done[row.id] for row in rows]
    assert list(folder.done) == ["1", "2", "3", "4", "5"]
    assert [line.status for line in lines] == ["error", "ok", "error", "ok", "error"]
    assert [line.scale for line in lines] == [None, 0.2, None, 0.4, None]
    assert all("no worker finished it in 3 tries" in line.error for line in lines[::2])
    assert "[5/5] a.png: a dog" in capsys.readouterr().out


def test_rows_travel_as_they_are():
    truths = ((0.5, 1, 20, 30), (1, 2, 3, 4))
    for row in (
        manifest.Row(
            "a", "x/a.png", Path("/p/x/a.png"), "a dog – so", truths, "", shapes.parse("4:5")
        ),
        manifest.Row("b", "b.png", Path("b.png"), None, problem="no caption"),
    ):
        assert pickle.loads(pickle.dumps(row)) == row


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
    ray = types.SimpleNamespace(nodes=lambda: nodes, shutdown=lambda: None)
    expected = pytest.raises(run.CommandError, match="no machine has")
    with flagsaver.flagsaver(**flags_), contextlib.nullcontext() if fits else expected:
        distributed._check_room(ray)


def test_an_address_where_nothing_is(photos, tmp_path):
    args = command("distributed", photos, tmp_path / "out", "--address=127.0.0.1:1")
    found = subprocess.run(args, capture_output=True, text=True, timeout=120)
    assert found.returncode == run.EXIT_NOTHING
    assert "error: cannot join a Ray cluster at 127.0.0.1:1" in found.stderr
    assert "Traceback" not in found.stderr

"""A long run's memory does not grow with its rows."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cagic_tf import run
from cagic_tf.batch import output_folder

ROWS, WARM = 150, 50
GROWTH = 25  # MiB between WARM and ROWS rows: less than two of the pictures' many copies.
SHORT = ["scan_scales = (0.7,)", "scan_centers = 1"]
BINDINGS = [*(f"CoarseToFine.{each}" for each in SHORT), "Annealing.restart_count = 1"]


def memory(pid: int) -> int:
    """MiB that a process has in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


@pytest.mark.slow
def test_150_rows_need_what_50_need(tmp_path):
    random = np.random.default_rng(0)
    lines = []
    for number in range(20):
        sides = random.integers(8, 40, 2)
        pixels = random.integers(0, 256, (*sides, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    for number in range(ROWS):
        row = {"id": f"{number}", "image": f"{number % 20}.png", "caption": f"a dog {number}"}
        lines.append(json.dumps(row) + "\n")
    (tmp_path / "rows.jsonl").write_text("".join(lines))
    out = tmp_path / "out"
    args = [sys.executable, "-m", "cagic_tf.run", "--gin_file=fast.gin", f"--output_dir={out}"]
    args += [f"--manifest={tmp_path}/rows.jsonl", *(f"--gin_param={each}" for each in BINDINGS)]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(args, stdout=log, stderr=log)
    found = {}
    while process.poll() is None:
        try:
            done = (out / output_folder.RESULTS).read_bytes().count(b"\n")
            found[done] = memory(process.pid)
        except (FileNotFoundError, StopIteration):  # Not begun, or just ended.
            pass
        time.sleep(0.1)
    log = (tmp_path / "log").read_text()
    assert process.returncode == run.EXIT_OK, log[-2000:]
    assert f"{ROWS} rows, 0 errors" in log
    early = max(size for done, size in found.items() if WARM - 25 <= done <= WARM)
    late = max(size for done, size in found.items() if done > ROWS - 25)
    assert late - early < GROWTH, (early, late)

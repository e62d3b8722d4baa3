"""How long a photo takes, alone and among many, on this machine's CPU and GPU.

    python -m experiments.throughput --output_dir=experiments/results/throughput

Writes OUT/table.md, OUT/table.csv, OUT/throughput.json and OUT/made_by.json. Each gin file is timed
on each device in a process of its own: sample photos and their captions, over and over, each time
with seeds of its own. The first run of each number of photos traces and compiles, and its time is
given for itself; of the runs after it, which must find the very same crops, the median counts. The
same command goes on where it stopped, also on another machine, for what that one lacks.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import tensorflow as tf
from absl import app, flags

from cagic_tf import config, pipeline
from cagic_tf.batch import manifest
from cagic_tf.photos import reading
from cagic_tf.system import devices, provenance, resources
from experiments import command
from experiments.errors import ExperimentError
from experiments.tables import made_by, networks, table_files

FLAGS = flags.FLAGS
COLUMNS = {
    "gin file": "",
    "device": "",
    "photos": "d",
    "seconds, the first time": ".1f",
    "seconds": ".2f",
    "seconds a photo": ".3f",
    "photos a second": ".2f",
    "evaluations a photo": ".0f",
    "GPU memory, MiB": ".0f",
    "equal runs": "",
    "commit": "",
}


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string("output_dir", "outputs/throughput", "The folder that results go to.")
    flags.DEFINE_multi_string(
        "gin_file", ["paper_quick.gin", "fast.gin"], "A search to time: a gin file; repeatable."
    )
    flags.DEFINE_list("devices", ["cpu", "gpu"], "What computes; see cagic_tf.run --device.")
    flags.DEFINE_list("counts", ["1", "8", "64"], "Numbers of photos at a time, on a GPU.")
    flags.DEFINE_list("cpu_counts", ["1"], "On a CPU, where they go one after the other.")
    flags.DEFINE_integer("repeats", 2, "How many runs there are after the first.", 1)
    flags.DEFINE_bool("worker", False, "Times the one gin file here, and prints it as JSON.")
    devices.define_flags()


def photos(count: int) -> tuple[list, list[str], list[int]]:
    """So many photos, captions and seeds."""
    rows = manifest.read(resources.package_path("samples") / "manifest.jsonl")
    chosen = [rows[number % len(rows)] for number in range(count)]
    return (
        [reading.read(row.path) for row in chosen],
        [row.caption for row in chosen],
        [*range(count)],
    )


def time_one(cropper: pipeline.Cropper, gin_file: str, count: int) -> dict[str, Any]:
    """Figures of one gin file on this process's device, for one number of photos."""
    gpu = devices.on_gpu()
    if gpu:
        tf.config.experimental.reset_memory_stats("GPU:0")
    seconds, found = [], []
    for _ in range(1 + FLAGS.repeats):
        begin = time.perf_counter()
        results = cropper.crop_many(*photos(count), batch=count)
        seconds.append(time.perf_counter() - begin)
        found.append([(result.center, result.scale, result.loss) for result in results])
    typical = statistics.median(seconds[1:])
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20 if gpu else None
    machine = provenance.machine()
    return {
        "gin file": made_by.shortened(gin_file),
        "device": machine["gpus"][0]
        if gpu
        else f"{machine['processor']}, {machine['cores']} cores",
        "photos": count,
        "seconds, the first time": seconds[0],
        "seconds": typical,
        "seconds a photo": typical / count,
        "photos a second": count / typical,
        "evaluations a photo": sum(result.evaluations for result in results) / count,
        "GPU memory, MiB": peak,
        "equal runs": f"{sum(each == found[0] for each in found)} of {len(found)}",
        "commit": provenance.commit(),
    }


def missing(rows: list[dict[str, Any]], gin_file: str, device: str) -> list[int]:
    """The numbers of photos that are not timed yet, fewest first."""
    counts = FLAGS.cpu_counts if device == "cpu" else FLAGS.counts
    known = {
        row["photos"]
        for row in rows
        if row["gin file"] == made_by.shortened(gin_file)
        and (row["GPU memory, MiB"] is None) == (device == "cpu")
    }
    return [int(count) for count in counts if int(count) not in known]


def time_missing(rows: list[dict[str, Any]], gin_file: str, device: str) -> Iterator[dict]:
    """Times one gin file on one device in a process of its own, a dict for each number of photos.

    Raises:
      ExperimentError: It could not be timed there.
    """
    counts = missing(rows, gin_file, device)
    if not counts:
        return
    program = [sys.executable, "-m", "experiments.throughput", "--worker", f"--device={device}"]
    program += [f"--gin_file={gin_file}", f"--counts={','.join(map(str, counts))}"]
    program += [f"--threads={FLAGS.threads}", f"--repeats={FLAGS.repeats}"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        yield from map(json.loads, process.stdout or [])
    if process.returncode:
        raise ExperimentError(f"{gin_file} could not be timed with --device={device}")


def main() -> None:
    """Times everything, keeping each figure as it comes, then writes the table."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    used = {}
    for gin_file in FLAGS.gin_file:
        cropper = config.load_cropper(gin_file)
        used[gin_file] = cropper.loss.networks.checkpoints
        for count in FLAGS.counts if FLAGS.worker else []:
            print(json.dumps(time_one(cropper, gin_file, int(count))), flush=True)
    if FLAGS.worker:
        return
    directory = Path(FLAGS.output_dir)
    path = directory / "throughput.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    for gin_file in FLAGS.gin_file:
        for device in FLAGS.devices:
            for row in time_missing(rows, gin_file, device):
                rows.append(row)
                made_by.write_file(path, (json.dumps(rows, indent=1) + "\n").encode())
    notes = ["On a CPU photos go one after the other.", networks.note(used)]
    shown = [row | {"commit": row["commit"][:12]} for row in rows]
    table_files.write(directory, pd.DataFrame(shown), COLUMNS, notes, networks.merged(used), [path])


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

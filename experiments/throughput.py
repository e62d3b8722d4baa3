"""How long a photo takes, alone and among many, on this machine's CPU and GPU.

    python -m experiments.throughput --output_dir=experiments/results/throughput

Writes OUT/table.md, OUT/table.csv, OUT/throughput.json and OUT/made_by.json. Each gin file is timed
on each device in a process of its own: sample photos and their captions, over and over, each time
with seeds of its own. The first run of each number of photos traces and compiles, and its time is
given for itself; of the runs after it, which must find the very same crops, the median counts.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import tensorflow as tf
from absl import app, flags

from cagic_tf import config
from cagic_tf.batch import manifest
from cagic_tf.photos import reading
from cagic_tf.system import devices, resources
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


def time_one(gin_file: str, counts: list[int]) -> list[dict[str, Any]]:
    """Figures of one gin file on this process's device, a dict for each number of photos."""
    cropper = config.load_cropper(gin_file)
    gpu = devices.on_gpu()
    found = []
    for count in counts:
        if gpu:
            tf.config.experimental.reset_memory_stats("GPU:0")
        seconds, boxes = [], []
        for _ in range(1 + FLAGS.repeats):
            begin = time.perf_counter()
            results = cropper.crop_many(*photos(count), batch=count)
            seconds.append(time.perf_counter() - begin)
            boxes.append([(result.center, result.scale, result.loss) for result in results])
        typical = statistics.median(seconds[1:])
        found.append(
            {
                "gin file": made_by.shortened(gin_file),
                "device": "GPU" if gpu else "CPU",
                "photos": count,
                "seconds, the first time": seconds[0],
                "seconds": typical,
                "seconds a photo": typical / count,
                "photos a second": count / typical,
                "evaluations a photo": sum(result.evaluations for result in results) / count,
                "GPU memory, MiB": tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
                if gpu
                else None,
                "equal runs": f"{sum(each == boxes[0] for each in boxes)} of {len(boxes)}",
            }
        )
    return found


def in_a_process(gin_file: str, device: str) -> list[dict[str, Any]]:
    """The figures of one gin file on one device.

    Raises:
      ExperimentError: It could not be timed there.
    """
    counts = FLAGS.cpu_counts if device == "cpu" else FLAGS.counts
    program = [sys.executable, "-m", "experiments.throughput", "--worker", f"--device={device}"]
    program += [f"--gin_file={gin_file}", f"--counts={','.join(counts)}"]
    program += [f"--threads={FLAGS.threads}", f"--repeats={FLAGS.repeats}"]
    done = subprocess.run(program, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise ExperimentError(f"{gin_file} could not be timed with --device={device}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Times everything, then writes what was found."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    if FLAGS.worker:
        print(json.dumps(time_one(FLAGS.gin_file[0], [int(count) for count in FLAGS.counts])))
        return
    used = {each: config.load_cropper(each).loss.networks.checkpoints for each in FLAGS.gin_file}
    rows = [
        row
        for gin_file in FLAGS.gin_file
        for device in FLAGS.devices
        for row in in_a_process(gin_file, device)
    ]
    directory = Path(FLAGS.output_dir)
    made_by.write_file(directory / "throughput.json", (json.dumps(rows, indent=1) + "\n").encode())
    notes = ["On a CPU photos go one after the other.", networks.note(used)]
    table_files.write(
        directory,
        pd.DataFrame(rows),
        COLUMNS,
        notes,
        networks.merged(used),
        [directory / "throughput.json"],
    )


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

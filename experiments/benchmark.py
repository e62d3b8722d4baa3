"""How fast the method runs on this machine, and where its time goes.

    python -m experiments.benchmark --output=experiments/results/benchmark

Writes OUTPUT.json and OUTPUT.md: the objective beside the bare trunk, the split over its parts,
what the optimizer asks for and what is computed of it, seconds a photo for each gin file, and, each
in a process of its own, start-up and peak memory for photos of several sizes. Takes minutes; leave
the machine alone meanwhile.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags
from PIL import Image
from tqdm import tqdm

from cagic_tf import config
from cagic_tf.batch import manifest
from cagic_tf.method import annealing, evaluation_cache, sampling
from cagic_tf.photos import reading
from cagic_tf.system import devices, files, provenance, resources

FLAGS = flags.FLAGS
SIZES = {"0.3": (640, 480), "2": (1632, 1224), "12": (4000, 3000), "48": (8000, 6000)}
BATCH = 10
BATCHES = (1, 5, 10, 20, 40)
OPTIONS = (None, 'Networks.trunk_precision = "bfloat16"', "Networks.jit_compile = True")
ROWS = 200
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # Bytes, of the system's peak memory.
# A small search: what a row costs beside its evaluations would show here most.
SMALL = ("CoarseToFine.scan_scales = (0.5,)", "CoarseToFine.scan_centers = 3")
SMALL += ("CoarseToFine.refine_scales = (1.0,)", "Annealing.restart_count = 2")


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string("output", None, "where to write, without ending")
    flags.DEFINE_multi_string("gin_file", ["paper.gin", "fast.gin"], "searches to time")
    flags.DEFINE_integer("repeats", 7, "timings of each part, of which the median counts")
    flags.mark_flags_as_required(["output"])


def machine() -> dict[str, str | int]:
    """What the figures hold for."""
    model = platform.processor()
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        lines = cpu.read_text(encoding="utf-8").splitlines()
        model = next((x.split(":")[1].strip() for x in lines if "model name" in x), model)
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "tensorflow": tf.__version__,
        "commit": provenance.commit(),
    }


def sample_photo(size: tuple[int, int]) -> np.ndarray:
    """A sample enlarged to `(width, height)`."""
    row = manifest.read(resources.package_path("samples") / "manifest.jsonl")[0]
    photo = Image.fromarray(reading.read(row.path)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(photo)


def median_seconds(**calls: tuple) -> dict[str, float]:
    """Median seconds of each `(function, argument)`, in turn: a slow spell slows all of them."""
    times = {name: [] for name in calls}
    for _ in range(2 + FLAGS.repeats):
        for name, (function, argument) in calls.items():
            begin = time.perf_counter()
            tf.nest.map_structure(lambda tensor: tensor.numpy(), function(argument))
            times[name].append(time.perf_counter() - begin)
    return {name: float(np.median(each[2:])) for name, each in times.items()}


def with_gradient(function: Callable) -> Callable:
    """A graph of a function's value and its gradient by its argument."""

    @tf.function
    def graph(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(function(x))
        return total, tape.gradient(total, x)

    return graph


def some_crops(count: int) -> tf.Tensor:
    """Crops `[count, 3]` of one scale anywhere."""
    centers = np.random.default_rng(0).uniform(-0.4, 0.4, (count, 2))
    return tf.constant(np.c_[centers, np.full(count, 0.6)], tf.float32)


def time_parts(cropper, problem) -> dict[str, float]:
    """Seconds for ten crops, forward and backward, of the objective and each of its parts."""
    networks, objective = cropper.loss.networks, cropper.loss.objective
    theta = some_crops(BATCH)
    trunk = networks.caption_trunk

    def sample(theta):
        return sampling.crop(problem.picture, theta, trunk.input_size)

    def decode(features):
        return networks.decoder.greedy(features, objective.max_words).probabilities

    crops = sample(theta)
    features = trunk(crops)
    parts = {
        "objective": (lambda theta: cropper.loss(problem, theta)[0], theta),
        "trunk": (trunk, crops),
        "sampling": (sample, theta),
        "decoder": (decode, features),
        "scorer": (networks.scorer, features),
    }
    return median_seconds(**{name: (with_gradient(f), x) for name, (f, x) in parts.items()})


def time_batches(cropper, problem) -> dict[str, float]:
    """Milliseconds a crop, forward and backward, by how many go through at a time."""
    graph = with_gradient(lambda theta: cropper.loss(problem, theta)[0])
    seconds = median_seconds(**{str(n): (graph, some_crops(n)) for n in BATCHES})
    return {f"{n} crops": 1000 * seconds[str(n)] / n for n in BATCHES}


def time_option(option: str | None, photo: np.ndarray, caption: str) -> dict[str, float]:
    """Milliseconds a crop with one of `OPTIONS`, forward alone and with the backward pass."""
    cropper = config.load_cropper("paper.gin", bindings=[option] if option else [])
    problem, _ = cropper.problem(photo, caption)
    forward = tf.function(lambda theta: cropper.loss(problem, theta)[0])
    crops = some_crops(BATCH)
    seconds = median_seconds(forward=(forward, crops), both=(with_gradient(forward), crops))
    return {name: 1000 * each / BATCH for name, each in seconds.items()}


def time_search(gin_file: str, photo: np.ndarray, caption: str) -> dict[str, float]:
    """Start-up, then seconds and evaluations of one photo."""
    begin = time.perf_counter()
    cropper = config.load_cropper(gin_file)
    first = []
    cropper.crop(photo, caption, progress=lambda *_: first.append(time.perf_counter()))
    result = cropper.crop(photo, caption)
    scales = len(result.path.steps)
    return {
        "seconds to the first scale, networks loaded in it": first[0] - begin,
        "seconds a photo": result.seconds,
        "seconds a scale": result.seconds / scales,
        "scales": scales,
        "evaluations a photo": result.evaluations,
    }


def time_rows(photo: np.ndarray, caption: str) -> dict[str, float]:
    """Seconds and peak memory of many rows: both halves should cost the same and need no more."""
    cropper = config.load_cropper("fast.gin", bindings=SMALL)
    cropper.crop(photo, caption)  # Traces.
    report = {}
    for half in ("first", "second"):
        begin = time.perf_counter()
        for row in range(ROWS // 2):
            cropper.crop(photo, caption, seed=row)
        report[f"seconds a row, {half} half"] = (time.perf_counter() - begin) / (ROWS // 2)
        report[f"peak MiB after the {half} half"] = peak_memory()
    return report


def peak_memory() -> float:
    """Most memory that this process had so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT / 2**20


def count_asked(problem, cropper) -> dict[str, int]:
    """Points that L-BFGS asks for at nine scales, and how many of them are computed."""
    counts = {}
    for name, kind in (("asked", Forgetful), ("computed", evaluation_cache.Evaluated)):
        original, evaluation_cache.Evaluated = evaluation_cache.Evaluated, kind
        try:
            step = annealing.compile_step(
                annealing.Annealing(), cropper.loss, cropper.loss.signature
            )
        finally:
            evaluation_cache.Evaluated = original
        scales = annealing.scale_schedule(1.0, 0.98, 0.4)[::5]
        path = annealing.anneal(step, problem, 0, scales, np.zeros(2), True)
        counts[name] = path.evaluations
    return counts


class Forgetful(evaluation_cache.Evaluated):
    """Computes every point that it is asked for."""

    def __call__(self, compute, points):
        self.computed.assign_add(tf.shape(points)[0])
        return compute(points)


def run_alone(size: tuple[int, int], folder: Path) -> dict[str, float]:
    """Seconds and peak memory of `cagic_tf.run` with fast.gin, in a process of its own."""
    path = folder / f"{size[0]}.jpg"
    reading.write(path, sample_photo(size))
    output = folder / f"out{size[0]}"
    command = [sys.executable, "-m", "cagic_tf.run", "--gin_file=fast.gin", f"--image={path}"]
    command += ["--caption=a man in a suit", f"--output_dir={output}"]
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
        "stdout=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, *command], check=True, capture_output=True, text=True
    )
    line = json.loads((output / "results.jsonl").read_text(encoding="utf-8").splitlines()[0])
    return {
        "seconds, start to end": time.perf_counter() - begin,
        "seconds of the photo, tracing in it": line["seconds"],
        "peak MiB": int(done.stdout.split()[-1]) * RSS_UNIT / 2**20,
    }


def table(report: dict) -> str:
    """The report as Markdown."""
    lines = [", ".join(f"{name}: {value}" for name, value in report["machine"].items()), ""]
    for section, figures in report.items():
        if section == "machine":
            continue
        lines += [f"**{section}**", "", "| | |", "|---|---|"]
        for name, value in figures.items():
            if isinstance(value, dict):
                value = ", ".join(f"{key} {number:.4g}" for key, number in value.items())
            else:
                value = f"{value:.4g}"
            lines.append(f"| {name} | {value} |")
        lines.append("")
    return "\n".join(lines)


def main(_) -> None:
    caption, photo = "a man in a suit", sample_photo(SIZES["0.3"])
    cropper = config.load_cropper("paper.gin")
    problem, _ = cropper.problem(photo, caption)
    with devices.reproducible():  # As a Cropper runs them.
        parts = time_parts(cropper, problem)
        asked = count_asked(problem, cropper)
    report = {
        "machine": machine(),
        "objective at K = 10": {
            "evaluations a second": BATCH / parts["objective"],
            "evaluations a second of the bare trunk": BATCH / parts["trunk"],
            "ratio": parts["trunk"] / parts["objective"],
            "milliseconds a crop": {n: 1000 * s / BATCH for n, s in parts.items()},
        },
        "points at nine scales": asked,
    }
    for gin_file in tqdm(FLAGS.gin_file, desc="searches"):
        report[gin_file] = found = time_search(gin_file, photo, caption)
        if gin_file == "paper.gin":  # Of other files some evaluations have no gradient.
            share = found["evaluations a photo"] * parts["objective"] / BATCH
            rest = found["seconds a photo"] - share
            found["of these seconds, optimizer and smaller batches"] = rest
    report["this process"] = {"peak MiB": peak_memory()}
    report[f"fast.gin, a smaller search, {ROWS} rows"] = time_rows(photo, caption)
    with tempfile.TemporaryDirectory() as folder:
        report["fast.gin by megapixels"] = {
            name: run_alone(size, Path(folder)) for name, size in tqdm(SIZES.items(), desc="sizes")
        }
    with devices.reproducible():  # Last, since they need more memory than any search.
        report["milliseconds a crop by the batch"] = time_batches(cropper, problem)
        report["milliseconds a crop at K = 10 by options"] = {
            option or "neither": time_option(option, photo, caption) for option in OPTIONS
        }
    output = Path(FLAGS.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps(report, indent=1).encode() + b"\n"
    files.write_atomically(output.with_suffix(".json"), data)
    files.write_atomically(output.with_suffix(".md"), table(report).encode())
    print(table(report))


if __name__ == "__main__":
    define_flags()
    app.run(main)

"""How fast the method runs on this machine, and where its time goes.

    python -m experiments.benchmark --output_dir=experiments/results/benchmark

Writes OUT/table.md, OUT/benchmark.json and OUT/made_by.json. For each gin file: start-up and
seconds a photo, the objective beside the bare trunk and split over its parts, the same by the
number of crops at a time, and what the optimizer asks for and what is computed of it. Then
`fast.gin` on many rows, and, each in a process of its own, on photos of several sizes. Where torch
is installed, trunk and objective of `paper.gin` beside the same in PyTorch. Takes minutes; leave
the machine alone meanwhile.
"""

import functools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf
from absl import app, flags
from PIL import Image
from tqdm import tqdm

from cagic_tf import config, pipeline
from cagic_tf.batch import manifest
from cagic_tf.method import annealing, evaluation_cache, lbfgs, sampling
from cagic_tf.method.problems import Problem
from cagic_tf.photos import reading
from cagic_tf.system import devices, provenance, resources
from experiments import command, torch_comparison
from experiments.tables import made_by, networks

FLAGS = flags.FLAGS
CAPTION = "a man in a suit"
PHOTO = (640, 480)
MEGAPIXELS = {"0.3": PHOTO, "2": (1632, 1224), "12": (4000, 3000), "48": (8000, 6000)}
BATCH = 10
BATCHES = (1, 5, 10, 20, 40)
ROWS = 200
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # Bytes, of the system's peak memory.
# A small search: what a row costs beside its evaluations would show here most.
SMALL = ["CoarseToFine.scan_scales = (0.5,)", "CoarseToFine.scan_centers = 3"]

Figures = dict[str, Any]  # Name of each figure to a number, a dict of such, or a sentence.


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string("output_dir", "outputs/benchmark", "The folder that results go to.")
    flags.DEFINE_multi_string(
        "gin_file",
        ["paper_quick.gin", "fast.gin"],
        "A search to time: a gin file. It may be repeated.",
    )
    flags.DEFINE_integer("repeats", 7, "How often each part is timed; the median counts.", 1)
    devices.define_flags()


def sample_photo(size: tuple[int, int]) -> np.ndarray:
    """A sample enlarged to `(width, height)`."""
    row = manifest.read(resources.package_path("samples") / "manifest.jsonl")[0]
    photo = Image.fromarray(reading.read(row.path)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(photo)


def median_seconds(calls: Mapping[str, tuple[Callable, Any]]) -> dict[str, float]:
    """Median seconds of each `(function, argument)`, in turn: a slow spell slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in calls}
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


def time_parts(cropper: pipeline.Cropper, problem: Problem) -> dict[str, float]:
    """Milliseconds a crop, ten at a time with the backward pass, of the objective and its parts."""
    networks, settings = cropper.loss.networks, cropper.loss.objective
    trunk, theta = networks.caption_trunk, some_crops(BATCH)
    crops = cropper.loss.crops(problem, theta)

    def total(theta):
        return cropper.loss(problem, theta).total

    def sample(theta):
        return sampling.crop(problem.picture, theta, trunk.input_size, problem.base_size)

    def decode(features):
        return networks.captioner.greedy(features, settings.max_words).probabilities

    parts = {
        "objective": (with_gradient(total), theta),
        "objective, forward alone": (tf.function(total), theta),
        "trunk": (with_gradient(trunk), sample(theta)),
        "sampling": (with_gradient(sample), theta),
        "captioner": (with_gradient(decode), crops.captioner_features),
        "scorer": (with_gradient(networks.scorer), crops.scorer_features),
    }
    return {name: 1000 * each / BATCH for name, each in median_seconds(parts).items()}


def time_batches(cropper: pipeline.Cropper, problem: Problem) -> dict[str, float]:
    """Milliseconds a crop, forward and backward, by how many go through at a time."""
    graph = with_gradient(lambda theta: cropper.loss(problem, theta).total)
    seconds = median_seconds({str(count): (graph, some_crops(count)) for count in BATCHES})
    return {f"{count} crops": 1000 * seconds[str(count)] / count for count in BATCHES}


class Forgetful(evaluation_cache.EvaluationCache):
    """Computes every point that it is asked for."""

    def __call__(self, compute, points, wanted):
        self.add(tf.ones_like(wanted))
        return compute(points, tf.range(tf.shape(points)[0]))


def count_asked(cropper: pipeline.Cropper, problem: Problem) -> dict[str, int]:
    """Points that one step of L-BFGS asks for at nine scales, and how many are computed."""
    counts, settings = {}, annealing.Annealing(minimizer=lbfgs.Minimizer(1, 1))
    for name, kind in (("asked", Forgetful), ("computed", evaluation_cache.EvaluationCache)):
        with mock.patch.object(evaluation_cache, "EvaluationCache", kind):
            step = annealing.compile_step(settings, cropper.loss, cropper.loss.signature)
        scales = annealing.scale_schedule(1.0, 0.98, 0.4)[::5]
        walk = annealing.Walk(0, scales, np.zeros(2))
        path = annealing.anneal(step, problem, [walk], True)[0]
        counts[name] = path.evaluations
    return counts


def measure_gin_file(gin_file: str) -> Figures:
    """Start-up, seconds and evaluations of one photo, and where they go."""
    photo, first = sample_photo(PHOTO), []
    begin = time.perf_counter()
    cropper = config.load_cropper(gin_file)
    cropper.crop(photo, CAPTION, progress=lambda *_: first.append(time.perf_counter()))
    result = cropper.crop(photo, CAPTION)
    with devices.reproducible():  # As a Cropper runs them.
        problem, _ = cropper.problem(photo, CAPTION)
        parts = time_parts(cropper, problem)
        batches = time_batches(cropper, problem)
        asked = count_asked(cropper, problem)
    scanned = len(result.path.scanned)  # Without the backward pass.
    searched = (result.evaluations - scanned) * parts["objective"]
    networks = (searched + scanned * parts["objective, forward alone"]) / 1000
    return {
        "seconds to the first scale, networks loaded in it": first[0] - begin,
        "seconds a photo": result.seconds,
        "of these, beyond its evaluations ten at a time": result.seconds - networks,
        "scales": len(result.path.steps),
        "evaluations a photo": result.evaluations,
        "evaluations a second at K = 10": 1000 / parts["objective"],
        "evaluations a second of the bare trunk": 1000 / parts["trunk"],
        "ratio": parts["trunk"] / parts["objective"],
        "milliseconds a crop at K = 10": parts,
        "milliseconds a crop by the batch": batches,
        "points at nine scales": asked,
    }


def measure_pytorch() -> Figures:
    """Milliseconds a crop of trunk and objective, ours and PyTorch's in turn."""
    if reason := torch_comparison.left_out():
        return {"left out": reason}
    cropper = config.load_cropper(torch_comparison.GIN_FILE)
    with devices.reproducible():
        problem, _ = cropper.problem(sample_photo(PHOTO), CAPTION)
        threads, theta = devices.thread_count(FLAGS.threads), some_crops(BATCH)
        calls = torch_comparison.calls(cropper.loss, problem, theta, threads, with_gradient)
        seconds = median_seconds(calls)
    return {"threads": threads} | {name: 1000 * each / BATCH for name, each in seconds.items()}


def measure_rows() -> Figures:
    """Seconds and peak memory of many rows: both halves should cost the same and need no more."""
    photo = sample_photo(PHOTO)
    cropper = config.load_cropper("fast.gin", bindings=SMALL)
    cropper.crop(photo, CAPTION)  # Traces.
    report = {}
    for half in ("first", "second"):
        begin = time.perf_counter()
        for row in range(ROWS // 2):
            cropper.crop(photo, CAPTION, seed=row)
        report[f"seconds a row, {half} half"] = (time.perf_counter() - begin) / (ROWS // 2)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
        report[f"peak MiB after the {half} half"] = peak / 2**20
    return report


def measure_alone(size: tuple[int, int]) -> Figures:
    """Seconds and peak memory of `cagic_tf.run` with fast.gin, in a process of its own."""
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
        "stdout=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder) / "photo.jpg", Path(folder) / "out"
        reading.write(path, sample_photo(size))
        program = [sys.executable, "-m", "cagic_tf.run", "--gin_file=fast.gin", f"--image={path}"]
        program += [f"--caption={CAPTION}", f"--output_dir={output}", f"--threads={FLAGS.threads}"]
        program += [f"--device={FLAGS.device}"] if FLAGS.device else []
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", script, *program], check=True, capture_output=True, text=True
        )
        seconds = time.perf_counter() - begin
        line = json.loads((output / "results.jsonl").read_text(encoding="utf-8").splitlines()[0])
    return {
        "seconds, start to end": seconds,
        "seconds of the photo, tracing in it": line["seconds"],
        "peak MiB": int(done.stdout.split()[-1]) * RSS_UNIT / 2**20,
    }


def table(report: Mapping[str, Figures], machine: Mapping[str, Any]) -> str:
    """The report as Markdown, a section a table."""
    lines = [", ".join(f"{name}: {value}" for name, value in machine.items()), ""]
    for section, figures in report.items():
        lines += [f"**{section}**", "", "| | |", "|---|---|"]
        for name, value in figures.items():
            text = (
                ", ".join(f"{key} {number:.4g}" for key, number in value.items())
                if isinstance(value, Mapping)
                else value
                if isinstance(value, str)
                else f"{value:.4g}"
            )
            lines.append(f"| {name} | {text} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measures section by section, then writes what was found."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    used = {  # A mistake in one of the files costs no minutes.
        gin_file: config.load_cropper(gin_file).loss.networks.checkpoints
        for gin_file in dict.fromkeys([*FLAGS.gin_file, "fast.gin"])
    }
    sections: dict[str, Callable[[], Figures]] = {
        f"fast.gin, {name} megapixels": functools.partial(measure_alone, size)
        for name, size in MEGAPIXELS.items()
    }
    sections[f"fast.gin, a smaller search, {ROWS} rows"] = measure_rows
    for gin_file in FLAGS.gin_file:  # Last: their large batches need more memory than any search.
        sections[made_by.shortened(gin_file)] = functools.partial(measure_gin_file, gin_file)
    sections["paper.gin and PyTorch, milliseconds a crop"] = measure_pytorch
    report = {name: measure() for name, measure in tqdm(sections.items(), disable=None)}
    directory = Path(FLAGS.output_dir)
    files = {
        "table.md": f"{table(report, provenance.machine())}\n{networks.note(used)}\n",
        "benchmark.json": json.dumps(report, indent=1) + "\n",
    }
    for name, text in files.items():
        made_by.write_file(directory / name, text.encode())
    made_by.write(directory, [directory / name for name in files], networks.merged(used))
    print(files["table.md"])


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

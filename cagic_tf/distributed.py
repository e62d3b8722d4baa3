"""Crops photos on many processors or machines, with the flags and the results of `cagic_tf.run`.

    python -m cagic_tf.distributed --workers=4 --threads=2 --images='photos/*.jpg' --caption=dog
    python -m cagic_tf.distributed --workers=8 --address=HOST:6379 --manifest=rows.jsonl

Rows, results and their order are those of `cagic_tf.run`, and a killed command goes on in the same
way. Only where rows are cropped is another: in worker processes of Ray (pip install
'cagic_tf[distributed]'), which load the networks once, on this machine or in a running Ray cluster.
A worker that dies is started anew and its row tried again.

Every machine needs cagic_tf, and the photos and gin files under the same paths as here. Ray's
processes pickle what they send each other: give only the address of a cluster that you trust.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from cagic_tf import run
from cagic_tf.batch import (
    command_flags,
    command_line,
    manifest,
    output_folder,
    row_by_row,
    worker,
    worker_pool,
)

if TYPE_CHECKING:
    from cagic_tf import pipeline

FLAGS = flags.FLAGS
GPU_BATCH = 32  # Rows; those of more would wait long for each other.
GROUPS = {"Where it runs": "workers address gpus_per_worker"} | command_flags.GROUPS
flags.DEFINE_integer("workers", 2, "How many processes crop, by default 2.", 1, 10_000)
flags.DEFINE_string(
    "address",
    None,
    "The address of a Ray cluster, HOST:PORT. By default workers run on this machine alone.",
)
flags.DEFINE_float(
    "gpus_per_worker",
    0,
    "How many GPUs Ray keeps for each worker, by default 0; with 0.5 two workers share one.",
    0,
)


def command() -> None:
    """Reads the command line, runs, exits."""
    command_line.run(main, __doc__ or "", GROUPS)


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit status."""
    if FLAGS.address and Path("~/.ray/auth_token").expanduser().exists():
        # What `ray start` does by default; Ray reads this when it is imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    if not sys.stderr.isatty():
        os.environ.setdefault("RAY_COLOR_PREFIX", "0")  # Of what Ray says of its processes.
    try:
        import ray  # noqa: F401  # To know whether it is there.
    except ImportError:
        return run.fail("workers need Ray: pip install 'cagic_tf[distributed]'")
    return run.crop_all(arguments, "cpu", _crop_rows)


def _crop_rows(
    cropper: "pipeline.Cropper", folder: output_folder.OutputFolder, rows: list[manifest.Row]
) -> None:
    """Has workers crop the rows, and writes each in its turn."""
    del cropper  # The workers have their own; this one was to show that the flags are right.
    if not rows:
        return
    import ray

    try:
        _connect(ray)
        _check_resources(ray)
        outputs = worker_pool.crop(ray, _start_workers(ray), rows, _batch_size())
        with row_by_row.new_report(rows) as reporter:
            reporter.progress(0, "starting workers")
            for number, (row, output) in enumerate(zip(rows, outputs, strict=True), 1):
                reporter.result(number, row, folder.write(row, output))
                reporter.progress(number, f"{number} of {len(rows)} photos")
    except (worker_pool.PoolError, ray.exceptions.RayError) as error:
        raise run.CommandError(f"the workers cannot go on: {_last_line(error)}") from error
    finally:
        ray.shutdown()


def _batch_size() -> int:
    """How many rows a worker gets at a time: as many as go through its GPU together."""
    return FLAGS.batch or (GPU_BATCH if FLAGS.gpus_per_worker else 1)


def _start_workers(ray: Any) -> list[Any]:
    """The workers; Ray starts those that die anew, as often as it takes."""
    settings = worker.Settings(
        tuple(FLAGS.gin_file),
        tuple(FLAGS.gin_param),
        FLAGS.device,
        FLAGS.threads,
        command_flags.save_options(),
        FLAGS.smallest_side,
        FLAGS.candidates,
        os.getcwd(),
    )
    try:
        actor = ray.remote(
            num_cpus=max(1, FLAGS.threads),
            num_gpus=FLAGS.gpus_per_worker,
            max_restarts=-1,
            max_task_retries=worker_pool.TRIES - 1,
        )(worker.Worker)
    except ValueError as error:  # A number of GPUs such as 1.5.
        raise run.CommandError(f"Ray cannot start such workers: {_last_line(error)}") from error
    return [actor.remote(settings) for _ in range(FLAGS.workers)]


def _connect(ray: Any) -> None:
    """Joins the cluster, or starts Ray on this machine."""
    options = {"logging_level": logging.ERROR, "log_to_driver": False}
    if FLAGS.address is None:
        cores = max(os.cpu_count() or 1, FLAGS.workers * max(1, FLAGS.threads))
        with _interrupted_afterwards():  # Else processes that it has started would stay.
            ray.init(address="local", num_cpus=cores, include_dashboard=False, **options)
        return
    try:
        _check_answers(FLAGS.address)
        ray.init(address=FLAGS.address, **options)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise run.CommandError(
            f"cannot join a Ray cluster at {FLAGS.address}: {_last_line(error)}; HOST:PORT of a "
            "running one is needed, and its token or RAY_AUTH_MODE=disabled"
        ) from error


@contextlib.contextmanager
def _interrupted_afterwards() -> Iterator[None]:
    """Ctrl-C in here counts at the end."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def _check_resources(ray: Any) -> None:
    """Raises CommandError where no machine could ever run a worker: Ray would wait silently."""
    cpus, gpus = max(1, FLAGS.threads), FLAGS.gpus_per_worker
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(have.get("CPU", 0) >= cpus and have.get("GPU", 0) >= gpus for have in machines):
        raise run.CommandError(
            f"no machine has the {cpus} CPUs and {gpus:g} GPUs that a worker needs; lower "
            "--threads or --gpus_per_worker"
        )


def _check_answers(address: str) -> None:
    """Raises OSError where nothing answers at HOST:PORT: Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()


def _last_line(error: Exception) -> str:
    """What an error is about; those of Ray begin with the traceback of another process."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


if __name__ == "__main__":
    command()

"""Crops photos on many machines: `python -m cagic_tf.distributed --workers=8 --address=HOST:6379`.

The flags of `cagic_tf.run`, the same rows, and the same results in the same order; a killed run
goes on in the same way. Only where rows are cropped is another: in workers of Ray Data (the extra
`distributed`), which load the networks once, on this machine or in a running Ray cluster. This
process keeps the output folder. A worker that dies is started anew and its row tried again.

Every machine needs cagic_tf, and the photos and gin files under the same paths as here. Ray's own
processes pickle what they send each other: give only the address of a cluster that you trust.
"""

import json
import logging
import os
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from absl import app, flags

from cagic_tf import run
from cagic_tf.batch import command_flags, manifest, output_folder, row_output, worker

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(command_flags)  # `--help` has them.
flags.DEFINE_string("address", None, "Of a Ray cluster; by default this machine alone.")
flags.DEFINE_integer("workers", 2, "Processes that crop.", 1)
flags.DEFINE_float("gpus_per_worker", 0, "GPUs that Ray keeps for each; 0.5 shares one.", 0)

# Ray Data plans each. With more rows than this a block has several, which a dead worker has to do
# again, and of which all fail with one that kills its workers; then --retry_errors does the others.
MAX_BLOCKS = 10_000
TRIES = 3  # Of a row whose workers die.


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit status."""
    if FLAGS.address and Path("~/.ray/auth_token").expanduser().exists():
        # What `ray start` does by default; Ray reads this when it is imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray.data  # noqa: F401
    except ImportError:
        return run.fail("workers need Ray: pip install 'cagic_tf[distributed]'")
    return run.crop_all(arguments, "cpu", _crop_rows)


def _crop_rows(cropper, folder: output_folder.OutputFolder, rows: list[manifest.Row]) -> None:
    """Has workers crop the rows, and writes each in its turn."""
    del cropper  # The workers have their own; this one was to show that the flags are right.
    if not rows:
        return
    lost = row_output.failed(
        f"no worker finished it in {TRIES} tries: each died or failed, as when memory runs out; "
        "see Ray's messages"
    )
    found = _outputs(rows)
    number, output = next(found, (None, lost))
    for at, row in enumerate(rows, 1):
        print(f"[{at}/{len(rows)}] {run.describe(row)}", flush=True)
        run.tell(folder.write(row, output if at == number else lost))
        if at == number:
            number, output = next(found, (None, lost))


def _outputs(rows: list[manifest.Row]) -> Iterator[tuple[int, row_output.RowOutput]]:
    """Rows' numbers, from 1, and outputs, in order; rows that no worker finished are left out."""
    import ray

    _connect(ray)
    _check_room(ray)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = -1  # They are missing in what comes, and get their error there.
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
    items = [{"number": at, "row": manifest.pack(row)} for at, row in enumerate(rows, 1)]
    try:
        cropped = ray.data.from_items(items, override_num_blocks=min(len(items), MAX_BLOCKS)).map(
            worker.Worker,
            fn_constructor_args=(settings,),
            compute=ray.data.ActorPoolStrategy(size=FLAGS.workers, max_tasks_in_flight_per_actor=1),
            num_cpus=max(1, FLAGS.threads),
            num_gpus=FLAGS.gpus_per_worker,
            max_task_retries=TRIES - 1,  # How often a worker is started anew has no limit.
        )
        for found in cropped.iter_rows():
            pictures = dict(zip(found["names"], found["contents"], strict=True))
            fields = json.loads(found["fields"])
            yield found["number"], row_output.RowOutput(fields, pictures, found["error"] or None)
    except (ValueError, ray.exceptions.RayError) as error:
        raise run.CommandError(f"the workers cannot go on: {_last_line(error)}") from error
    finally:
        ray.shutdown()


def _connect(ray: Any) -> None:
    """Joins the cluster, or starts Ray on this machine."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Lesser troubles are exceptions too.
    warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    options = {"logging_level": logging.ERROR, "log_to_driver": False}
    if FLAGS.address is None:
        cores = max(os.cpu_count() or 1, FLAGS.workers * max(1, FLAGS.threads))
        ray.init(address="local", num_cpus=cores, include_dashboard=False, **options)
        return
    try:
        _knock(FLAGS.address)
        ray.init(address=FLAGS.address, **options)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise run.CommandError(
            f"cannot join a Ray cluster at {FLAGS.address}: {_last_line(error)}; HOST:PORT of a "
            "running one is needed, and its token or RAY_AUTH_MODE=disabled"
        ) from error


def _check_room(ray: Any) -> None:
    """Raises CommandError where no worker would ever find room: Ray itself would wait silently."""
    cpus, gpus = max(1, FLAGS.threads), FLAGS.gpus_per_worker
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(have.get("CPU", 0) >= cpus and have.get("GPU", 0) >= gpus for have in machines):
        ray.shutdown()
        raise run.CommandError(
            f"no machine has the {cpus} CPUs and {gpus:g} GPUs that a worker needs; lower "
            "--threads or --gpus_per_worker"
        )


def _knock(address: str) -> None:
    """Raises OSError where nothing answers at HOST:PORT: Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()


def _last_line(error: Exception) -> str:
    """What an error is about; those of Ray begin with the traceback of another process."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


if __name__ == "__main__":
    app.run(main)

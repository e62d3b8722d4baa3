"""The one place that changes how TensorFlow computes: device, memory, threads, determinism.

`prepare` is for programs of our own, such as the commands, and lasts as long as the process.
`reproducible` is for the library: it changes what it must and puts everything back.
"""

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from absl import flags

from cagic_tf.system import startup

if TYPE_CHECKING:
    import tensorflow as tf

MOST_THREADS = 1024  # More than help anywhere; no system has room for any number.

# Whoever is first in `reproducible` keeps the host's settings; the last one out restores them.
_lock = threading.Lock()
_inside = 0
_compiling = False
_hosts: tuple[bool, bool, dict[str, Any]] = (False, True, {})


class DeviceError(Exception):
    """The device asked for is not there; the message is one line."""


def define_flags() -> None:
    """Defines --device and --threads, what `prepare` takes."""
    flags.DEFINE_string(
        "device",
        None,
        "What computes: cpu, gpu or gpu:N, with N from 0. By default it is the first GPU if there "
        "is one, else the CPU.",
    )
    flags.DEFINE_integer(
        "threads",
        0,
        "How many threads of the CPU compute. By default, 0, there is one for each core. With "
        f"another number the last digits of a result can differ. At most {MOST_THREADS}.",
        0,
        MOST_THREADS,
    )


def name_problem(name: str | None) -> str:
    """What is wrong with a device's name, in one line; "" if nothing is, such as with None."""
    if name is None or re.fullmatch("cpu|gpu(:[0-9]{1,4})?", name.lower()):
        return ""
    return f"no device is named {name!r}; accepted are cpu, gpu and gpu:N"


def prepare(device: str | None = None, threads: int = 0) -> None:
    """Sets TensorFlow up for this process; call it before TensorFlow computes anything.

    Call it before TensorFlow is imported, too, and none of its lines are printed; see `startup`.
    One device is seen, a GPU's memory is taken only as it is needed, and the same input gives the
    same bits.

    Args:
      device: "cpu", "gpu" (the first) or "gpu:N"; None takes the first GPU, else the CPU.
      threads: How many threads of the CPU compute; 0: one a core. Sums are split among them, so
        another number gives other last digits.

    Raises:
      DeviceError: No such device here.
    """
    startup.quiet()
    import tensorflow as tf

    chosen = _select(tf.config.list_physical_devices("GPU"), device)
    tf.config.set_visible_devices(chosen, "GPU")
    for gpu in chosen:
        tf.config.experimental.set_memory_growth(gpu, True)
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()


def thread_count(threads: int = 0) -> int:
    """How many threads of the CPU compute after `prepare(threads=threads)`.

    Without a number TensorFlow takes as many as this process has cores, which may be fewer than the
    machine has, as with `taskset` or in a job of Slurm.
    """
    if threads:
        return threads
    if hasattr(os, "sched_getaffinity"):  # Linux.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _select(found: "list[tf.config.PhysicalDevice]", name: str | None) -> list:
    """The GPU of that name among those found, in a list; none for the CPU."""
    if message := name_problem(name):
        raise DeviceError(message)
    kind, _, number = (name or ("gpu" if found else "cpu")).lower().partition(":")
    chosen = found[int(number or 0) :][:1] if kind == "gpu" else []
    if kind == "gpu" and not chosen:
        raise DeviceError(
            f"TensorFlow sees {len(found)} GPUs here, so there is no {name}; see "
            "https://www.tensorflow.org/install/pip, or take --device=cpu"
        )
    return chosen


@contextlib.contextmanager
def reproducible() -> Iterator[None]:
    """TensorFlow computes the same bits from the same input in here, in full single precision.

    A GPU would round products to TF32, whose ten bits are too few for a line search. On a CPU,
    Grappler's rewrites make a step slower (TensorFlow 2.21: `remapping` and
    `arithmetic_optimization` together), and take seconds themselves. These settings are the whole
    process's: the host's own are back when nobody is in here any more, in whatever thread.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    import tensorflow as tf
    from tensorflow.python.framework import config  # The public module lacks the way back.

    global _inside, _hosts
    with _lock:
        if not _inside:
            _hosts = (
                config.is_op_determinism_enabled(),
                tf.config.experimental.tensor_float_32_execution_enabled(),
                tf.config.optimizer.get_experimental_options(),
            )
            tf.config.experimental.enable_op_determinism()
            tf.config.experimental.enable_tensor_float_32_execution(False)
            if not on_gpu():
                tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        _inside += 1


def _leave() -> None:
    import tensorflow as tf
    from tensorflow.python.framework import config

    global _inside
    with _lock:
        _inside -= 1
        if not _inside:
            was_deterministic, had_tf32, options = _hosts
            if not was_deterministic:
                config.disable_op_determinism()
            tf.config.experimental.enable_tensor_float_32_execution(had_tf32)
            off = {"disable_meta_optimizer": options.get("disable_meta_optimizer", False)}
            tf.config.optimizer.set_experimental_options(off)


def on_gpu() -> bool:
    """Whether what is computed now is computed on a GPU."""
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))


def compiles() -> bool:
    """Whether what is traced now is for XLA, which has to know every shape: see `compiled`."""
    return _compiling


def compiled(function: Callable[..., Any], signature: Any = None) -> Any:
    """A function of tensors as one executable of XLA, for every shape of its arguments another.

    Worth it on a GPU with little to compute, where launching one operation after another takes
    longer than computing them. On a CPU XLA's convolutions are many times slower than TensorFlow's.
    """
    import tensorflow as tf

    def traced(*arguments: Any) -> Any:
        global _compiling
        before, _compiling = _compiling, True
        try:
            return function(*arguments)
        finally:
            _compiling = before

    return tf.function(traced, signature, autograph=False, jit_compile=True)

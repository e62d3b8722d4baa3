"""Which device computes. Call `select` before TensorFlow computes anything."""

import tensorflow as tf


class DeviceError(Exception):
    """The device asked for is not there; the message is one line."""


def select(name: str | None, threads: int = 0) -> None:
    """Lets TensorFlow see one device, and take a GPU's memory only as it needs it.

    Args:
      name: "cpu", "gpu" (the first) or "gpu:N"; None takes the first GPU, else the CPU.
      threads: How many threads of the CPU compute; 0: one a core. Sums are split among them, so
        another number gives other last digits.

    Raises:
      DeviceError: No such device here.
    """
    found = tf.config.list_physical_devices("GPU")
    kind, _, number = (name or ("gpu" if found else "cpu")).lower().partition(":")
    if kind not in ("cpu", "gpu") or (number and (kind == "cpu" or not number.isdecimal())):
        raise DeviceError(f"no device is named {name!r}; accepted are cpu, gpu and gpu:N")
    chosen = found[int(number or 0) :][:1] if kind == "gpu" else []
    if kind == "gpu" and not chosen:
        raise DeviceError(
            f"TensorFlow sees {len(found)} GPUs here, so there is no {name}; see "
            "https://www.tensorflow.org/install/pip, or take --device=cpu"
        )
    tf.config.set_visible_devices(chosen, "GPU")
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    for gpu in chosen:
        tf.config.experimental.set_memory_growth(gpu, True)


def on_gpu() -> bool:
    """Whether what is computed now is computed on a GPU."""
    return bool(tf.config.get_visible_devices("GPU"))

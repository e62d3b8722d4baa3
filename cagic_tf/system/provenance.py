"""What made a result: program, versions and machine. Nothing here names a person or a folder."""

import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("tensorflow", "tensorflow-probability", "numpy", "pillow")


@functools.cache
def commit() -> str:
    """The commit of this source tree, with "+changes" where files differ; "unknown" outside it.

    Files of results do not count: they are what is being written.
    """
    # Installed inside a repository of others, it is not of their commit.
    ours = _git("ls-files", Path(__file__).name)
    found = _git("rev-parse", "HEAD") if ours else ""
    program = ("--", ":(top)", ":(top,exclude)experiments/results")
    changed = _git("status", "--porcelain", "--untracked-files=no", *program)
    return f"{found}+changes" if found and changed else found or "unknown"


def _git(*arguments: str) -> str:
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def versions() -> dict[str, str]:
    """Python, this program and the packages that compute, each with its version."""
    from cagic_tf import __version__

    found = {"cagic_tf": __version__, "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in PACKAGES}


def machine() -> dict[str, Any]:
    """What the result was computed on: system, processor, cores and GPU."""
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return {
        "system": platform.system(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpus": [detail.get("device_name", "unknown") for detail in details],
    }


def _processor() -> str:
    """The processor's name where Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def record(command: str, **facts: Any) -> dict[str, Any]:
    """What is written beside a result: the command, commit, versions, machine, and further facts.

    Args:
      command: What was typed, as `python -m experiments.table1 --methods=...`.
      **facts: JSON types, such as `checkpoints={"sat": SHA-256}`.
    """
    return {
        "command": command,
        "commit": commit(),
        "versions": versions(),
        "machine": machine(),
        **facts,
    }

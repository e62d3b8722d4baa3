"""What the benchmark times of PyTorch beside ours: the trunk and the whole objective.

Both compute the same, on the CPU, with as many threads; see `torch_objective`.
"""

import ctypes
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from cagic_tf.method import sampling
from cagic_tf.method.losses import Problem
from cagic_tf.method.objective import CropLoss
from cagic_tf.networks import checkpoints
from cagic_tf.networks.bundle import find
from cagic_tf.system import devices

# The gin file whose objective it is, and its trunk's, captioner's and scorer's checkpoints.
GIN_FILE, CHECKPOINTS = "paper.gin", ("lite0", "sat", "vfn")


def left_out() -> str:
    """Why there is nothing to compare, in a sentence; "" if there is."""
    if devices.on_gpu():
        return "Ours and PyTorch's are compared on the CPU alone."
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed; it is in the extra `port`."
    return ""


def _keep_memory() -> None:
    """Makes this process keep freed memory, from here to its end.

    Without that glibc gives large tensors back to the system and asks for them anew, which doubles
    PyTorch's time. Ours has an allocator of its own and takes as long either way.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mapped_blocks = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h.
        library.mallopt(trim_threshold, 2**31 - 1)
        library.mallopt(mapped_blocks, 0)


def calls(
    loss: CropLoss, problem: Problem, theta: tf.Tensor, threads: int, with_gradient: Callable
) -> dict[str, tuple[Callable, Any]]:
    """What to time: functions of one argument that return a value and its gradient by that.

    Args:
      loss: The loss of `GIN_FILE`.
      problem: A photo and a caption.
      theta: `[N, 3]`, crops.
      threads: How many threads PyTorch takes.
      with_gradient: Makes such a function of ours.

    Returns:
      Name to function and argument, ours and PyTorch's of a part next to each other.
    """
    import torch  # An extra.

    from experiments import torch_objective

    torch.set_num_threads(threads)
    _keep_memory()
    settings, trunk = loss.objective, loss.networks.caption_trunk
    objective = torch_objective.Objective(
        *(checkpoints.load(find(name)) for name in CHECKPOINTS),
        problem.picture.numpy(),
        problem.targets["caption"].numpy(),
        settings.weights["aesthetic"],
        settings.max_words,
    )
    given = torch.tensor(theta.numpy())
    ours = sampling.crop(problem.picture, theta, trunk.input_size, problem.base_size)

    def with_torchs_gradient(function: Callable) -> Callable:
        def value_and_gradient(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            x = x.detach().requires_grad_()
            total = function(x).sum()
            return total.detach(), torch.autograd.grad(total, x)[0]

        return value_and_gradient

    return {
        "trunk": (with_gradient(trunk), ours),
        "trunk, PyTorch": (with_torchs_gradient(objective.trunk), objective.sample(given)),
        "objective": (with_gradient(lambda theta: loss(problem, theta).total), theta),
        "objective, PyTorch": (with_torchs_gradient(objective), given),
    }

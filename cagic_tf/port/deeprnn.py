"""Show, Attend and Tell as DeepRNN's `image_captioning` released it: a `.npy` and a vocabulary.

https://github.com/DeepRNN/image_captioning, trained on MS-COCO train2014. Trunk, head depths and
all sizes are read off the tensors.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cagic_tf.networks import checkpoints, sat_sizes
from cagic_tf.networks.trunks import resnet50, vgg16
from cagic_tf.port import npy, output, source, vocabulary_csv

# The mean of ImageNet's pixels as its file stores it: blue, green, red. DeepRNN's loader turns its
# photos to RGB and then takes this off as it stands; the weights were trained so, and we keep it.
PIXEL_MEAN = np.array([104.00698793, 116.66876762, 122.67891434], np.float32)
BATCH_NORM_EPSILON = 1e-3
NORM_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")
# Trunk to its annotation vectors: how many, and how long.
GRIDS = {"vgg16": (196, 512), "resnet50": (49, 2048)}


def norm_name(convolution: str) -> str:
    """The batch norm of a ResNet50 convolution: "bn_conv1", "bn2a_branch1"."""
    return "bn_conv1" if convolution == "conv1" else convolution.replace("res", "bn", 1)


def trunk_shapes(kind: str) -> dict[str, tuple[int, ...]]:
    """Name to shape of the trunk's tensors as DeepRNN's graph has them."""
    if kind == "vgg16":
        return vgg16.shapes()
    shapes: dict[str, tuple[int, ...]] = {"conv1/bias": (64,)}
    for name, shape in resnet50.kernel_shapes().items():
        shapes[f"{name}/kernel"] = shape
        shapes |= {f"{norm_name(name)}/{part}": shape[3:] for part in NORM_PARTS}
    return shapes


def infer(weights: Mapping[str, np.ndarray], where: Path) -> tuple[str, sat_sizes.Sizes]:
    """Trunk and decoder sizes of a file's tensors.

    Raises:
      checkpoints.CheckpointError: A tensor that tells a size is missing.
    """

    def size(name: str, axis: int) -> int:
        shape = weights[name].shape if name in weights else ()
        if len(shape) != 2:
            raise checkpoints.CheckpointError(
                f"{where}: no matrix {name!r}; it holds {len(weights)} tensors: "
                f"{', '.join(sorted(weights)[:5])}, ..."
            )
        return shape[axis]

    def hidden(single: str, first: str) -> int | None:
        return None if f"{single}/kernel" in weights else size(f"{first}/kernel", 1)

    kind = "resnet50" if "res2a_branch1/kernel" in weights else "vgg16"
    positions, features = GRIDS[kind]
    return kind, sat_sizes.Sizes(
        words=size("word_embedding/weights", 0),
        positions=positions,
        features=features,
        embedding=size("word_embedding/weights", 1),
        memory=size("lstm/lstm_cell/kernel", 1) // 4,
        initialize=hidden("initialize/fc_a", "initialize/fc_a1"),
        attend=hidden("attend/fc_a", "attend/fc_1a"),
        decode=hidden("decode/fc", "decode/fc_1"),
    )


def trunk_tensors(kind: str, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of our trunk: DeepRNN's, with batch norms folded into kernels and biases."""
    tensors = {vgg16.PIXEL_MEAN: PIXEL_MEAN}
    if kind == "vgg16":
        return tensors | {name: weights[name] for name in vgg16.shapes()}
    for name in resnet50.kernel_shapes():
        gamma, beta, mean, variance = (
            weights[f"{norm_name(name)}/{part}"].astype(np.float64) for part in NORM_PARTS
        )
        gain = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        bias = weights.get(f"{name}/bias", 0)  # Only conv1 has one.
        tensors[f"{name}/kernel"] = (weights[f"{name}/kernel"] * gain).astype(np.float32)
        tensors[f"{name}/bias"] = ((bias - mean) * gain + beta).astype(np.float32)
    return tensors


def port(
    weights_file: Path, vocabulary_file: Path, folder: Path, command: str, commit: str
) -> list[str]:
    """Writes the decoder to `folder` and its trunk to a folder inside it.

    Args:
      weights_file: DeepRNN's `.npy`.
      vocabulary_file: Its `vocabulary.csv`.
      folder: Where to write; must not be there yet.
      command: The command, for the manifest.
      commit: The commit, for the manifest.

    Returns:
      What was found and made, a line each.

    Raises:
      checkpoints.CheckpointError: A file is not what it should be; a tensor is missing, left over
        or of another shape; the vocabulary has another size; `folder` exists.
      OSError: A file cannot be read or written.
    """
    weights, dropped = source.split_training_state(npy.read(weights_file))
    kind, sizes = infer(weights, weights_file)
    decoder_shapes = sat_sizes.shapes(sizes)
    source.check(weights, trunk_shapes(kind) | decoder_shapes, weights_file)
    vocabulary = vocabulary_csv.read(vocabulary_file)
    if len(vocabulary) != sizes.words:
        raise checkpoints.CheckpointError(
            f"{vocabulary_file} has {len(vocabulary)} words, but {weights_file} was trained with "
            f"{sizes.words}: they do not belong together"
        )
    origin = (
        f"DeepRNN image_captioning, {weights_file.name}, SHA-256 {source.sha256(weights_file)}; "
        f"{vocabulary_file.name}, SHA-256 {source.sha256(vocabulary_file)}"
    )
    depths = ", ".join(
        f"{name} {'1 layer' if width is None else f'2 layers ({width} units)'}"
        for name, width in sizes._asdict().items()
        if name in ("initialize", "attend", "decode")
    )
    facts = [
        f"trunk {kind}, {sizes.positions} annotation vectors of {sizes.features}",
        f"heads: {depths}",
        f"LSTM {sizes.memory}, embedding {sizes.embedding}, vocabulary {sizes.words} words",
        f"dropped {len(dropped)} tensors of training state: {', '.join(dropped) or 'none'}",
    ]
    trunk = kind, trunk_tensors(kind, weights)
    head = "sat", {name: weights[name] for name in decoder_shapes}
    extra = {"vocabulary": vocabulary}
    return output.save_with_trunk(
        folder, trunk, head, facts, extra, source=origin, command=command, commit=commit
    )

"""VGG16 from `keras.applications`: the trunk alone, from its `.h5` weights (ImageNet).

With or without the classifier (`include_top`); as downloaded, or saved by Keras.
"""

from pathlib import Path

import h5py
import numpy as np

from cagic_tf.networks import checkpoints
from cagic_tf.networks.trunks import vgg16
from cagic_tf.port import output, source

# What keras.applications takes off (Caffe's mean), in RGB order.
PIXEL_MEAN = np.array([123.68, 116.779, 103.939], np.float32)
CLASSIFIER = ("fc1", "fc2", "predictions", "dense", "dense_1", "dense_2")


def layer_names() -> dict[str, str]:
    """Keras's layer names to ours; Keras 3's `.weights.h5` numbers them by their order."""
    found = {}
    ours = [name.removesuffix("/bias") for name in vgg16.shapes() if name.endswith("/bias")]
    for order, name in enumerate(ours):
        found[f"block{name.removeprefix('conv').replace('_', '_conv')}"] = name
        found[f"conv2d_{order}" if order else "conv2d"] = name
    return found


def read(path: Path) -> dict[str, list[np.ndarray]]:
    """Layer name to its arrays, the kernel first.

    Raises:
      checkpoints.CheckpointError: The file is no HDF5.
      OSError: There is no such file.
    """
    path.stat()  # h5py's own error for a missing file is two lines.
    layers: dict[str, list[np.ndarray]] = {}

    def visit(name, entry):
        if isinstance(entry, h5py.Dataset) and "optimizer" not in name:
            parts = name.removeprefix("model_weights/").removeprefix("layers/").split("/")
            layers.setdefault(parts[0], []).append(entry[()])

    try:
        with h5py.File(path) as file:
            file.visititems(visit)
    except (OSError, RuntimeError) as error:
        raise checkpoints.CheckpointError(f"{path} is no readable .h5: {error}") from error
    return {name: sorted(arrays, key=np.ndim, reverse=True) for name, arrays in layers.items()}


def convert(layers: dict[str, list[np.ndarray]], where: Path) -> tuple[dict, list[str]]:
    """The tensors of a "vgg16" checkpoint, and the layers that were left out.

    Raises:
      checkpoints.CheckpointError: A tensor is missing, left over or of another shape.
    """
    tensors, dropped, names = {}, [], layer_names()
    for layer, arrays in layers.items():
        if layer in CLASSIFIER:
            dropped.append(layer)
            continue
        for position, array in enumerate(arrays):
            # What is not known keeps its name, or gets a number, and is an error below.
            part = {0: "kernel", 1: "bias"}.get(position, position)
            tensors[f"{names.get(layer, layer)}/{part}"] = np.asarray(array, np.float32)
    source.check(tensors, vgg16.shapes(), where)
    # Keras turns photos to BGR; here the first kernel is turned instead.
    tensors["conv1_1/kernel"] = tensors["conv1_1/kernel"][:, :, ::-1]
    return tensors | {vgg16.PIXEL_MEAN: PIXEL_MEAN}, dropped


def port(weights_file: Path, folder: Path, command: str, commit: str) -> list[str]:
    """Writes the trunk to `folder`; returns what was found and made, a line each.

    Raises:
      checkpoints.CheckpointError: The file is no VGG16 of Keras, or `folder` exists.
      OSError: A file cannot be read or written.
    """
    tensors, dropped = convert(read(weights_file), weights_file)
    facts = [
        "trunk vgg16, 196 annotation vectors of 512",
        f"dropped the classifier's layers: {', '.join(dropped) or 'none'}",
    ]
    digest = source.sha256(weights_file)
    origin = f"keras.applications VGG16, {weights_file.name}, SHA-256 {digest}"
    with output.new_folder(folder) as made:
        manifest = output.save(
            made, "vgg16", tensors, facts, source=origin, command=command, commit=commit
        )
    return [*facts, output.describe(folder, manifest)]

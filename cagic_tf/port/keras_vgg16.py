"""VGG16 from `keras.applications`: the trunk alone, from its `.h5` weights (ImageNet).

Keras reads the file: with or without the classifier (`include_top`), as downloaded or as saved by
Keras.
"""

import warnings
from pathlib import Path

import h5py
import keras
import numpy as np

from cagic_tf.networks import checkpoints
from cagic_tf.networks.trunks import vgg16
from cagic_tf.port import output, source

# What keras.applications takes off (Caffe's mean), in RGB order.
PIXEL_MEAN = np.array([123.68, 116.779, 103.939], np.float32)
# The classifier's first layer: its name in a `.h5`, and in Keras 3's `.weights.h5`.
CLASSIFIER = {"fc1", "dense"}


def read(path: Path) -> keras.Model:
    """Keras's VGG16 with a file's weights; with its classifier if the file has that.

    Raises:
      checkpoints.CheckpointError: The file is no HDF5, or Keras finds no VGG16 in it.
      OSError: There is no such file.
    """
    path.stat()  # h5py's own error for a missing file is two lines.
    names: list[str] = []
    try:
        with h5py.File(path) as file:
            file.visit(names.append)
    except (OSError, RuntimeError) as error:
        raise checkpoints.CheckpointError(f"{path} is no readable .h5: {error}") from error
    include_top = any(CLASSIFIER & set(name.split("/")) for name in names)
    model = keras.applications.VGG16(weights=None, include_top=include_top)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of groups without weights that old files lack.
            model.load_weights(path)  # A layer that gets no weights is an error.
    except Exception as error:  # Keras lets through what h5py and NumPy raise.
        text = " ".join(str(error).partition("List of objects")[0].split())
        raise checkpoints.CheckpointError(f"{path} has no weights of VGG16: {text}") from error
    return model


def convert(model: keras.Model) -> tuple[dict[str, np.ndarray], list[str]]:
    """The tensors of a "vgg16" checkpoint, and the layers with weights that were left out."""
    tensors, dropped = {vgg16.PIXEL_MEAN: PIXEL_MEAN}, []
    for layer in model.layers:
        if not layer.weights:
            continue
        if not layer.name.startswith("block"):
            dropped.append(layer.name)
            continue
        ours = layer.name.removeprefix("block").replace("_conv", "_")  # "block2_conv1" is "2_1".
        tensors[f"conv{ours}/kernel"], tensors[f"conv{ours}/bias"] = layer.get_weights()
    # Keras turns photos to BGR; here the first kernel is turned instead.
    tensors["conv1_1/kernel"] = tensors["conv1_1/kernel"][:, :, ::-1]
    return tensors, dropped


def port(weights_file: Path, folder: Path, command: str, commit: str) -> list[str]:
    """Writes the trunk to `folder`; returns what was found and made, a line each.

    Raises:
      checkpoints.CheckpointError: The file is no VGG16 of Keras, or `folder` exists.
      OSError: A file cannot be read or written.
    """
    tensors, dropped = convert(read(weights_file))
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

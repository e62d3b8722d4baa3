"""Keras's VGG16 weights: the ported trunk computes what `keras.applications` computes."""

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import bundle, checkpoints
from cagic_tf.networks.trunks import vgg16
from cagic_tf.port import __main__ as command
from cagic_tf.port import keras_vgg16

CLASSIFIER = {"fc1": (25088, 4096), "fc2": (4096, 4096), "predictions": (4096, 1000)}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    made = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
    for variable in made.weights:
        if variable.shape == (variable.shape[0],):  # Biases are zero, which would hide a mistake.
            variable.assign(np.random.default_rng(0).standard_normal(variable.shape) * 0.1)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("file", ["model.weights.h5", "whole.h5"])
def test_features_are_keras(file, model, tmp_path):
    path = tmp_path / file
    model.save_weights(path) if file == "model.weights.h5" else model.save(path)
    output = f"--output={tmp_path}/vgg16"
    assert command.main(["keras_vgg16", f"--weights={path}", output]) == 0
    trunk = bundle.build_trunk(checkpoints.load(tmp_path / "vgg16", "vgg16"))
    pictures = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3)).astype(np.float32)
    conv5_3 = keras.Model(model.input, model.get_layer("block5_conv3").output)
    expected = conv5_3(keras.applications.vgg16.preprocess_input(pictures.copy())).numpy()
    found = trunk(tf.constant(pictures / 255))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected.reshape(1, 196, 512), rtol=1e-4, atol=1e-5 * scale)


def convolutions():
    """Keras's names of the trunk's layers, and their kernels' shapes."""
    kernels = {name: shape for name, shape in vgg16.shapes().items() if name.endswith("/kernel")}
    return {f"block{name[4]}_conv{name[6]}": shape for name, shape in kernels.items()}


def kernel_of(number, shape):
    """Numbers that differ from place to place and from layer to layer."""
    return ((number + np.arange(np.prod(shape))) % 251).reshape(shape).astype(np.float32)


def write_released(path, layers):
    """The layout of the file that keras.applications downloads; the classifier's are zeros."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in (*layers, "block1_pool")]
        file.create_group("block1_pool").attrs["weight_names"] = np.zeros(0, "S1")
        for number, (name, shape) in enumerate(layers.items()):
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}_W_1:0".encode(), f"{name}_b_1:0".encode()]
            kernel = group.create_dataset(f"{name}_W_1:0", shape, np.float32)
            group.create_dataset(f"{name}_b_1:0", shape[-1:], np.float32, fillvalue=number)
            if name not in CLASSIFIER:
                kernel[:] = kernel_of(number, shape)


@pytest.mark.parametrize("include_top", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_downloaded_file(include_top, tmp_path):
    ending = "" if include_top else "_notop"
    path = tmp_path / f"vgg16_weights_tf_dim_ordering_tf_kernels{ending}.h5"
    layers = convolutions()
    write_released(path, layers | (CLASSIFIER if include_top else {}))
    lines = keras_vgg16.port(path, tmp_path / "out", "command", "commit")
    tensors = checkpoints.load(tmp_path / "out", "vgg16").tensors
    assert len(tensors) == 27
    np.testing.assert_allclose(tensors["pixel_mean"], [123.68, 116.779, 103.939])
    for number, (name, shape) in enumerate(layers.items()):
        ours, kernel = f"conv{name[5]}_{name[-1]}", kernel_of(number, shape)
        if number == 0:
            kernel = kernel[:, :, ::-1]  # From BGR.
        np.testing.assert_array_equal(tensors[f"{ours}/kernel"], kernel)
        np.testing.assert_array_equal(tensors[f"{ours}/bias"], np.full(shape[-1], number))
    dropped = "fc1, fc2, predictions" if include_top else "none"
    assert lines[1] == f"dropped the classifier's layers: {dropped}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block5_conv3": None}, "expected 13 layers, found 12 saved layers"),
        ({"stray": (2, 2)}, "expected 13 layers, found 14 saved layers"),
        ({"block2_conv1": (3, 3, 128, 64)}, r"block2_conv1.*\(3, 3, 64, 128\)"),
    ],
)
def test_layers_that_do_not_fit(changes, message, tmp_path):
    layers = convolutions() | changes
    path = tmp_path / "w.h5"
    write_released(path, {name: shape for name, shape in layers.items() if shape})
    with pytest.raises(checkpoints.CheckpointError, match=message) as caught:
        keras_vgg16.port(path, tmp_path / "out", "command", "commit")
    assert str(caught.value).startswith(f"{path} has no weights of VGG16: ")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_kind(tmp_path):
    path = tmp_path / "other.weights.h5"
    layers = [keras.layers.Input((4, 4, 3)), keras.layers.Conv2D(2, 3), keras.layers.Conv2D(2, 1)]
    keras.Sequential(layers).save_weights(path)
    with pytest.raises(checkpoints.CheckpointError, match="has no weights of VGG16") as caught:
        keras_vgg16.port(path, tmp_path / "out", "command", "commit")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()

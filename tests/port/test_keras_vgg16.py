"""Keras's VGG16 weights: the ported trunk computes what `keras.applications` computes."""

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import bundle, checkpoints
from cagic_tf.port import __main__ as command
from cagic_tf.port import keras_vgg16


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    made = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
    for variable in made.weights:
        if variable.shape == (variable.shape[0],):  # Biases are zero, which would hide a mistake.
            variable.assign(np.random.default_rng(0).standard_normal(variable.shape) * 0.1)
    return made


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


def write_released(path, names, **changes):
    """The layout of the file that keras.applications downloads, of zeros."""
    channels = {1: (3, 64), 2: (64, 128), 3: (128, 256), 4: (256, 512), 5: (512, 512)}
    with h5py.File(path, "w") as file:
        for name in names:
            group = file.create_group(name)
            if "conv" in name:
                block, layer = int(name[5]), int(name[-1])
                inputs, width = channels[block]
                shape = (3, 3, inputs if layer == 1 else width, width)
                group[f"{name}_W_1:0"] = np.zeros(changes.get(name, shape), np.float32)
                group[f"{name}_b_1:0"] = np.zeros(width, np.float32)
            elif name in ("fc1", "stray"):
                group[f"{name}_W_1:0"] = np.zeros((2, 2), np.float32)


CONVOLUTIONS = [
    f"block{block}_conv{layer}"
    for block, count in enumerate((2, 2, 3, 3, 3), 1)
    for layer in range(1, count + 1)
]


def test_layout_of_the_downloaded_file_and_its_classifier(tmp_path):
    path = tmp_path / "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
    write_released(path, [*CONVOLUTIONS, "block1_pool", "fc1", "flatten"])
    lines = keras_vgg16.port(path, tmp_path / "out", "command", "commit")
    tensors = checkpoints.load(tmp_path / "out", "vgg16").tensors
    assert len(tensors) == 27
    np.testing.assert_allclose(tensors["pixel_mean"], [123.68, 116.779, 103.939])
    assert lines[1] == "dropped the classifier's layers: fc1"


@pytest.mark.parametrize(
    ("names", "changes", "message"),
    [
        (CONVOLUTIONS[:-1], {}, "missing tensors .*conv5_3/kernel"),
        ([*CONVOLUTIONS, "stray"], {}, "unexpected tensors .*stray"),
        (CONVOLUTIONS, {"block2_conv1": (3, 3, 128, 64)}, "'conv2_1/kernel' is"),
    ],
)
def test_layers_that_do_not_fit(names, changes, message, tmp_path):
    write_released(tmp_path / "w.h5", names, **changes)
    with pytest.raises(checkpoints.CheckpointError, match=message):
        keras_vgg16.port(tmp_path / "w.h5", tmp_path / "out", "command", "commit")
    assert not (tmp_path / "out").exists()

"""Trunks in reduced precision and compiled: the same features and gradients, within their bits."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf import config
from cagic_tf.networks import bundle


@functools.cache
def features_and_gradient(count, **settings):
    """Annotation vectors of some smooth pictures, and the gradient of a fixed readout of them."""
    rng = np.random.default_rng(0)
    small = rng.uniform(0, 1, (8, 7, 7, 3))[:count]
    images = tf.image.resize(tf.constant(small, tf.float32), (224, 224))
    trunk = bundle.Networks(**settings).caption_trunk

    @tf.function(autograph=False)
    def compute(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            features = trunk(images)
            readout = tf.reduce_sum(features[..., :100])
        return features, tape.gradient(readout, images)

    features, gradient = compute(images)
    assert features.dtype == gradient.dtype == tf.float32
    return features.numpy(), gradient.numpy()


def cosine(a, b):
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


# A number has 8 significant bits in bfloat16 and 11 in float16; fifty layers add their roundings.
# Units flip at the kinks of ReLU6, which costs gradients far more: why both are off by default.
@pytest.mark.parametrize(
    ("precision", "off", "likeness"), [("bfloat16", 0.13, 0.2), ("float16", 0.025, 0.6)]
)
def test_reduced_precision_is_the_trunk_within_its_bits(precision, off, likeness):
    exact, exact_gradient = features_and_gradient(3)
    found, gradient = features_and_gradient(3, trunk_precision=precision)
    error = np.abs(found - exact).mean() / np.abs(exact).mean()
    assert off / 10 < error < off  # It is not full precision either.
    assert cosine(gradient, exact_gradient) > likeness


@pytest.mark.parametrize("count", [1, 3])  # Three are padded to four.
def test_a_compiled_trunk_is_the_trunk_whatever_the_batch(count):
    exact, exact_gradient = features_and_gradient(count)
    found, gradient = features_and_gradient(count, jit_compile=True)
    np.testing.assert_allclose(found, exact, atol=2e-4)
    assert cosine(gradient, exact_gradient) > 0.999


def test_gin_binds_both_and_crops_with_them():
    bindings = [
        'Networks.trunk_precision = "bfloat16"',
        "Networks.jit_compile = True",
        "CoarseToFine.scan_scales = (0.6,)",
        "CoarseToFine.scan_centers = 2",
        "Annealing.restart_count = 1",
    ]
    cropper = config.load_cropper("fast.gin", bindings=bindings)
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    result = cropper.crop(photo, "a dog")
    assert result.scale == pytest.approx(0.6)
    assert np.isfinite(result.loss["total"])


def test_an_unknown_precision_is_one_line():
    with pytest.raises(config.ConfigError, match="'int8'.*None, 'bfloat16', 'float16'"):
        config.load_cropper("fast.gin", bindings=["Networks.trunk_precision = 'int8'"])

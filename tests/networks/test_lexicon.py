"""The lexicon's classifier: PyTorch's logits, sums over classes, its pooling; real photos."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cagic_tf.networks import bundle, checkpoints, lexicon
from cagic_tf.networks.trunks import lite0
from cagic_tf.system import resources

GOLDEN = Path(__file__).parent / "goldens" / "lite0.npz"
SAMPLES = resources.package_path("samples")


@pytest.fixture(scope="module")
def networks():
    return bundle.Networks(lexicon="lexicon")


def small(classes=3, features=2, **changes):
    tensors = {
        "fc/kernel": np.eye(features, classes, dtype=np.float32),
        "fc/bias": np.zeros(classes, np.float32),
    }
    return lexicon.Lexicon(tensors | changes, [str(at) for at in range(classes)], {}, {})


def members(*nouns, classes=3):
    """Which classes are each noun's, `[M, C]`."""
    return tf.constant([[at in noun for at in range(classes)] for noun in nouns], tf.bool)


def test_logits_are_pytorchs(networks):
    golden = np.load(GOLDEN)
    logits = networks.lexicon.classify(tf.constant(golden["features_mean"]))
    # Half precision: 1,280 products of weights up to 0.48, each off by 2 ** -12 of itself at most.
    np.testing.assert_allclose(logits, golden["logits"], rtol=0, atol=5e-3)
    assert golden["logits"].std() > 1
    np.testing.assert_array_equal(np.argmax(logits, 1), golden["logits"].argmax(1))


def test_center_weights():
    weights = lexicon.center_weights(7).reshape(7, 7)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, weights.T)
    np.testing.assert_allclose(weights, weights[::-1])
    assert weights[3, 4] / weights[3, 3] == pytest.approx(np.exp(-0.5 / 1.5**2))
    assert weights[0, 0] / weights[3, 3] == pytest.approx(np.exp(-9 / 1.5**2))
    np.testing.assert_allclose(lexicon.center_weights(1), [1])


def test_pooling_is_the_weighted_mean():
    features = np.random.default_rng(0).normal(size=(2, 49, 2)).astype(np.float32)
    pooled = small().pool(tf.constant(features))
    expected = np.einsum("l,nld->nd", lexicon.center_weights(7), features)
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


def test_probability_of_a_noun_is_the_sum_of_its_classes():
    # One cell, so that the pooled feature is (2 ln 3, 0); logits over 2: (ln 3, 0, 0).
    features = tf.constant([[[2 * np.log(3), 0.0]]], tf.float32)
    is_class = members((0,), (1,), (0, 2), (0, 1, 2))
    found = np.exp(small().log_probabilities(features, is_class))
    np.testing.assert_allclose(found, [[3 / 5, 1 / 5, 4 / 5, 1]], rtol=1e-5)


def test_no_nouns_and_extreme_logits_have_finite_gradients():
    network = small(**{"fc/bias": np.array([0, -500, 500], np.float32)})
    for is_class in (tf.zeros([0, 3], tf.bool), members((0,)), members((1,))):
        features = tf.ones([2, 49, 2])
        with tf.GradientTape() as tape:
            tape.watch(features)
            logs = network.log_probabilities(features, is_class)
        assert logs.shape == (2, len(is_class))
        assert np.isfinite(logs).all()
        assert np.isfinite(tape.gradient(logs, features)).all()


@pytest.mark.parametrize(
    ("file", "box", "expected"),
    [
        ("lake.jpg", None, {"cliff", "alp", "valley", "lakeside", "volcano", "promontory"}),
        ("mosaic.jpg", (320, 0, 640, 240), {"egyptian cat", "tabby", "tiger cat"}),
    ],
)
def test_classes_of_photos(networks, file, box, expected):
    with Image.open(SAMPLES / file) as photo:
        part = photo.crop(box) if box else photo
        pixels = np.asarray(part.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))
    features = networks.caption_trunk(tf.constant(pixels[None] / 255, tf.float32))
    logits = networks.lexicon.classify(tf.reduce_mean(features, axis=1))[0].numpy()
    best = [networks.lexicon.classes[at] for at in np.argsort(-logits)[:3]]
    assert expected.intersection(best), best


def test_another_trunk_is_refused(networks):
    own = checkpoints.load(resources.path("checkpoints") / "lexicon")
    with pytest.raises(checkpoints.CheckpointError, match="stands on 'lite0', but .* 'vgg16'"):
        bundle.build_lexicon(own, "vgg16", "00", tf.float32)


def test_bundle_names_the_checkpoint(networks):
    assert set(networks.checkpoints) == {"lite0", "sat", "vfn", "lexicon"}
    plain = bundle.Networks()
    assert plain.lexicon is None and set(plain.checkpoints) == {"lite0", "sat", "vfn"}
    added = plain.with_lexicon("lexicon")
    assert added.checkpoints == networks.checkpoints and added.captioner is plain.captioner
    assert plain.lexicon is None and set(plain.checkpoints) == {"lite0", "sat", "vfn"}
    assert len(networks.lexicon.classes) == 1000
    assert isinstance(networks.caption_trunk, lite0.Lite0)

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import checkpoints
from cagic_tf.networks.trunks import lite0
from cagic_tf.system import resources

# Features reach 6 and are rounded in fifty layers: 200 units in the last place. A wrong padding or
# epsilon shows in the second digit.
ROUNDING = 1e-4
GOLDEN = Path(__file__).parent / "goldens" / "lite0.npz"


@pytest.fixture(scope="module")
def tensors():
    return checkpoints.load(resources.path("checkpoints") / "lite0", "lite0").tensors


@pytest.fixture(scope="module")
def images():
    """The pictures of `goldens/make_lite0.py`, as RGB in [0, 1]."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3))
    return (pixels / 255).astype(np.float32)


@pytest.fixture(scope="module")
def features(tensors, images):
    return lite0.Lite0(tensors)(tf.constant(images)).numpy()


def test_features_are_pytorchs(features):
    golden = np.load(GOLDEN)
    assert features.shape == (2, 49, 1280)
    mean, sample = features.mean(1), features[:, ::6, ::17]
    np.testing.assert_allclose(mean, golden["features_mean"], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(sample, golden["features_sample"], rtol=0, atol=ROUNDING)


def test_double_precision_agrees(tensors, images, features):
    trunk = lite0.Lite0(tensors, tf.float64)
    exact = trunk(tf.constant(images[:1], tf.float64))
    assert exact.dtype == tf.float64
    np.testing.assert_allclose(features[:1], exact, rtol=0, atol=ROUNDING)


def test_picture_does_not_depend_on_its_batch(tensors, images, features):
    alone = lite0.Lite0(tensors)(tf.constant(images[1:]))
    np.testing.assert_allclose(alone[0], features[1], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("count", [1, 4, 5, 7])
@pytest.mark.parametrize("is_known", [True, False])
def test_groups_change_nothing(tensors, count, is_known, monkeypatch):
    """What goes through the first blocks in groups is what the whole batch gives, and its slope."""
    images = np.random.default_rng(2).uniform(size=(count, 224, 224, 3))

    def value_and_slope():
        trunk = lite0.Lite0(tensors, tf.float64)
        shape = [count if is_known else None, 224, 224, 3]

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.float64)])
        def graph(given):
            with tf.GradientTape() as tape:
                tape.watch(given)
                features = trunk(given)
                total = tf.reduce_sum(tf.square(features))
            return features, tape.gradient(total, given)

        return graph(images)

    grouped = value_and_slope()
    monkeypatch.setattr(lite0.Lite0, "_begin", lite0.Lite0._first_blocks)
    whole = value_and_slope()
    assert np.all(np.any(whole[1], axis=(1, 2, 3)))
    for ours, expected in zip(grouped, whole, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-9)


def computed(function):
    """The operations that a function's results need; what is left over is never run."""
    nodes, found = {node.name: node for node in function.node_def}, {}
    rest = [*function.ret.values()]
    while rest:
        name = rest.pop().lstrip("^").split(":")[0]
        if name in nodes and name not in found:
            found[name] = nodes[name].op
            rest.extend(nodes[name].input)
    return set(found.values())


def test_frozen_weights_get_no_gradient(tensors):
    """Nor in a branch, whose gradient takes in all that it reads."""
    trunk = lite0.Lite0(tensors)

    @tf.function(input_signature=[tf.TensorSpec([None, 224, 224, 3])])
    def gradient(images):
        return tf.gradients(trunk(images), images)

    library = gradient.get_concrete_function().graph.as_graph_def().library
    operations = set.union(*(computed(function) for function in library.function))
    assert "Conv2DBackpropInput" in operations
    assert not any("BackpropFilter" in name for name in operations)


def test_range(features):
    assert features.min() == 0 and features.max() <= 6


def test_gradient_is_the_finite_difference(tensors, images):
    trunk = lite0.Lite0(tensors, tf.float64)
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(1, 49, 1280))
    # Smooth pictures, as crops are, and a random direction: ReLUs are kinks, so the step is tiny.
    direction = tf.constant(rng.normal(size=(1, 224, 224, 3)))
    start = tf.constant(images[:1], tf.float64)

    @tf.function
    def along(step):
        return tf.reduce_sum(weights * trunk(start + step * direction))

    step = tf.constant(0.0, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(step)
        value = along(step)
    gradient = float(tape.gradient(value, step))
    size = 1e-7
    difference = float(along(tf.constant(size, tf.float64)) - along(tf.constant(-size, tf.float64)))
    assert gradient == pytest.approx(difference / (2 * size), rel=1e-4)


def test_blocks():
    blocks = lite0.blocks()
    assert len(blocks) == 16
    assert np.prod([stride for _, stride, _, _ in blocks]) == 16  # 32 with the stem's 2.
    assert [blocks[at] for at in (0, 1, 2, 5, 8, 15)] == [
        (3, 1, 1, 16),
        (3, 2, 6, 24),
        (3, 1, 6, 24),
        (3, 2, 6, 80),
        (5, 1, 6, 112),
        (3, 1, 6, 320),
    ]


def test_grids_are_what_the_blocks_give(tensors, images, features):
    trunk = lite0.Lite0(tensors)
    fine, coarse = trunk.grids(tf.constant(images), (10, 15))
    assert fine.shape == (2, 14, 14, 112) and coarse.shape == (2, 7, 7, 320)
    head = trunk._convolution(coarse, "head")
    np.testing.assert_array_equal(tf.reshape(head, [2, 49, 1280]), features)
    alone = trunk.grids(tf.constant(images), [10])
    assert len(alone) == 1
    np.testing.assert_array_equal(alone[0], fine)


@pytest.mark.parametrize("height, width", [(1, 1), (97, 61), (320, 240)])
def test_grids_of_any_size(tensors, height, width):
    """Each step halves and rounds up; what a block gives depends on what is near alone."""
    trunk = lite0.Lite0(tensors)
    picture = np.random.default_rng(1).uniform(size=(1, height, width, 3)).astype(np.float32)
    found = trunk.grids(tf.constant(picture), (0, 2, 10, 15))
    for grid, step, channels in zip(found, (2, 4, 16, 32), (16, 24, 112, 320), strict=True):
        assert grid.shape == (1, -(-height // step), -(-width // step), channels)

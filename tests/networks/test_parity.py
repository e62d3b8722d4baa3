"""The released networks, file to figure: seeded weights in the authors' formats, ported, run.

The goldens hold what the authors' own graphs returned for these weights.
"""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import bundle, checkpoints, sat, sat_sizes, vfn
from cagic_tf.port import __main__ as command
from cagic_tf.port import deeprnn
from tests import seeded


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "seed", "words", "rows", "channels"),
    [("vgg16", 1, 97, 13, 17), ("resnet50", 2, 61, 13, 17)],
)
def test_show_attend_and_tell(kind, seed, words, rows, channels, tmp_path):
    golden = seeded.golden(f"deeprnn_{kind}_seed{seed}")
    sizes = sat_sizes.Sizes(words, *deeprnn.GRIDS[kind])
    vocabulary = seeded.write_deeprnn(tmp_path, kind, sizes, seed)
    files = [f"--weights={tmp_path}/weights.npy", f"--vocabulary={tmp_path}/vocabulary.csv"]
    assert command.main(["deeprnn", *files, f"--output={tmp_path}/ported"]) == 0
    shapes = deeprnn.trunk_shapes(kind) | sat_sizes.shapes(sizes)
    listed = {f"{name}:0 {list(shape)}" for name, shape in shapes.items()}
    assert set(golden["variables"]) == listed

    head = checkpoints.load(tmp_path / "ported", "sat")
    assert head.manifest["vocabulary"] == vocabulary
    trunk = bundle.build_trunk(checkpoints.load(tmp_path / "ported" / kind, kind))
    decoder = sat.ShowAttendTell(head.tensors, vocabulary)
    assert trunk.input_size == (224, 224)
    pictures = tf.constant(seeded.images(seed, 2, 224) / 255, tf.float32)
    contexts = trunk(pictures)
    assert contexts.shape == (2, sizes.positions, sizes.features)
    scale = np.abs(golden["contexts_mean"]).max()
    np.testing.assert_allclose(
        tf.reduce_mean(contexts, 1), golden["contexts_mean"], rtol=1e-4, atol=1e-5 * scale
    )
    scale = np.abs(golden["contexts_sample"]).max()
    sample = contexts[:, ::rows, ::channels]
    np.testing.assert_allclose(sample, golden["contexts_sample"], rtol=1e-4, atol=1e-5 * scale)
    memory, output = decoder.initialize(contexts)
    np.testing.assert_allclose(memory, golden["initial_memory"], atol=1e-5)
    np.testing.assert_allclose(output, golden["initial_output"], atol=1e-5)

    decoder.end = -1  # The goldens do not stop at a full stop.
    caption = decoder.greedy(contexts, 20)
    np.testing.assert_array_equal(caption.words, golden["greedy_words"])
    np.testing.assert_allclose(caption.probabilities, golden["greedy_probs"], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "seed", "bins", "pooling"),
    [
        ("vfn_spp_max_seed1", "model-spp-max", 1, 49, ("max", (6, 2, 3))),
        ("vfn_wo_spp_seed2", "model-wo-spp", 2, 36, ("max", (6,))),
    ],
)
def test_view_finding_network(name, file, seed, bins, pooling, tmp_path):
    golden = seeded.golden(name)
    variables = seeded.vfn_variables(bins, seed)
    assert set(golden["variables"]) == {
        f"{key}:0 {list(value.shape)}" for key, value in variables.items()
    }
    seeded.write_vfn(tmp_path / file, variables)
    output = f"--output={tmp_path}/ported"
    assert command.main(["vfn", f"--weights={tmp_path / file}", output]) == 0

    head = checkpoints.load(tmp_path / "ported", "vfn")
    assert (head.manifest["pooling"], tuple(head.manifest["bins"])) == pooling
    trunk = bundle.build_trunk(checkpoints.load(tmp_path / "ported" / "alexnet", "alexnet"))
    scorer = vfn.ViewFindingNetwork(head.tensors, pooling[1], pooling=head.manifest["pooling"])
    assert trunk.input_size == (227, 227)
    features = trunk(tf.constant(seeded.images(seed, 4, 227) / 255, tf.float32))
    assert features.shape == (4, 169, 256)
    hidden = scorer.hidden(vfn.spatial_pyramid(features, pooling[1], pooling[0]))
    scale = np.abs(golden["features_sample"]).max()
    np.testing.assert_allclose(
        hidden[:, ::7], golden["features_sample"], rtol=1e-4, atol=1e-5 * scale
    )
    np.testing.assert_allclose(scorer(features), golden["scores"][:, 0], rtol=1e-4)


def test_average_pyramid_is_the_released_poolings():
    """No golden ships for it: TensorFlow's own poolings, as the authors' graph has them."""
    grid = np.random.default_rng(0).standard_normal((2, 13, 13, 5)).astype(np.float32)
    for pooling, operation in (("mean", tf.nn.avg_pool2d), ("max", tf.nn.max_pool2d)):
        expected = [
            tf.reshape(operation(grid, size, step, "VALID"), [2, -1])
            for size, step in ((3, 2), (7, 6), (5, 4))
        ]
        found = vfn.spatial_pyramid(tf.reshape(grid, [2, 169, 5]), (6, 2, 3), pooling)
        np.testing.assert_allclose(found, tf.concat(expected, 1), atol=1e-6)

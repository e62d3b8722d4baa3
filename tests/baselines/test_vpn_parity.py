"""View Proposal Net, file to crop: seeded weights in a TensorFlow 1 checkpoint, ported, run.

The golden holds what the authors' own graph computed for them.
"""

import zlib

import numpy as np
import PIL
import pytest
import tensorflow as tf

from cagic_tf.baselines.vpn import anchors, cropper
from cagic_tf.baselines.vpn.network import ViewProposalNet
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.networks.trunks import vgg16
from cagic_tf.port import __main__ as command
from cagic_tf.port import vpn
from tests.baselines import seeded_croppers as seeded

SEED = 1
CASES = tuple(seeded.VPN_SIZES)
# What is computed from pixels that Pillow has made smaller: from 13 on a fifth of the tall photo's
# are a level lighter or darker than before, and with seeded weights that gives other scores.
SEEN_CASES = [
    pytest.param(
        case,
        marks=pytest.mark.skipif(
            case == "tall" and int(PIL.__version__.partition(".")[0]) < 13,
            reason="the golden of the tall photo is of Pillow 13's rounding",
        ),
    )
    for case in CASES
]
# How every how manieth row and column, and channel, of each layer is in the golden.
SAMPLED = {3: (23, 61), 4: (11, 97), 5: (7, 97), 6: (7, 199), 7: (7, 199), 8: (3, 61)}


@pytest.fixture(scope="module")
def golden():
    return seeded.golden(f"vpn_seed{SEED}")


@pytest.fixture(scope="module")
def ported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vpn")
    seeded.write_vpn(folder / "VPN", seeded.vpn_weights(SEED))
    files = [f"--weights={folder}/VPN", f"--output={folder}/ported"]
    assert command.main(["vpn", *files]) == 0
    return folder / "ported"


def corners(boxes):
    """Scored boxes as left, top, right, bottom."""
    return [[x, y, x + w, y + h] for (x, y, w, h), _ in boxes]


def test_the_file_has_the_variables_of_the_golden(golden):
    listed = {f"{name} {list(shape)}" for name, shape in vpn.shapes().items()}
    assert set(golden["variables"]) == listed


def test_anchors_are_the_authors_bit_for_bit(golden):
    found = anchors.anchors()
    assert found.dtype == np.float64
    assert found.tobytes() == golden["anchors"].tobytes()


@pytest.mark.parametrize("case", SEEN_CASES)
def test_photo_and_input(case, golden):
    photo = seeded.vpn_photo(SEED, case)
    assert photo.shape[:2] == tuple(golden[f"{case}_source_hw"])
    assert zlib.crc32(photo.tobytes()) == golden[f"{case}_source_crc32"]
    resized = cropper.resize(photo, vpn.SIDE)
    assert zlib.crc32(resized.tobytes()) == golden[f"{case}_resized_crc32"]
    if f"{case}_input_sample" in golden:
        np.testing.assert_array_equal(resized[::37, ::41], golden[f"{case}_resized_sample"])
        trunk = vgg16.VGG16({"pixel_mean": vpn.SCALE * vpn.MEAN, "pixel_scale": vpn.SCALE})
        found = trunk.pixels(tf.constant(resized.astype(np.float32) / 255))
        np.testing.assert_array_equal(found[::37, ::41], golden[f"{case}_input_sample"])


@pytest.mark.parametrize("case", CASES)
def test_boxes_of_the_authors_scores(case, golden):
    height, width = seeded.VPN_SIZES[case]
    boxes = cropper.pixel_boxes(width, height)
    np.testing.assert_array_equal(boxes, golden[f"{case}_boxes"])
    found = cropper.best_boxes(boxes, golden[f"{case}_logits"])
    assert corners(found[:5]) == golden[f"{case}_top5_boxes"].tolist()
    assert [each.score for each in found[:5]] == golden[f"{case}_top5_scores"].tolist()
    assert corners(found)[0] == golden[f"{case}_best"].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("case", SEEN_CASES)
def test_scores_and_boxes(case, golden, system):
    photo = seeded.vpn_photo(SEED, case)
    (scores,) = system.scores([photo])
    expected = golden[f"{case}_logits"]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=3e-4 * expected.std())
    found = system.boxes(photo)
    assert corners(found[:5]) == golden[f"{case}_top5_boxes"].tolist()
    assert corners(found)[0] == golden[f"{case}_best"].tolist()


@pytest.fixture(scope="module")
def system(ported):
    return cropper.load(ported)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["square", "wide"])
def test_layers(case, golden, ported):
    head = checkpoints.load(ported, "vpn")
    trunk = bundle.build_trunk(bundle.load_trunk(ported, head))
    photo = cropper.resize(seeded.vpn_photo(SEED, case), head.manifest["side"])
    images = tf.constant(photo[np.newaxis].astype(np.float32) / 255)
    found = ViewProposalNet(head.tensors).activations(trunk(images))
    grids = [*trunk.blocks(images)[2:], found.conv6, found.conv7, found.block8]
    for grid, (block, (places, channels)) in zip(grids, SAMPLED.items(), strict=True):
        expected = golden[f"{case}_block{block}_sample"]
        sample = grid[0, ::places, ::places, ::channels]
        np.testing.assert_allclose(sample, expected, rtol=0, atol=1e-4 * expected.max())
    assert found.hidden.shape == (1, 1, 1, 1024)
    expected = golden[f"{case}_pred9x9_sample"]
    sample = found.hidden[0, 0, 0, ::7]
    np.testing.assert_allclose(sample, expected, rtol=0, atol=1e-4 * expected.max())

"""GAIC, file to crop: seeded weights as the authors' files have them, ported, loaded, run.

The goldens hold what their own code returned for these weights.
"""

import zlib

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines import opencv_resize
from cagic_tf.baselines.gaic import alignment, anchors, cropper
from cagic_tf.baselines.gaic.network import GridAnchorHead
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.port import __main__ as command
from tests.baselines import seeded_gaic
from tests.port import torch_writer

CONTAINERS = {"old": {"container": "old", "python2": True}, "zip": {"container": "zip"}}
TRUNKS = [
    ("mobilenetv2", "old"),
    ("shufflenetv2", "zip"),
    pytest.param(("vgg16", "old"), marks=pytest.mark.slow),
]
# The goldens' recommendation: other convolutions sum in another order.
SCORES = 3e-4  # Of the scores' deviation.


@pytest.fixture(scope="module", params=TRUNKS, ids=lambda values: values[0])
def ported(request, tmp_path_factory):
    """A golden, and the folders of both heads: the trunk's kind, arrays, and head to folder."""
    trunk, container = request.param
    folder = tmp_path_factory.mktemp(trunk)
    for norms in (False, True):
        state = seeded_gaic.state(trunk, norms=norms, last=2 if norms else 3)
        file = folder / f"{norms}.pth"
        torch_writer.write(file, state, **CONTAINERS[container])
        output = f"--output={folder / str(norms)}"
        assert command.main(["gaic", f"--weights={file}", output]) == 0
        file.unlink()
    return trunk, seeded_gaic.golden(trunk), {norms: folder / str(norms) for norms in (False, True)}


def close(found, expected, tolerance=2e-4):
    """Within a part of the largest value."""
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("case", seeded_gaic.SIZES)
def test_scores_boxes_and_the_best_crop(ported, case):
    _, golden, folders = ported
    photo = seeded_gaic.picture(case)
    for norms, key in ((False, "scores"), (True, "scores_bn")):
        system = cropper.load(folders[norms])
        found = system.scored(photo)
        left, top, right, bottom = found.boxes.T
        np.testing.assert_array_equal(
            np.stack([top, left, bottom, right], axis=1), golden[f"{case}_boxes"]
        )
        expected = golden[f"{case}_{key}"]
        assert found.scores.dtype == np.float32
        np.testing.assert_allclose(found.scores, expected, rtol=0, atol=SCORES * expected.std())
        ranked = system.boxes(photo)
        assert [each.score for each in ranked] == sorted(found.scores.tolist(), reverse=True)
        order = np.argsort(-expected, kind="stable")
        for each, index in zip(ranked[:4], order, strict=False):
            top, left, bottom, right = golden[f"{case}_boxes"][index].tolist()
            assert each.box == (left, top, right - left, bottom - top)
        if not norms:
            np.testing.assert_array_equal(order[:4], golden[f"{case}_top4"])
            top, left, bottom, right = golden[f"{case}_best"].tolist()
            assert ranked[0].box == (left, top, right - left, bottom - top)


@pytest.mark.parametrize("case", ["wide", "tall"])
def test_every_step_between(ported, case):
    """The released head without batch norms, from the network's input to its second layer."""
    trunk, golden, folders = ported
    photo = seeded_gaic.picture(case)
    expected = {key.removeprefix(f"{case}_"): value for key, value in golden.items() if case in key}
    checkpoint = checkpoints.load(folders[False] / trunk, trunk)
    network = bundle.build_trunk(checkpoint)
    head = GridAnchorHead(checkpoints.load(folders[False], "gaic").tensors)

    images = cropper.picture(photo)
    size = images.shape[1:3]
    np.testing.assert_allclose(
        np.moveaxis(network.pixels(tf.constant(images))[0].numpy(), 2, 0)[:, ::37, ::41],
        expected["input_sample"],
        atol=1e-6,
    )
    scales = network.scales(tf.constant(images))
    chw = [np.moveaxis(grid[0].numpy(), 2, 0) for grid in scales]
    for name, grid, parts, step in zip(("f3", "f4", "f5"), chw, (5, 6, 7), (7, 4, 3), strict=True):
        close(grid[:: len(grid) // parts, ::step, ::step], expected[f"{name}_sample"])
    joined = np.moveaxis(head.joined(scales)[0].numpy(), 2, 0)
    close(joined[::29, ::5, ::5], expected["cat_sample"])
    grid = head.reduced(scales)[0]
    step = 1 if case == "wide" else 2
    close(np.moveaxis(grid.numpy(), 2, 0)[:, ::step, ::step], expected["red"])

    boxes = anchors.grid(*size)
    np.testing.assert_array_equal(boxes.astype(np.float32), expected["rois"])
    boxes = boxes[expected["sample_boxes"]]
    crops = alignment.features(grid, alignment.points(boxes, *grid.shape[:2], head.points))
    aligned = np.moveaxis(crops.numpy(), 3, 1)
    close(aligned[:, :8:3], expected["roi_sample"])
    close(aligned[:, 8::3], expected["rod_sample"])
    first, second = head.hidden(crops)
    close(first[:, ::16], expected["fc1_sample"])
    close(second[:, ::8], expected["fc2_sample"])


@pytest.mark.parametrize("case", seeded_gaic.SIZES)
def test_what_the_network_looks_at(case):
    golden = seeded_gaic.golden("mobilenetv2")
    photo = seeded_gaic.picture(case)
    assert zlib.crc32(photo.tobytes()) == golden[f"{case}_source_crc32"]
    size = anchors.looked_at(*photo.shape[:2])
    assert size == tuple(golden[f"{case}_resized_hw"])
    resized = opencv_resize.resize(photo, *size)
    assert zlib.crc32(resized.tobytes()) == golden[f"{case}_resized_crc32"]
    if case != "edge":
        np.testing.assert_array_equal(resized[::37, ::41], golden[f"{case}_resized_sample"])
    np.testing.assert_array_equal(anchors.grid(*size).astype(np.float32), golden[f"{case}_rois"])

"""View Proposal Net without a golden: its boxes, the head on another trunk, and the port."""

import numpy as np
import pytest
from PIL import Image

from cagic_tf.baselines.vpn import anchors, cropper
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.networks.trunks import vgg16
from cagic_tf.port import __main__ as command
from cagic_tf.port import saver_files, vpn
from tests.baselines import seeded_croppers as seeded

RECORD = ("python -m cagic_tf.port", "abc")
NARROW = {
    "conv6": (3, 3, 1280, 8),
    "conv7": (1, 1, 8, 8),
    "block8/conv1x1": (1, 1, 8, 8),
    "block8/conv3x3": (3, 3, 8, 8),
    "prediction/hidden": (3, 3, 8, 16),
    "prediction/scores": (1, 1, 16, 895),
}


def iou(box, other):
    """By counting pixels of a grid."""
    grid = np.zeros((2, 60, 60), bool)
    for layer, (left, top, right, bottom) in zip(grid, (box, other), strict=True):
        layer[top:bottom, left:right] = True
    return (grid[0] & grid[1]).sum() / (grid[0] | grid[1]).sum()


def test_anchors():
    found = anchors.anchors()
    assert found.shape == (895, 4) and not found.flags.writeable
    assert found[0].tolist() == [0, 0, 1, 1]
    assert (found >= 0).all() and (found <= 1).all() and (found[:, :2] < found[:, 2:]).all()
    overlaps = [anchors.iou(box, found[:at]).max() for at, box in enumerate(found) if at]
    assert max(overlaps) <= 0.85
    areas = (found[:, 2:] - found[:, :2]).prod(axis=1)
    assert areas.min() == pytest.approx(0.114, abs=5e-4)
    sizes = (found[:, 2:] - found[:, :2]).round(9)
    assert len(np.unique(sizes, axis=0)) == 29


def test_iou_is_that_of_counted_pixels():
    rng = np.random.default_rng(0)
    corners = np.sort(rng.integers(0, 60, (40, 2, 2)), axis=1)
    boxes = np.concatenate([corners[:, 0], corners[:, 1] + 1], axis=1)
    expected = [iou(boxes[0], other) for other in boxes]
    np.testing.assert_allclose(anchors.iou(boxes[0], boxes), expected)


def test_pixel_boxes_are_truncated():
    found = cropper.pixel_boxes(333, 77)
    for box, pixels in zip(anchors.anchors().tolist(), found.tolist(), strict=True):
        sides = 333, 77, 333, 77
        assert pixels == [int(edge * side) for edge, side in zip(box, sides, strict=True)]


def test_best_boxes_by_hand():
    boxes = np.array(
        [
            [0, 0, 10, 10],
            [0, 0, 10, 6],  # 0.6 of the first: left out, and with 0.59 it would be kept.
            [0, 0, 59, 10],
            [0, 0, 100, 10],  # 0.59 of the one before.
            [50, 50, 60, 60],
            [50, 50, 50, 60],  # No pixel.
            [70, 70, 80, 80],
            [70, 70, 80, 80],
        ]
    )
    scores = np.array([9, 8, 6, 7, 0, 10, 0, 0], np.float32)
    found = cropper.best_boxes(boxes, scores)
    assert found == [
        ((0, 0, 10, 10), 9.0),
        ((0, 0, 100, 10), 7.0),
        ((0, 0, 59, 10), 6.0),
        ((50, 50, 10, 10), 0.0),  # Of equal scores the first box.
        ((70, 70, 10, 10), 0.0),
    ]
    assert all(type(edge) is int for edge in found[0].box) and type(found[0].score) is float


def test_at_most_twenty_boxes():
    left = np.arange(0, 300, 10)
    boxes = np.stack([left, left * 0, left + 10, left * 0 + 10], axis=1)
    found = cropper.best_boxes(boxes, np.arange(30, dtype=np.float32))
    assert [each.score for each in found] == list(range(29, 9, -1))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 500)])
def test_tiny_photos_have_boxes_with_pixels(size):
    found = cropper.best_boxes(cropper.pixel_boxes(*size), np.ones(895, np.float32))
    assert found[0].box == (0, 0, *size)
    assert all(w > 0 and h > 0 for (_, _, w, h), _ in found)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A head on the embedded trunk: another grid, other channels and another side."""
    folder, rng = tmp_path_factory.mktemp("narrow"), np.random.default_rng(3)
    tensors = {}
    for name, shape in NARROW.items():
        kernel = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:3]))
        tensors[f"{name}/kernel"] = kernel.astype(np.float32)
        tensors[f"{name}/bias"] = np.full(shape[3:], 0.1, np.float32)
    trunk = checkpoints.load(bundle.find("lite0"))
    extra = {"trunk": "lite0", "trunk_sha256": trunk.sha256, "side": 224}
    record = {"source": "a test", "command": "pytest", "commit": "x"}
    checkpoints.save(folder, "vpn", tensors, extra=extra, **record)
    return cropper.load(folder)


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((50, 90), (200, 30), (1, 1))]


def test_photos_side_by_side_get_what_each_gets_alone(narrow, photos):
    together = narrow.scores(photos)
    assert together.shape == (3, 895) and (together >= 0).all() and together.std() > 0
    for photo, scores in zip(photos, together, strict=True):
        np.testing.assert_allclose(narrow.scores([photo])[0], scores, rtol=0, atol=1e-5)
        assert narrow.boxes(photo) == narrow.boxes(photo)
    alone = [[each.box for each in narrow.boxes(photo)] for photo in photos]
    assert [[each.box for each in found] for found in narrow.many(photos)] == alone
    assert narrow.many([]) == [] and narrow.scores([]).shape == (0, 895)
    first = narrow.boxes(photos[0])
    assert 1 <= len(first) <= 20
    assert [each.score for each in first] == sorted((each.score for each in first), reverse=True)
    assert first[0].score == pytest.approx(together[0].max(), rel=1e-5)


def test_photos_are_resized_by_pillow(photos):
    expected = Image.fromarray(photos[0]).resize((32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(cropper.resize(photos[0], 32), expected)


def test_what_is_no_photo(narrow):
    with pytest.raises(ValueError, match="of float64; .* uint8 is needed") as caught:
        narrow.boxes(np.zeros((9, 9, 3)))
    assert "\n" not in str(caught.value)


def test_a_missing_checkpoint_says_how_to_get_it(tmp_path):
    with pytest.raises(checkpoints.CheckpointError) as caught:
        cropper.load(tmp_path / "none")
    message = str(caught.value)
    assert "get VPN.index" in message and "https://github.com/zijunwei/ViewProposalNet" in message
    assert message.endswith(f"python -m cagic_tf.port vpn --weights=VPN --output={tmp_path}/none")


def test_another_kind_of_checkpoint():
    with pytest.raises(checkpoints.CheckpointError, match="is a 'sat' checkpoint; a 'vpn'"):
        cropper.load(bundle.find("sat"))


def test_names_of_the_file():
    assert vpn.released_name("conv3_2/kernel") == "ssd_300_vgg/conv3/conv3_2/weights"
    assert vpn.released_name("block8/conv1x1/bias") == "ssd_300_vgg/block8/conv1x1/biases"
    name = "ssd_300_vgg/prediction/conv9x9/weights"
    assert vpn.released_name("prediction/hidden/kernel") == name
    assert len(vpn.shapes()) == len(vgg16.shapes()) + len(vpn.head_shapes()) == 38


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("ssd_300_vgg/conv6/weights", True),
        ("ssd_300_vgg/conv8/weights", True),  # Wanted, and then too many.
        ("ssd_300_vgg/conv6/weights/Adam_1", False),
        ("ssd_300_vgg/conv1/conv1_1/biases/ExponentialMovingAverage", False),
        ("ssd_300_vgg/fast_rcnn/fc6/weights", False),
        ("ssd_300_vgg/bbox_regression/weights/RMSProp", False),
        ("fast_rcnn/fc6/weights", False),
        ("global_step", False),
        ("train/ssd_300_vgg/conv6/weights/Momentum", False),
    ],
)
def test_which_tensors_are_the_networks(name, wanted):
    assert vpn.is_wanted(name) == wanted


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ssd_300_vgg/conv5/conv5_3/biases": None}, "missing tensors .*conv5/conv5_3/biases"),
        ({"ssd_300_vgg/prediction/fc/weights": None}, "missing tensors .*prediction/fc/weights"),
        ({"ssd_300_vgg/conv8/weights": (1, 1, 3, 3)}, "unexpected tensors .*conv8/weights"),
        ({"ssd_300_vgg/prediction/fc/biases": (896,)}, r"prediction/fc/biases' is \(\[896\]"),
        ({"ssd_300_vgg/conv6/weights": (1, 1, 512, 1024)}, r"conv6/weights' is \(\[1, 1, 512"),
    ],
)
def test_tensors_that_do_not_fit(changes, message, tmp_path, monkeypatch):
    """Of the right names and shapes, and no memory: all of a tensor is one number."""
    shapes = vpn.shapes() | changes
    kept = {
        name: np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), shape, (0,) * len(shape))
        for name, shape in shapes.items()
        if shape is not None
    }
    monkeypatch.setattr(
        saver_files, "read", lambda prefix, wanted: {n: v for n, v in kept.items() if wanted(n)}
    )
    monkeypatch.setattr("cagic_tf.port.source.split_training_state", lambda tensors: (tensors, []))
    with pytest.raises(checkpoints.CheckpointError, match=message) as caught:
        vpn.port(tmp_path / "VPN", tmp_path / "out", *RECORD)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


@pytest.fixture
def few(tmp_path):
    """A real checkpoint of some of the network's small variables."""
    names = [name for name, shape in vpn.shapes().items() if len(shape) == 1]
    variables = {name: np.zeros(vpn.shapes()[name], np.float32) for name in names}
    seeded.write_vpn(tmp_path / "VPN", variables)
    return tmp_path


def test_a_checkpoint_that_lacks_layers_is_refused(few, capsys):
    """Where the authors' demo leaves them random."""
    assert command.main(["vpn", f"--weights={few}/VPN", f"--output={few}/out"]) == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and "unexpected tensors []" in printed
    assert "'ssd_300_vgg/conv7/weights'" in printed and "biases" not in printed
    assert not (few / "out").exists()


def test_a_checkpoint_that_was_cut(few, capsys):
    data = few / "VPN.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    assert command.main(["vpn", f"--weights={few}/VPN.index", f"--output={few}/out"]) == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and "no readable TensorFlow 1 checkpoint" in printed


def test_no_checkpoint(tmp_path, capsys):
    assert command.main(["vpn", f"--weights={tmp_path}/VPN", f"--output={tmp_path}/out"]) == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and "no readable TensorFlow 1 checkpoint" in printed

"""The port of the released detector, and what the authors' own code computes for seeded weights."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.mattnet.detector import box_head, crops, detector
from cagic_tf.networks import checkpoints
from cagic_tf.port import __main__ as command
from cagic_tf.port import mattnet_detector
from tests.baselines import seeded_detector, seeded_mattnet


@pytest.mark.parametrize("seed", [1])
def test_crops_are_the_authors(seed):
    golden = seeded_mattnet.golden(seed)
    grid = tf.constant(seeded_detector.feature_map(seed))
    found = crops.crop(grid, tf.constant(golden["roi_boxes"][:, 1:])).numpy()
    np.testing.assert_allclose(
        found.transpose(0, 3, 1, 2)[:, ::2], golden["roi_crops"], rtol=0, atol=5e-5
    )


@pytest.fixture(scope="module")
def ported(tmp_path_factory):
    """A file as it was released, ported by the command: the golden's last stage, else zeros.

    Zeros make for a quick port; names and layouts of the other stages are tested with few channels.
    """
    folder = tmp_path_factory.mktemp("detector")
    tensors = {}
    for name, shape in mattnet_detector.shapes().items():
        of_golden = name.startswith("resnet.layer4.") or shape[0] <= 512 > len(shape)
        tensors[name] = (
            seeded_detector.weight(name, shape, 1) if of_golden else np.zeros(shape, np.float32)
        )
    seeded_detector.write(folder / "released.pth", tensors)
    arguments = ["mattnet_detector", f"--weights={folder}/released.pth", f"--output={folder}/made"]
    assert command.main(arguments) == 0
    (folder / "released.pth").unlink()
    return folder / "made", tensors


@pytest.mark.slow
def test_the_last_stage_is_the_authors(ported):
    network = detector.load(ported[0])
    given = seeded_mattnet.features("a", 2, 1024, 1)
    found = network.trunk.region_features(tf.constant(given)).numpy()
    expected = seeded_mattnet.golden(1)["roi_fc7"]
    sampled = found.transpose(0, 3, 1, 2)[:, ::64, ::2, ::2]
    np.testing.assert_allclose(sampled, expected, rtol=0, atol=2e-4)  # Values up to 12.


@pytest.mark.slow
def test_what_the_port_makes(ported):
    made, tensors = ported
    head = checkpoints.load(made, detector.RELEASE.kind)
    trunk = checkpoints.load(made / "resnet101", "resnet101")
    assert head.manifest["trunk"] == "resnet101"
    assert head.manifest["trunk_sha256"] == trunk.sha256
    assert head.manifest["categories"] == list(box_head.CATEGORIES)
    assert "released.pth, SHA-256 " in head.manifest["source"]
    card = (made / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "dropped 6 tensors: mask_pred_net.bias" in card and "resnet.fc.weight" in card
    np.testing.assert_array_equal(head.tensors["box/deltas/bias"], tensors["bbox_pred_net.bias"])
    shapes = {name: value.shape for name, value in head.tensors.items() if "kernel" in name}
    assert shapes == {
        "rpn/hidden/kernel": (3, 3, 1024, 512),
        "rpn/scores/kernel": (1, 1, 512, 24),
        "rpn/deltas/kernel": (1, 1, 512, 48),
        "box/scores/kernel": (2048, 81),
        "box/deltas/kernel": (2048, 324),
    }
    np.testing.assert_allclose(trunk.tensors["pixel_mean"], [122.7717, 115.9465, 102.9801])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rpn_net.bias": None}, "missing tensors ['rpn_net.bias'], unexpected tensors []"),
        ({"stray": np.zeros(1, np.float32)}, "missing tensors [], unexpected tensors ['stray']"),
        ({"rpn_net.bias": np.zeros(3, np.float32)}, "'rpn_net.bias' is ([3], 'float32')"),
        ({"rpn_net.bias": np.zeros(512, np.int64)}, "'rpn_net.bias' is ([512], 'int64')"),
    ],
)
def test_other_tensors_are_one_line(changes, message, tmp_path, capsys, monkeypatch):
    """With the few channels of `small_shapes`, for a quick run."""
    small = {**seeded_detector.small_shapes(), "rpn_net.bias": (512,)}
    monkeypatch.setattr(mattnet_detector, "shapes", lambda: small)
    tensors = {name: np.zeros(shape, np.float32) for name, shape in small.items()} | changes
    kept = {name: value for name, value in tensors.items() if value is not None}
    seeded_detector.write(tmp_path / "other.pth", kept)
    assert run(tmp_path) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and message in printed and printed.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["other.pth"]


def test_another_file_is_one_line(tmp_path, capsys):
    (tmp_path / "other.pth").write_bytes(b"not PyTorch's")
    assert run(tmp_path) == 1
    printed = capsys.readouterr().err
    assert "no file of PyTorch's torch.save" in printed and printed.count("\n") == 1


def run(folder):
    """The command's exit status for the file other.pth."""
    arguments = ["mattnet_detector", f"--weights={folder}/other.pth", f"--output={folder}/made"]
    return command.main(arguments)


def test_a_missing_checkpoint_says_what_to_get_and_to_run(tmp_path):
    with pytest.raises(checkpoints.CheckpointError) as caught:
        detector.load(tmp_path / "none")
    text = str(caught.value)
    assert "res101_mask_rcnn_iter_1250k.zip" in text and "\n" not in text
    assert "https://github.com/lichengunc/MAttNet" in text
    assert (
        "python -m cagic_tf.port mattnet_detector --weights=res101_mask_rcnn_iter_1250000.pth "
        f"--output={tmp_path}/none"
    ) in text


@pytest.mark.parametrize(
    ("kind", "trunk", "message"),
    [
        ("vfn", "resnet101", "is a 'vfn' checkpoint; a 'mattnet_detector' is needed"),
        ("mattnet_detector", "alexnet", "stands on a 'alexnet' trunk"),
    ],
)
def test_another_checkpoint_is_one_line(kind, trunk, message, tmp_path):
    record = {"source": "a test", "command": "none", "commit": "none"}
    one = {"one": np.ones(1, np.float32)}
    below = checkpoints.save(tmp_path / "made" / trunk, trunk, one, **record)
    extra = {"trunk": trunk, "trunk_sha256": below["sha256"], "categories": [1]}
    checkpoints.save(tmp_path / "made", kind, one, extra=extra, **record)
    with pytest.raises(checkpoints.CheckpointError, match=message):
        detector.load(tmp_path / "made")

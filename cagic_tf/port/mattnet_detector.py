"""MAttNet's detector as Yu et al. released it: a PyTorch state_dict of their Mask R-CNN.

https://github.com/lichengunc/MAttNet and https://github.com/lichengunc/mask-faster-rcnn; trained on
MS-COCO. Its masks and ImageNet's classifier are left out.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cagic_tf.baselines.mattnet.detector import anchors, box_head, detector, resnet101
from cagic_tf.networks.trunks import bottlenecks
from cagic_tf.networks.trunks.vgg16 import PIXEL_MEAN
from cagic_tf.port import output, source, torch_files, torch_layers

# What is taken from the pixels, in the file's order: blue, green, red.
BGR_MEAN = np.array([102.9801, 115.9465, 122.7717], np.float32)
LEFT_OUT = ("resnet.fc.", "mask_up_sampling.", "mask_pred_net.")
# The dense layers: our name to the released one.
DENSE = {"box/scores": "cls_score_net", "box/deltas": "bbox_pred_net"}


def released_names(convolution: str) -> tuple[str, str]:
    """The released names of a trunk's convolution and of its batch norm.

    "res4b_branch2a" is the first of `resnet.layer3.1`, "res4a_branch1" the projection there.
    """
    if convolution == "conv1":
        return "resnet.conv1", "resnet.bn1"
    block, _, branch = convolution.removeprefix("res").partition("_branch")
    place = f"resnet.layer{int(block[0]) - 1}.{ord(block[1]) - ord('a')}"
    if branch == "1":
        return f"{place}.downsample.0", f"{place}.downsample.1"
    number = "abc".index(branch[1]) + 1
    return f"{place}.conv{number}", f"{place}.bn{number}"


def trunk_layers() -> list[torch_layers.Layer]:
    """The trunk's convolutions, none with a bias of its own, each before a batch norm."""
    shapes = bottlenecks.kernel_shapes(resnet101.STAGES)
    return [
        torch_layers.Layer(ours, shape, *released_names(ours), has_bias=False)
        for ours, shape in shapes.items()
    ]


def region_layers() -> list[torch_layers.Layer]:
    """The convolutions of the region proposal network."""
    count = len(anchors.first_anchors())
    return [
        torch_layers.Layer("rpn/hidden", (3, 3, 1024, 512), "rpn_net"),
        torch_layers.Layer("rpn/scores", (1, 1, 512, 2 * count), "rpn_cls_score_net"),
        torch_layers.Layer("rpn/deltas", (1, 1, 512, 4 * count), "rpn_bbox_pred_net"),
    ]


def shapes() -> dict[str, tuple[int, ...]]:
    """Name to shape of the released tensors that are needed."""
    found: dict[str, tuple[int, ...]] = {}
    for layer in trunk_layers() + region_layers():
        found |= layer.shapes()
    classes = len(box_head.CATEGORIES) + 1
    for theirs, outputs in (("cls_score_net", classes), ("bbox_pred_net", 4 * classes)):
        found |= {f"{theirs}.weight": (outputs, 2048), f"{theirs}.bias": (outputs,)}
    return found


def trunk_tensors(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of a "resnet101" checkpoint, batch norms folded."""
    tensors = {PIXEL_MEAN: BGR_MEAN[::-1].copy()}
    for layer in trunk_layers():
        tensors |= layer.convert(state)
    # The released network reads blue, green and red.
    tensors["conv1/kernel"] = tensors["conv1/kernel"][:, :, ::-1]
    return tensors


def head_tensors(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of a "mattnet_detector" checkpoint."""
    tensors: dict[str, np.ndarray] = {}
    for layer in region_layers():
        tensors |= layer.convert(state)
    for ours, theirs in DENSE.items():
        tensors[f"{ours}/kernel"] = state[f"{theirs}.weight"].T
        tensors[f"{ours}/bias"] = state[f"{theirs}.bias"]
    return tensors


def port(weights_file: Path, folder: Path, command: str, commit: str) -> list[str]:
    """Writes the detector to `folder` and its trunk to a folder inside it.

    Args:
      weights_file: The `.pth`, such as `res101_mask_rcnn_iter_1250000.pth`.
      folder: Where to write; must not be there yet.
      command: The command, for the manifest.
      commit: The commit, for the manifest.

    Returns:
      What was found and made, a line each.

    Raises:
      checkpoints.CheckpointError: The file is no state_dict; a tensor is missing, left over or of
        another shape; `folder` exists.
      OSError: A file cannot be read or written.
    """
    state, dropped = {}, []
    for name, value in torch_files.read_state_dict(weights_file).items():
        if name.startswith(LEFT_OUT) or name.endswith(".num_batches_tracked"):
            dropped.append(name)
        else:
            state[name] = value
    source.check(state, shapes(), weights_file)
    origin = (
        "Yu et al., MAttNet's Mask R-CNN (mask-faster-rcnn), "
        f"{weights_file.name}, SHA-256 {source.sha256(weights_file)}; batch norms folded"
    )
    facts = [
        f"trunk resnet101, a grid of 1024 channels at every {anchors.STRIDE} pixels; batch norms "
        "folded, first kernel turned to RGB",
        f"{len(anchors.first_anchors())} anchors a place, {len(box_head.CATEGORIES)} categories",
        f"dropped {len(dropped)} tensors: {', '.join(sorted(dropped)) or 'none'}",
    ]
    trunk = "resnet101", trunk_tensors(state)
    head = detector.RELEASE.kind, head_tensors(state)
    return output.save_with_trunk(
        folder,
        trunk,
        head,
        facts,
        {"categories": box_head.CATEGORIES},
        source=origin,
        command=command,
        commit=commit,
    )

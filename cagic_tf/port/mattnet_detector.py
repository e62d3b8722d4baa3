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
from cagic_tf.port import output, source, torch_files

# What is taken from the pixels, in the file's order: blue, green, red.
BGR_MEAN = np.array([102.9801, 115.9465, 122.7717], np.float32)
BATCH_NORM_EPSILON = 1e-5
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
LEFT_OUT = ("resnet.fc.", "mask_up_sampling.", "mask_pred_net.")
# The heads: our name to the released one.
HEADS = {
    "rpn/hidden": "rpn_net",
    "rpn/scores": "rpn_cls_score_net",
    "rpn/deltas": "rpn_bbox_pred_net",
    "box/scores": "cls_score_net",
    "box/deltas": "bbox_pred_net",
}


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


def shapes() -> dict[str, tuple[int, ...]]:
    """Name to shape of the released tensors that are needed; kernels are `[out, in, h, w]`."""
    found: dict[str, tuple[int, ...]] = {}
    for ours, (height, width, inputs, outputs) in bottlenecks.kernel_shapes(
        resnet101.STAGES
    ).items():
        convolution, norm = released_names(ours)
        found[f"{convolution}.weight"] = (outputs, inputs, height, width)
        found |= {f"{norm}.{part}": (outputs,) for part in NORM_PARTS}
    count, classes = len(anchors.first_anchors()), len(box_head.CATEGORIES) + 1
    kernels = {
        "rpn_net": (512, 1024, 3, 3),
        "rpn_cls_score_net": (2 * count, 512, 1, 1),
        "rpn_bbox_pred_net": (4 * count, 512, 1, 1),
        "cls_score_net": (classes, 2048),
        "bbox_pred_net": (4 * classes, 2048),
    }
    for theirs, shape in kernels.items():
        found |= {f"{theirs}.weight": shape, f"{theirs}.bias": shape[:1]}
    return found


def trunk_tensors(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of a "resnet101" checkpoint: batch norms folded, kernels `[h, w, in, out]`."""
    tensors = {PIXEL_MEAN: BGR_MEAN[::-1].copy()}
    for ours in bottlenecks.kernel_shapes(resnet101.STAGES):
        convolution, norm = released_names(ours)
        gamma, beta, mean, variance = (
            state[f"{norm}.{part}"].astype(np.float64) for part in NORM_PARTS
        )
        gain = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        kernel = state[f"{convolution}.weight"].transpose(2, 3, 1, 0) * gain
        tensors[f"{ours}/kernel"] = kernel.astype(np.float32)
        tensors[f"{ours}/bias"] = (beta - mean * gain).astype(np.float32)
    # The released network reads blue, green and red.
    tensors["conv1/kernel"] = tensors["conv1/kernel"][:, :, ::-1]
    return tensors


def head_tensors(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of a "mattnet_detector" checkpoint."""
    tensors = {}
    for ours, theirs in HEADS.items():
        kernel = state[f"{theirs}.weight"]
        axes = (2, 3, 1, 0) if kernel.ndim == 4 else (1, 0)
        tensors[f"{ours}/kernel"] = kernel.transpose(axes)
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
    head = detector.KIND, head_tensors(state)
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

"""GAIC as Zeng et al. released it: a PyTorch file with the network's state_dict.

https://github.com/HuiZeng/Grid-Anchor-based-Image-Cropping-Pytorch. Which trunk a file has, and
which of the two heads, is told by its tensors' names.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from cagic_tf.baselines.gaic import cropper
from cagic_tf.networks import checkpoints
from cagic_tf.networks.trunks import mobilenetv2, shufflenetv2, vgg16
from cagic_tf.port import output, source, torch_files
from cagic_tf.port.torch_layers import Layer

REDUCED, ALIGNED, HIDDEN = 8, 9, (768, 128)
# Pixels are divided by 256, not 255, and then normalised as ImageNet's are.
PIXEL_RANGE, MEAN, DEVIATION = 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COUNTER = ".num_batches_tracked"  # Of a batch norm; training's.
# VGG16's convolutions in PyTorch's numbers. They are there twice, once under this name.
VGG16_NUMBERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG16_SECOND = "Feat_ext.feature.0."


def mobilenetv2_layers() -> list[Layer]:
    """MobileNetV2's layers; the units are numbered through the three parts of the file."""
    shapes = mobilenetv2.kernel_shapes()
    first = "Feat_ext.feature3.0.0"
    layers = [Layer("stem", shapes["stem"], f"{first}.0", f"{first}.1", False)]
    for number, (name, expansion, _, _) in enumerate(mobilenetv2.units(), 1):
        part = 3 + sum(number > end for end in mobilenetv2.SCALES)
        theirs = f"Feat_ext.feature{part}.0.{number}.conv"
        parts = ("expand", "depthwise", "project")
        for index, own in enumerate(parts if expansion != 1 else parts[1:]):
            ours = f"{name}/{own}"
            at = 3 * index
            layers.append(Layer(ours, shapes[ours], f"{theirs}.{at}", f"{theirs}.{at + 1}", False))
    return layers


def shufflenetv2_layers() -> list[Layer]:
    """ShuffleNetV2's layers; "banch" is how the file spells it."""
    shapes = shufflenetv2.kernel_shapes()
    first = "Feat_ext.feature3.0"
    layers = [Layer("stem", shapes["stem"], f"{first}.0", f"{first}.1", False)]
    parts = [
        f"feature{3 + part}"
        for part, (_, count) in enumerate(shufflenetv2.STAGES)
        for _ in range(count)
    ]
    numbers = {
        "left/depthwise": ("banch1", 0),
        "left/project": ("banch1", 2),
        "right/expand": ("banch2", 0),
        "right/depthwise": ("banch2", 3),
        "right/project": ("banch2", 5),
    }
    for index, ((name, _, _), part) in enumerate(zip(shufflenetv2.units(), parts, strict=True)):
        unit = f"Feat_ext.{part}.{2 if part == 'feature3' else 0}.{index}"
        for own, (branch, at) in numbers.items():
            ours = f"{name}/{own}"
            if ours in shapes:
                theirs = f"{unit}.{branch}"
                layers.append(
                    Layer(ours, shapes[ours], f"{theirs}.{at}", f"{theirs}.{at + 1}", False)
                )
    return layers


def vgg16_layers() -> list[Layer]:
    """VGG16's layers, which have no batch norms."""
    kernels = {name: shape for name, shape in vgg16.shapes().items() if name.endswith("/kernel")}
    return [
        Layer(
            name.removesuffix("/kernel"), shape, f"Feat_ext.feature{3 + (number > 21)}.0.{number}"
        )
        for (name, shape), number in zip(kernels.items(), VGG16_NUMBERS, strict=True)
    ]


# Kind of the trunk to its layers, and to the channels of its three scales together.
TRUNKS: dict[str, tuple[Callable[[], list[Layer]], int]] = {
    "mobilenetv2": (mobilenetv2_layers, 448),
    "shufflenetv2": (shufflenetv2_layers, 812),
    "vgg16": (vgg16_layers, 1536),
}


def head_layers(state: Mapping[str, np.ndarray], channels: int) -> list[Layer]:
    """The head's layers, of either head.

    The last one's number counts a dropout before it, which a file may have been trained without.
    """
    has_norms = "FC_layers.0.1.weight" in state
    last = 2 if "FC_layers.2.weight" in state else 3
    first, second = HIDDEN
    return [
        Layer("reduction", (1, 1, channels, REDUCED), "DimRed"),
        Layer(
            "fc1",
            (ALIGNED, ALIGNED, 2 * REDUCED, first),
            "FC_layers.0.0",
            "FC_layers.0.1" if has_norms else "",
        ),
        Layer("fc2", (1, 1, first, second), "FC_layers.1.0", "FC_layers.1.1" if has_norms else ""),
        Layer("fc3", (1, 1, second, 1), f"FC_layers.{last}"),
    ]


def find_trunk(state: Mapping[str, np.ndarray], where: Path) -> str:
    """The kind of a file's trunk: the one whose tensors are there.

    Raises:
      checkpoints.CheckpointError: It is none of the three.
    """
    counts = {
        kind: sum(f"{layer.theirs}.weight" in state for layer in layers())
        for kind, (layers, _) in TRUNKS.items()
    }
    kind = max(counts, key=lambda kind: counts[kind] / len(TRUNKS[kind][0]()))
    if not counts[kind]:
        raise checkpoints.CheckpointError(
            f"{where} is no GAIC with one of the trunks {', '.join(TRUNKS)}: none of their tensors "
            "is there"
        )
    return kind


def without_copies(state: dict[str, np.ndarray], where: Path) -> dict[str, np.ndarray]:
    """The state without the second copy of VGG16's convolutions, which nothing ever reads.

    Raises:
      checkpoints.CheckpointError: A copy is not what it is a copy of.
    """
    rest = dict(state)
    for layer, number in zip(vgg16_layers(), VGG16_NUMBERS, strict=True):
        for part in ("weight", "bias"):
            copy = rest.pop(f"{VGG16_SECOND}{number}.{part}", None)
            used = rest.get(f"{layer.theirs}.{part}")
            if copy is not None and (used is None or not np.array_equal(copy, used)):
                raise checkpoints.CheckpointError(
                    f"{where}: {VGG16_SECOND}{number}.{part} is no copy of {layer.theirs}.{part}"
                )
    return rest


def port(weights_path: Path, folder: Path, command: str, commit: str) -> list[str]:
    """Writes the head to `folder` and its trunk to a folder inside it, batch norms folded.

    Args:
      weights_path: The `.pth` file, of any version of PyTorch.
      folder: Where to write; must not be there yet.
      command: The command, for the manifest.
      commit: The commit, for the manifest.

    Returns:
      What was found and made, a line each.

    Raises:
      checkpoints.CheckpointError: No readable file of a GAIC; a tensor is missing, left over or of
        another shape; `folder` exists.
      OSError: A file cannot be read or written.
    """
    found = torch_files.read_state_dict(weights_path)
    state = {
        name: value.astype(np.float32) if np.issubdtype(value.dtype, np.floating) else value
        for name, value in found.items()
        if not name.endswith(COUNTER)
    }
    kind = find_trunk(state, weights_path)
    if kind == "vgg16":
        state = without_copies(state, weights_path)
    trunk_layers, channels = TRUNKS[kind][0](), TRUNKS[kind][1]
    heads_layers = head_layers(state, channels)
    expected: dict[str, tuple[int, ...]] = {}
    for layer in trunk_layers + heads_layers:
        expected |= layer.shapes()
    source.check(state, expected, weights_path)

    trunk, head = (
        {name: value for layer in layers for name, value in layer.convert(state).items()}
        for layers in (trunk_layers, heads_layers)
    )
    deviation = np.array(DEVIATION)
    trunk[vgg16.PIXEL_SCALE] = (255 / PIXEL_RANGE / deviation).astype(np.float32)
    trunk[vgg16.PIXEL_MEAN] = (np.array(MEAN) / deviation).astype(np.float32)
    has_norms = bool(heads_layers[1].norm)
    facts = [
        f"trunk {kind}, {channels} channels at three scales",
        f"head {'with' if has_norms else 'without'} batch norms; its last layer is "
        f"{heads_layers[-1].theirs}",
        "batch norms are folded into the convolutions before them",
    ]
    origin = (
        "Zeng et al., Grid-Anchor-based-Image-Cropping-Pytorch, "
        f"{weights_path.name}, SHA-256 {source.sha256(weights_path)}"
    )
    return output.save_with_trunk(
        folder,
        (kind, trunk),
        (cropper.KIND, head),
        facts,
        {},
        source=origin,
        command=command,
        commit=commit,
    )

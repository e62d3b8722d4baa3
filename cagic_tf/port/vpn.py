"""View Proposal Net as Wei et al. released it: TensorFlow 1 Saver files.

https://github.com/zijunwei/ViewProposalNet; its demo reads `pretrained/ProposalNet/VPN` and leaves
layers that the file lacks as they are, random. Here they are missing, which is an error.
"""

from pathlib import Path

import numpy as np

from cagic_tf.baselines.vpn import cropper
from cagic_tf.networks.trunks import vgg16
from cagic_tf.port import output, saver_files, source

SCOPE = "ssd_300_vgg/"
# Parts of the file that score nothing: the demo has both switched off.
UNUSED = ("fast_rcnn", "bbox_regression")
SIDE = 320  # In pixels, of the square that photos become.
SCALE = 256  # Of a pixel's range: the authors' demo has it in 0..1, and then times 256, not 255.
MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # Of a pixel's channels in 0..1.
# The head's layers, ours to the file's, and the shapes of their kernels.
HEAD = {
    "conv6": ("conv6", (3, 3, 512, 1024)),
    "conv7": ("conv7", (1, 1, 1024, 1024)),
    "block8/conv1x1": ("block8/conv1x1", (1, 1, 1024, 256)),
    "block8/conv3x3": ("block8/conv3x3", (3, 3, 256, 512)),
    "prediction/hidden": ("prediction/conv9x9", (9, 9, 512, 1024)),
    "prediction/scores": ("prediction/fc", (1, 1, 1024, 895)),
}


def head_shapes() -> dict[str, tuple[int, ...]]:
    """Name to shape of the head's tensors."""
    found: dict[str, tuple[int, ...]] = {}
    for name, (_, shape) in HEAD.items():
        found[f"{name}/kernel"], found[f"{name}/bias"] = shape, shape[3:]
    return found


def released_name(name: str) -> str:
    """What the file calls a tensor of ours, such as "conv1_2/bias" or "conv6/kernel"."""
    layer, _, part = name.rpartition("/")
    theirs = HEAD[layer][0] if layer in HEAD else f"{layer.partition('_')[0]}/{layer}"
    return f"{SCOPE}{theirs}/{'weights' if part == 'kernel' else 'biases'}"


def shapes() -> dict[str, tuple[int, ...]]:
    """Name to shape of the network's tensors in the file."""
    ours = vgg16.shapes() | head_shapes()
    return {released_name(name): shape for name, shape in ours.items()}


def is_wanted(name: str) -> bool:
    """Whether a tensor of the file should be the network's.

    Not so is what lies outside the network's scope, belongs to its unused parts, or is an
    optimizer's: that has a weight's own name and something behind it.
    """
    parts = name.split("/")
    is_slot = any("/".join(parts[:end]) in shapes() for end in range(1, len(parts)))
    return name.startswith(SCOPE) and not is_slot and not set(UNUSED) & set(parts)


def port(weights_path: Path, folder: Path, command: str, commit: str) -> list[str]:
    """Writes the head to `folder` and VGG16 to a folder inside it.

    Args:
      weights_path: See `saver_files.find_prefix`.
      folder: Where to write; must not be there yet.
      command: The command, for the manifest.
      commit: The commit, for the manifest.

    Returns:
      What was found and made, a line each.

    Raises:
      checkpoints.CheckpointError: No readable checkpoint; a tensor is missing, left over or of
        another shape; `folder` exists.
      OSError: A file cannot be written.
    """
    prefix = saver_files.find_prefix(weights_path)
    weights, _ = source.split_training_state(saver_files.read(prefix, is_wanted))
    source.check(weights, shapes(), prefix)
    facts = [
        "trunk vgg16, 400 annotation vectors of 512",
        f"{weights[released_name('prediction/scores/bias')].size} predefined boxes",
        f"left out what is not of {SCOPE}, of {' or '.join(UNUSED)}, or an optimizer's",
    ]
    trunk = {name: weights[released_name(name)] for name in vgg16.shapes()}
    trunk |= {vgg16.PIXEL_MEAN: SCALE * MEAN, vgg16.PIXEL_SCALE: np.array(SCALE, np.float32)}
    return output.save_with_trunk(
        folder,
        ("vgg16", trunk),
        (cropper.KIND, {name: weights[released_name(name)] for name in head_shapes()}),
        facts,
        {"side": SIDE},
        source=f"Wei et al., ViewProposalNet, {saver_files.digests(prefix)}",
        command=command,
        commit=commit,
    )

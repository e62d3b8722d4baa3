"""GAIC's weights and pictures from seeds, by the rule that its goldens were made by."""

import collections
import re
import zlib
from pathlib import Path

import numpy as np

GOLDENS = Path(__file__).parent / "goldens"
SIZES = {"wide": (480, 640), "tall": (448, 256), "edge": (256, 384)}


def golden(trunk, seed=1):
    """A golden's arrays by name."""
    with np.load(GOLDENS / f"gaic_{trunk}_seed{seed}.npz") as archive:
        return {key: archive[key] for key in archive.files}


def listed(variables):
    """Name to shape of lines such as "DimRed.bias (8,)"."""
    found = {}
    for line in variables:
        name, _, shape = str(line).partition(" ")
        found[name] = tuple(int(number) for number in re.findall(r"\d+", shape))
    return found


def weight(name, shape, seed):
    """The values of one tensor, in PyTorch's layout."""
    copied = re.fullmatch(r"Feat_ext\.feature\.0\.(\d+)\.(\w+)", name)
    if copied:  # VGG16's, which are there twice.
        number, part = int(copied[1]), copied[2]
        name = f"Feat_ext.feature{3 if number < 23 else 4}.0.{number}.{part}"
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if name.endswith("weight") and len(shape) == 1:
        low, high = (0.4, 1.3) if "banch" in name else (0.5, 1.5)
        return rng.uniform(low, high, shape).astype(np.float32)
    std = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
    return (rng.standard_normal(shape) * std).astype(np.float32)


def state(trunk, seed=1, norms=False, last=3):
    """A network's state_dict.

    Args:
      trunk: "mobilenetv2", "shufflenetv2" or "vgg16".
      seed: Of the weights.
      norms: Whether the head has batch norms.
      last: The number of the last layer in its list.
    """
    arrays = golden(trunk)
    shapes = listed(arrays["variables"])
    if norms:
        shapes |= listed(arrays["variables_bn_only"])
    found = collections.OrderedDict()
    for name, shape in shapes.items():
        found[name.replace("FC_layers.3.", f"FC_layers.{last}.")] = weight(name, shape, seed)
        if name.endswith("running_var"):
            counter = name.replace("running_var", "num_batches_tracked")
            found[counter] = np.array(7, np.int64)
    return found


def picture(case, seed=1):
    """A case's photo, `[H, W, 3]` uint8."""
    height, width = SIZES[case]
    base = np.random.default_rng(seed + 1000).integers(0, 256, (1, height, width, 3))[0]
    coarse = base[::32, ::32].repeat(32, axis=0).repeat(32, axis=1)[:height, :width]
    return ((3 * coarse + base) // 4).astype(np.uint8)

"""The detector's weights from a seed, by the rule of MAttNet's golden, as its file has them."""

import collections
import zlib

import numpy as np

from cagic_tf.port import mattnet_detector
from tests.port import torch_writer


def feature_map(seed):
    """The grid `[1, 38, 50, 8]` that the golden's crops are of."""
    values = np.random.default_rng(seed + 5000).standard_normal((1, 8, 38, 50))
    return np.maximum(values, 0).astype(np.float32).transpose(0, 2, 3, 1)


def weight(name, shape, seed):
    """The values of one released tensor."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith(".weight")):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    std = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
    return (rng.standard_normal(shape) * std).astype(np.float32)


def small_shapes(divisor=16):
    """The released tensors' shapes, with so many times fewer channels; classes stay what they are.

    Sizes that are no multiples of 64 are no channels: pixels, colours, taps, anchors, classes.
    """
    return {
        name: tuple(size if size % 64 else size // divisor for size in shape)
        for name, shape in mattnet_detector.shapes().items()
    }


def state(seed, shapes):
    """Name to array."""
    return {name: weight(name, shape, seed) for name, shape in shapes.items()}


def write(path, tensors):
    """Writes a state_dict as PyTorch 0.2 under Python 2 did, with what the port leaves out."""
    rest = {
        "resnet.fc.weight": np.ones((1000, 2048), np.float32),
        "resnet.fc.bias": np.ones(1000, np.float32),
        "mask_up_sampling.weight": np.ones((2048, 256, 2, 2), np.float32),
        "mask_up_sampling.bias": np.ones(256, np.float32),
        "mask_pred_net.weight": np.ones((81, 256, 1, 1), np.float32),
        "mask_pred_net.bias": np.ones(81, np.float32),
    }
    content = collections.OrderedDict({**tensors, **rest})
    torch_writer.write(path, content, "old", python2=True, rebuild="_rebuild_tensor")

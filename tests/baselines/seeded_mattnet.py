"""MAttNet's files, boxes and features from a seed, by the rule that its golden was made by."""

import json
import zlib
from pathlib import Path

import numpy as np

from cagic_tf.baselines.mattnet import sizes
from cagic_tf.baselines.mattnet.detections import Detections
from cagic_tf.port import mattnet
from tests.port import torch_writer

GOLDENS = Path(__file__).parent / "goldens"
PHOTOS = "abcd"
RELEASED = sizes.Sizes(47, 512, 512, 512, 512, 1024, 2048, 50, 5)  # With the golden's words.
BATCH_NORMS = ("att_fuse.1", "emb_fc.1", "emb_fc.5")
SMALL = sizes.Sizes(6, 3, 4, 5, 6, 7, 8, 9, 2)  # A network of another detector.
WORDS = ["<PAD>", "dog", "left", "the", "<UNK>", "<EOS>"]  # Those of the small one.
# Boxes in a photo of 100 x 200: five in a row, with equal distances, and one far away.
ROW = np.array([[10 + 20 * i, 40, 10, 10] for i in range(5)] + [[180, 80, 20, 10]], np.float64)
KINDS = np.array([1, 2, 1, 1, 2, 7])
# The classes that the released pickle names.
CLASSES = {
    "": "layers.joint_match.JointMatching",
    "rnn_encoder": "layers.lang_encoder.RNNEncoder",
    "sub_attn": "layers.lang_encoder.PhraseAttention",
    "sub_encoder": "layers.visual_encoder.SubjectEncoder",
    "loc_encoder": "layers.visual_encoder.LocationEncoder",
    "rel_encoder": "layers.visual_encoder.RelationEncoder",
    "sub_matching": "layers.joint_match.Matching",
    "sub_matching.vis_emb_fc": "torch.nn.modules.container.Sequential",
    "rnn_encoder.rnn": "torch.nn.modules.rnn.LSTM",
}
LOUDER = {"weight_fc.weight": 3, "_attn.fc.weight": 4}


def golden(seed=1):
    """The golden's arrays by name."""
    with np.load(GOLDENS / f"mattnet_seed{seed}.npz") as archive:
        return {key: archive[key] for key in archive.files}


def weight(name, shape, seed):
    """The values of one tensor of the released state."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    owner, _, part = name.rpartition(".")
    if owner.endswith("normalizer"):
        return rng.uniform(15, 25, shape).astype(np.float32)
    if part == "running_var" or (part == "weight" and owner.endswith(BATCH_NORMS)):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    std = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
    if owner.endswith("embedding"):
        std = 1
    std *= next((factor for ending, factor in LOUDER.items() if name.endswith(ending)), 1)
    return (rng.standard_normal(shape) * std).astype(np.float32)


def released_shapes(network=RELEASED):
    """Name to shape of the released state."""
    ours = sizes.shapes(network)
    return {
        theirs: part
        for name, shape in ours.items()
        for theirs, part in mattnet.released(name, shape).items()
    }


def state(seed, network=RELEASED):
    """The released state."""
    return {name: weight(name, shape, seed) for name, shape in released_shapes(network).items()}


def small_tensors(**changes):
    """A small checkpoint; changes have "__" for the "/" of a name."""
    found = mattnet.convert(state(1, SMALL), Path("small"))
    return found | {name.replace("__", "/"): value for name, value in changes.items()}


def features(photo, count, channels, seed):
    """`[count, 7, 7, channels]`: what the detector has in each box of a photo."""
    found = []
    for box in range(count):
        rng = np.random.default_rng([seed + 1000, ord(photo), box, channels])
        noise = rng.standard_normal((channels, 1, 1)) + 0.5 * rng.standard_normal((channels, 7, 7))
        found.append(np.maximum(noise, 0).astype(np.float32))
    return np.stack(found).transpose(0, 2, 3, 1)


def detections(found, photo, seed, channels=(1024, 2048)):
    """A photo's detections, with the golden's boxes and categories."""
    boxes = found[f"{photo}_boxes"]
    maps = (features(photo, len(boxes), count, seed) for count in channels)
    return Detections(boxes, found[f"{photo}_categories"], *maps)


def _module(entries, name=""):
    """A module's pickle from the tensors below it; entries: the rest of a name to its tensor."""
    parameters, buffers, below = {}, {}, {}
    for key, value in entries.items():
        first, _, rest = key.partition(".")
        if rest:
            below.setdefault(first, {})[rest] = value
        elif first.startswith("running"):
            buffers[first] = value
        else:
            parameters[first] = torch_writer.parameter(value)
    modules = {key: _module(part, f"{name}.{key}".strip(".")) for key, part in below.items()}
    kind = CLASSES.get(name, "torch.nn.modules.linear.Linear")
    source = not kind.startswith("torch")
    return torch_writer.module(kind, parameters, buffers, modules, source)


def write_weights(path, tensors, opt, **how):
    """Writes the .pth as Python 2 with PyTorch 0.2 does: the whole network and its options."""
    how = how or {"container": "old", "python2": True, "rebuild": "_rebuild_tensor"}
    torch_writer.write(path, {"model": _module(tensors), "opt": opt}, **how)


def write_options(path, opt, words, attributes, **changes):
    """Writes the .json: options, words and attributes in the order of no one, and a history."""

    def table(names):
        return {name: names.index(name) for name in sorted(names, reverse=True)}

    content = {"opt": opt, "word_to_ix": table(words), "att_to_ix": table(attributes)}
    content |= {"iter": 30000, "val_accuracies": [{"0": 0.5}]}
    path.write_text(json.dumps(content | changes))

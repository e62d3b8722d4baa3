"""Weights and files from seeds, by the rule that the goldens of the released networks were made by.

A variable's values depend on its name, its shape and the seed alone; see `weight`.
"""

import csv
import zlib
from pathlib import Path

import numpy as np
import tensorflow as tf

from cagic_tf.networks import bundle, checkpoints, grounder, sat_sizes
from cagic_tf.networks.trunks import alexnet
from cagic_tf.port import deeprnn, vfn
from tests.networks import small_proposals

GOLDENS = Path(__file__).parent / "networks" / "goldens"


def golden(name):
    """A golden's arrays by name."""
    with np.load(GOLDENS / f"{name}.npz") as archive:
        return {key: archive[key] for key in archive.files}


def weight(name, shape, seed):
    """The values of one variable."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if "moving_variance" in name:
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if "gamma:0" in name:
        return rng.uniform(0.1, 0.3, shape).astype(np.float32)
    std = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.1
    if name.startswith("conv5_3/kernel"):
        std *= 0.01
    elif name.startswith("decode/fc_2/kernel"):
        std *= 6
    elif name.startswith("word_embedding"):
        std = 1
    return (rng.standard_normal(shape) * std).astype(np.float32)


def images(seed, count, side):
    """The goldens' input pictures, 0..255."""
    return np.random.default_rng(seed + 1000).integers(0, 256, (count, side, side, 3))


def deeprnn_weights(kind, sizes, seed):
    """A DeepRNN graph's variables, named as there."""
    shapes = deeprnn.trunk_shapes(kind) | sat_sizes.shapes(sizes)
    return {f"{name}:0": weight(f"{name}:0", shape, seed) for name, shape in shapes.items()}


def write_vocabulary(path, count):
    """A vocabulary.csv as pandas writes it, with words that a careless reader loses."""
    words = ["<start>", "a", ".", "nan", "null", '"', "''", "NA", "two,three", "dog", "lake"]
    words += [f"word{number}" for number in range(len(words), count)]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "word", "index", "frequency"])
        writer.writerows([row, word, row, -0.5 * row] for row, word in enumerate(words))
    return words


def write_deeprnn(folder, kind="vgg16", sizes=None, seed=1, **changes):
    """Writes weights.npy and vocabulary.csv as DeepRNN's training does; returns the words."""
    sizes = sizes or sat_sizes.Sizes(97, *deeprnn.GRIDS[kind])
    variables = deeprnn_weights(kind, sizes, seed) | {
        "global_step:0": np.int32(289999),
        "optimizer/OptimizeLoss/learning_rate:0": np.float32(1e-4),
        "optimizer/OptimizeLoss/beta1_power:0": np.float32(0),
        "optimizer/OptimizeLoss/lstm/lstm_cell/bias/Adam:0": np.zeros(4, np.float32),
    }
    variables |= changes
    kept = {name: value for name, value in variables.items() if value is not None}
    np.save(folder / "weights.npy", kept, allow_pickle=True)
    return write_vocabulary(folder / "vocabulary.csv", sizes.words)


def vfn_variables(bins, seed, hidden=1000):
    """The released network's variables, in the order in which its script makes them."""
    found = {}
    for order, (name, shape) in enumerate(alexnet.shapes().items()):
        layer, part = name.split("/")
        found[vfn.unnamed(order)] = weight(f"{layer}/{part[0].replace('k', 'w')}", shape, seed)
    for name, shape in {
        "ranker/fc6w": (bins * 256, hidden),
        "ranker/fc6b": (hidden,),
        "ranker/W": (hidden, 1),
    }.items():
        found[name] = weight(name, shape, seed)
    return found


def write_vfn(prefix, variables):
    """Writes variables and training state with TensorFlow 1's Saver."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, value in variables.items():
            tf.compat.v1.get_variable(name, initializer=value, use_resource=False)
        tf.compat.v1.get_variable("Variable_10", initializer=0.01, use_resource=False)
        tf.compat.v1.get_variable("beta1_power", initializer=0.9, use_resource=False)
        tf.compat.v1.get_variable("Variable/Adam", initializer=np.zeros(3, np.float32))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(prefix))


def write_grounder(folder, trunk="lite0", seed=1, known=("a", "man", "dog", "grass", "the")):
    """Writes the checkpoint of a small grounder on one of our trunks; returns its words."""
    own = checkpoints.load(bundle.find(trunk))
    words = [grounder.PADDING, grounder.UNKNOWN, *known]
    shapes = grounder.shapes(112, 320, len(words), 8, 16)
    checkpoints.save(
        folder,
        "grounder",
        {name: weight(name, shape, seed) for name, shape in shapes.items()}
        | small_proposals.tensors(),
        source="a seed",
        command="write_grounder",
        commit="0" * 40,
        extra={"vocabulary": words, "trunk": trunk, "trunk_sha256": own.sha256},
    )
    return words

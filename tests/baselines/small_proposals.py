"""A small network of proposals, and a MAttNet on it, from a seed."""

import numpy as np

from cagic_tf.baselines.mattnet import mattnet, sizes
from cagic_tf.networks import checkpoints, proposals
from cagic_tf.system import resources

ANCHORS = np.array([[0.2, 0.4], [0.7, 0.5]], np.float32)
WORDS = ["<PAD>", "dog", "a", "red", "<UNK>"]
MANIFEST = {
    "side": 64,
    "most": 9,
    "overlap": 0.6,
    "vocabulary": WORDS,
    "attributes": ["dog", "red", "big"],
    "num_cxt": 2,
    "with_st": True,
    "trunk": "lite0",
}


def tensors(fine=112, coarse=320, hidden=6, seed=0):
    """Tensors of the proposals' network."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in proposals.shapes(fine, coarse, hidden, len(ANCHORS)).items():
        found[name] = (rng.standard_normal(shape) * 0.1).astype(np.float32)
    return found | {"proposals/anchors": ANCHORS}


def matching(seed=0):
    """Tensors of a MAttNet that reads what the proposals give."""
    rng = np.random.default_rng(seed)
    network = sizes.Sizes(len(WORDS), 4, 4, 3, 5, 112, 320, 3, 2)
    return {
        name: (rng.uniform(0.5, 1.5, shape)).astype(np.float32)
        if name.endswith(("scale", "gamma", "variance"))
        else rng.standard_normal(shape).astype(np.float32)
        for name, shape in sizes.shapes(network).items()
    }


def write(folder, *, own=True):
    """Writes the checkpoint of a MAttNet, with its own proposals or without them."""
    trunk = checkpoints.load(resources.path("checkpoints") / "lite0")
    checkpoints.save(
        folder,
        mattnet.KIND,
        matching() | (tensors() if own else {}),
        source="a test",
        command="none",
        commit="none",
        extra=MANIFEST | {"trunk_sha256": trunk.sha256},
    )
    return folder

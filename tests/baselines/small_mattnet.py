"""A small MAttNet on small proposals, from a seed."""

import numpy as np

from cagic_tf.baselines.mattnet import mattnet, sizes
from cagic_tf.networks import checkpoints
from cagic_tf.system import resources
from tests.networks import small_proposals

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
        matching() | (small_proposals.tensors() if own else {}),
        source="a test",
        command="none",
        commit="none",
        extra=MANIFEST | {"trunk_sha256": trunk.sha256},
    )
    return folder

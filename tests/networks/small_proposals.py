"""A small network of proposals, from a seed."""

import numpy as np

from cagic_tf.networks import proposals

ANCHORS = np.array([[0.2, 0.4], [0.7, 0.5]], np.float32)


def tensors(fine=112, coarse=320, hidden=6, seed=0):
    """Tensors of the proposals' network."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in proposals.shapes(fine, coarse, hidden, len(ANCHORS)).items():
        found[name] = (rng.standard_normal(shape) * 0.1).astype(np.float32)
    return found | {"proposals/anchors": ANCHORS}

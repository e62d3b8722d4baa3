"""A2-RL's and View Proposal Net's files and photos from a seed, as the goldens were made.

What a golden holds is said in the notes that came with it; the rules below are theirs.
"""

import pickle
import zlib
from pathlib import Path

import numpy as np
import tensorflow as tf

from cagic_tf.port import a2rl, vpn

GOLDENS = Path(__file__).parent / "goldens"
A2RL_SIZES = ((180, 340), (333, 500), (640, 427))  # Height and width of photos 0, 1 and 2.
VPN_SIZES = {"square": (320, 320), "wide": (427, 640), "tall": (600, 400)}
# A2-RL's layers as released; the file's shapes alone say so.
A2RL_WIDTHS = {"fc6": 1000, "dense": 1024, "state": 1024}


def golden(name):
    """A golden's arrays by name."""
    with np.load(GOLDENS / f"{name}.npz") as archive:
        return {key: archive[key] for key in archive.files}


def normal(name, shape, seed):
    """What every variable's values are made of: they depend on its name, shape and the seed."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape)


def a2rl_shapes(widths=None):
    """Name to shape of what `vfn_rl.pkl` holds."""
    widths = widths or A2RL_WIDTHS
    fc6, dense, state = widths["fc6"], widths["dense"], widths["state"]
    trunk = {"fc6w": np.zeros((a2rl.POOLED, fc6)), "lstm.weight_hh": np.zeros((4 * state, state))}
    kernels = {f"{name}.weight": np.zeros((dense, 1)) for name in a2rl.DENSE}
    return a2rl.shapes(trunk | kernels)


def a2rl_weights(seed, widths=None):
    """The released file's arrays."""
    found = {}
    for name, shape in a2rl_shapes(widths).items():
        is_pytorchs = "." in name
        fan = np.prod(shape[1:] if is_pytorchs else shape[:-1])
        std = np.sqrt(2 / fan) if len(shape) > 1 else 0.1
        std *= {"c1w": 40, "c3w": 1 / 40, "action_fc.weight": 3}.get(name, 1)
        found[name] = (normal(name, shape, seed) * std).astype(np.float32)
    found["action_fc.bias"][13] -= 1
    return found


def write_pickle(path, content, protocol=2):
    """Writes `vfn_rl.pkl` as Python 2 would, or with another protocol."""
    with open(path, "wb") as file:
        pickle.dump(content, file, protocol)


def a2rl_photo(seed, index):
    """A photo of A2-RL's golden: 0, 1 or 2."""
    height, width = A2RL_SIZES[index]
    random = np.random.default_rng([seed + 1000, index])
    y, x = np.mgrid[:height, :width]
    tiles = random.integers(0, 200, (height // 40 + 1, width // 40 + 1, 3))
    photo = tiles[y // 40, x // 40] + (y % 40 + x % 16)[..., None]
    return (40 + photo // 8 if index == 0 else photo).astype(np.uint8)


def uniforms(seed, index):
    """What draws the actions on a photo of A2-RL's golden."""
    return np.random.default_rng([seed + 2000, index]).random(200)


def vpn_weights(seed):
    """The released checkpoint's variables."""
    found = {}
    for name, shape in vpn.shapes().items():
        values = normal(name, shape, seed)
        if len(shape) == 4:
            values *= np.sqrt(3 / np.prod(shape[:-1]))
            if name.endswith("conv1_1/weights"):
                values *= 0.02
            values -= values.mean(axis=(0, 1, 2))
        else:
            values *= 0.1
            if name.endswith("prediction/fc/biases"):
                values += 8
        found[name] = values.astype(np.float32)
    return found


def write_vpn(prefix, variables):
    """Writes variables, and what else such a checkpoint holds, with TensorFlow 1's Saver."""
    others = {
        "global_step": np.int64(7),
        "ssd_300_vgg/conv6/biases/Momentum": np.zeros(3, np.float32),
        "ssd_300_vgg/fast_rcnn/fc/weights": np.zeros(3, np.float32),
        "ssd_300_vgg/bbox_regression/fc/biases": np.zeros(3, np.float32),
    }
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = {  # Fed: a graph with the values in it has at most two gigabytes.
            name: tf.compat.v1.get_variable(
                name,
                np.shape(value),
                np.asarray(value).dtype,
                tf.compat.v1.zeros_initializer(),
                use_resource=False,
            )
            for name, value in (variables | others).items()
        }
        for name, value in (variables | others).items():
            session.run(made[name].initializer, {made[name].initial_value: value})
        tf.compat.v1.train.Saver().save(session, str(prefix))


def vpn_photo(seed, case):
    """A photo of View Proposal Net's golden."""
    height, width = VPN_SIZES[case]
    base = np.random.default_rng(seed + 1000).integers(0, 256, (1, height, width, 3))[0]
    coarse = base[::32, ::32].repeat(32, axis=0).repeat(32, axis=1)[:height, :width]
    return ((3 * coarse + base) // 4).astype(np.uint8)

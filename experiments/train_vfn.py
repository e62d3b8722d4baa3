"""Trains the embedded aesthetic scorer: a View Finding Network head on frozen trunk features.

    python -m experiments.train_vfn --data_dir=FLICKR8K --work_dir=WORK --output=checkpoints/vfn

The ranking loss of Chen et al. 2017: a photo should score above any crop of itself, with a margin;
no labels. A crop of a small photo is blurrier than the photo, which would give the answer away, so
in half of the pairs the photo is first reduced to about the crop's number of pixels. Most pairs go
through the pyramid of Eq. 1, as the method's crops do. Features are cached.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import trange

from cagic_tf.networks import checkpoints
from cagic_tf.networks.trunks.lite0 import Lite0
from cagic_tf.networks.vfn import ViewFindingNetwork, spatial_pyramid
from cagic_tf.system import devices, provenance
from experiments import command
from experiments.data import flickr8k
from experiments.training import views

FLAGS = flags.FLAGS
SCALES = (0.5, 0.9)  # Of the crops that photos are ranked above.
SIGMA = 1.0
# How a pair is shown, and the share of training pairs: through the pyramid with the photo reduced
# to the crop's number of pixels, give or take; through the pyramid as the method sees it; plain.
KINDS = {"pyramid, same number of pixels": 0.5, "pyramid": 0.25, "plain": 0.25}


def define_flags() -> None:
    """Flags of this script; sizes are the embedded checkpoint's."""
    flags.DEFINE_string(
        "data_dir", None, "The folder of Flickr8k; experiments/data/flickr8k.py says what is in it."
    )
    flags.DEFINE_string("work_dir", None, "The folder for cached features.")
    flags.DEFINE_string("output", None, "The folder to write the checkpoint to.")
    flags.DEFINE_string("trunk", "checkpoints/lite0", "The trunk's checkpoint.")
    flags.DEFINE_integer("draws", 1, "How many crops are drawn of each training photo.")
    flags.DEFINE_integer(
        "epochs", 12, "How many epochs to train; the learning rate falls to zero over them."
    )
    flags.DEFINE_integer("batch", 128, "How many pairs a step takes.")
    flags.DEFINE_float("learning_rate", 3e-4, "The highest learning rate of Adam.")
    flags.DEFINE_float("weight_decay", 1e-2, "The decoupled weight decay.")
    flags.DEFINE_float(
        "dropout", 0.5, "The dropout of the pooled features and of the hidden layer."
    )
    flags.DEFINE_list("bins", ["1", "2", "4"], "How many pooling bins each level has on a side.")
    flags.DEFINE_integer("hidden", 64, "How many units the hidden layer has.")
    flags.DEFINE_integer("seed", 1, "The seed of crops, initial weights, order and dropout.")
    devices.define_flags()
    flags.mark_flags_as_required(["data_dir", "work_dir", "output"])


def draw_crops(split: str, number: int, count: int) -> np.ndarray:
    """Random crops `[count, 3]`, rows `(x, y, s)`, the same at each call."""
    rng = np.random.default_rng([FLAGS.seed, number, len(split)])
    scale = rng.uniform(*SCALES, count)
    center = rng.uniform(-1, 1, (count, 2)) * (1 - scale)[:, np.newaxis]
    return np.column_stack([center, scale]).astype(np.float32)


def pair_features(split: str, number: int, trunk, kind: str | None = None) -> np.ndarray:
    """Annotation vectors `[photos, 2, 49, 1280]` of photos and of one crop of each.

    Args:
      split: "train", "dev" or "test".
      number: Which draw of crops.
      trunk: The trunk, traced.
      kind: One of `KINDS` for all pairs; None mixes them.

    Returns:
      float16, photos first in each pair.
    """
    data_dir = Path(FLAGS.data_dir)
    names = flickr8k.split_names(data_dir, split)
    crops = draw_crops(split, number, len(names))
    rng = np.random.default_rng([FLAGS.seed, number, len(split), 1])
    kinds = rng.choice(list(KINDS), len(names), p=list(KINDS.values()))
    if kind is not None:
        kinds = np.full(len(names), kind)
    matching = np.minimum(crops[:, 2] * rng.uniform(0.75, 1.33, len(names)), 1)
    reduce = np.where(kinds == "pyramid, same number of pixels", matching, 1)
    whole = np.array([0, 0, 1], np.float32)

    def compute(start, stop):
        rendered = []
        for at in range(start, stop):
            image = flickr8k.read_image(data_dir, names[at])
            pyramid = bool(kinds[at] != "plain")
            sigma = SIGMA if pyramid else 0.0
            rendered.append(views.render(image, False, pyramid, reduce[at], sigma, whole))
            rendered.append(views.render(image, False, pyramid, 1.0, sigma, crops[at]))
        return trunk(tf.stack(rendered)).numpy().reshape(-1, 2, 49, 1280)

    label = (kind or "mixed").replace(" ", "-").replace(",", "")
    path = Path(FLAGS.work_dir) / f"vfn_{split}_{label}_{number}.npy"
    return views.cached_features(path, len(names), (2, 49, 1280), compute)


def pool(features: np.ndarray, bins: list[int], mirrored: bool = False) -> np.ndarray:
    """Pooled features `[photos, 2, P]` float16; mirrored left to right on the grid if asked."""
    rows = []
    for start in range(0, len(features), 500):
        grid = features[start : start + 500].astype(np.float32).reshape(-1, 7, 7, 1280)
        grid = grid[:, :, ::-1] if mirrored else grid
        pooled = spatial_pyramid(tf.constant(grid.reshape(-1, 49, 1280)), bins)
        rows.append(pooled.numpy().astype(np.float16))
    pooled = np.concatenate(rows)
    return pooled.reshape(len(features), 2, -1)


def accuracy(network: ViewFindingNetwork, pooled: np.ndarray) -> np.ndarray:
    """For each pair, whether the photo outranks its crop."""
    won = []
    for start in range(0, len(pooled), 250):  # NumPy widens halves far faster than TensorFlow.
        rows = pooled[start : start + 250].astype(np.float32)
        scores = network.rank(tf.constant(rows.reshape(-1, rows.shape[-1]))).numpy()
        won.append(scores[::2] > scores[1::2])
    return np.concatenate(won)


def train(pooled: np.ndarray, dev: np.ndarray, bins: list[int]) -> tuple[dict, float]:
    """Fits the head; returns the best epoch's tensors and its accuracy on the dev pairs."""
    rng = np.random.default_rng(FLAGS.seed)
    tf.random.set_seed(FLAGS.seed)
    size, hidden = pooled.shape[-1], FLAGS.hidden
    initial = {
        "ranker/fc6w": rng.standard_normal((size, hidden)) * (2 / size) ** 0.5,
        "ranker/fc6b": np.zeros(hidden),
        "ranker/W": rng.standard_normal((hidden, 1)) * (1 / hidden) ** 0.5,
    }
    variables = {name: tf.Variable(value, dtype=tf.float32) for name, value in initial.items()}
    network = ViewFindingNetwork(variables, bins)
    steps = FLAGS.epochs * (len(pooled) // FLAGS.batch)
    schedule = tf.keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, steps)
    optimizer = tf.keras.optimizers.AdamW(schedule, weight_decay=FLAGS.weight_decay)
    weights = list(variables.values())
    optimizer.build(weights)

    @tf.function
    def step(pairs):
        with tf.GradientTape() as tape:
            rows = tf.reshape(pairs, [-1, size])
            scores = tf.reshape(network.rank(tf.nn.dropout(rows, FLAGS.dropout)), [-1, 2])
            loss = tf.reduce_mean(tf.nn.relu(1 + scores[:, 1] - scores[:, 0]))
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    best, best_accuracy = {}, 0.0
    progress = trange(FLAGS.epochs, desc="vfn", disable=None)
    for _ in progress:
        order = rng.permutation(len(pooled))
        for at in range(0, len(order) - FLAGS.batch + 1, FLAGS.batch):
            loss = step(pooled[np.sort(order[at : at + FLAGS.batch])].astype(np.float32))
        found = float(accuracy(network, dev).mean())
        progress.set_postfix(loss=f"{float(loss):.3f}", dev=f"{found:.3f}")
        if found > best_accuracy:
            best_accuracy = found
            best = {name: value.numpy().astype(np.float16) for name, value in variables.items()}
    return best, best_accuracy


def measure(network: ViewFindingNetwork, trunk, bins: list[int]) -> dict[str, float]:
    """Accuracy on the test photos, by kind of pair and by scale of the crop."""
    figures = {}
    edges = np.linspace(*SCALES, 5)
    for kind in KINDS:
        features = pair_features("test", 0, trunk, kind)
        right = accuracy(network, pool(features, bins))
        scales = draw_crops("test", 0, len(features))[:, 2]
        figures[f"test pairs won, {kind}"] = float(right.mean())
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            chosen = (scales >= low) & (scales < high)
            figures[f"test pairs won, {kind}, scale {low:.1f} to {high:.1f}"] = float(
                right[chosen].mean()
            )
    return figures


def main() -> None:
    """Caches the features, then trains, measures and saves."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    bins = [int(count) for count in FLAGS.bins]
    checkpoint = checkpoints.load(FLAGS.trunk, "lite0")
    trunk = tf.function(Lite0(checkpoint.tensors), reduce_retracing=True)
    dev = pool(pair_features("dev", 0, trunk), bins)
    pooled = []
    for number in range(FLAGS.draws):
        features = pair_features("train", number, trunk)
        pooled += [pool(features, bins), pool(features, bins, mirrored=True)]
    tensors, dev_accuracy = train(np.concatenate(pooled), dev, bins)
    metrics = measure(ViewFindingNetwork(tensors_to_float(tensors), bins), trunk, bins)
    metrics = {"dev pairs won": dev_accuracy, **metrics}
    checkpoints.save(
        FLAGS.output,
        "vfn",
        tensors,
        source="trained on Flickr8k's training split (Hodosh et al. 2013) by this project",
        command=f"python -m experiments.train_vfn --data_dir=FLICKR8K --seed={FLAGS.seed}",
        commit=provenance.commit(),
        metrics=metrics,
        extra={"bins": bins, "trunk": checkpoint.name, "trunk_sha256": checkpoint.sha256},
    )
    for name, value in metrics.items():
        print(f"{name}: {value:.3f}")


def tensors_to_float(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Half precision, as stored, widened to what is computed in."""
    return {name: value.astype(np.float32) for name, value in tensors.items()}


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

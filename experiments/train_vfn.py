"""Trains an aesthetic scorer: a View Finding Network head on frozen trunk features.

The one after Chen et al. 2017, which needs photos alone:

    python -m experiments.train_vfn --data_dir=FLICKR8K --work_dir=WORK --output=checkpoints/vfn

The one that does not cut through people and things, with people's boxes besides:

    python -m experiments.train_vfn --data_dir=FLICKR8K --entities=FLICKR30K_ENTITIES \\
        --region_draws=4 --photo_weight=0.1 --hidden=18 --epochs=3 --threads=1 \\
        --work_dir=WORK --output=checkpoints/vfn-regions

A ranking loss: of a pair, the better crop should score above the other, with a margin of 1. A
photo is better than a crop of itself (`scorer_pairs`); with --entities, a crop that has a described
person or thing whole is better than one that cuts through it (`region_pairs`). Features are cached,
2.5 GB for a draw of crops or regions.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import trange

from cagic_tf.networks import checkpoints
from cagic_tf.networks.trunks.lite0 import Lite0
from cagic_tf.networks.vfn import ViewFindingNetwork
from cagic_tf.system import devices, provenance
from experiments import command
from experiments.data import entities, flickr8k
from experiments.errors import ExperimentError
from experiments.training import crops_and_boxes, region_pairs, scorer_pairs

FLAGS = flags.FLAGS
PHOTOS, REGIONS = "photos above crops", "whole above cut"  # The sorts of pairs.
# Flags that say what is trained, in the manifest's command beside the folders.
SETTINGS = (
    "draws region_draws photo_weight bins hidden epochs batch learning_rate weight_decay dropout "
    "seed threads"
).split()


def define_flags() -> None:
    """Flags of this script; sizes are those of `checkpoints/vfn`."""
    flags.DEFINE_string(
        "data_dir", None, "The folder of Flickr8k; experiments/data/flickr8k.py says what is in it."
    )
    flags.DEFINE_string(
        "entities",
        None,
        "The folder of Flickr30k Entities, of whose boxes pairs are made, too; "
        "experiments/data/entities.py says what is in it. Without it there are no such pairs.",
    )
    flags.DEFINE_string("work_dir", None, "The folder for cached features.")
    flags.DEFINE_string("output", None, "The folder to write the checkpoint to.")
    flags.DEFINE_string("trunk", "checkpoints/lite0", "The trunk's checkpoint.")
    flags.DEFINE_integer("draws", 1, "How many crops are drawn of each training photo.")
    flags.DEFINE_integer(
        "region_draws", 1, "How many pairs are drawn of each training photo's boxes."
    )
    flags.DEFINE_float(
        "photo_weight",
        1.0,
        "How much a photo's pair with its crop counts in the loss; a pair of regions counts 1. The "
        "lower it is, the less scores say of scale.",
    )
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


def read_bins() -> list[int]:
    """Bins a side of each level.

    Raises:
      ExperimentError: They are no such numbers.
    """
    if not all(count.isdecimal() and int(count) for count in FLAGS.bins):
        given = ",".join(FLAGS.bins)
        raise ExperimentError(f"--bins is {given}; whole numbers are needed, such as 1,2,4")
    return [int(count) for count in FLAGS.bins]


def split_names(split: str) -> list[str]:
    """File names of a split's photos."""
    return flickr8k.split_names(Path(FLAGS.data_dir), split)


def draw_regions(split: str, number: int) -> list[region_pairs.Pair]:
    """The pairs of one draw of the boxes in a split's photos, the same at each call."""
    photos = entities.read(Path(FLAGS.entities), split_names(split))
    return region_pairs.draw(photos, np.random.default_rng([FLAGS.seed, number, len(split), 2]))


def pooled_photos(split: str, number: int, trunk: Any, bins: Sequence[int]) -> list[np.ndarray]:
    """Pooled features of photos and crops of them; of training photos mirrored, too."""
    drawn = scorer_pairs.photos_above_crops(split_names(split), split, number, FLAGS.seed)
    return _pooled(f"{split}_photos", drawn, trunk, bins)


def pooled_regions(split: str, number: int, trunk: Any, bins: Sequence[int]) -> list[np.ndarray]:
    """Pooled features of crops that have something whole and of those that cut through it."""
    rng = np.random.default_rng([FLAGS.seed, number, len(split), 3])
    shown = region_pairs.shown(draw_regions(split, number), rng)
    return _pooled(f"{split}_regions", shown, trunk, bins)


def _pooled(
    label: str, drawn: Sequence[scorer_pairs.ViewPair], trunk: Any, bins: Sequence[int]
) -> list[np.ndarray]:
    digest = hashlib.sha256(repr(drawn).encode()).hexdigest()[:12]  # So a file has what it says.
    path = Path(FLAGS.work_dir) / f"vfn_{label}_{digest}.npy"
    found = scorer_pairs.features(path, Path(FLAGS.data_dir), drawn, trunk)
    sides = (False, True) if label.startswith("train") else (False,)
    return [scorer_pairs.pooled(path, found, bins, mirrored) for mirrored in sides]


def network_of(tensors: dict[str, np.ndarray], bins: Sequence[int]) -> ViewFindingNetwork:
    """The scorer of tensors in half precision, as stored, widened to what is computed in."""
    wide = {name: value.astype(np.float32) for name, value in tensors.items()}
    return ViewFindingNetwork(wide, bins)


def won(network: ViewFindingNetwork, pooled: np.ndarray) -> np.ndarray:
    """For each pair, whether the better crop has the higher score."""
    found = []
    for start in range(0, len(pooled), 250):  # NumPy widens halves far faster than TensorFlow.
        rows = pooled[start : start + 250].astype(np.float32)
        scores = network.rank(tf.constant(rows.reshape(-1, rows.shape[-1]))).numpy()
        found.append(scores[::2] > scores[1::2])
    return np.concatenate(found)


def train(
    pairs: scorer_pairs.TrainingPairs, dev: dict[str, np.ndarray], bins: Sequence[int]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Fits the head.

    Returns:
      The tensors, float16, of the epoch that wins most dev pairs, in the mean of their sorts; and
      the shares that it wins, by sort.

    Raises:
      ExperimentError: There are too few pairs.
    """
    if len(pairs) < FLAGS.batch:
        raise ExperimentError(f"{len(pairs)} pairs are fewer than --batch={FLAGS.batch}")
    rng = np.random.default_rng(FLAGS.seed)
    tf.random.set_seed(FLAGS.seed)
    size, hidden = pairs.size, FLAGS.hidden
    initial = {
        "ranker/fc6w": rng.standard_normal((size, hidden)) * (2 / size) ** 0.5,
        "ranker/fc6b": np.zeros(hidden),
        "ranker/W": rng.standard_normal((hidden, 1)) * (1 / hidden) ** 0.5,
    }
    variables = {name: tf.Variable(value, dtype=tf.float32) for name, value in initial.items()}
    network = ViewFindingNetwork(variables, bins)
    steps = FLAGS.epochs * (len(pairs) // FLAGS.batch)
    schedule = tf.keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, steps)
    optimizer = tf.keras.optimizers.AdamW(schedule, weight_decay=FLAGS.weight_decay)
    weights = list(variables.values())
    optimizer.build(weights)

    @tf.function
    def step(batch: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            rows = tf.reshape(batch, [-1, size])
            scores = tf.reshape(network.rank(tf.nn.dropout(rows, FLAGS.dropout)), [-1, 2])
            loss = tf.reduce_mean(counts * tf.nn.relu(1 + scores[:, 1] - scores[:, 0]))
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    best: dict[str, np.ndarray] = {}
    best_shares: dict[str, float] = {}
    progress = trange(FLAGS.epochs, desc="vfn", disable=None)
    for _ in progress:
        order = rng.permutation(len(pairs))
        for at in range(0, len(order) - FLAGS.batch + 1, FLAGS.batch):
            loss = step(*pairs.rows(np.sort(order[at : at + FLAGS.batch])))
        shares = {name: float(won(network, pooled).mean()) for name, pooled in dev.items()}
        progress.set_postfix(loss=f"{float(loss):.3f}", **shares)
        if not best or sum(shares.values()) > sum(best_shares.values()):
            best_shares = shares
            best = {name: value.numpy().astype(np.float16) for name, value in variables.items()}
    return best, best_shares


def measure_photos(
    network: ViewFindingNetwork, trunk: Any, bins: Sequence[int]
) -> dict[str, float]:
    """Shares of the test photos that outrank a crop, by kind of pair and by scale of the crop."""
    figures = {}
    edges = [float(edge) for edge in np.linspace(*scorer_pairs.SCALES, 5)]
    for kind in scorer_pairs.KINDS:
        drawn = scorer_pairs.photos_above_crops(split_names("test"), "test", 0, FLAGS.seed, kind)
        right = won(network, _pooled("test_photos", drawn, trunk, bins)[0])
        figures[f"test pairs won, {kind}"] = float(right.mean())
        scales = np.array([pair.below.theta[2] for pair in drawn])
        figures |= by_range(f"test pairs won, {kind}, scale", right, scales, edges)
    return figures


def measure_regions(
    network: ViewFindingNetwork, trunk: Any, bins: Sequence[int]
) -> dict[str, float]:
    """Shares of the test photos' pairs of regions that are won, of people and of things.

    Also by the share of the box that the cutting crop keeps, and by the crops' scale.
    """
    drawn, label = draw_regions("test", 0), f"test pairs won, {REGIONS}"
    right = won(network, pooled_regions("test", 0, trunk, bins)[0])
    person = np.array([pair.person for pair in drawn])
    figures = {label: float(right.mean())}
    for name, chosen in (("people", person), ("things", ~person)):
        if chosen.any():
            figures[f"{label}, {name}"] = float(right[chosen].mean())
    kept = np.array([crops_and_boxes.kept_shares(pair.cut, [pair.box])[0] for pair in drawn])
    figures |= by_range(f"{label}, kept", right, kept, (0.2, 0.55, 0.9))
    scales = np.array([pair.cut[2] for pair in drawn])
    return figures | by_range(f"{label}, scale", right, scales, (0.3, 0.6, 0.75, 0.9))


def by_range(
    label: str, right: np.ndarray, values: np.ndarray, edges: Sequence[float]
) -> dict[str, float]:
    """Shares of what is right where a value lies between two edges, if it does anywhere."""
    found = {}
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        chosen = (values >= low) & (values < high)
        if chosen.any():
            found[f"{label} {low:.2g} to {high:.2g}"] = float(right[chosen].mean())
    return found


def command_line() -> str:
    """What made the checkpoint, without folders of this machine."""
    boxes = "--entities=FLICKR30K_ENTITIES " if FLAGS.entities else ""
    output = Path(FLAGS.output).name
    folders = f"--data_dir=FLICKR8K {boxes}--work_dir=WORK --output={output}"
    settings = " ".join(FLAGS[name].serialize() for name in SETTINGS)
    return f"python -m experiments.train_vfn {folders} {settings}"


def main() -> None:
    """Caches the features, then trains, measures and saves."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    bins = read_bins()
    checkpoint = checkpoints.load(FLAGS.trunk, "lite0")
    trunk = tf.function(Lite0(checkpoint.tensors), reduce_retracing=True)
    dev, parts = {}, []
    if FLAGS.entities:
        dev[REGIONS] = pooled_regions("dev", 0, trunk, bins)[0]
        for number in range(FLAGS.region_draws):
            parts += [(pooled, 1.0) for pooled in pooled_regions("train", number, trunk, bins)]
    dev[PHOTOS] = pooled_photos("dev", 0, trunk, bins)[0]
    for number in range(FLAGS.draws):
        pooled_pairs = pooled_photos("train", number, trunk, bins)
        parts += [(pooled, FLAGS.photo_weight) for pooled in pooled_pairs]
    tensors, shares = train(scorer_pairs.TrainingPairs(parts), dev, bins)
    network = network_of(tensors, bins)
    metrics = {f"dev pairs won, {sort}": share for sort, share in shares.items()}
    metrics |= measure_photos(network, trunk, bins)
    if FLAGS.entities:
        metrics |= measure_regions(network, trunk, bins)
    boxes = " and Flickr30k Entities (Plummer et al. 2015)" if FLAGS.entities else ""
    checkpoints.save(
        FLAGS.output,
        "vfn",
        tensors,
        source=f"trained on Flickr8k's training split (Hodosh et al. 2013){boxes} by this project",
        command=command_line(),
        commit=provenance.commit(),
        metrics=metrics,
        extra={"bins": bins, "trunk": checkpoint.name, "trunk_sha256": checkpoint.sha256},
    )
    for name, value in metrics.items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

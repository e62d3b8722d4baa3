"""Trains the proposals of the grounder and of MAttNet's stand-in: boxes that may show something.

    python -m experiments.train_proposals --data_dir=FLICKR8K --entities=FLICKR30K_ENTITIES \\
        --work_dir=WORK --output=WORK/proposals

A small region proposal network on the frozen trunk Lite0, of the boxes that people drew in
Flickr8k's training photos (Flickr30k Entities). The trunk's grids are cached, 0.9 GB.
`train_grounder` and `train_mattnet` take the result into their own checkpoints.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import trange

from cagic_tf.baselines.mattnet import lite_detector
from cagic_tf.networks import checkpoints, proposals
from cagic_tf.networks.trunks.lite0 import Lite0
from cagic_tf.system import devices, provenance
from experiments import command
from experiments.data.annotations import DataError
from experiments.training import photo_grids, proposal_targets, stand_ins
from experiments.training.photo_grids import Grids, Photo

FLAGS = flags.FLAGS
# Flags that say what is trained, in the manifest's command beside the folders.
SETTINGS = (
    "side anchors hidden background epochs batch learning_rate weight_decay most overlap seed "
    "threads"
).split()
GOOD = 0.5  # IoU with which a proposal finds a box.


def define_flags() -> None:
    """Flags of this script."""
    stand_ins.define_folder_flags("the cached grids")
    flags.DEFINE_string("trunk", "checkpoints/lite0", "The trunk's checkpoint.")
    flags.DEFINE_integer(
        "side",
        224,
        "The side in pixels, a multiple of 32, of the square as which the trunk sees a photo.",
    )
    flags.DEFINE_integer("anchors", 12, "How many anchors each place has.")
    flags.DEFINE_integer("hidden", 96, "How many units the hidden layer has.")
    flags.DEFINE_float("background", 3.0, "How much anchors without anything count in the loss.")
    flags.DEFINE_integer(
        "epochs", 12, "How many epochs to train; the learning rate falls to zero over them."
    )
    flags.DEFINE_integer("batch", 16, "How many photos a step takes.")
    flags.DEFINE_float("learning_rate", 1e-3, "The highest learning rate of Adam.")
    flags.DEFINE_float("weight_decay", 1e-4, "The decoupled weight decay.")
    flags.DEFINE_integer("most", 100, "How many proposals a photo has at most.")
    flags.DEFINE_float("overlap", 0.6, "The IoU above which two proposals are one.")
    flags.DEFINE_integer("seed", 1, "The seed of initial weights, order and mirroring.")
    devices.define_flags()


def grids(photos: Sequence[Photo], trunk: Lite0, is_mirrored: bool = False) -> Grids:
    """The trunk's grids of photos."""
    folders = (Path(FLAGS.work_dir), Path(FLAGS.data_dir), Path(FLAGS.entities))
    return photo_grids.load(*folders, photos, trunk, FLAGS.side, is_mirrored)


def initial(anchors: np.ndarray, channels: tuple[int, int], seed: int) -> dict[str, np.ndarray]:
    """Tensors to begin with; at first few anchors have something."""
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    for name, shape in proposals.shapes(*channels, FLAGS.hidden, len(anchors)).items():
        if name.endswith("anchors"):
            found[name] = anchors
        elif name.endswith("kernel"):
            last = name.removeprefix(proposals.PREFIX).startswith(("scores", "deltas"))
            spread = 0.01 if last else (2 / np.prod(shape[:3])) ** 0.5
            found[name] = rng.standard_normal(shape) * spread
        else:
            found[name] = np.full(shape, -2.0 if name.endswith("scores/bias") else 0.0)
    return found


def recall(
    detector: lite_detector.LiteDetector,
    photos: Sequence[Photo],
    found: Grids,
    best: int | None = None,
) -> dict[str, float]:
    """Shares of photos' boxes that a proposal finds: of all, and of what single phrases mean.

    Args:
      detector: Gives the proposals.
      photos: The photos.
      found: Their grids.
      best: How many proposals of each photo count; None: as many as there are.
    """
    hits: dict[str, list[bool]] = {"boxes": [], "phrases": []}
    for number, photo in enumerate(photos):
        chosen = detector.propose(*found[[number]])[:best]
        phrases = np.array([each.corners for each in photo.descriptions]).reshape(-1, 4)
        for name, truth in (("boxes", photo.boxes), ("phrases", phrases)):
            hits[name] += (proposal_targets.iou(truth, chosen) >= GOOD).any(axis=1).tolist()
    return {name: float(np.mean(values)) for name, values in hits.items() if values}


def detector_of(trunk: Lite0, tensors: Mapping[str, Any]) -> lite_detector.LiteDetector:
    """What finds proposals by tensors, or by variables that are trained meanwhile."""
    settings = {name: FLAGS[name].value for name in ("side", "most", "overlap")}
    return lite_detector.LiteDetector(trunk, tensors, settings)


def train(
    trunk: Lite0,
    photos: Sequence[Photo],
    sides: Sequence[Grids],
    dev: Sequence[Photo],
    dev_grids: Grids,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Fits the network.

    Args:
      trunk: The trunk.
      photos: The training photos.
      sides: Their grids, and those of the photos mirrored.
      dev: The photos to choose the epoch by.
      dev_grids: Their grids.

    Returns:
      The tensors, float16, of the epoch that finds most of the dev photos' boxes; and its recall.

    Raises:
      DataError: There are fewer photos than a step takes.
    """
    if len(photos) < FLAGS.batch:
        raise DataError(f"{len(photos)} photos with boxes are fewer than --batch={FLAGS.batch}")
    rng = np.random.default_rng(FLAGS.seed)
    boxes = [(photo.boxes, photo_grids.mirrored(photo.boxes)) for photo in photos]
    sizes = proposal_targets.fit_anchors(
        np.concatenate([photo.boxes for photo in photos]), FLAGS.anchors, FLAGS.seed
    )
    (rows, columns, first), (_, _, second) = sides[0].shapes
    begin = initial(sizes, (first, second), FLAGS.seed)
    variables = {name: tf.Variable(value, dtype=tf.float32) for name, value in begin.items()}
    network, detector = proposals.Proposals(variables), detector_of(trunk, variables)
    anchors = network.anchors(rows, columns)
    weights = [value for name, value in variables.items() if not name.endswith("anchors")]
    steps = FLAGS.epochs * (len(photos) // FLAGS.batch)
    schedule = tf.keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, steps)
    optimizer = tf.keras.optimizers.AdamW(schedule, weight_decay=FLAGS.weight_decay)
    optimizer.build(weights)

    @tf.function(autograph=False)
    def step(fine: tf.Tensor, coarse: tf.Tensor, labels: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits, deltas = network(fine, coarse)
            value = proposal_targets.loss(logits, deltas, labels, own, anchors, FLAGS.background)
        optimizer.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))
        return value

    best: dict[str, np.ndarray] = {}
    best_recall = {"boxes": -1.0}
    progress = trange(FLAGS.epochs, desc=proposals.KIND, disable=None)
    for _ in progress:
        order, values = rng.permutation(len(photos)), []
        for at in range(0, len(order) - FLAGS.batch + 1, FLAGS.batch):
            chosen, side = np.sort(order[at : at + FLAGS.batch]), int(rng.integers(len(sides)))
            truth = proposal_targets.batch(
                anchors.numpy(), [boxes[number][side] for number in chosen]
            )
            values.append(float(step(*sides[side][chosen], *truth)))
        reached = recall(detector, dev, dev_grids)
        progress.set_postfix(loss=f"{np.mean(values):.3f}", **reached)
        if reached["boxes"] > best_recall["boxes"]:
            best_recall = reached
            best = {name: value.numpy().astype(np.float16) for name, value in variables.items()}
    return best, best_recall


def measure(
    trunk: Lite0,
    tensors: dict[str, np.ndarray],
    photos: Sequence[Photo],
    found: Grids,
    label: str,
) -> dict[str, float]:
    """Recall on photos at their own size, of all proposals and of the ten best."""
    wide = {name: value.astype(np.float32) for name, value in tensors.items()}
    detector = detector_of(trunk, wide)
    figures = {}
    for best in (FLAGS.most, 10):
        for what, share in recall(detector, photos, found, best).items():
            figures[f"{label} {what} found by {best} proposals, IoU {GOOD}"] = share
    return figures


def main() -> None:
    """Caches the grids, then trains, measures and saves."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    checkpoint = checkpoints.load(FLAGS.trunk, "lite0")
    trunk = Lite0(checkpoint.tensors)
    folders = Path(FLAGS.data_dir), Path(FLAGS.entities)
    train_photos, dev = (photo_grids.split(*folders, name) for name in ("train", "dev"))
    sides = [grids(train_photos, trunk, mirrored) for mirrored in (False, True)]
    tensors, reached = train(trunk, train_photos, sides, dev, grids(dev, trunk))
    metrics = {f"all dev {what} found": share for what, share in reached.items()}
    for split in ("dev", "test"):
        photos = photo_grids.own_size(folders[1], photo_grids.split(*folders, split))
        if photos:
            metrics |= measure(trunk, tensors, photos, grids(photos, trunk), split)
    checkpoints.save(
        FLAGS.output,
        proposals.KIND,
        tensors,
        source=(
            "trained on Flickr8k's training split (Hodosh et al. 2013) and Flickr30k Entities "
            "(Plummer et al. 2015) by this project"
        ),
        command=stand_ins.command_line("train_proposals", SETTINGS),
        commit=provenance.commit(),
        metrics=metrics,
        extra={
            "side": FLAGS.side,
            "most": FLAGS.most,
            "overlap": FLAGS.overlap,
            "blocks": list(lite_detector.BLOCKS),
            "trunk": checkpoint.name,
            "trunk_sha256": checkpoint.sha256,
        },
    )
    for name, value in metrics.items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

"""Trains the grounder: which box of a photo a phrase or a sentence means.

    python -m experiments.train_grounder --data_dir=FLICKR8K --entities=FLICKR30K_ENTITIES \\
        --proposals=WORK/proposals --work_dir=WORK --output=checkpoints/grounder

Training photos of Flickr8k with the boxes that people drew for Flickr30k Entities, windows of them,
and mosaics of four. The trunk is frozen: its grids are computed once and kept (2 GB). A run that
was stopped goes on with those, and fits the network from the beginning. Of the epochs the one is
kept that finds dev boxes best.
"""

import collections
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import trange

from cagic_tf.method import vocabulary
from cagic_tf.networks import checkpoints, grounder
from cagic_tf.networks.trunks.lite0 import Lite0
from cagic_tf.system import devices, provenance
from experiments import command
from experiments.data import entities, flickr8k
from experiments.data.annotations import DataError
from experiments.training import (
    grounding_scenes,
    grounding_training,
    proposal_targets,
    stand_ins,
)
from experiments.training.grounding_scenes import Scene
from experiments.training.grounding_training import Scenes

FLAGS = flags.FLAGS
# Flags that say what is trained, in the manifest's command beside the folders.
SETTINGS = (
    "windows mosaics least_words word width close dropout epochs scenes descriptions "
    "learning_rate weight_decay seed threads"
).split()
LONGEST_STEP = 1.0  # Length of the gradient, at most.
DEV_MOSAICS = 200
WHITENED = 400  # Scenes by whose grids the channels are whitened.


def define_flags() -> None:
    """Flags of this script."""
    stand_ins.define_folder_flags("the cached grids")
    flags.DEFINE_string("trunk", "checkpoints/lite0", "The trunk's checkpoint.")
    flags.DEFINE_string("proposals", None, "The checkpoint that train_proposals wrote.")
    flags.DEFINE_integer("windows", 2, "How many windows of each photo are shown beside it.", 0)
    flags.DEFINE_integer("mosaics", 6000, "How many mosaics of four photos are shown.", 0)
    flags.DEFINE_integer(
        "least_words",
        4,
        "How often descriptions of photos and their windows have a word, if it is in the "
        "vocabulary.",
    )
    flags.DEFINE_integer("word", 64, "How many numbers a word has.", 1)
    flags.DEFINE_integer("width", 192, "How many hidden units a layer has.", 1)
    flags.DEFINE_float(
        "close",
        0.15,
        "A box whose IoU is less than the best box's by this share of it is 1/e times as likely.",
        0.001,
    )
    flags.DEFINE_float(
        "dropout", 0.2, "The share of hidden values and of words that are dropped.", 0, 0.99
    )
    flags.DEFINE_integer(
        "epochs", 9, "How many epochs to train; the learning rate falls to zero over them.", 1
    )
    flags.DEFINE_integer("scenes", 24, "How many pictures a step takes.", 1)
    flags.DEFINE_integer(
        "descriptions", 4, "How many descriptions of each picture a step takes.", 1
    )
    flags.DEFINE_float("learning_rate", 1e-3, "The highest learning rate of AdamW.")
    flags.DEFINE_float("weight_decay", 0.02, "The decoupled weight decay.")
    flags.DEFINE_integer("seed", 1, "The seed of scenes, initial weights, order and dropout.", 0)
    devices.define_flags()
    flags.mark_flags_as_required(["proposals"])


def words(texts: Iterable[str], least: int) -> list[str]:
    """The vocabulary: padding, the unknown word, then words from so many times on."""
    counts = collections.Counter(word for text in texts for word in vocabulary.tokenize(text))
    known = sorted((-count, word) for word, count in counts.items() if count >= least)
    return [grounder.PADDING, grounder.UNKNOWN, *(word for _, word in known)]


def measured(network: grounder.Grounder, scenes: Scenes, numbers: Sequence[int]) -> float:
    """Mean IoU of the box with the highest expected IoU with what some scenes' texts mean."""
    ask = tf.function(
        lambda *inputs: tf.nn.softmax(network.logits(*inputs)),
        reduce_retracing=True,
        autograph=False,
    )
    found: list[float] = []
    for number in numbers:
        scene, truths = scenes.every(number)
        likely = ask(*map(tf.constant, scene[:4])).numpy()
        (boxes,) = scene.boxes
        chosen = (likely @ proposal_targets.iou(boxes, boxes)).argmax(axis=1)
        found += np.diag(proposal_targets.iou(truths, boxes[chosen])).tolist()
    return float(np.mean(found))


def figures(network: grounder.Grounder, scenes: Scenes, dev: Sequence[Scene]) -> dict[str, float]:
    """`measured` on photos and on mosaics apart."""
    found = {}
    for name, tiles in (("photos", 1), ("mosaics", 4)):
        numbers = [number for number, scene in enumerate(dev) if len(scene.tiles) == tiles]
        if numbers:
            found[f"IoU on {name}"] = measured(network, scenes, numbers)
    return found


def train(
    train_scenes: Scenes,
    begin: dict[str, np.ndarray],
    region: dict[str, np.ndarray],
    known: Sequence[str],
    dev_scenes: Scenes,
    dev: Sequence[Scene],
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Fits the network.

    Args:
      train_scenes: What it is fitted to.
      begin: The tensors to begin with.
      region: Those of the proposals, which stay.
      known: The vocabulary.
      dev_scenes: What chooses the epoch.
      dev: The same scenes as they were drawn.

    Returns:
      The tensors, float16, of the epoch with the highest mean figure; and the figures.

    Raises:
      DataError: There are fewer scenes than a step takes.
    """
    if len(train_scenes) < FLAGS.scenes:
        raise DataError(f"{len(train_scenes)} pictures are fewer than --scenes={FLAGS.scenes}")
    rng = np.random.default_rng(FLAGS.seed)
    tf.random.set_seed(FLAGS.seed)
    sample = np.linspace(0, len(train_scenes) - 1, WHITENED, dtype=int)
    whitened = grounding_training.whitening(train_scenes.grids(sample))
    linear = [tuple(tf.constant(each, tf.float32) for each in pair) for pair in whitened]
    variables = {name: tf.Variable(value, name=name) for name, value in begin.items()}
    network = grounder.Grounder({**variables, **region}, known)
    fitted = list(variables.values())
    per_epoch = len(train_scenes) // FLAGS.scenes
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        FLAGS.learning_rate, FLAGS.epochs * per_epoch
    )
    optimizer = tf.keras.optimizers.AdamW(
        schedule, weight_decay=FLAGS.weight_decay, global_clipnorm=LONGEST_STEP
    )
    optimizer.exclude_from_weight_decay([value for value in fitted if len(value.shape) == 1])
    optimizer.build(fitted)

    @tf.function(autograph=False)
    def step(batch: grounding_training.Batch) -> tf.Tensor:
        grids = (batch.fine, batch.coarse)
        fine, coarse = (
            tf.tensordot(grid, matrix, 1) + offset
            for grid, (matrix, offset) in zip(grids, linear, strict=True)
        )
        batch = batch._replace(fine=fine, coarse=coarse)
        with tf.GradientTape() as tape:
            value = grounding_training.loss(network, batch, FLAGS.close, FLAGS.dropout)
        gradients = [tf.convert_to_tensor(each) for each in tape.gradient(value, fitted)]
        optimizer.apply_gradients(zip(gradients, fitted, strict=True))
        return value

    best: dict[str, np.ndarray] = {}
    reached = {"IoU": -1.0}
    with trange(FLAGS.epochs * per_epoch, desc="grounder", disable=None) as progress:
        for epoch in range(FLAGS.epochs):
            order, values = rng.permutation(len(train_scenes)), []
            for at in range(0, per_epoch * FLAGS.scenes, FLAGS.scenes):
                chosen = np.sort(order[at : at + FLAGS.scenes])
                batch = train_scenes.batch(chosen, FLAGS.descriptions, rng)
                values.append(float(step(grounding_training.Batch(*map(tf.constant, batch)))))
                progress.update()
            fitted_now = {name: value.numpy() for name, value in variables.items()}
            tensors = {
                name: value.astype(np.float16)
                for name, value in grounding_training.unwhitened(fitted_now, whitened).items()
            }
            tensors |= {name: value.astype(np.float16) for name, value in region.items()}
            own = figures(loaded(tensors, known), dev_scenes, dev)
            print(f"epoch {epoch + 1}: loss {np.mean(values):.3f}, {own}", flush=True)
            if sum(own.values()) > sum(reached.values()):
                best, reached = tensors, own
    return best, reached


def loaded(tensors: dict[str, np.ndarray], known: Sequence[str]) -> grounder.Grounder:
    """The network of float16 tensors, as a checkpoint has them."""
    return grounder.Grounder(
        {name: value.astype(np.float32) for name, value in tensors.items()}, known
    )


def described(data_dir: Path, entities_dir: Path, split: str) -> list[entities.AnnotatedPhoto]:
    """The photos of a split of Flickr8k of which something is said.

    Raises:
      DataError: There are fewer than a mosaic has.
    """
    names = flickr8k.split_names(data_dir, split)
    found = [photo for photo in entities.read(entities_dir, names) if photo.sentences]
    if len(found) < grounding_scenes.TILES:
        raise DataError(
            f"{entities_dir} has captions of {len(found)} of the photos that "
            f"{data_dir / split}.txt names; a mosaic takes {grounding_scenes.TILES}"
        )
    return found


def main() -> None:
    """Caches the grids, then trains, measures and saves."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    folders = Path(FLAGS.work_dir), Path(FLAGS.data_dir), Path(FLAGS.entities)
    trunk = checkpoints.load(FLAGS.trunk, "lite0")
    network = Lite0(trunk.tensors)
    region = stand_ins.read_proposals(FLAGS.proposals, trunk, grounder.SIDE)
    photos = {split: described(*folders[1:], split) for split in ("train", "dev", "test")}
    drawn = {
        split: grounding_scenes.drawn(
            photos[split],
            FLAGS.windows if split == "train" else 0,
            FLAGS.mosaics if split == "train" else DEV_MOSAICS,
            FLAGS.seed,
        )
        for split in photos
    }
    known = words(
        (text for scene in drawn["train"] for text, _ in scene.said if len(scene.tiles) == 1),
        FLAGS.least_words,
    )
    scenes = {}
    for split, own in drawn.items():
        grids = grounding_scenes.grids(*folders, own, network)
        scenes[split] = Scenes(own, grids, grounder.Grounder(region.tensors, known))
    fine, coarse = (shape[2] for shape in grids.shapes)
    begin = grounding_training.initial(
        fine, coarse, len(known), FLAGS.word, FLAGS.width, FLAGS.seed
    )
    tensors, reached = train(
        scenes["train"], begin, dict(region.tensors), known, scenes["dev"], drawn["dev"]
    )
    metrics = {f"dev, {name}": value for name, value in reached.items()}
    on_test = figures(loaded(tensors, known), scenes["test"], drawn["test"])
    metrics |= {f"test, {name}": value for name, value in on_test.items()}
    own_command = stand_ins.command_line("train_grounder", SETTINGS, "--proposals=WORK/proposals ")
    checkpoints.save(
        FLAGS.output,
        "grounder",
        tensors,
        source=(
            "trained on Flickr8k's training split (Hodosh et al. 2013) and Flickr30k Entities "
            "(Plummer et al. 2015) by this project"
        ),
        command=f"{region.manifest['command']} && {own_command}",
        commit=provenance.commit(),
        metrics=metrics,
        extra={"vocabulary": known, "trunk": trunk.name, "trunk_sha256": trunk.sha256},
    )
    for name, value in metrics.items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

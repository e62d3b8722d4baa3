"""Trains the stand-in of MAttNet: a phrase to the proposal that it means, on the trunk Lite0.

    python -m experiments.train_mattnet --data_dir=FLICKR8K --entities=FLICKR30K_ENTITIES \\
        --proposals=WORK/proposals --work_dir=WORK --output=checkpoints/mattnet-lite0

The network and its losses are MAttNet's (Yu et al., CVPR 2018), smaller: of a phrase of Flickr30k
Entities the box that it means should score above another box, and above the same box with another
phrase. Boxes are those of `train_proposals`, which the checkpoint then holds, too. That script's
cached grids are used again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm, trange

from cagic_tf.baselines.mattnet import lite_detector, losses, mattnet, sizes, text
from cagic_tf.networks import checkpoints
from cagic_tf.networks.trunks.lite0 import Lite0
from cagic_tf.system import devices, provenance
from experiments import command
from experiments.data.annotations import DataError
from experiments.training import (
    mattnet_training,
    photo_grids,
    phrase_accuracy,
    phrase_triples,
    stand_ins,
)
from experiments.training.photo_grids import Grids, Photo
from experiments.training.phrase_triples import Candidates, Row

FLAGS = flags.FLAGS
KIND = "mattnet"
# Flags that say what is trained, in the manifest's command beside the folders.
SETTINGS = (
    "most overlap least_words attributes slots word units joint epochs batch learning_rate seed "
    "threads"
).split()
LONGEST_STEP = 1.0  # Length of the gradient, at most.
DEV_STEP = 3  # Of this many dev photos one chooses the epoch: all would take as long as to train.


def define_flags() -> None:
    """Flags of this script."""
    stand_ins.define_folder_flags("the cached grids")
    flags.DEFINE_string("proposals", None, "The checkpoint that train_proposals wrote.")
    flags.DEFINE_string("trunk", "checkpoints/lite0", "The trunk's checkpoint.")
    flags.DEFINE_integer("most", 20, "How many proposals of a photo there are to choose from.")
    flags.DEFINE_float("overlap", 0.5, "The IoU above which two proposals are one.")
    flags.DEFINE_integer("least_words", 3, "How often a word is there, if it is in the vocabulary.")
    flags.DEFINE_integer("attributes", 50, "How many of the most frequent words are attributes.")
    flags.DEFINE_integer("slots", 5, "How many things around a box count.")
    flags.DEFINE_integer("word", 128, "How many numbers a word has.")
    flags.DEFINE_integer("units", 128, "How many units the LSTM has in one direction.")
    flags.DEFINE_integer("joint", 128, "In how many dimensions boxes and phrases are compared.")
    flags.DEFINE_integer(
        "epochs", 8, "How many epochs to train; the learning rate falls to zero over them."
    )
    flags.DEFINE_integer("batch", 64, "How many phrases a step takes.")
    flags.DEFINE_float("learning_rate", 1e-3, "The highest learning rate of Adam.")
    flags.DEFINE_integer("seed", 1, "The seed of initial weights, order, draws and dropout.")
    devices.define_flags()
    flags.mark_flags_as_required(["proposals"])


class Data:
    """The training photos' rows, and all that a step needs of them.

    Attributes:
      rows: Every phrase that a proposal is right for, of photos as they are and mirrored.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        sides: Sequence[Grids],
        detector: lite_detector.LiteDetector,
        known: text.Vocabulary,
        names: list[str],
    ):
        """Finds the photos' proposals.

        Args:
          photos: The photos.
          sides: Their grids, and those of the photos mirrored.
          detector: Finds the proposals.
          known: The vocabulary.
          names: The attributes.
        """
        self._sides, self._attributes = sides, len(names)
        self._found: list[list[Candidates]] = []
        self.rows: list[Row] = []
        for side, grids in enumerate(sides):
            found = []
            for number in tqdm(range(len(photos)), desc="proposals", disable=None):
                photo = photos[number]
                corners = detector.propose(*grids[[number]])
                found.append(phrase_triples.candidates(corners, photo.size, FLAGS.slots))
                self.rows += phrase_triples.rows(number, side, photo, corners, known, names)
            self._found.append(found)

    def batch(self, chosen: np.ndarray, rng: np.random.Generator) -> mattnet_training.Batch:
        """A step's batch of rows by their numbers."""
        rows = [self.rows[number] for number in chosen]
        triples = phrase_triples.draw(rows, self.rows, self._attributes, rng)
        grids = [self._sides[row.side][[row.photo]] for row in rows]
        fine, coarse = (np.concatenate(each) for each in zip(*grids, strict=True))
        found = [self._found[row.side][row.photo] for row in rows]
        return mattnet_training.gather((fine, coarse), found, triples)


def train(
    data: Data,
    begin: dict[str, np.ndarray],
    attribute_counts: Sequence[int],
    measure: Any,
) -> tuple[dict[str, np.ndarray], float]:
    """Fits the network.

    Args:
      data: What it is fitted to.
      begin: The tensors to begin with.
      attribute_counts: How many things have each attribute.
      measure: Tensors to their accuracy on dev photos.

    Returns:
      The tensors, float16, of the epoch with the highest accuracy; and that.

    Raises:
      DataError: There are fewer rows than a step takes.
    """
    if len(data.rows) < FLAGS.batch:
        raise DataError(f"{len(data.rows)} phrases are fewer than --batch={FLAGS.batch}")
    rng = np.random.default_rng(FLAGS.seed)
    tf.random.set_seed(FLAGS.seed)
    variables = mattnet_training.variables(begin)
    layers = mattnet_training.TrainingLayers(variables)
    fitted = [value for value in variables.values() if value.trainable]
    # An epoch takes each phrase once, of the photo as it is or mirrored.
    per_epoch = max(len(data.rows) // (2 * FLAGS.batch), 1)
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        FLAGS.learning_rate, FLAGS.epochs * per_epoch
    )
    optimizer = tf.keras.optimizers.Adam(schedule, global_clipnorm=LONGEST_STEP)
    optimizer.build(fitted)
    weights = tf.constant(losses.attribute_weights(np.array(attribute_counts)))

    @tf.function(reduce_retracing=True, autograph=False)
    def step(batch: mattnet_training.Batch) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = mattnet_training.loss(layers, batch, weights)
        optimizer.apply_gradients(zip(tape.gradient(value, fitted), fitted, strict=True))
        return value

    best: dict[str, np.ndarray] = {}
    best_accuracy = -1.0
    with trange(FLAGS.epochs * per_epoch, desc=KIND, disable=None) as progress:
        for epoch in range(FLAGS.epochs):
            values = []
            for _ in range(per_epoch):
                chosen = rng.choice(len(data.rows), FLAGS.batch, replace=False)
                batch = mattnet_training.Batch(*map(tf.constant, data.batch(chosen, rng)))
                values.append(float(step(batch)))
                progress.update()
            tensors = {name: value.numpy().astype(np.float16) for name, value in variables.items()}
            accuracy = measure(tensors)
            progress.set_postfix(epoch=epoch + 1, loss=f"{np.mean(values):.3f}", dev=accuracy)
            if accuracy > best_accuracy:
                best, best_accuracy = tensors, accuracy
    return best, best_accuracy


def main() -> None:
    """Finds proposals, then trains, measures and saves."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    folders = Path(FLAGS.data_dir), Path(FLAGS.entities)
    checkpoint = checkpoints.load(FLAGS.trunk, "lite0")
    region = stand_ins.read_proposals(FLAGS.proposals, checkpoint)
    trunk = Lite0(checkpoint.tensors)
    settings = {"side": region.manifest["side"], "most": FLAGS.most, "overlap": FLAGS.overlap}
    detector = lite_detector.LiteDetector(trunk, region.tensors, settings)
    photos = photo_grids.split(*folders, "train")
    sides = [
        photo_grids.load(Path(FLAGS.work_dir), *folders, photos, trunk, detector.side, mirrored)
        for mirrored in (False, True)
    ]
    words = phrase_triples.words(photos, FLAGS.least_words)
    counts = phrase_triples.attribute_counts(photos, FLAGS.attributes)
    extra = {
        "vocabulary": words,
        "attributes": list(counts),
        "num_cxt": FLAGS.slots,
        "with_st": True,
        **settings,
        "trunk": checkpoint.name,
        "trunk_sha256": checkpoint.sha256,
    }
    data = Data(photos, sides, detector, text.Vocabulary(words), list(counts))
    channels = [shape[2] for shape in sides[0].shapes]
    dimensions = sizes.Sizes(
        len(words), FLAGS.word, FLAGS.word, FLAGS.units, FLAGS.joint, *channels, len(counts),
        FLAGS.slots,
    )  # fmt: skip
    dev = photo_grids.split(*folders, "dev")
    to_choose = phrase_accuracy.read(*folders, dev[::DEV_STEP])

    def network(tensors: dict[str, np.ndarray]) -> mattnet.MAttNet:
        wide = {name: value.astype(np.float32) for name, value in tensors.items()}
        return mattnet.MAttNet(wide, extra, detector)

    tensors, accuracy = train(
        data,
        mattnet_training.initial(dimensions, FLAGS.seed),
        list(counts.values()),
        lambda tensors: phrase_accuracy.by_proposals(network(tensors), detector, to_choose),
    )
    metrics = {"a third of all dev phrases, proposals: MAttNet": accuracy}
    for split, of_split in (("dev", dev), ("test", photo_grids.split(*folders, "test"))):
        own = photo_grids.own_size(folders[1], of_split)
        found = phrase_accuracy.measure(
            network(tensors), detector, phrase_accuracy.read(*folders, own)
        )
        metrics |= {f"{split} phrases, {name}": value for name, value in found.items()}
    half = {name: value.astype(np.float16) for name, value in region.tensors.items()}
    own_command = stand_ins.command_line("train_mattnet", SETTINGS, "--proposals=WORK/proposals ")
    checkpoints.save(
        FLAGS.output,
        KIND,
        {**tensors, **half},
        source=(
            "a stand-in, not the authors' weights: trained on Flickr8k's training split (Hodosh et "
            "al. 2013) and Flickr30k Entities (Plummer et al. 2015) by this project"
        ),
        command=f"{region.manifest['command']} && {own_command}",
        commit=provenance.commit(),
        metrics={**region.manifest["metrics"], **metrics},
        extra=extra,
    )
    for name, value in metrics.items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

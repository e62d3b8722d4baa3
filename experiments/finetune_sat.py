"""Goes on training a captioner on its own captions, once `experiments.train_sat` has taught it.

    python -m experiments.finetune_sat --init=STAGE2 --data_dir=FLICKR8K --work_dir=WORK \\
        --output=checkpoints/sat

A step captions a batch of photos by itself, and sums three losses (`training/self_critical.py`):
drawn captions are made likelier by how much their reward exceeds that of the photo's others; each
photo's human caption must fit its greedy words better, by Eq. 4, than those of the other photos;
and a human caption is predicted word by word as before, so that words stay apt and grammar stays.
With --entities it learns described regions besides (`training/region_losses.py`).
"""

import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from cagic_tf.networks import checkpoints
from cagic_tf.system import devices
from experiments import command
from experiments.data import photo_sets
from experiments.training import (
    captioner_training,
    captioner_weights,
    region_losses,
    regions,
    self_critical,
    teacher_forcing,
)

FLAGS = flags.FLAGS
MAX_WORDS = 16  # End word included; 2 captions in a hundred are longer and lose their ends.


def define_flags() -> None:
    """Flags of this script; the numbers are the embedded checkpoint's."""
    captioner_training.define_flags(
        epochs=8, batch=32, learning_rate=2e-4, dropout=0.3, clean_share=0.4
    )
    flags.DEFINE_integer("samples", 4, "How many captions are drawn for a photo.", 2)
    flags.DEFINE_float(
        "f_mean_weight", 2.0, "The weight of the F-mean beside CIDEr-D in the reward."
    )
    flags.DEFINE_float("reward_weight", 6.0, "The weight of the self-critical loss.")
    flags.DEFINE_float("word_weight", 0.3, "The weight of the word-by-word cross-entropy.")
    flags.DEFINE_float(
        "discriminative_weight", 0.5, "The weight of the loss that tells photos apart."
    )
    flags.DEFINE_integer(
        "region_photos", 16, "Of how many photos a step learns the described regions."
    )
    flags.DEFINE_float(
        "region_word_weight", 1.0, "The weight of the cross-entropy of regions' descriptions."
    )
    flags.DEFINE_float(
        "reading_weight",
        1.0,
        "The weight of the loss that finds a description's crops by how likely it is in each.",
    )
    flags.DEFINE_float(
        "sharpness", 5.0, "By what Eq. 4's loss is multiplied where photos are told apart."
    )


class Trainer:
    """Passes over the photos, each captioned by the captioner itself."""

    def __init__(
        self,
        weights: captioner_weights.Weights,
        features: Sequence[np.ndarray],
        encoded: list[list[list[int]]],
        described: regions.RegionSet | None,
    ):
        """Takes the photos' features by view, their captions as word indices, and regions."""
        self._weights, self._features, self._encoded = weights, features, encoded
        self._described = described
        self._cider = self_critical.CiderD(encoded)

    @tf.function(reduce_retracing=True)
    def own_captions(self, contexts):
        """Greedy and drawn captions of photos, with their weights."""
        return self_critical.own_captions(self._weights.decoder, contexts, FLAGS.samples, MAX_WORDS)

    @tf.function(reduce_retracing=True)
    def step(self, contexts, batch, described):
        """One optimizer step; returns the weighted sum of the losses.

        Args:
          contexts: Annotation vectors of photos.
          batch: Their captions.
          described: Arguments of `region_losses.step_losses` for regions, or None.
        """
        decoder = self._weights.decoder
        options = (lambda x: tf.nn.dropout(x, FLAGS.dropout)), FLAGS.sharpness
        shares = [FLAGS.reward_weight, FLAGS.word_weight, FLAGS.discriminative_weight]
        with tf.GradientTape() as tape:
            losses = self_critical.step_losses(decoder, contexts, batch, *options)
            if described is not None:
                losses += region_losses.step_losses(decoder, *described, *options)
                shares += [FLAGS.region_word_weight, FLAGS.reading_weight]
            total = tf.add_n([share * loss for share, loss in zip(shares, losses, strict=True)])
        self._weights.update(tape, total)
        return total

    def train_epoch(self, epoch: int) -> float:
        """One pass over the photos; returns the mean of the losses' weighted sum."""
        rng = np.random.default_rng([FLAGS.seed, epoch])
        order = rng.permutation(len(self._encoded))
        starts = range(0, len(order) - FLAGS.batch + 1, FLAGS.batch)
        progress, losses, rewards = (
            tqdm(starts, desc=f"epoch {epoch + 1}", mininterval=10, disable=None),
            [],
            [],
        )
        for start in progress:
            photos = order[start : start + FLAGS.batch]
            contexts = captioner_training.draw_contexts(self._features, photos, rng)
            batch, reward = self._caption(contexts, photos, rng)
            described = self._draw_regions(rng)
            losses.append(float(self.step(contexts, batch, described)))
            rewards.append(reward)
            progress.set_postfix(
                loss=f"{np.mean(losses[-20:]):.3f}", reward=f"{np.mean(rewards[-20:]):.3f}"
            )
        return float(np.mean(losses))

    def _draw_regions(self, rng):
        """What a step learns of regions; None without any."""
        if self._described is None:
            return None
        photos = rng.choice(len(self._described.photos), FLAGS.region_photos, replace=False)
        photos = np.sort(photos)  # The features lie on the disk in this order.
        rows = np.concatenate([self._described.features[photo] for photo in photos])
        contexts = tf.constant(rows.astype(np.float32))
        chosen = [self._described.photos[photo] for photo in photos]
        words = self._weights.decoder.vocabulary
        captions = region_losses.draw_captions(chosen, words, MAX_WORDS, rng)
        readings = region_losses.draw_readings(chosen, words, rng)
        return contexts, *tf.nest.map_structure(tf.constant, (captions, readings))

    def _reward(self, photo, caption):
        overlap = self_critical.f_mean(caption, self._encoded[photo])
        return self._cider(photo, caption) + FLAGS.f_mean_weight * overlap

    def _caption(self, contexts, photos, rng):
        """What a step learns from, and the mean reward of the drawn captions."""
        decoder = self._weights.decoder
        words, weights = (part.numpy() for part in self.own_captions(contexts))
        lengths = weights.sum(-1).astype(int)
        rewards = np.array(
            [
                [
                    self._reward(photo, words[row, at, : lengths[row, at]].tolist())
                    for at in range(1, 1 + FLAGS.samples)
                ]
                for row, photo in enumerate(photos)
            ]
        )
        human = [self._encoded[photo][rng.integers(len(self._encoded[photo]))] for photo in photos]
        batch = self_critical.make_batch(
            words, weights, rewards, human, len(decoder.vocabulary), decoder.end
        )
        return tf.nest.map_structure(tf.constant, batch), rewards.mean()


def main() -> None:
    """Trains from the last finished epoch on."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    checkpoint, trunk = captioner_training.load_trunk()
    start = checkpoints.load(FLAGS.init, "sat")
    if start.manifest["trunk_sha256"] != checkpoint.sha256:
        raise checkpoints.CheckpointError(f"{FLAGS.init} was not trained on {FLAGS.trunk}")
    dev_photos, photos = (captioner_training.read_split(split) for split in ("dev", "train"))
    dev = captioner_training.dev_features(dev_photos, trunk)
    words = start.manifest["vocabulary"]
    encoded = [teacher_forcing.encode(texts, words) for texts in photos.captions]
    steps = len(encoded) // FLAGS.batch * FLAGS.epochs
    if len(encoded) < FLAGS.batch:
        raise photo_sets.DataError(f"{len(encoded)} photos are fewer than --batch={FLAGS.batch}")
    weights = captioner_weights.Weights(
        dict(start.tensors), words, steps, FLAGS.learning_rate, FLAGS.average
    )
    features = captioner_training.train_features(photos, trunk)
    described = captioner_training.described_regions(photos, "train", trunk)
    trainer = Trainer(weights, features, encoded, described)
    names = "views epochs batch learning_rate dropout clean_share samples f_mean_weight "
    names += "reward_weight word_weight discriminative_weight sharpness average seed "
    if described is not None:
        names += "region_photos region_word_weight reading_weight"
    captioner_training.run(
        weights,
        trainer.train_epoch,
        dev,
        dev_photos.captions,
        captioner_training.described_regions(dev_photos, "dev", trunk),
        functools.partial(
            captioner_training.write_checkpoint,
            trunk=checkpoint,
            script="finetune_sat",
            flag_names=names.split(),
        ),
    )


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("init")
    app.run(command.main(main))

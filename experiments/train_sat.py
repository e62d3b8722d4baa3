"""Trains a captioner: a Show, Attend and Tell decoder on frozen trunk features.

The embedded one, on Flickr8k (then `experiments.finetune_sat` goes on from it):

    python -m experiments.train_sat --data_dir=FLICKR8K --work_dir=WORK --output=checkpoints/sat

The paper's architecture, on MS-COCO (checkpoints/README.md says how to port the trunk):

    python -m experiments.train_sat --trunk=vgg16 --captions=captions_train2014.json \\
        --data_dir=train2014 --views=1 --work_dir=WORK --output=checkpoints/sat-coco

Features of several views of each photo (clean, mirrored, cropped, blurred through Eq. 1's pyramid)
are cached in the work folder; each caption then meets a view drawn anew every epoch. The epoch with
the best captions and the best choice of photos by Eq. 4 on the dev split is kept. A run that was
stopped goes on at its last finished epoch. A view of train2014 takes 16 GB with VGG16.
"""

import functools
import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from cagic_tf.networks import checkpoints, sat_sizes
from cagic_tf.system import devices
from experiments import command
from experiments.data import flickr8k
from experiments.training import (
    captioner_training,
    captioner_weights,
    regions,
    teacher_forcing,
)

FLAGS = flags.FLAGS
# Decoder sizes on Lite0 by attention, small, to ship with the project; on other trunks DeepRNN's.
SMALL: dict[str, dict[str, int]] = {
    "deeprnn": {"embedding": 256, "memory": 512, "initialize": 256, "attend": 256, "decode": 512},
    "xu": {
        **{"embedding": 256, "memory": 384, "initialize": 128, "attend": 192, "decode": 384},
        "project": 512,
    },
}


def define_flags() -> None:
    """Flags of this script; the numbers are the embedded checkpoint's first stage."""
    captioner_training.define_flags(
        epochs=12, batch=64, learning_rate=6e-4, dropout=0.5, clean_share=0.3
    )
    flags.DEFINE_float(
        "label_smoothing", 0.1, "How much of a target is spread over the vocabulary."
    )
    flags.DEFINE_enum(
        "attention",
        "deeprnn",
        list(SMALL),
        "Whether the attention sees the LSTM, as Xu et al.'s does, or not, as DeepRNN's.",
    )
    flags.DEFINE_integer(
        "min_count", 5, "How often a word has to stand in the training captions to be learnt."
    )


def initial_tensors(sizes: sat_sizes.Sizes) -> dict[str, np.ndarray]:
    """Those of --init, or Glorot-uniform kernels, zero biases and small embeddings."""
    if FLAGS.init:
        return dict(checkpoints.load(FLAGS.init, "sat").tensors)
    rng = np.random.default_rng(FLAGS.seed)
    tensors = {}
    for name, shape in sat_sizes.shapes(sizes).items():
        limit = 0.1 if name.startswith("word_embedding") else math.sqrt(6 / sum(shape))
        is_bias = name.endswith("/bias")
        tensors[name] = np.zeros(shape) if is_bias else rng.uniform(-limit, limit, shape)
    return {name: value.astype(np.float32) for name, value in tensors.items()}


class Trainer:
    """Passes over the captions, each word to be predicted from those before it."""

    def __init__(
        self,
        weights: captioner_weights.Weights,
        features: Sequence[np.ndarray],
        photo_of: np.ndarray,
        described: regions.RegionSet | None,
        shown: Sequence[tuple[int, str, np.ndarray]],
        encoded: list[list[int]],
    ):
        """Takes the words of captions and then of regions, and the features of both.

        Args:
          weights: What is trained.
          features: `[photos, L, D]` of each view.
          photo_of: Number of each caption's photo.
          described: Regions, or None.
          shown: Those of them that a crop shows, see `RegionSet.shown`.
          encoded: Word indices.
        """
        self._weights, self._features, self._photo_of = weights, features, photo_of
        self._described, self._encoded = described, encoded
        self._shown = shown

    @tf.function
    def step(self, contexts, targets, weights):
        """One optimizer step; returns the loss."""
        with tf.GradientTape() as tape:
            loss = teacher_forcing.sequence_loss(
                *(self._weights.decoder, contexts, targets, weights),
                *(FLAGS.dropout, FLAGS.label_smoothing),
            )
        self._weights.update(tape, loss)
        return loss

    def train_epoch(self, epoch: int) -> float:
        """One pass over the captions; returns the mean loss."""
        rng = np.random.default_rng([FLAGS.seed, epoch])
        batches = teacher_forcing.make_batches(self._encoded, FLAGS.batch, rng)
        progress = tqdm(
            captioner_training.prepared(lambda rows: self._draw_contexts(rows, rng), batches),
            total=len(batches),
            desc=f"epoch {epoch + 1}",
            mininterval=10,
            disable=None,
        )
        losses: list[float] = []
        for rows, contexts in progress:
            targets, weights = teacher_forcing.pad(rows, self._encoded)
            losses.append(float(self.step(contexts, targets, weights)))
            progress.set_postfix(loss=f"{np.mean(losses[-20:]):.3f}")
        return float(np.mean(losses))

    def _draw_contexts(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Annotation vectors of captions' photos and of regions, by row of the encoded words."""
        photos = self._photo_of[rows[rows < len(self._photo_of)]]
        found = iter(
            captioner_training.draw_contexts(self._features, photos, rng) if len(photos) else ()
        )
        made = []
        for row in rows:
            if row < len(self._photo_of):
                made.append(next(found))
            else:
                photo, _, crops = self._shown[row - len(self._photo_of)]
                made.append(self._described.features[photo, rng.choice(crops)])
        return np.stack(made).astype(np.float32)


def main() -> None:
    """Caches the features, then trains from the last finished epoch on."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    checkpoint, trunk = captioner_training.load_trunk()
    dev_photos, photos = (captioner_training.read_split(split) for split in ("dev", "train"))
    dev = captioner_training.dev_features(dev_photos, trunk)
    features = captioner_training.train_features(photos, trunk)
    described = captioner_training.described_regions(photos, "train", trunk)
    shown = described.shown() if described else []
    pairs = [(row, text) for row, texts in enumerate(photos.captions) for text in texts]
    words = flickr8k.build_vocabulary([text for _, text in pairs], FLAGS.min_count)
    texts = [text for _, text in pairs] + [text for _, text, _ in shown]
    encoded = teacher_forcing.encode(texts, words)
    small = SMALL[FLAGS.attention] if checkpoint.kind == "lite0" else {}
    sizes = sat_sizes.Sizes(len(words), *features[0].shape[1:], **small)
    sizes = sizes._replace(looks_around=FLAGS.attention == "xu")
    steps = len(teacher_forcing.make_batches(encoded, FLAGS.batch, np.random.default_rng(0)))
    steps *= FLAGS.epochs
    weights = captioner_weights.Weights(
        initial_tensors(sizes), words, steps, FLAGS.learning_rate, FLAGS.average
    )
    photo_of = np.array([row for row, _ in pairs])
    trainer = Trainer(weights, features, photo_of, described, shown, encoded)
    names = "attention views epochs batch learning_rate dropout label_smoothing clean_share "
    names += "min_count average seed"
    captioner_training.run(
        weights,
        trainer.train_epoch,
        dev,
        dev_photos.captions,
        captioner_training.described_regions(dev_photos, "dev", trunk),
        functools.partial(
            captioner_training.write_checkpoint,
            trunk=checkpoint,
            script="train_sat",
            flag_names=names.split(),
        ),
    )


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

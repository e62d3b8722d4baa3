"""Trains a captioner: a Show, Attend and Tell decoder on frozen trunk features.

The embedded one, on Flickr8k:

    python -m experiments.train_sat --data_dir=FLICKR8K --work_dir=WORK --output=checkpoints/sat

The paper's architecture, on MS-COCO (checkpoints/README.md says how to port the trunk):

    python -m experiments.train_sat --trunk=vgg16 --captions=captions_train2014.json \\
        --data_dir=train2014 --views=1 --work_dir=WORK --output=checkpoints/sat-coco

Features of several views of each photo (clean, mirrored, cropped, blurred through Eq. 1's pyramid)
are cached in the work folder; each caption then meets a view drawn anew every epoch. The epoch with
the highest CIDEr of greedy captions on the dev split, clean and blurred together, is kept. A run
that was stopped goes on at its last finished epoch. A view of train2014 takes 16 GB with VGG16.
"""

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from cagic_tf import checkpoints, files, resources, vocabulary
from cagic_tf.networks import bundle, sat
from cagic_tf.port.__main__ import current_commit
from experiments import flickr8k, photo_sets, teacher_forcing, views

FLAGS = flags.FLAGS
DEV_VIEWS = {"clean": 0, "pyramid": 2}
MAX_WORDS = 20
# Decoder sizes by trunk: small on Lite0, to ship with the project; else DeepRNN's, as the paper's.
SMALL = {"embedding": 256, "memory": 512, "initialize": 256, "attend": 256, "decode": 512}


def define_flags() -> None:
    """Flags of this script; the numbers are the embedded checkpoint's."""
    flags.DEFINE_string(
        "data_dir", None, "folder of Flickr8k (see experiments/flickr8k.py), or of COCO's photos"
    )
    flags.DEFINE_string("captions", None, "captions file of COCO; without it, Flickr8k")
    flags.DEFINE_string("work_dir", None, "folder for cached features and the training state")
    flags.DEFINE_string("output", None, "checkpoint folder to write")
    flags.DEFINE_string("trunk", "lite0", "trunk: a name under checkpoints/, or a folder")
    flags.DEFINE_integer(
        "views", len(views.SAT_VIEWS), "views of each photo to cache", 1, len(views.SAT_VIEWS)
    )
    flags.DEFINE_string("init", None, "checkpoint to start from; default: random weights")
    flags.DEFINE_integer("epochs", 12, "epochs; the learning rate falls to zero over them")
    flags.DEFINE_integer("batch", 64, "captions a step")
    flags.DEFINE_float("learning_rate", 6e-4, "Adam's highest learning rate")
    flags.DEFINE_float("dropout", 0.5, "dropout of contexts, attention and output layers")
    flags.DEFINE_float("clean_share", 0.3, "share of draws that take the clean whole photo")
    flags.DEFINE_float("label_smoothing", 0.1, "share of a target spread over the vocabulary")
    flags.DEFINE_float("average", 0.999, "decay of the averaged weights, which are what is saved")
    flags.DEFINE_integer("min_count", 5, "a word's least number of training captions' uses")
    flags.DEFINE_integer("seed", 1, "seed of initial weights, order, views and dropout")
    flags.mark_flags_as_required(["data_dir", "work_dir", "output"])


def initial_tensors(sizes: sat.Sizes, seed: int) -> dict[str, np.ndarray]:
    """Glorot-uniform kernels, zero biases, small embeddings."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, shape in sat.shapes(sizes).items():
        limit = 0.1 if name.startswith("word_embedding") else math.sqrt(6 / sum(shape))
        is_bias = name.endswith("/bias")
        tensors[name] = np.zeros(shape) if is_bias else rng.uniform(-limit, limit, shape)
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def read_split(split: str) -> photo_sets.PhotoSet:
    """The "train" or "dev" photos of what the flags name."""
    if FLAGS.captions:
        return photo_sets.coco_split(Path(FLAGS.captions), Path(FLAGS.data_dir), split)
    return photo_sets.flickr8k_split(Path(FLAGS.data_dir), split)


def photo_features(
    photos: photo_sets.PhotoSet, split: str, view: int, trunk: bundle.Trunk
) -> np.ndarray:
    """Annotation vectors `[photos, L, D]` of one view of a split, from the cache."""
    compute_trunk = tf.function(trunk, reduce_retracing=True)

    def compute(start, stop):
        rng = np.random.default_rng([FLAGS.seed, view, start])
        rendered = [
            views.render(photos.read(name), *views.draw(views.SAT_VIEWS[view], rng))
            for name in photos.names[start:stop]
        ]
        return compute_trunk(tf.stack(rendered)).numpy()

    path = Path(FLAGS.work_dir) / f"sat_{split}_{view}.npy"
    shape = (len(photos.names), *trunk(tf.zeros([1, *trunk.input_size, 3])).shape[1:])
    features = views.cached_features(path, shape[0], shape[1:], compute)
    if features.shape != shape:
        raise checkpoints.CheckpointError(
            f"{path} has shape {features.shape}, not {shape}: it is of another trunk or other "
            "photos; give another --work_dir"
        )
    return features


def greedy_captions(decoder, features: np.ndarray) -> list[str]:
    """Greedy captions of photos."""
    run = tf.function(lambda contexts: decoder.greedy(contexts, MAX_WORDS), reduce_retracing=True)
    sentences = []
    for start in range(0, len(features), 100):
        caption = run(tf.constant(features[start : start + 100], tf.float32))
        pairs = zip(caption.words.numpy(), caption.lengths.numpy(), strict=True)
        sentences += [decoder.text(words, length) for words, length in pairs]
    return sentences


def cider(sentences: list[str], references: list[list[str]]) -> float:
    """CIDEr on this project's own tokens: quick, for choosing an epoch, not for reporting."""
    from pycocoevalcap.cider.cider import Cider

    truth = {
        row: [" ".join(vocabulary.tokenize(text)) for text in texts]
        for row, texts in enumerate(references)
    }
    return float(Cider().compute_score(truth, dict(enumerate([s] for s in sentences)))[0])


class MixedDecoder(sat.ShowAttendTell):
    """The decoder with its matrix products in bfloat16: training takes 0.6 of the time."""

    def _dense(self, x, name):
        kernel = tf.cast(self._weights[f"{name}/kernel"], tf.bfloat16)
        y = tf.cast(tf.linalg.matmul(tf.cast(x, tf.bfloat16), kernel), tf.float32)
        bias = self._weights.get(f"{name}/bias")
        return y if bias is None else y + bias


class Trainer:
    """Weights, their average and the optimizer, with everything needed to go on."""

    def __init__(self, words: list[str], sizes: sat.Sizes, total_steps: int):
        tensors = initial_tensors(sizes, FLAGS.seed)
        if FLAGS.init:
            tensors = dict(checkpoints.load(FLAGS.init, "sat").tensors)
        self.variables = {name: tf.Variable(value, name=name) for name, value in tensors.items()}
        self.average = {name: tf.Variable(value) for name, value in tensors.items()}
        self.decoder = MixedDecoder(self.variables, words)
        self.averaged = sat.ShowAttendTell(self.average, words)
        schedule = tf.keras.optimizers.schedules.CosineDecay(
            0.0, total_steps, warmup_target=FLAGS.learning_rate, warmup_steps=300
        )
        self.optimizer = tf.keras.optimizers.Adam(schedule, global_clipnorm=5.0)
        self.optimizer.build(list(self.variables.values()))
        self.epoch = tf.Variable(0, dtype=tf.int64)
        self.best = tf.Variable(-1.0)
        self.state = tf.train.Checkpoint(
            variables=self.variables,
            average=self.average,
            optimizer=self.optimizer,
            epoch=self.epoch,
            best=self.best,
        )

    @tf.function(reduce_retracing=False)
    def step(self, contexts, targets, weights):
        """One optimizer step; returns the loss."""
        variables = list(self.variables.values())
        with tf.GradientTape() as tape:
            loss = teacher_forcing.sequence_loss(
                self.decoder, contexts, targets, weights, FLAGS.dropout, FLAGS.label_smoothing
            )
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        # A short history at first, or the average would remember the random start.
        count = tf.cast(self.optimizer.iterations, tf.float32)
        decay = tf.minimum(FLAGS.average, (1 + count) / (10 + count))
        for name, value in self.average.items():
            value.assign(decay * value + (1 - decay) * self.variables[name])
        return loss

    def train_epoch(self, features, photo_of, encoded) -> float:
        """One pass over the captions; returns the mean loss."""
        epoch = int(self.epoch.numpy())
        rng = np.random.default_rng([FLAGS.seed, epoch])
        tf.random.set_seed(FLAGS.seed * 1000 + epoch)
        losses = []
        progress = tqdm(
            teacher_forcing.make_batches(encoded, FLAGS.batch, rng),
            desc=f"epoch {epoch + 1}",
            mininterval=10,
        )
        for rows in progress:
            targets, weights = teacher_forcing.pad(rows, encoded)
            clean = rng.random(len(rows)) < FLAGS.clean_share
            view = np.zeros(len(rows), int)
            if len(features) > 1:
                view = np.where(clean, 0, rng.integers(1, len(features), len(rows)))
            contexts = np.stack(
                [features[v][photo_of[row]] for v, row in zip(view, rows, strict=True)]
            )
            losses.append(self.step(contexts.astype(np.float32), targets, weights))
            if len(losses) % 20 == 0:
                progress.set_postfix(loss=f"{np.mean(losses[-20:]):.3f}")
        self.epoch.assign_add(1)
        return float(np.mean(losses))


def trunk_reference(trunk: Path) -> str:
    """How the manifest names the trunk: under checkpoints/, or relative to the output."""
    if trunk.resolve().parent == resources.path("checkpoints").resolve():
        return trunk.name
    return os.path.relpath(trunk.resolve(), Path(FLAGS.output).resolve())


def save(trainer: Trainer, words: list[str], trunk: checkpoints.Checkpoint, log: list) -> None:
    """Writes the averaged weights as a checkpoint, in half precision."""
    data, paths = "Flickr8k (Hodosh et al. 2013)", f"--trunk={trunk.name}"
    if FLAGS.captions:
        data = Path(FLAGS.captions).name
        paths += f" --captions={data}"
    names = "init views epochs learning_rate dropout label_smoothing clean_share seed".split()
    values = {name: FLAGS[name].value for name in names}
    chosen = (f"--{name}={value}" for name, value in values.items() if value is not None)
    before = checkpoints.load(FLAGS.init).manifest["command"] + " && " if FLAGS.init else ""
    command = f"{before}python -m experiments.train_sat --data_dir=DATA {paths}"
    checkpoints.save(
        FLAGS.output,
        "sat",
        {name: value.numpy().astype(np.float16) for name, value in trainer.average.items()},
        source=f"trained on the training photos of {data} by this project",
        command=" ".join([command, *chosen]),
        commit=current_commit(),
        metrics={"dev": log[-1]},
        extra={
            "vocabulary": words,
            "trunk": trunk_reference(bundle.find(FLAGS.trunk)),
            "trunk_sha256": trunk.sha256,
        },
    )


def train() -> None:
    """Caches the features, then trains from the last finished epoch on."""
    work_dir = Path(FLAGS.work_dir)
    checkpoint = checkpoints.load(bundle.find(FLAGS.trunk))
    trunk = bundle.build_trunk(checkpoint)
    if trunk.input_size != views.SIZE:
        raise checkpoints.CheckpointError(
            f"{FLAGS.trunk} reads {trunk.input_size} pixels; {views.SIZE} are needed"
        )
    dev_photos, photos = read_split("dev"), read_split("train")
    dev = {name: photo_features(dev_photos, "dev", view, trunk) for name, view in DEV_VIEWS.items()}
    features = [photo_features(photos, "train", view, trunk) for view in range(FLAGS.views)]

    pairs = [(row, text) for row, texts in enumerate(photos.captions) for text in texts]
    photo_of = np.array([row for row, _ in pairs])
    words = flickr8k.build_vocabulary([text for _, text in pairs], FLAGS.min_count)
    encoded = teacher_forcing.encode([text for _, text in pairs], words)
    small = SMALL if checkpoint.kind == "lite0" else {}
    sizes = sat.Sizes(len(words), *features[0].shape[1:], **small)

    steps = len(teacher_forcing.make_batches(encoded, FLAGS.batch, np.random.default_rng(0)))
    trainer = Trainer(words, sizes, steps * FLAGS.epochs)
    manager = tf.train.CheckpointManager(
        trainer.state, str(work_dir / f"{Path(FLAGS.output).name}_state"), 2
    )
    trainer.state.restore(manager.latest_checkpoint)
    log_path = work_dir / f"{Path(FLAGS.output).name}_log.json"
    log = json.loads(log_path.read_text()) if trainer.epoch.numpy() else []
    while trainer.epoch.numpy() < FLAGS.epochs:
        loss = trainer.train_epoch(features, photo_of, encoded)
        scores = {
            f"greedy CIDEr, {name}": cider(
                greedy_captions(trainer.averaged, rows), dev_photos.captions
            )
            for name, rows in dev.items()
        }
        log.append({"epoch": int(trainer.epoch.numpy()), "training loss": loss, **scores})
        print(json.dumps(log[-1]), flush=True)
        total = sum(scores.values())
        if total > trainer.best.numpy():
            trainer.best.assign(total)
            save(trainer, words, checkpoint, log)
        files.write_atomically(log_path, json.dumps(log, indent=1).encode())
        manager.save()


def main(_) -> None:
    try:
        train()
    except (checkpoints.CheckpointError, photo_sets.DataError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    define_flags()
    app.run(main)

"""Trains the embedded captioner: a Show, Attend and Tell decoder on frozen trunk features.

    python -m experiments.train_sat --data_dir=FLICKR8K --work_dir=WORK --output=checkpoints/sat

Features of several views of each photo (clean, mirrored, cropped, blurred through Eq. 1's pyramid)
are cached in the work folder; each caption then meets a view drawn anew every epoch. The epoch with
the highest CIDEr of greedy captions on the dev split, clean and blurred together, is kept. A run
that was stopped goes on at its last finished epoch.
"""

import json
import math
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from cagic_tf import checkpoints, files, vocabulary
from cagic_tf.networks import sat
from cagic_tf.networks.lite0 import Lite0
from cagic_tf.port.__main__ import current_commit
from experiments import flickr8k, views

FLAGS = flags.FLAGS
LENGTHS = (9, 11, 13, 16, 22)  # Captions are padded to the next of these, or cut at the last.
DEV_VIEWS = {"clean": 0, "pyramid": 2}
MAX_WORDS = 20


def define_flags() -> None:
    """Flags of this script; sizes are the embedded checkpoint's."""
    flags.DEFINE_string("data_dir", None, "folder of Flickr8k (see experiments/flickr8k.py)")
    flags.DEFINE_string("work_dir", None, "folder for cached features and the training state")
    flags.DEFINE_string("output", None, "checkpoint folder to write")
    flags.DEFINE_string("trunk", "checkpoints/lite0", "trunk checkpoint")
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


def initial_tensors(words: int, features: int, seed: int) -> dict[str, np.ndarray]:
    """Glorot-uniform weights, with DeepRNN's names (two-layer heads)."""
    embedding, hidden, attend, initialize, decode = 256, 512, 256, 256, 512
    joined = features + embedding + hidden
    shapes = {
        "initialize/fc_a1": (features, initialize),
        "initialize/fc_a2": (initialize, hidden),
        "initialize/fc_b1": (features, initialize),
        "initialize/fc_b2": (initialize, hidden),
        "attend/fc_1a": (features, attend),
        "attend/fc_1b": (hidden, attend),
        "attend/fc_2": (attend, 1),
        "lstm/lstm_cell": (joined, 4 * hidden),
        "decode/fc_1": (joined, decode),
        "decode/fc_2": (decode, words),
    }
    rng = np.random.default_rng(seed)
    tensors = {"word_embedding/weights": rng.uniform(-0.1, 0.1, (words, embedding))}
    for name, shape in shapes.items():
        limit = math.sqrt(6 / sum(shape))
        tensors[f"{name}/kernel"] = rng.uniform(-limit, limit, shape)
        if name != "attend/fc_2":
            tensors[f"{name}/bias"] = np.zeros(shape[1])
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def photo_features(split: str, view: int, trunk: Lite0) -> np.ndarray:
    """Annotation vectors `[photos, 49, 1280]` of one view of a split, from the cache."""
    data_dir = Path(FLAGS.data_dir)
    names = flickr8k.split_names(data_dir, split)
    compute_trunk = tf.function(trunk, reduce_retracing=True)

    def compute(start, stop):
        rng = np.random.default_rng([FLAGS.seed, view, start])
        rendered = [
            views.render(
                flickr8k.read_image(data_dir, name), *views.draw(views.SAT_VIEWS[view], rng)
            )
            for name in names[start:stop]
        ]
        return compute_trunk(tf.stack(rendered)).numpy()

    path = Path(FLAGS.work_dir) / f"sat_{split}_{view}.npy"
    return views.cached_features(path, len(names), (49, 1280), compute)


def encode(captions: list[str], words: list[str]) -> list[list[int]]:
    """Captions as word indices, cut to the longest length, ended by "."; -1 for unknown words."""
    index = {word: number for number, word in enumerate(words)}
    end = index[sat.END_WORD]
    cut = LENGTHS[-1] - 1
    return [
        [index.get(word, -1) for word in vocabulary.tokenize(caption)[:cut]] + [end]
        for caption in captions
    ]


def make_batches(encoded: list[list[int]], rng: np.random.Generator) -> list[np.ndarray]:
    """Shuffled batches of row numbers, each of captions with about the same length."""
    lengths = np.array([len(caption) for caption in encoded])
    bucket = np.searchsorted(LENGTHS, lengths)
    batches = []
    for number in range(len(LENGTHS)):
        rows = rng.permutation(np.flatnonzero(bucket == number))
        batches += [rows[at : at + FLAGS.batch] for at in range(0, len(rows), FLAGS.batch)]
    return [batches[at] for at in rng.permutation(len(batches))]


def pad(rows: np.ndarray, encoded: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """A batch's targets `[N, T]` and their weights: 0 for padding and unknown words."""
    longest = max(len(encoded[row]) for row in rows)
    length = LENGTHS[np.searchsorted(LENGTHS, longest)]
    targets = np.full((len(rows), length), -1, np.int32)
    for at, row in enumerate(rows):
        targets[at, : len(encoded[row])] = encoded[row]
    return np.maximum(targets, 0), (targets >= 0).astype(np.float32)


def sequence_loss(decoder, contexts, targets, weights, rate, smoothing):
    """Cross-entropy of the words given those before them; the words' half of training."""

    def dropout(x):
        return tf.nn.dropout(x, rate) if rate else x

    keys = decoder.attention_keys(contexts, dropout)
    memory, output = decoder.initialize(contexts, dropout)
    previous = tf.pad(targets[:, :-1], [[0, 0], [1, 0]], constant_values=sat.START)
    embeddings = dropout(decoder.embed(previous))
    outputs, seen, attention = [], [], 0.0
    for step in range(targets.shape[1]):
        context, alpha = decoder.attend(contexts, keys, output)
        memory, output = decoder.lstm(context, embeddings[:, step], memory, output)
        outputs.append(output)
        seen.append(context)
        attention += alpha * weights[:, step : step + 1]
    logits = decoder.decode(tf.stack(outputs, 1), tf.stack(seen, 1), embeddings, dropout)
    likelihood = tf.nn.log_softmax(logits)
    picked = tf.gather(likelihood, targets, axis=-1, batch_dims=2)
    smooth = (1 - smoothing) * picked + smoothing * tf.reduce_mean(likelihood, -1)
    loss = -tf.reduce_sum(smooth * weights) / tf.reduce_sum(weights)
    # Xu et al., Eq. 14: every place should be looked at about as often as any other.
    share = attention / tf.reduce_sum(weights, 1, keepdims=True) * alpha.shape[-1]
    return loss + 0.01 * tf.reduce_mean(tf.square(1 - share))


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

    def __init__(self, words: list[str], features: int, total_steps: int):
        tensors = initial_tensors(len(words), features, FLAGS.seed)
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
            loss = sequence_loss(
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
        progress = tqdm(make_batches(encoded, rng), desc=f"epoch {epoch + 1}", mininterval=10)
        for rows in progress:
            targets, weights = pad(rows, encoded)
            clean = rng.random(len(rows)) < FLAGS.clean_share
            view = np.where(clean, 0, rng.integers(1, len(features), len(rows)))
            contexts = np.stack(
                [features[v][photo_of[row]] for v, row in zip(view, rows, strict=True)]
            )
            losses.append(self.step(contexts.astype(np.float32), targets, weights))
            if len(losses) % 20 == 0:
                progress.set_postfix(loss=f"{np.mean(losses[-20:]):.3f}")
        self.epoch.assign_add(1)
        return float(np.mean(losses))


def save(trainer: Trainer, words: list[str], trunk: checkpoints.Checkpoint, log: list) -> None:
    """Writes the averaged weights as a checkpoint, in half precision."""
    names = ("init", "epochs", "learning_rate", "dropout", "label_smoothing", "clean_share", "seed")
    flag_values = " ".join(
        f"--{name}={FLAGS[name].value}" for name in names if FLAGS[name].value is not None
    )
    before = checkpoints.load(FLAGS.init).manifest["command"] + " && " if FLAGS.init else ""
    checkpoints.save(
        FLAGS.output,
        "sat",
        {name: value.numpy().astype(np.float16) for name, value in trainer.average.items()},
        source="trained on Flickr8k's training split (Hodosh et al. 2013) by this project",
        command=f"{before}python -m experiments.train_sat --data_dir=FLICKR8K {flag_values}",
        commit=current_commit(),
        metrics={"dev": log[-1]},
        extra={"vocabulary": words, "trunk": trunk.name, "trunk_sha256": trunk.sha256},
    )


def main(_) -> None:
    data_dir, work_dir = Path(FLAGS.data_dir), Path(FLAGS.work_dir)
    checkpoint = checkpoints.load(FLAGS.trunk, "lite0")
    trunk = Lite0(checkpoint.tensors)
    dev = {name: photo_features("dev", view, trunk) for name, view in DEV_VIEWS.items()}
    features = [photo_features("train", view, trunk) for view in range(len(views.SAT_VIEWS))]

    by_name = flickr8k.captions_by_name(data_dir)
    names = flickr8k.split_names(data_dir, "train")
    pairs = [(row, text) for row, name in enumerate(names) for text in by_name[name]]
    photo_of = np.array([row for row, _ in pairs])
    words = flickr8k.build_vocabulary([text for _, text in pairs], FLAGS.min_count)
    encoded = encode([text for _, text in pairs], words)
    references = [by_name[name] for name in flickr8k.split_names(data_dir, "dev")]

    steps = len(make_batches(encoded, np.random.default_rng(0)))
    trainer = Trainer(words, features[0].shape[-1], steps * FLAGS.epochs)
    manager = tf.train.CheckpointManager(
        trainer.state, str(work_dir / f"{Path(FLAGS.output).name}_state"), 2
    )
    trainer.state.restore(manager.latest_checkpoint)
    log_path = work_dir / f"{Path(FLAGS.output).name}_log.json"
    log = json.loads(log_path.read_text()) if trainer.epoch.numpy() else []
    while trainer.epoch.numpy() < FLAGS.epochs:
        loss = trainer.train_epoch(features, photo_of, encoded)
        scores = {
            f"greedy CIDEr, {name}": cider(greedy_captions(trainer.averaged, rows), references)
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


if __name__ == "__main__":
    define_flags()
    app.run(main)

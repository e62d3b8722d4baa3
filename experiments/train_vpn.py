"""Trains a stand-in of View Proposal Net: its head on the frozen trunk of the embedded scorer.

    python -m experiments.train_vpn --data_dir=FLICKR8K --entities=FLICKR30K_ENTITIES \\
        --work_dir=WORK --output=checkpoints/vpn-lite0

As the original is its View Evaluation Net's, this one is a student of the embedded scorer: it
learns in one pass what the scorer says of 895 crops, one after the other. The loss is the
original's, on random boxes of many photos and their mirror images. Of the epochs the one is kept
whose scores of dev photos' boxes are most in the teacher's order.

Scores and features are cached (1.5 GB), and a run that was stopped goes on from there.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import trange

from cagic_tf.baselines.vpn import anchors
from cagic_tf.baselines.vpn.network import ViewProposalNet
from cagic_tf.networks import checkpoints
from cagic_tf.system import devices, provenance
from experiments import command
from experiments.errors import ExperimentError
from experiments.training import agreement, anchor_scores, scored_boxes, stand_ins
from experiments.training.anchor_scores import Lessons
from experiments.training.teacher import Teacher

FLAGS = flags.FLAGS
LIFT = 10.0  # Of the scores before training, above the lowest box's mean: the last ReLU is open.
DROPPED = 0.2  # Share of the trunk's channels that training leaves out.
# Flags that say what is trained, in the manifest's command beside the folders.
SETTINGS = (
    "photos boxes own_boxes dev_photos width hidden epochs batch learning_rate weight_decay seed "
    "threads"
).split()


def define_flags() -> None:
    """Flags of this script."""
    stand_ins.define_folder_flags("cached scores and features")
    flags.DEFINE_integer("photos", 6000, "How many training photos, those of an own size first.")
    flags.DEFINE_integer("boxes", 30, "How many boxes of a training photo the teacher scores.")
    flags.DEFINE_integer("own_boxes", 60, "How many, of a photo at its own size.")
    flags.DEFINE_integer("dev_photos", 40, "How many dev photos the epoch is chosen by.")
    flags.DEFINE_integer("width", 256, "How many channels conv6, conv7 and block8 have.")
    flags.DEFINE_integer("hidden", 256, "How many units the last hidden layer has.")
    flags.DEFINE_integer("epochs", 12, "How many epochs; the learning rate falls to zero.")
    flags.DEFINE_integer("batch", 32, "How many photos a step takes.")
    flags.DEFINE_float("learning_rate", 1e-3, "The highest learning rate of Adam.")
    flags.DEFINE_float("weight_decay", 1e-2, "The decoupled weight decay.")
    flags.DEFINE_integer("seed", 1, "The seed of boxes, initial weights, order and dropout.")
    devices.define_flags()


def scored(photos: Sequence[Path], count: int, teacher: Teacher) -> list[scored_boxes.ScoredBoxes]:
    """So many boxes of each photo, with the teacher's scores."""
    rule = anchor_scores.rule(count, FLAGS.seed)
    return scored_boxes.of_photos(Path(FLAGS.work_dir) / "vpn_scores", photos, rule, teacher)


def training_lessons(teacher: Teacher) -> tuple[list[Path], Lessons]:
    """The training photos and what the teacher says of some of their boxes."""
    own, squares = scored_boxes.photos_of(Path(FLAGS.data_dir), Path(FLAGS.entities), "train")
    photos = [*own, *squares][: FLAGS.photos]
    own, squares = photos[: len(own)], photos[len(own) :]
    most = len(anchors.anchors())
    counts = [min(FLAGS.own_boxes, most)] * len(own) + [min(FLAGS.boxes, most)] * len(squares)
    found = [*scored(own, FLAGS.own_boxes, teacher), *scored(squares, FLAGS.boxes, teacher)]
    return photos, anchor_scores.lessons(photos, counts, FLAGS.seed, found)


def measured_photos(
    split: str, count: int | None, teacher: Teacher
) -> tuple[np.ndarray, list[scored_boxes.ScoredBoxes]]:
    """Features of a split's photos at their own size (all or the first ones), and all scores."""
    photos = scored_boxes.photos_of(Path(FLAGS.data_dir), Path(FLAGS.entities), split)[0][:count]
    every = scored(photos, len(anchors.anchors()), teacher)
    features = anchor_scores.features(Path(FLAGS.work_dir), split, photos, teacher.trunk)
    return features.astype(np.float32), every


def mean_scores(lessons: Lessons) -> np.ndarray:
    """What a box's score is in the mean, `[895]`, each photo's scores counted from its own mean."""
    counts = lessons.counted.sum(axis=1, keepdims=True)
    centred = (
        lessons.scores - (lessons.scores * lessons.counted).sum(axis=1, keepdims=True) / counts
    )
    chosen = lessons.counted > 0
    totals = np.bincount(lessons.numbers[chosen], centred[chosen], len(anchors.anchors()))
    return totals / np.maximum(np.bincount(lessons.numbers[chosen], minlength=len(totals)), 1)


def initial(means: np.ndarray) -> dict[str, tf.Variable]:
    """The head before training: it gives every photo the mean scores and little else."""
    random, width, hidden = np.random.default_rng(FLAGS.seed), FLAGS.width, FLAGS.hidden
    left = (anchor_scores.GRID - 3) // 2 + 1  # Places a side that block8 leaves.
    shapes = {
        "conv6": (1, 1, anchor_scores.CHANNELS, width),
        "conv7": (1, 1, width, width),
        "block8/conv1x1": (1, 1, width, width // 2),
        "block8/conv3x3": (3, 3, width // 2, width),
        "prediction/hidden": (left, left, width, hidden),
        "prediction/scores": (1, 1, hidden, len(means)),
    }
    tensors: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        kernel = random.standard_normal(shape) * math.sqrt(2 / math.prod(shape[:3]))
        tensors |= {f"{name}/kernel": kernel, f"{name}/bias": np.zeros(shape[3])}
    tensors["prediction/scores/kernel"] *= 0.1
    tensors["prediction/scores/bias"] = means - means.min() + LIFT
    return {name: tf.Variable(value, dtype=tf.float32) for name, value in tensors.items()}


def scores_of(tensors: dict[str, np.ndarray], features: np.ndarray) -> np.ndarray:
    """Scores `[N, 895]` of annotation vectors, by tensors in half precision as stored."""
    network = ViewProposalNet({name: np.float32(value) for name, value in tensors.items()})
    return network(tf.constant(features)).numpy()


def train(
    features: np.ndarray,
    lessons: Lessons,
    dev_features: np.ndarray,
    dev_scores: Sequence[np.ndarray],
) -> tuple[dict[str, np.ndarray], float]:
    """Fits the head.

    Args:
      features: `[photos, 100, 1280]` of the training photos.
      lessons: What the teacher says of them.
      dev_features: Of the dev photos, float32.
      dev_scores: The teacher's `[895]` of each.

    Returns:
      The tensors, float16, of the best epoch, and its mean rank correlation on the dev photos.

    Raises:
      ExperimentError: There are too few photos.
    """
    if len(lessons.scores) < FLAGS.batch:
        raise ExperimentError(f"{len(lessons.scores)} photos are fewer than --batch={FLAGS.batch}")
    random, variables = np.random.default_rng(FLAGS.seed), initial(mean_scores(lessons))
    tf.random.set_seed(FLAGS.seed)
    network, weights = ViewProposalNet(variables), list(variables.values())
    steps = FLAGS.epochs * (len(lessons.scores) // FLAGS.batch)
    schedule = tf.keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, steps)
    optimizer = tf.keras.optimizers.AdamW(schedule, weight_decay=FLAGS.weight_decay)
    optimizer.exclude_from_weight_decay([value for value in weights if len(value.shape) == 1])
    optimizer.build(weights)

    @tf.function
    def step(vectors: tf.Tensor, lesson: Lessons) -> tf.Tensor:
        with tf.GradientTape() as tape:
            shape = [tf.shape(vectors)[0], 1, vectors.shape[2]]
            seen = tf.nn.dropout(vectors, DROPPED, noise_shape=shape)
            predicted = tf.gather(network(seen), lesson.numbers, batch_dims=1)
            loss = anchor_scores.pairwise_squared_error(lesson, predicted)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    best, reached = {}, -math.inf
    progress = trange(FLAGS.epochs, desc="vpn", disable=None)
    for _ in progress:
        order, losses = random.permutation(len(lessons.scores)), []
        for at in range(0, len(order) - FLAGS.batch + 1, FLAGS.batch):
            rows = np.sort(order[at : at + FLAGS.batch])
            lesson, vectors = Lessons(*(each[rows] for each in lessons)), features[rows]
            if random.random() < 0.5:
                vectors = anchor_scores.mirrored(vectors)
                numbers = anchor_scores.mirrored_numbers()[lesson.numbers]
                lesson = lesson._replace(numbers=numbers)
            vectors = vectors.astype(np.float32)
            losses.append(float(step(vectors, Lessons(*map(tf.constant, lesson)))))
        found = {name: value.numpy().astype(np.float16) for name, value in variables.items()}
        correlation = agreement.mean_rank_correlation(scores_of(found, dev_features), dev_scores)
        progress.set_postfix(loss=f"{np.mean(losses):.3f}", dev=f"{correlation:.4f}")
        if correlation > reached:
            best, reached = found, correlation
    return best, reached


def measure(
    tensors: dict[str, np.ndarray],
    means: np.ndarray,
    features: np.ndarray,
    every: Sequence[scored_boxes.ScoredBoxes],
) -> dict[str, float]:
    """How the student, and what knows nothing of the photo, agree with the teacher.

    Args:
      tensors: The student's.
      means: `[895]`, the boxes' mean scores on training photos.
      features: Of the photos.
      every: All predefined boxes of each, with the teacher's scores.
    """
    teacher = [each.scores for each in every]
    student = scores_of(tensors, features)
    areas = [each.boxes[:, 2] * each.boxes[:, 3] for each in every]
    blind = [means] * len(every)
    figures = {
        agreement.CORRELATION: agreement.mean_rank_correlation(student, teacher),
        f"{agreement.CORRELATION}, the area alone": agreement.mean_rank_correlation(areas, teacher),
        f"{agreement.CORRELATION}, mean scores of the boxes": agreement.mean_rank_correlation(
            blind, teacher
        ),
        **agreement.best_boxes(student, teacher),
        "teacher's score of the whole photo": float(np.mean([each[0] for each in teacher])),
        "teacher's score of the best box by mean scores": float(
            np.mean([each[np.argmax(means)] for each in teacher])
        ),
        "share of student's scores at 0": float((student == 0).mean()),
    }
    return {f"{name} ({len(every)} photos)": value for name, value in figures.items()}


def main() -> None:
    """Has the boxes scored, then trains, measures and saves."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    teacher = Teacher()
    dev_features, dev = measured_photos("dev", FLAGS.dev_photos, teacher)
    photos, lessons = training_lessons(teacher)
    features = anchor_scores.features(Path(FLAGS.work_dir), "train", photos, teacher.trunk)
    tensors, _ = train(features, lessons, dev_features, [each.scores for each in dev])
    means, metrics = mean_scores(lessons), {}
    for split, measured in (
        ("dev", (dev_features, dev)),
        ("test", measured_photos("test", None, teacher)),
    ):
        figures = measure(tensors, means, *measured)
        metrics |= {f"{split}, {name}": value for name, value in figures.items()}
    checkpoints.save(
        FLAGS.output,
        "vpn",
        tensors,
        source="a stand-in of View Proposal Net, a student of this project's scorer vfn, on photos "
        "of Flickr8k (Hodosh et al. 2013) and Flickr30k Entities (Plummer et al. 2015)",
        command=stand_ins.command_line("train_vpn", SETTINGS),
        commit=provenance.commit(),
        metrics=metrics,
        extra={
            "side": anchor_scores.SIDE,
            "trunk": teacher.trunk.name,
            "trunk_sha256": teacher.trunk.sha256,
            "teacher_sha256": teacher.sha256[0],
        },
    )
    for name, value in metrics.items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

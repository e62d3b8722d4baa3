"""Trains a stand-in of GAIC: its head on the frozen trunk of the embedded scorer.

    python -m experiments.train_gaic --data_dir=FLICKR8K --entities=FLICKR30K_ENTITIES \\
        --work_dir=WORK --output=checkpoints/gaic-lite0

The original learns what people think of the crops of its grid; this one what the embedded scorer
does. Its scores, less their mean in the photo and divided by their deviation, take the place of the
opinions; the loss is the original's, Huber's, on photos and their mirror images. Of the epochs the
one is kept whose scores of dev photos' crops are most in the teacher's order.

Scores and features are cached, and a run that was stopped goes on from there.
"""

import collections
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import trange

from cagic_tf.baselines.gaic import alignment
from cagic_tf.baselines.gaic.network import GridAnchorHead
from cagic_tf.networks import checkpoints
from cagic_tf.system import devices, provenance
from experiments import command
from experiments.errors import ExperimentError
from experiments.training import agreement, grid_crops, grid_head, stand_ins
from experiments.training.grid_crops import GridPhoto, Lesson
from experiments.training.teacher import Teacher

FLAGS = flags.FLAGS
# Flags that say what is trained, in the manifest's command beside the folders.
SETTINGS = (
    "photos boxes reduced width hidden epochs batch learning_rate weight_decay dropout seed threads"
).split()


def define_flags() -> None:
    """Flags of this script; the original has --reduced=8 --width=768."""
    stand_ins.define_folder_flags("cached scores and features")
    flags.DEFINE_integer("photos", 6000, "How many training photos, those of an own size first.")
    flags.DEFINE_integer(
        "boxes", 16, "How many crops the teacher scores of a photo that is not at its own size."
    )
    flags.DEFINE_integer("reduced", 32, "How many channels the reduction leaves.")
    flags.DEFINE_integer("width", 384, "How many units the first layer has.")
    flags.DEFINE_integer("hidden", 128, "How many units the second layer has.")
    flags.DEFINE_integer("epochs", 10, "How many epochs; the learning rate falls to zero.")
    flags.DEFINE_integer("batch", 8, "How many photos, of one size, a step takes at most.")
    flags.DEFINE_float("learning_rate", 1e-3, "The highest learning rate of Adam.")
    flags.DEFINE_float("weight_decay", 3e-2, "The decoupled weight decay.")
    flags.DEFINE_float("dropout", 0.3, "The share of the trunk's channels that training drops.")
    flags.DEFINE_integer("seed", 1, "The seed of crops, initial weights, order and dropout.")
    devices.define_flags()


class Examples(NamedTuple):
    """Photos, what the network sees of them and what the teacher says of their crops.

    Attributes:
      photos: The photos.
      features: A photo's `[H, W, C]` float16 each.
      lessons: Of each.
    """

    photos: Sequence[GridPhoto]
    features: Sequence[np.ndarray]
    lessons: Sequence[Lesson]


def read(photos: Sequence[GridPhoto], count: int, teacher: Teacher, turned: bool) -> Examples:
    """Photos with so many crops each, as they are or mirrored."""
    lessons = told(photos, count, teacher)
    if turned:
        pairs = zip(lessons, photos, strict=True)
        lessons = [grid_crops.mirrored(lesson, photo.looked_at) for lesson, photo in pairs]
    folder = Path(FLAGS.work_dir) / "gaic_features"
    return Examples(photos, grid_crops.features(folder, photos, teacher, turned), lessons)


def told(photos: Sequence[GridPhoto], count: int, teacher: Any) -> list[Lesson]:
    """What the teacher, or another, says of so many crops of each photo."""
    folder = Path(FLAGS.work_dir) / "gaic_scores"
    return grid_crops.lessons(folder, photos, teacher, count, FLAGS.seed)


def own_size_examples(split: str, teacher: Teacher, turned: bool = False) -> Examples:
    """A split's photos at their own size, with all crops.

    Raises:
      ExperimentError: There are none.
    """
    data, people = Path(FLAGS.data_dir), Path(FLAGS.entities)
    photos = grid_crops.own_size_photos(data, people, split)[: FLAGS.photos]
    if not photos:
        raise ExperimentError(f"{people / 'images'} has no photo of {data / split}.txt")
    return read(photos, grid_crops.MOST, teacher, turned)


def training_examples(teacher: Teacher, turned: bool) -> Examples:
    """The training photos, those at their own size first."""
    own = own_size_examples("train", teacher, turned)
    squashed = grid_crops.squashed_photos(Path(FLAGS.data_dir), Path(FLAGS.entities), "train")
    others = read(squashed[: FLAGS.photos - len(own.photos)], FLAGS.boxes, teacher, turned)
    return Examples(*([*first, *rest] for first, rest in zip(own, others, strict=True)))


def batches(photos: Sequence[GridPhoto], random: np.random.Generator) -> list[np.ndarray]:
    """Numbers of photos that a step takes together, of one size each, in random order."""
    by_size = collections.defaultdict(list)
    for number in random.permutation(len(photos)):
        by_size[photos[number].looked_at].append(number)
    found = [
        np.array(numbers[at : at + FLAGS.batch])
        for numbers in by_size.values()
        for at in range(0, len(numbers), FLAGS.batch)
    ]
    return [found[at] for at in random.permutation(len(found))]


def all_scores(tensors: Mapping[str, np.ndarray], examples: Examples) -> list[np.ndarray]:
    """Scores `[N]` of all crops of each photo, by tensors in half precision as stored."""
    head = GridAnchorHead({name: np.float32(value) for name, value in tensors.items()})
    score = tf.function(lambda *given: grid_head.scores(head, *given), reduce_retracing=True)
    found = []
    for photo, grid in zip(examples.photos, examples.features, strict=True):
        where = grid_crops.points(photo.looked_at, head.points)
        found.append(score(tf.constant(grid[None].astype(np.float32)), where).numpy()[0])
    return found


def train(sides: Sequence[Examples], dev: Examples) -> tuple[dict[str, np.ndarray], float]:
    """Fits the head.

    Args:
      sides: The training photos as they are and mirrored.
      dev: The photos that the epoch is chosen by.

    Returns:
      The tensors, float16, of the best epoch, and its mean rank correlation on the dev photos.
    """
    photos, random = sides[0].photos, np.random.default_rng(FLAGS.seed)
    tf.random.set_seed(FLAGS.seed)
    seen = grid_head.scale_of_features(sides[0].features)
    deviation = grid_head.deviation_of_scores(sides[0].lessons)
    sizes = len(seen.mean), FLAGS.reduced, FLAGS.width, FLAGS.hidden
    variables = grid_head.initial(*sizes, random)
    head, weights = GridAnchorHead(variables), list(variables.values())
    steps = FLAGS.epochs * len(batches(photos, random))
    schedule = tf.keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, steps)
    optimizer = tf.keras.optimizers.AdamW(schedule, weight_decay=FLAGS.weight_decay)
    optimizer.exclude_from_weight_decay([value for value in weights if len(value.shape) == 1])
    optimizer.build(weights)

    @tf.function(reduce_retracing=True)
    def step(grids: tf.Tensor, lesson: Lesson, where: alignment.Points) -> tf.Tensor:
        with tf.GradientTape() as tape:
            shape = [tf.shape(grids)[0], 1, 1, sizes[0]]
            grids = (grids - seen.mean) / seen.deviation
            grids = tf.nn.dropout(grids, FLAGS.dropout, noise_shape=shape)
            wanted = lesson._replace(scores=lesson.scores / deviation)
            loss = grid_head.smooth_l1(wanted, grid_head.scores(head, grids, where)) / FLAGS.batch
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    best, reached = {}, -math.inf
    progress = trange(FLAGS.epochs, desc="gaic", disable=None)
    for _ in progress:
        losses = []
        for rows in batches(photos, random):
            side = sides[int(random.random() < 0.5)]
            grids = np.stack([side.features[row] for row in rows]).astype(np.float32)
            lesson = Lesson(*map(np.stack, zip(*(side.lessons[row] for row in rows), strict=True)))
            where = grid_crops.points(photos[rows[0]].looked_at, head.points)
            losses.append(float(step(tf.constant(grids), lesson, where)))
        found = grid_head.folded(variables, seen)
        correlation = agreement.mean_rank_correlation(
            all_scores(found, dev), [each.scores for each in dev.lessons]
        )
        progress.set_postfix(loss=f"{np.mean(losses):.4f}", dev=f"{correlation:.4f}")
        if correlation > reached:
            best, reached = found, correlation
    return best, reached


def measure(
    tensors: Mapping[str, np.ndarray],
    blind: Mapping[tuple[int, int], np.ndarray],
    examples: Examples,
    others: Sequence[Lesson],
) -> dict[str, float]:
    """How the student, and others, agree with the teacher.

    Args:
      tensors: The student's.
      blind: What crops score in the mean, by size of the photo.
      examples: Photos with all of their crops.
      others: What the teacher says of the same crops of the mirrored photos. It should be the same;
        how far it is not says how near a student can come.
    """
    teacher, mirrored = ([each.scores for each in told] for told in (examples.lessons, others))
    student = all_scores(tensors, examples)
    corners = [grid_crops.grid(photo.looked_at) for photo in examples.photos]
    areas = [np.prod(each[:, 2:] - each[:, :2], axis=1) for each in corners]
    typical = [
        blind.get(photo.looked_at, np.zeros(len(own)))
        for photo, own in zip(examples.photos, areas, strict=True)
    ]
    means = [(one + other) / 2 for one, other in zip(teacher, mirrored, strict=True)]
    correlation = agreement.mean_rank_correlation
    figures = {
        agreement.CORRELATION: correlation(student, teacher),
        f"{agreement.CORRELATION}, the area alone": correlation(areas, teacher),
        f"{agreement.CORRELATION}, mean scores of the crops": correlation(typical, teacher),
        f"{agreement.CORRELATION}, the teacher of the mirrored photo": correlation(
            mirrored, teacher
        ),
        f"{agreement.CORRELATION}, with the mean of both": correlation(student, means),
        f"{agreement.CORRELATION}, the area alone, with the mean of both": correlation(
            areas, means
        ),
        **agreement.best_boxes(student, teacher),
        "teacher's score of the largest crop": float(
            np.mean([judged[np.argmax(own)] for own, judged in zip(areas, teacher, strict=True)])
        ),
    }
    return {f"{name} ({len(teacher)} photos)": value for name, value in figures.items()}


def main() -> None:
    """Has the crops scored, then trains, measures and saves."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    teacher = Teacher()
    dev = own_size_examples("dev", teacher)
    sides = [training_examples(teacher, turned) for turned in (False, True)]
    tensors, _ = train(sides, dev)
    blind, metrics = grid_crops.mean_scores(sides[0].photos, sides[0].lessons), {}
    for split, examples in (("dev", dev), ("test", own_size_examples("test", teacher))):
        others = told(examples.photos, grid_crops.MOST, grid_crops.InTheMirror(teacher))
        figures = measure(tensors, blind, examples, others)
        metrics |= {f"{split}, {name}": value for name, value in figures.items()}
    checkpoints.save(
        FLAGS.output,
        "gaic",
        tensors,
        source="a stand-in of GAIC, a student of this project's scorer vfn, on photos of Flickr8k "
        "(Hodosh et al. 2013) and Flickr30k Entities (Plummer et al. 2015)",
        command=stand_ins.command_line("train_gaic", SETTINGS),
        commit=provenance.commit(),
        metrics=metrics,
        extra={
            "trunk": teacher.trunk.name,
            "trunk_sha256": teacher.trunk.sha256,
            "teacher_sha256": teacher.sha256[0],
            "teacher_deviation": grid_head.deviation_of_scores(sides[0].lessons),
        },
    )
    for name, value in metrics.items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

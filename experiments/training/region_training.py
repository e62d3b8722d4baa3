"""How the stand-ins of View Proposal Net and GAIC are trained: the scorer's own layers, further.

The head begins as the scorer is, so it is a scorer of boxes before its first step. The loss of a
photo is the mean square of what its boxes' scores are off by, both counted from their means in the
photo. That is half of the mean square over all pairs of what their differences are off by, which is
View Proposal Net's own loss: how good a photo is as a whole does not help to choose its crop.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from absl import flags
from tqdm import trange

from cagic_tf.baselines import region_scorer
from cagic_tf.baselines.region_scorer import Features, RegionHead, RegionScorer
from cagic_tf.networks import checkpoints
from cagic_tf.system import provenance
from experiments.errors import ExperimentError
from experiments.training import agreement, region_lessons
from experiments.training.region_lessons import Lesson
from experiments.training.teacher import Teacher

FLAGS = flags.FLAGS
SECOND = 128  # Units of the further layer.
# What sees where a box is learns faster by this; it is a few numbers, and features are many.
FASTER = 10
PLACES = ("place/kernel", "second/kernel", "second/bias", "correction/kernel")
# Flags that say how, in the manifest's command.
SETTINGS = "sides spread epochs batch learning_rate weight_decay dropout seed threads".split()
SCORERS = {
    "ranker/fc6w": "coarse/kernel",
    "ranker/fc6b": "hidden/bias",
    "ranker/W": "ranker/kernel",
}


def define_flags(sides: Sequence[int], spread: float) -> None:
    """Flags of views and training."""
    flags.DEFINE_list(
        "sides", [str(side) for side in sides], "Sides of the views in pixels, multiples of 32."
    )
    flags.DEFINE_float("spread", spread, "Over which views a box is read, in log sizes.")
    flags.DEFINE_integer("epochs", 4, "How many epochs; the learning rate falls to zero.")
    flags.DEFINE_integer("batch", 8, "How many photos a step takes.")
    flags.DEFINE_float("learning_rate", 1e-4, "The highest learning rate of Adam.")
    flags.DEFINE_float("weight_decay", 1e-2, "The decoupled weight decay.")
    flags.DEFINE_float("dropout", 0.5, "The share of the features that training drops.")
    flags.DEFINE_integer("seed", 1, "The seed of boxes, initial weights, order and dropout.")


def initial(teacher: Teacher, sees_the_rest: bool, seed: int) -> dict[str, np.ndarray]:
    """The tensors of a head that scores as the teacher does: what else it sees counts nothing."""
    found = {SCORERS[name]: value for name, value in teacher.tensors.items()}
    hidden, random = found["coarse/kernel"].shape[1], np.random.default_rng(seed)
    both = hidden + region_scorer.PLACE
    second = random.standard_normal([both, SECOND]) * 0.1
    second[:hidden] *= 0.2  # The scorer's units are larger than the numbers of a place.
    found |= {
        "fine/kernel": np.zeros([region_scorer.FINE_SIZE, hidden]),
        "place/kernel": np.zeros([region_scorer.PLACE, hidden]),
        "second/kernel": second,
        "second/bias": np.zeros(SECOND),
        "correction/kernel": np.zeros([SECOND, 1]),
    }
    if sees_the_rest:
        found["rest/kernel"] = np.zeros([region_scorer.FINE_SIZE, hidden])
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def regions(teacher: Teacher, tensors: Mapping[str, np.ndarray]) -> RegionScorer:
    """The scorer of boxes that some tensors, perhaps in half precision, make of the views."""
    head = RegionHead({name: np.float32(value) for name, value in tensors.items()})
    return RegionScorer(teacher.network, head, [int(side) for side in FLAGS.sides], FLAGS.spread)


def scores(tensors: Mapping[str, np.ndarray], lessons: Sequence[Lesson]) -> list[np.ndarray]:
    """Scores `[N]` of each photo's boxes, by tensors in half precision as stored."""
    head = RegionHead({name: np.float32(value) for name, value in tensors.items()})
    score = tf.function(lambda *given: head(Features(*given)), reduce_retracing=True)
    return [score(*region_lessons.parted(each.features)).numpy() for each in lessons]


def loss(predicted: tf.Tensor, wanted: tf.Tensor, photo: tf.Tensor) -> tf.Tensor:
    """The mean over photos of the variance of what their boxes' scores are off by.

    Args:
      predicted: `[N]`.
      wanted: `[N]`.
      photo: `[N]` int32, which photo a box is of, ascending from 0.
    """
    off = predicted - wanted
    off -= tf.gather(tf.math.segment_mean(off, photo), photo)
    return tf.reduce_mean(tf.math.segment_mean(tf.square(off), photo))


def train(
    tensors: Mapping[str, np.ndarray], lessons: Sequence[Lesson], dev: Sequence[Lesson]
) -> tuple[dict[str, np.ndarray], float]:
    """Fits a head.

    Args:
      tensors: What it begins with.
      lessons: Of the training photos.
      dev: Of the photos that the epoch is chosen by.

    Returns:
      The tensors, float16, of the best epoch, and its mean rank correlation on the dev photos.

    Raises:
      ExperimentError: There are too few photos.
    """
    if len(lessons) < FLAGS.batch:
        raise ExperimentError(f"{len(lessons)} photos are fewer than --batch={FLAGS.batch}")
    random = np.random.default_rng(FLAGS.seed)
    tf.random.set_seed(FLAGS.seed)
    variables = {name: tf.Variable(value) for name, value in tensors.items()}
    head, steps = RegionHead(variables), FLAGS.epochs * (len(lessons) // FLAGS.batch)
    groups = [
        ([variables[name] for name in variables if (name not in PLACES) == old], speed)
        for old, speed in ((True, 1), (False, FASTER))
    ]
    optimizers = [
        optimizer(weights, speed * FLAGS.learning_rate, steps) for weights, speed in groups
    ]

    @tf.function(reduce_retracing=True)
    def step(seen: Features, wanted: tf.Tensor, photo: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            seen = Features(*(tf.nn.dropout(part, FLAGS.dropout) for part in seen[:3]), seen.place)
            found = loss(head(seen), wanted, photo)
        gradients = tape.gradient(found, [weights for weights, _ in groups])
        for each, (weights, _), own in zip(optimizers, groups, gradients, strict=True):
            each.apply_gradients(zip(own, weights, strict=True))
        return found

    best, reached = {}, -math.inf
    progress = trange(FLAGS.epochs, desc="regions", disable=None)
    for _ in progress:
        order, losses = random.permutation(len(lessons)), []
        for at in range(0, len(order) - FLAGS.batch + 1, FLAGS.batch):
            own = [lessons[number] for number in order[at : at + FLAGS.batch]]
            seen = region_lessons.parted(np.concatenate([each.features for each in own]))
            photo = np.repeat(np.arange(len(own)), [len(each.scores) for each in own])
            wanted = np.concatenate([each.scores for each in own])
            given = Features(*map(tf.constant, seen)), tf.constant(wanted), tf.constant(photo)
            losses.append(float(step(*given)))
        found = {name: value.numpy().astype(np.float16) for name, value in variables.items()}
        told = [each.scores for each in dev]
        correlation = agreement.mean_rank_correlation(scores(found, dev), told)
        progress.set_postfix(loss=f"{np.mean(losses):.3f}", dev=f"{correlation:.4f}")
        if correlation > reached:
            best, reached = found, correlation
    return best, reached


def optimizer(weights: Sequence[tf.Variable], rate: float, steps: int) -> tf.keras.Optimizer:
    """Adam with decay of kernels, whose learning rate falls to zero."""
    schedule = tf.keras.optimizers.schedules.CosineDecay(rate, steps)
    found = tf.keras.optimizers.AdamW(schedule, weight_decay=FLAGS.weight_decay)
    found.exclude_from_weight_decay([value for value in weights if len(value.shape) == 1])
    found.build(weights)
    return found


def save(
    kind: str,
    name: str,
    tensors: Mapping[str, np.ndarray],
    teacher: Teacher,
    command: str,
    metrics: Mapping[str, float],
) -> None:
    """Writes the checkpoint, and prints its figures.

    Args:
      kind: Of the checkpoint.
      name: Of the network that it stands in for.
      tensors: What was trained, in half precision.
      teacher: Who taught it.
      command: What made it.
      metrics: Its figures.
    """
    checkpoints.save(
        FLAGS.output,
        kind,
        dict(tensors),
        source=f"a stand-in of {name}, a student of this project's scorer vfn, on photos of "
        "Flickr8k (Hodosh et al. 2013) and Flickr30k Entities (Plummer et al. 2015)",
        command=command,
        commit=provenance.commit(),
        metrics=dict(metrics),
        extra={
            "views": {"sides": [int(side) for side in FLAGS.sides], "spread": FLAGS.spread},
            "trunk": teacher.trunk.name,
            "trunk_sha256": teacher.trunk.sha256,
            "teacher_sha256": teacher.sha256[0],
        },
    )
    for each, value in metrics.items():
        print(f"{each}: {value:.3f}")

"""Trains a stand-in of A2-RL: its agent on the frozen trunk of the embedded scorer.

    python -m experiments.train_a2rl --data_dir=FLICKR8K --entities=FLICKR30K_ENTITIES \\
        --work_dir=WORK --output=checkpoints/a2rl-lite0

As the paper trains its own: an actor and a critic, no boxes of people, and the sign of the change
of a scorer's value as the reward of a step; the scorer is the embedded one. The checkpoint is the
one whose crops of dev photos have the highest scores, among those that use many of the actions.

What is seen in a window is computed once and kept (1 GB); a run that was stopped goes on.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags

from cagic_tf.baselines.a2rl import cropper, episodes, windows
from cagic_tf.baselines.a2rl.network import Agent
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.system import devices, provenance
from experiments import command
from experiments.errors import ExperimentError
from experiments.tables import resampling
from experiments.training import actor_critic, random_moves, scored_boxes, seen_windows, stand_ins
from experiments.training.seen_windows import BINS, Photo, SeenWindows
from experiments.training.teacher import Teacher

FLAGS = flags.FLAGS
CHANNELS = 1280  # Of the trunk.
USED, LEAST_USED = 0.01, 8  # An action counts as used from this share on; so many have to be.
WALKS = 5  # Episodes of a dev or test photo, and walks by chance.
# Flags that say what is trained, in the manifest's command beside the folders.
SETTINGS = (
    "photos dev_photos rounds batch features width states learning_rate entropy seed threads"
).split()


def define_flags() -> None:
    """Flags of this script."""
    stand_ins.define_folder_flags("what is kept of windows, and the state")
    flags.DEFINE_integer("photos", 400, "How many training photos.")
    flags.DEFINE_integer("dev_photos", 40, "How many dev photos the checkpoint is chosen by.")
    flags.DEFINE_integer("rounds", 300, "How many times episodes are run on a batch of photos.")
    flags.DEFINE_integer("every", 20, "After how many rounds it is measured, and the state saved.")
    flags.DEFINE_integer("batch", 32, "How many episodes run side by side.")
    flags.DEFINE_integer("features", 128, "How many features of a window the agent sees.")
    flags.DEFINE_integer("width", 256, "How many units each of the three dense layers has.")
    flags.DEFINE_integer("states", 256, "How many states the LSTM has.")
    flags.DEFINE_float("learning_rate", 5e-4, "The learning rate of Adam.")
    flags.DEFINE_float(
        "entropy",
        0.2,
        "How much the policy's entropy counts. Re-implementations of the paper have 0.05, with "
        "which this agent learns to stop at once.",
    )
    flags.DEFINE_integer("seed", 1, "The seed of initial weights, photos and actions.")
    devices.define_flags()


def read_photos(split: str, count: int | None) -> list[Photo]:
    """A split's photos at their own size, all or the first ones.

    Raises:
      ExperimentError: There are none.
    """
    own, _ = scored_boxes.photos_of(Path(FLAGS.data_dir), Path(FLAGS.entities), split)
    return [seen_windows.read(path) for path in own[:count]]


def initial() -> dict[str, tf.Variable]:
    """The agent before training: all actions are about as likely."""
    random = np.random.default_rng(FLAGS.seed)
    features, width, states = FLAGS.features, FLAGS.width, FLAGS.states
    shapes = {
        "fc6/kernel": (BINS * BINS * CHANNELS, features),
        "fc1/kernel": (2 * features, width),
        "fc2/kernel": (width, width),
        "fc3/kernel": (width, width),
        "lstm/input_kernel": (width, 4 * states),
        "lstm/memory_kernel": (states, 4 * states),
        "action/kernel": (states, len(windows.ACTIONS)),
    }
    tensors: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        gain = 1 if name.startswith("lstm") else 2
        tensors[name] = random.standard_normal(shape) * math.sqrt(gain / shape[0])
        if not name.startswith("lstm"):
            tensors[name.replace("kernel", "bias")] = np.zeros(shape[1])
    tensors["action/kernel"] *= 0.1
    tensors["lstm/bias"] = np.repeat([0.0, 1, 0, 0], states)  # At first it remembers.
    return {name: tf.Variable(value, dtype=tf.float32) for name, value in tensors.items()}


def halves(tensors: Mapping[str, tf.Variable]) -> dict[str, np.ndarray]:
    """Tensors in half precision, as they are stored."""
    return {name: value.numpy().astype(np.float16) for name, value in tensors.items()}


def agent_of(tensors: Mapping[str, np.ndarray]) -> Agent:
    """The agent of tensors in half precision, as it will be loaded."""
    return Agent({name: np.float32(value) for name, value in tensors.items()}, (BINS,), "mean")


def measure_dev(
    tensors: Mapping[str, np.ndarray], seen: SeenWindows, photos: Sequence[Photo]
) -> dict[str, float]:
    """What crops of dev photos score, in windows as the agent sees them, and random ones."""
    last, eyes = actor_critic.MOST_STEPS, actor_critic.Eyes(agent_of(tensors), seen)
    scores, by_chance, actions, lengths = [], [], [], []
    for seed in range(WALKS):
        draws = episodes.Episodes(seed=seed)
        found = episodes.run(eyes, photos, [draws.chooser(photo.pixels) for photo in photos], last)
        scores.append(seen.look(photos, [steps[-1].window for steps in found])[1].mean())
        actions += [step.action for steps in found for step in steps]
        lengths += [len(steps) for steps in found]
        random = np.random.default_rng([FLAGS.seed, seed])
        ends = [random_moves.walk(random, last) for _ in photos]
        by_chance.append(seen.look(photos, ends)[1].mean())
    return {
        "score": float(np.mean(scores)),
        "random moves' score": float(np.mean(by_chance)),
        "actions used": int((random_moves.shares(actions) >= USED).sum()),
        "steps": float(np.mean(lengths)),
    }


def scores_of(teacher: Teacher, photos: Sequence[Photo], ends: Sequence[Any]) -> np.ndarray:
    """The teacher's score `[N]` of a window of each photo, as it scores any box."""
    found = []
    for photo, window in zip(photos, ends, strict=True):
        height, width, _ = photo.pixels.shape
        left, top, right, bottom = windows.pixels(window, width, height)
        found.append(teacher.scores(photo.pixels, [(left, top, right - left, bottom - top)])[0])
    return np.array(found)


def measure_test(
    tensors: Mapping[str, np.ndarray], teacher: Teacher, photos: Sequence[Photo]
) -> dict[str, float]:
    """The system as it ships, beside the whole photo and beside random moves.

    Each photo has several episodes, by other seeds, and as many random walks of two sorts: all
    actions alike, and moves alone, as many as the agent made.
    """
    trunk, last = bundle.build_trunk(teacher.trunk), actor_critic.MOST_STEPS
    pixels = [photo.pixels for photo in photos]
    scores: dict[str, list[np.ndarray]] = {"agent": [], "random": [], "as long": []}
    actions, lengths, stopped = [], [], []
    for seed in range(WALKS):
        system = cropper.A2RL(trunk, agent_of(tensors), episodes.Episodes(seed=seed))
        found = system.episodes(pixels)
        random = np.random.default_rng([FLAGS.seed, seed, 1])
        ends = {
            "agent": [steps[-1].window for steps in found],
            "random": [random_moves.walk(random, last) for _ in found],
            "as long": [random_moves.walk_on(random, len(steps)) for steps in found],
        }
        for name, own in ends.items():
            scores[name].append(scores_of(teacher, photos, own))
        actions += [step.action for steps in found for step in steps]
        lengths += [len(steps) for steps in found]
        stopped += [steps[-1].action == windows.STOP for steps in found]
    means = {name: np.mean(each, axis=0) for name, each in scores.items()}
    greedy = cropper.A2RL(trunk, agent_of(tensors), episodes.Episodes(greedy=True))
    greedy_ends = [steps[-1].window for steps in greedy.episodes(pixels)]
    used, names = random_moves.shares(actions), [photo.name for photo in photos]
    figures = {
        "score of the final crop": float(means["agent"].mean()),
        "score of the final crop, greedy": float(scores_of(teacher, photos, greedy_ends).mean()),
        "score of the whole photo": float(
            scores_of(teacher, photos, [windows.WHOLE] * len(photos)).mean()
        ),
        "steps": float(np.mean(lengths)),
        "share of episodes that the agent ended": float(np.mean(stopped)),
        f"actions used in {USED:.0%} of the steps or more": int((used >= USED).sum()),
        **{f"share of action {number}": float(share) for number, share in enumerate(used)},
    }
    for name, label in (("random", "random moves"), ("as long", "as many random moves")):
        difference = means["agent"] - means[name]
        figures[f"score of {label}"] = float(means[name].mean())
        figures[f"above {label}"] = float(difference.mean())
        if interval := resampling.mean_interval(difference, names):
            for end, value in zip(("from", "to"), interval, strict=True):
                figures[f"above {label}, 95 % {end}"] = value
            figures[f"above {label}, p"] = resampling.paired_p(difference, names)
    return {f"test, {name} ({len(photos)} photos)": value for name, value in figures.items()}


def save(tensors: Mapping[str, np.ndarray], metrics: Mapping[str, Any], teacher: Teacher) -> None:
    """Writes the checkpoint."""
    checkpoints.save(
        FLAGS.output,
        "a2rl",
        tensors,
        source="a stand-in of A2-RL, rewarded by this project's scorer vfn, on photos of Flickr8k "
        "(Hodosh et al. 2013) at their own size",
        command=stand_ins.command_line("train_a2rl", SETTINGS),
        commit=provenance.commit(),
        metrics=metrics,
        extra={
            "bins": [BINS],
            "pooling": "mean",
            "trunk": teacher.trunk.name,
            "trunk_sha256": teacher.trunk.sha256,
            "teacher_sha256": teacher.sha256[0],
        },
    )


def train(teacher: Teacher, seen: SeenWindows) -> dict[str, float]:
    """Trains from the last saved round on; the best checkpoint is in the output then.

    Returns:
      Its dev figures.

    Raises:
      ExperimentError: There are too few photos, or none of the checkpoints uses enough actions.
    """
    photos, dev = read_photos("train", FLAGS.photos), read_photos("dev", FLAGS.dev_photos)
    if len(photos) < FLAGS.batch:
        raise ExperimentError(f"{len(photos)} photos are fewer than --batch={FLAGS.batch}")
    learner = actor_critic.Learner(initial(), FLAGS.learning_rate, FLAGS.entropy)
    done, best = tf.Variable(0, dtype=tf.int64), tf.Variable(-math.inf)
    state = tf.train.Checkpoint(
        tensors=learner.tensors,
        value=learner.value,
        optimizer=learner.optimizer,
        done=done,
        best=best,
    )
    digest = hashlib.sha256(stand_ins.settings_line(SETTINGS).encode()).hexdigest()[:12]
    folder = Path(FLAGS.work_dir) / f"a2rl_state_{digest}"
    manager = tf.train.CheckpointManager(state, str(folder), 2)
    state.restore(manager.latest_checkpoint)
    while (number := int(done.numpy())) < FLAGS.rounds:
        random = np.random.default_rng([FLAGS.seed, number])
        chosen = random.choice(len(photos), FLAGS.batch, replace=False)
        figures = actor_critic.train_on(learner, seen, [photos[at] for at in chosen], random)
        done.assign_add(1)
        if (number + 1) % FLAGS.every == 0 or number + 1 == FLAGS.rounds:
            found = measure_dev(halves(learner.tensors), seen, dev)
            print(json.dumps({"round": number + 1, **figures, "dev": found}), flush=True)
            if found["score"] > best.numpy() and found["actions used"] >= LEAST_USED:
                best.assign(found["score"])
                metrics = {f"dev, {name} ({len(dev)} photos)": each for name, each in found.items()}
                save(halves(learner.tensors), {"rounds": number + 1, **metrics}, teacher)
            seen.save()
            manager.save()
    if best.numpy() == -math.inf:
        raise ExperimentError(
            f"at no time {LEAST_USED} actions were used; give more --rounds or a higher --entropy"
        )
    metrics = checkpoints.load(FLAGS.output, "a2rl").manifest["metrics"]
    return {name: value for name, value in metrics.items() if not name.startswith("test")}


def main() -> None:
    """Trains, then measures what ships."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    teacher, test = Teacher(), read_photos("test", None)
    metrics = train(teacher, SeenWindows(Path(FLAGS.work_dir), teacher))
    tensors = checkpoints.load(FLAGS.output, "a2rl").tensors
    stored = {name: value.astype(np.float16) for name, value in tensors.items()}
    metrics |= measure_test(stored, teacher, test)
    save(stored, metrics, teacher)
    for name, value in metrics.items():
        print(f"{name}: {value:.4g}")


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

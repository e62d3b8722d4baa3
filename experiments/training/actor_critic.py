"""Advantage actor-critic for A2-RL's agent, with the teacher's opinion as reward.

Li et al., "A2-RL: Aesthetics Aware Reinforcement Learning for Image Cropping", CVPR 2018; no
training code was released, and what is here is what the paper and re-implementations say.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.baselines.a2rl import episodes, windows
from cagic_tf.baselines.a2rl.network import Agent, Memory
from cagic_tf.baselines.a2rl.windows import Window
from experiments.training.seen_windows import BINS, Photo, SeenWindows

DISCOUNT = 0.99
STEPS = 10  # Between updates.
MOST_STEPS = 50  # Of an episode.
STEP_COST = 0.001  # Times the number of steps so far.
ASPECTS, ASPECT_COST = (0.5, 2.0), 5.0  # Width by height of a window, beyond which it costs.
VALUE_WEIGHT, LARGEST_GRADIENT = 0.5, 1.0


class Segment(NamedTuple):
    """So many steps of some episodes, those that have ended among them.

    Attributes:
      photo: `[N, 4, D]` float32, pooled features of the whole photos.
      windows: `[T, N, 4, D]`, of the windows before each step.
      actions: `[T, N]` int32.
      returns: `[T, N]` float32, the discounted rewards from each step on.
      active: `[T, N]` float32, 1 where the episode was not yet over.
    """

    photo: np.ndarray
    windows: np.ndarray
    actions: np.ndarray
    returns: np.ndarray
    active: np.ndarray


def reward(before: float, after: float, step: int, seen: Window, photo: Photo) -> float:
    """What a step to a window earns: the sign of the score's change, less what it costs.

    Args:
      before: The teacher's score of the window before it.
      after: Of the window that it led to.
      step: How many steps the episode had before, from 0.
      seen: The window that it led to.
      photo: Of which it is.
    """
    left, top, right, bottom = windows.pixels(seen, photo.pixels.shape[1], photo.pixels.shape[0])
    low, high = ASPECTS
    odd = not low <= (right - left) / (bottom - top) <= high
    return float(np.sign(after - before)) - STEP_COST * (step + 1) - ASPECT_COST * odd


def discounted(rewards: np.ndarray, ended: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Discounted sums `[T, N]` of the rewards from each step on.

    Args:
      rewards: `[T, N]`.
      ended: `[T, N]` bool, whether the episode ended with the step.
      rest: `[N]`, what is expected after the last step, where the episode goes on.
    """
    returns, following = np.zeros_like(rewards), rest
    for step in reversed(range(len(rewards))):
        following = rewards[step] + DISCOUNT * np.where(ended[step], 0, following)
        returns[step] = following
    return returns


class Learner:
    """An agent that learns, with its value head, which is for training alone.

    Attributes:
      tensors: The agent's variables, as its checkpoint names them.
      value: The value head's.
    """

    def __init__(self, tensors: dict[str, tf.Variable], rate: float, entropy_weight: float):
        self.tensors, self._entropy_weight = tensors, entropy_weight
        self._agent = Agent(tensors, (BINS,), "mean")
        states = tensors["lstm/memory_kernel"].shape[0]
        self.value = {
            "kernel": tf.Variable(tf.zeros([states, 1])),
            "bias": tf.Variable(tf.zeros([1])),
        }
        self.weights = [*tensors.values(), *self.value.values()]
        self.optimizer = tf.keras.optimizers.Adam(rate, global_clipnorm=LARGEST_GRADIENT)
        self.optimizer.build(self.weights)
        self.start = self._agent.start
        self.act = tf.function(self._act, reduce_retracing=True)
        self.update = tf.function(self._update, reduce_retracing=True)

    def _act(
        self, photo: tf.Tensor, window: tf.Tensor, memory: Memory
    ) -> tuple[tf.Tensor, tf.Tensor, Memory]:
        """Logits `[N, 14]`, values `[N]` and the next memory, of pooled features `[N, 4, D]`."""
        features = self._agent.features
        logits, memory = self._agent.decide(features(photo), features(window), memory)
        values = memory.output @ self.value["kernel"] + self.value["bias"]
        return logits, values[:, 0], memory

    def _update(self, segment: Segment, memory: Memory) -> tuple[tf.Tensor, tf.Tensor]:
        """One step of the optimiser on a segment that began with a memory.

        Returns:
          The loss, and the policy's mean entropy in nats.
        """
        with tf.GradientTape() as tape:
            all_logits, all_values = [], []
            for step in range(segment.windows.shape[0]):
                logits, values, memory = self._act(segment.photo, segment.windows[step], memory)
                all_logits.append(logits)
                all_values.append(values)
            loss, entropy = losses(
                segment, tf.stack(all_logits), tf.stack(all_values), self._entropy_weight
            )
        gradients = tape.gradient(loss, self.weights)
        self.optimizer.apply_gradients(zip(gradients, self.weights, strict=True))
        return loss, entropy


def losses(
    segment: Segment, logits: tf.Tensor, values: tf.Tensor, entropy_weight: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """The actor's and the critic's loss, in the mean over the steps that were taken.

    Args:
      segment: What was done.
      logits: `[T, N, 14]`.
      values: `[T, N]`.
      entropy_weight: How much the policy's entropy counts.

    Returns:
      The loss, and the mean entropy in nats.
    """
    logs = tf.nn.log_softmax(logits)
    chosen = tf.gather(logs, segment.actions, axis=2, batch_dims=2)
    entropies = -tf.reduce_sum(tf.exp(logs) * logs, axis=2)
    advantages = segment.returns - values
    each = (
        VALUE_WEIGHT * tf.square(advantages)
        - chosen * tf.stop_gradient(advantages)
        - entropy_weight * entropies
    )
    count = tf.maximum(tf.reduce_sum(segment.active), 1)
    entropy = tf.reduce_sum(entropies * segment.active) / count
    return tf.reduce_sum(each * segment.active) / count, entropy


class Walks:
    """Episodes on some photos, side by side.

    Attributes:
      windows: The present window of each; where an episode has ended, its last.
      active: `[N]` bool, whether each goes on.
      whole: `[N, 4, D]`, pooled features of the whole photos.
      shown: `[N, 4, D]`, of the present windows.
      steps: How many steps there have been.
    """

    def __init__(self, seen: SeenWindows, photos: Sequence[Photo]):
        self._seen, self._photos = seen, photos
        self.windows = [windows.WHOLE] * len(photos)
        self.active, self.steps = np.ones(len(photos), bool), 0
        self.whole, self._scores = seen.look(photos, self.windows)
        self.shown = self.whole

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Moves the windows of those that go on.

        Args:
          actions: `[N]`.

        Returns:
          The rewards `[N]` float32, 0 where the episode was over, and which episodes ended, `[N]`.
        """
        before, going = self._scores, np.flatnonzero(self.active)
        for at in going:
            self.windows[at] = windows.act(self.windows[at], int(actions[at]))
        self.shown, self._scores = self._seen.look(self._photos, self.windows)
        rewards = np.zeros(len(self._photos), np.float32)
        ended = np.zeros(len(self._photos), bool)
        for at in going:
            change = float(before[at]), float(self._scores[at])
            rewards[at] = reward(*change, self.steps, self.windows[at], self._photos[at])
            ended[at] = windows.ends(self.windows[at], int(actions[at]))
        self.steps += 1
        ended |= self.active & (self.steps == MOST_STEPS)
        self.active = self.active & ~ended
        return rewards, ended


def train_on(
    learner: Learner, seen: SeenWindows, photos: Sequence[Photo], random: np.random.Generator
) -> dict[str, float]:
    """One episode on each photo, side by side, with an update every few steps.

    Returns:
      The mean reward of an episode, its mean number of steps, and the policy's last mean entropy.
    """
    walks, memory = Walks(seen, photos), learner.start(len(photos))
    total, taken, entropy = 0.0, 0.0, 0.0
    while walks.active.any():
        at_start, rows = memory, []
        for _ in range(STEPS):
            before = walks.shown, walks.active.astype(np.float32)
            logits, _, memory = learner.act(walks.whole, walks.shown, memory)
            numbers = random.random(len(photos))
            chosen = [episodes.draw(*pair) for pair in zip(logits.numpy(), numbers, strict=True)]
            actions = np.array(chosen, np.int32)
            rows.append((*before, actions, *walks.step(actions)))
        shown, active, actions, rewards, ended = map(np.stack, zip(*rows, strict=True))
        rest = learner.act(walks.whole, walks.shown, memory)[1].numpy()
        returns = np.float32(discounted(rewards, ended, rest))
        segment = Segment(walks.whole, shown, actions, returns, active)
        entropy = float(learner.update(Segment(*map(tf.constant, segment)), at_start)[1])
        total, taken = total + rewards.sum(), taken + active.sum()
    count = len(photos)
    return {"reward": float(total) / count, "steps": float(taken) / count, "entropy": entropy}


class Eyes:
    """What `episodes.run` asks of the networks, from windows that are kept."""

    def __init__(self, agent: Agent, seen: SeenWindows):
        self._agent, self._seen, self.start = agent, seen, agent.start
        self.decide: Callable = tf.function(agent.decide, reduce_retracing=True)

    def look(self, photos: Sequence[Photo], seen: Sequence[Window]) -> tf.Tensor:
        """The features `[N, F]` of a window of each photo."""
        return self._agent.features(tf.constant(self._seen.look(photos, seen)[0]))

"""How A2-RL's agent goes from the whole photo to a crop: which action is taken, and when it ends.

The authors' script draws each action from the agent's probabilities, without a seed, and has no
limit of steps. Here a seed makes it repeatable and a limit ends what would go on for ever: an agent
that always takes its best action can widen the whole photo again and again.
"""

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from cagic_tf.baselines.a2rl import windows
from cagic_tf.baselines.a2rl.network import Memory
from cagic_tf.baselines.a2rl.windows import Window
from cagic_tf.system import arguments

Chooser = Callable[[np.ndarray], int]  # The logits `[14]` of a step to the action that is taken.


class Eyes(Protocol):
    """What an episode asks of the networks."""

    def look(self, photos: Sequence[np.ndarray], seen: Sequence[Window]) -> tf.Tensor:
        """The features `[N, F]` of a window of each photo."""

    def start(self, count: int) -> Memory:
        """An empty memory of so many agents."""

    def decide(
        self, photo: tf.Tensor, window: tf.Tensor, memory: Memory
    ) -> tuple[tf.Tensor, Memory]:
        """Logits `[N, 14]` and the next memory; see `network.Agent.decide`."""


class Step(NamedTuple):
    """One step of an episode.

    Attributes:
      logits: `[14]` float32, what the agent thought of the actions.
      action: The one that was taken.
      window: What it led to.
    """

    logits: np.ndarray
    action: int
    window: Window

    @property
    def probability(self) -> float:
        """What the agent gave to the action that was taken, 0 to 1."""
        return float(softmax(self.logits)[self.action])


@dataclasses.dataclass(frozen=True)
class Episodes:
    """How episodes are made.

    Attributes:
      seed: Of the draws; a photo has the same ones alone and among others.
      most_steps: An episode ends after so many actions. The authors trained with 50; their script
        has no limit.
      greedy: Whether the most likely action is taken, in the place of one drawn at random.
    """

    seed: int = 0
    most_steps: int = 50
    greedy: bool = False

    def __post_init__(self) -> None:
        arguments.check_seed(self.seed)
        needed = "a whole number of 1 or more is needed"
        arguments.check_whole("Episodes.most_steps", self.most_steps, 1, needed=needed)
        arguments.check("Episodes.greedy", self.greedy, bool, "True or False is needed")

    def chooser(self, photo: np.ndarray) -> Chooser:
        """Who chooses the actions on a photo: draws depend on its pixels and on the seed alone."""
        if self.greedy:
            return lambda logits: int(np.argmax(logits))
        random = np.random.default_rng([self.seed % 2**32, zlib.crc32(photo.tobytes())])
        return lambda logits: draw(logits, random.random())


def softmax(logits: np.ndarray) -> np.ndarray:
    """The probabilities of actions, float64."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    return exponentials / exponentials.sum()


def draw(logits: np.ndarray, uniform: float) -> int:
    """The action that a number of U(0, 1) draws: how many of the cumulated probabilities it passes.

    Args:
      logits: `[14]`.
      uniform: From 0 up to, but not, 1.
    """
    cumulated = np.cumsum(softmax(logits))
    return int(np.count_nonzero(cumulated / cumulated[-1] <= uniform))


def run(
    eyes: Eyes, photos: Sequence[np.ndarray], choosers: Sequence[Chooser], most_steps: int
) -> list[list[Step]]:
    """Runs an episode on each photo, all of them side by side.

    Args:
      eyes: The networks.
      photos: Each `[H, W, 3]` uint8, RGB.
      choosers: Who chooses on which photo.
      most_steps: See `Episodes`.

    Returns:
      The steps of each photo's episode; the last one's window is the result.
    """
    taken: list[list[Step]] = [[] for _ in photos]
    active = list(range(len(photos)))  # The photos whose episodes go on.
    present = [windows.WHOLE] * len(photos)  # The windows of these.
    whole = window = eyes.look(photos, present)
    memory = eyes.start(len(photos))
    for step in range(most_steps):
        if step:
            window = eyes.look([photos[at] for at in active], present)
        logits, memory = eyes.decide(whole, window, memory)
        for at, before, own in zip(active, present, logits.numpy(), strict=True):
            action = choosers[at](own)
            taken[at].append(Step(own, action, windows.act(before, action)))
        last = [taken[at][-1] for at in active]
        on = [row for row, own in enumerate(last) if not windows.ends(own.window, own.action)]
        if not on:
            break
        active, present = [active[row] for row in on], [last[row].window for row in on]
        whole, memory = tf.gather(whole, on), Memory(*(tf.gather(each, on) for each in memory))
    return taken

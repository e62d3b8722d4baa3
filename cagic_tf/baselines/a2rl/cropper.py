"""A2-RL as a system: photos in, each one's box out."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from cagic_tf.baselines import released
from cagic_tf.baselines.a2rl import episodes, preprocessing, windows
from cagic_tf.baselines.a2rl.episodes import Episodes
from cagic_tf.baselines.a2rl.network import Agent, Memory
from cagic_tf.baselines.a2rl.windows import Window
from cagic_tf.baselines.scored_box import ScoredBox
from cagic_tf.networks.protocols import Trunk
from cagic_tf.system import devices

KIND = "a2rl"
RELEASE = released.Release(
    KIND,
    files="vfn_rl.pkl",
    repository="https://github.com/wuhuikai/TF-A2RL",
    command="a2rl --weights=vfn_rl.pkl",
)


class A2RL:
    """Crops photos as Li et al.'s agent does.

    Attributes:
      settings: How its episodes are made.
    """

    def __init__(self, trunk: Trunk, agent: Agent, settings: Episodes | None = None):
        self.settings = settings or Episodes()
        self._size = trunk.input_size
        self._look = tf.function(
            lambda images: agent.features(trunk(images)),
            input_signature=[tf.TensorSpec([None, *trunk.input_size, 3], tf.float32)],
            autograph=False,
        )
        self._decide = tf.function(agent.decide, autograph=False, reduce_retracing=True)
        self.start = agent.start

    def boxes(self, photo: np.ndarray) -> list[ScoredBox]:
        """The crop of a photo; see `many`.

        Args:
          photo: `[H, W, 3]` uint8, RGB.

        Returns:
          One box, in whole pixels.

        Raises:
          ValueError: It is no such array.
        """
        return self.many([photo])[0]

    def many(self, photos: Sequence[np.ndarray]) -> list[list[ScoredBox]]:
        """The crop of each photo: where the agent's episode ended.

        The agent scores no boxes: the score is the probability that it gave to its last action,
        which is its wish to stop where it stopped by itself.

        Args:
          photos: Each `[H, W, 3]` uint8, RGB.

        Returns:
          A list of one box for each photo, in whole pixels.

        Raises:
          ValueError: One is no such array.
        """
        found = []
        for photo, steps in zip(photos, self.episodes(photos), strict=True):
            height, width, _ = photo.shape
            left, top, right, bottom = windows.pixels(steps[-1].window, width, height)
            box = left, top, right - left, bottom - top
            found.append([ScoredBox(box, steps[-1].probability)])
        return found

    def episodes(
        self,
        photos: Sequence[np.ndarray],
        choosers: Sequence[episodes.Chooser] | None = None,
    ) -> list[list[episodes.Step]]:
        """All steps of each photo's episode; its actions are chosen by `settings`, or by others.

        Raises:
          ValueError: A photo is no `[H, W, 3]` uint8.
        """
        if not photos:
            return []
        for photo in photos:
            released.check_photo(photo)
        if choosers is None:
            choosers = [self.settings.chooser(photo) for photo in photos]
        with devices.reproducible():
            return episodes.run(self, photos, choosers, self.settings.most_steps)

    def look(self, photos: Sequence[np.ndarray], seen: Sequence[Window]) -> tf.Tensor:
        """The features `[N, F]` of a window of each photo."""
        inputs = [self.input(*each) for each in zip(photos, seen, strict=True)]
        return self._look(np.stack(inputs) + np.float32(0.5))  # Trunks take pictures in [0, 1].

    def input(self, photo: np.ndarray, seen: Window) -> np.ndarray:
        """A window as the authors' network gets it: `[height, width, 3]` float32, mid-grey is 0."""
        left, top, right, bottom = windows.pixels(seen, photo.shape[1], photo.shape[0])
        return preprocessing.resize(photo[top:bottom, left:right], *self._size)

    def decide(
        self, photo: tf.Tensor, window: tf.Tensor, memory: Memory
    ) -> tuple[tf.Tensor, Memory]:
        """One step; see `network.Agent.decide`."""
        return self._decide(photo, window, memory)


def load(directory: str | os.PathLike, settings: Episodes | None = None) -> A2RL:
    """Loads the network that `python -m cagic_tf.port a2rl` wrote, or a like one on another trunk.

    Args:
      directory: The checkpoint's folder; its trunk is inside, or under `checkpoints/`.
      settings: How episodes are made.

    Raises:
      checkpoints.CheckpointError: It is missing, damaged or of another kind; says how to get it.
    """
    head, trunk = released.load(directory, RELEASE)
    return A2RL(
        trunk, Agent(head.tensors, head.manifest["bins"], head.manifest["pooling"]), settings
    )

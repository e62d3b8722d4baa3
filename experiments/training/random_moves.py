"""What A2-RL's agent has to beat: windows that move by chance."""

from collections.abc import Sequence

import numpy as np

from cagic_tf.baselines.a2rl import windows
from cagic_tf.baselines.a2rl.windows import Window


def walk(random: np.random.Generator, most_steps: int) -> Window:
    """Where an episode ends whose every action is any of the fourteen, with equal chances."""
    window = windows.WHOLE
    for _ in range(most_steps):
        action = int(random.integers(len(windows.ACTIONS)))
        window = windows.act(window, action)
        if windows.ends(window, action):
            break
    return window


def walk_on(random: np.random.Generator, steps: int) -> Window:
    """The same for so many steps, of which none is "stop"; a small window ends it."""
    window = windows.WHOLE
    for _ in range(steps):
        action = int(random.integers(windows.STOP))
        window = windows.act(window, action)
        if windows.ends(window, action):
            break
    return window


def shares(actions: Sequence[int]) -> np.ndarray:
    """How often each of the fourteen actions is among those taken, `[14]`, in all 1."""
    counts = np.bincount(np.asarray(actions, int), minlength=len(windows.ACTIONS))
    return counts / max(1, counts.sum())

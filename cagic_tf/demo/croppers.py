"""The methods of the page: their croppers, loaded when they are first used, and how long they take.

The weight of the aesthetic loss is a setting of the objective, so another weight is another cropper
on the same networks.
"""

import collections
import threading
from typing import TYPE_CHECKING, Any

from cagic_tf.system import resources

if TYPE_CHECKING:
    from cagic_tf import pipeline

METHODS = {"fast.gin": "Fast", "paper.gin": "The paper's method"}
WEIGHT = "Objective.aesthetic_weight"
# Seconds of paper.gin for one of fast.gin: it takes 395.4 where paper_quick.gin takes 50.5
# (`table1_samples_paper`), and that 31.9 where fast.gin takes 0.60 (`benchmark`).
_TIMES_FAST = {"fast.gin": 1.0, "paper.gin": 7.83 * 53.1}
_MOST = 4  # Croppers at a time: each weight has graphs of its own.


class Croppers:
    """Croppers by method and weight."""

    def __init__(self) -> None:
        self._loaded: collections.OrderedDict[tuple, Any] = collections.OrderedDict()
        self._networks: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def weight(self, method: str) -> float:
        """The weight of the aesthetic loss, lambda of Eq. 3, that a method has by itself."""
        from cagic_tf import config

        return float(config.read(method)[WEIGHT])

    def get(self, method: str, weight: float | None = None) -> "pipeline.Cropper":
        """The cropper of a method.

        Args:
          method: One of `METHODS`.
          weight: Of the aesthetic loss; None: the method's own.

        Raises:
          ValueError: The weight is negative or no number.
          checkpoints.CheckpointError: A checkpoint is missing or damaged.
        """
        from cagic_tf import config

        key = (method, self.weight(method) if weight is None else float(weight))
        with self._lock:
            if key not in self._loaded:
                binding, networks = f"{WEIGHT} = {key[1]!r}", self._networks.get(method)
                try:
                    cropper = config.load_cropper(method, bindings=[binding], networks=networks)
                except config.ConfigError as error:
                    raise ValueError(str(error)) from error
                self._loaded[key] = cropper
                self._networks[method] = self._loaded[key].loss.networks
            self._loaded.move_to_end(key)
            while len(self._loaded) > _MOST:
                self._loaded.popitem(last=False)
            return self._loaded[key]

    def warm_up(self) -> None:
        """Loads the fast method, and measures it: once to trace its graphs, and once for the time.

        So nobody waits for that on the page, and its times are this machine's.
        """
        sample = resources.package_path("samples") / "lake.jpg"
        cropper = self.get("fast.gin")
        cropper.crop(sample, "mountains behind a lake")
        self.took("fast.gin", cropper.crop(sample, "mountains behind a lake").seconds)

    def took(self, method: str, seconds: float) -> None:
        """Remembers how long a method took for a photo."""
        self._seconds[method] = seconds

    def labels(self) -> dict[str, str]:
        """Each method with the time that it takes here: measured, or made of the fast one's."""
        return {method: f"{name} ({self._time(method)})" for method, name in METHODS.items()}

    def _time(self, method: str) -> str:
        if method in self._seconds:
            return f"took {duration(self._seconds[method])} on this machine"
        if "fast.gin" in self._seconds:
            guess = self._seconds["fast.gin"] * _TIMES_FAST[method]
            return f"about {duration(guess)} on this machine, judged by the fast method's time"
        return "not timed yet"


def duration(seconds: float) -> str:
    """A time in words, as coarse as people say it.

    >>> duration(0.6), duration(1.2), duration(42.3), duration(130), duration(5000)
    ('0.6 seconds', '1.2 seconds', '42 seconds', '2 minutes', '83 minutes')
    """
    if seconds < 10:
        return f"{seconds:.1f} seconds"
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"

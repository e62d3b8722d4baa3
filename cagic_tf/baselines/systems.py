"""Table 1's four networks by name: a photo in, and for MAttNet a phrase; boxes out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cagic_tf.baselines.a2rl import cropper as a2rl
from cagic_tf.baselines.a2rl.episodes import Episodes
from cagic_tf.baselines.gaic import cropper as gaic
from cagic_tf.baselines.mattnet import mattnet
from cagic_tf.baselines.mattnet.detector import detector
from cagic_tf.baselines.scored_box import ScoredBox
from cagic_tf.baselines.vpn import anchors
from cagic_tf.baselines.vpn import cropper as vpn
from cagic_tf.networks import checkpoints
from cagic_tf.system import resources

# What each is, for texts that people read.
NAMES = {
    "a2rl": "A2-RL (Li et al. 2018), which moves a window over the photo step by step",
    "vpn": "View Proposal Net (Wei et al. 2018), which scores 895 boxes",
    "gaic": "GAIC (Zeng et al. 2019), which scores the crops of a grid; the paper's Anchor",
    "mattnet": "MAttNet (Yu et al. 2018), which finds the thing that a phrase means",
}
BY_PHRASE = ("mattnet",)
MOST_OVERLAP = 0.5  # IoU; boxes that overlap more are one.


class System(NamedTuple):
    """A system that is loaded.

    Attributes:
      boxes: `boxes(photo, phrase)` gives the boxes of a photo `[H, W, 3]` uint8, best first; only
        the systems of `BY_PHRASE` read the phrase. There may be none.
      checkpoints: Name of each checkpoint to its SHA-256.
      settings: Its settings in words, "" where it has none.
    """

    boxes: Callable[[np.ndarray, str], list[ScoredBox]]
    checkpoints: dict[str, str]
    settings: str = ""


def folder(name: str) -> Path:
    """Where a system's checkpoint is: its authors' weights, ported."""
    return resources.path("checkpoints") / f"original-{name}"


def load(
    name: str,
    directory: Path | None = None,
    episodes: Episodes | None = None,
) -> System:
    """Loads a system.

    Args:
      name: One of `NAMES`.
      directory: Its checkpoint's folder; None: see `folder`.
      episodes: How A2-RL goes about; None: as its defaults have it.

    Raises:
      checkpoints.CheckpointError: A checkpoint is missing, damaged or of another kind.
    """
    directory = directory or folder(name)
    if name == "mattnet":
        return _mattnet(directory)
    if name == "a2rl":
        settings = episodes or Episodes()
        found: Any = a2rl.load(directory, settings)
        return System(_blind(found), _used(directory), repr(settings))
    found = (vpn if name == "vpn" else gaic).load(directory)
    return System(_blind(found), _used(directory))


def distinct(boxes: list[ScoredBox], count: int) -> list[ScoredBox]:
    """The best boxes of which no two overlap by more than `MOST_OVERLAP`, up to `count`."""
    kept: list[ScoredBox] = []
    for each in boxes:
        if len(kept) == count:
            break
        others = _corners([other.box for other in kept])
        if (anchors.iou(_corners([each.box])[0], others) <= MOST_OVERLAP).all():
            kept.append(each)
    return kept


def pixels(
    box: tuple[float, float, float, float], width: int, height: int
) -> tuple[int, int, int, int]:
    """A box `(x, y, w, h)` in whole pixels of a photo of that size, inside it and never empty."""
    x, y, w, h = box
    left, top = (int(np.clip(round(at), 0, most - 1)) for at, most in ((x, width), (y, height)))
    right = int(np.clip(round(x + w), left + 1, width))
    bottom = int(np.clip(round(y + h), top + 1, height))
    return left, top, right - left, bottom - top


def _blind(system: Any) -> Callable[[np.ndarray, str], list[ScoredBox]]:
    return lambda photo, phrase: system.boxes(photo)


def _mattnet(directory: Path) -> System:
    below = folder("mattnet-detector")
    head = mattnet.load(directory, detector.load(below).detect)
    return System(head.boxes, _used(directory) | _used(below))


def _used(directory: Path) -> dict[str, str]:
    """The checkpoints of a folder that has been loaded: its own, and the trunk that it names."""
    manifest = checkpoints.load(directory).manifest
    used = {directory.name: manifest["sha256"]}
    if "trunk_sha256" in manifest:
        used[manifest["trunk"]] = manifest["trunk_sha256"]
    return used


def _corners(boxes: list[tuple[float, float, float, float]]) -> np.ndarray:
    found = np.array(boxes, np.float64).reshape(-1, 4)
    found[:, 2:] += found[:, :2]
    return found

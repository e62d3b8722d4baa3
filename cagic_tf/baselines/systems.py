"""Table 1's four networks by name: a photo in, and for MAttNet a phrase; boxes out."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cagic_tf.baselines.a2rl import cropper as a2rl
from cagic_tf.baselines.a2rl.episodes import Episodes
from cagic_tf.baselines.gaic import cropper as gaic
from cagic_tf.baselines.mattnet import mattnet
from cagic_tf.baselines.mattnet.detector import detector, results_file
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
Boxes = Callable[[np.ndarray, str, str | os.PathLike], list[ScoredBox]]
BY_PHRASE = ("mattnet",)
MOST_OVERLAP = 0.5  # IoU; boxes that overlap more are one.


class System(NamedTuple):
    """A system that is loaded.

    Attributes:
      boxes: `boxes(photo, phrase, file)` gives the boxes of a photo `[H, W, 3]` uint8, best first;
        only the systems of `BY_PHRASE` read the phrase, and only where there are detections the
        photo's file, by whose name they are found. There may be no box.
      checkpoints: Name of each checkpoint to its SHA-256.
      settings: Its settings in words, "" where it has none.
    """

    boxes: Boxes
    checkpoints: dict[str, str]
    settings: str = ""


def folder(name: str, released: bool = False) -> Path:
    """Where a system's checkpoint is: the stand-in, or its authors' weights, ported."""
    return resources.path("checkpoints") / (f"original-{name}" if released else f"{name}-lite0")


def load(
    name: str,
    directory: Path | None = None,
    episodes: Episodes | None = None,
    released: bool = False,
    detections: Path | None = None,
) -> System:
    """Loads a system.

    Args:
      name: One of `NAMES`.
      directory: Its checkpoint's folder; None: see `folder`.
      episodes: How A2-RL goes about; None: as its defaults have it.
      released: Whether its authors' weights are meant where no folder is given.
      detections: For MAttNet a file of what there is in each photo, in COCO's results format; None:
        what its own detector finds.

    Raises:
      checkpoints.CheckpointError: A checkpoint is missing, damaged or of another kind.
      results_file.ResultsFileError, OSError: The detections cannot be read.
    """
    directory = directory or folder(name, released)
    if name == "mattnet":
        return _mattnet(directory, detections)
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


def _blind(system: Any) -> Boxes:
    return lambda photo, phrase, file: system.boxes(photo)


def _mattnet(directory: Path, detections: Path | None) -> System:
    """MAttNet with proposals of its own or with its authors' detector, or with others' boxes."""
    found: Any = mattnet.own_detector(directory)
    used: dict[str, str] = {}
    if found is None:
        below = folder("mattnet-detector", released=True)
        found, used = detector.load(below), _used(below)
    head = mattnet.load(directory, found.detect)
    used = _used(directory) | used
    if detections is None:
        return System(lambda photo, phrase, file: head.boxes(photo, phrase), used)
    given = results_file.ResultsFile(detections, found)
    sha = hashlib.sha256(detections.read_bytes()).hexdigest()
    return System(
        lambda photo, phrase, file: head.boxes(photo, phrase, given.detect(photo, file)),
        used,
        f"detections with SHA-256 {sha}",
    )


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

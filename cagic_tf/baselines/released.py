"""What the systems share: their checkpoints, which their authors give, and the photos they take."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cagic_tf.networks import bundle, checkpoints
from cagic_tf.networks.protocols import Trunk
from cagic_tf.system import arguments


class Release(NamedTuple):
    """Where a system's weights come from.

    Attributes:
      kind: Of its checkpoint.
      files: The files to get.
      repository: The address whose README links to them.
      command: The origin of the port and its files, as in `python -m cagic_tf.port COMMAND`.
    """

    kind: str
    files: str
    repository: str
    command: str


def load_head(directory: str | os.PathLike, release: Release) -> checkpoints.Checkpoint:
    """A system's own checkpoint, without its trunk.

    Args:
      directory: The checkpoint's folder.
      release: Where the authors' own comes from.

    Raises:
      checkpoints.CheckpointError: One is missing, damaged or of another kind. Where there is no
        folder the message says which file to get, from where, and the command that ports it.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise checkpoints.CheckpointError(
            f"no checkpoint {folder}: get {release.files} (which the README of "
            f"{release.repository} links to), then run python -m cagic_tf.port {release.command} "
            f"--output={folder}"
        )
    return checkpoints.load(folder, release.kind)


def load(directory: str | os.PathLike, release: Release) -> tuple[checkpoints.Checkpoint, Trunk]:
    """A system's own checkpoint, and the trunk that its manifest names.

    Args:
      directory: The checkpoint's folder; the trunk is inside, or under `checkpoints/`.
      release: Where the authors' own comes from.

    Raises:
      checkpoints.CheckpointError: As `load_head`, of both.
    """
    head, folder = load_head(directory, release), Path(directory)
    return head, bundle.build_trunk(bundle.load_trunk(folder, head))


def check_photo(photo: Any) -> None:
    """Holds that a photo is `[H, W, 3]` uint8, RGB, of at least one pixel.

    Raises:
      ValueError: It is not; one line.
    """
    needed = "an array [H, W, 3] of uint8 is needed, RGB"
    arguments.check("a photo", photo, np.ndarray, needed)
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise ValueError(f"a photo is {arguments.shown(photo)} of {photo.dtype}; {needed}")

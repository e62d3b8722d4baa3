"""The folder that a port writes: all of it or nothing, with a model card."""

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cagic_tf.networks import checkpoints
from cagic_tf.system import files

MODEL_CARD = "MODEL_CARD.md"


@contextlib.contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """A folder to fill that becomes `output` when the block ends, and vanishes when it fails.

    Raises:
      checkpoints.CheckpointError: There is something at `output` already.
    """
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise checkpoints.CheckpointError(
            f"{output} exists already; give another --output or remove it"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        yield folder
        folder.chmod(0o755)
        folder.replace(output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def save(
    folder: Path,
    kind: str,
    tensors: Mapping[str, np.ndarray],
    facts: Sequence[str],
    *,
    source: str,
    command: str,
    commit: str,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Saves a checkpoint and its model card.

    Args:
      folder: Where to.
      kind: As in `checkpoints.save`.
      tensors: Name to array.
      facts: What the port found, a sentence each, for the card.
      source: Where the weights come from, in a sentence.
      command: The command that ported them.
      commit: The commit of the code that did.
      extra: As in `checkpoints.save`.

    Returns:
      The manifest.
    """
    manifest = checkpoints.save(
        folder, kind, tensors, source=source, command=command, commit=commit, extra=extra
    )
    found = "\n".join(f"- {fact}" for fact in facts)
    card = f"""# {kind}: ported weights

Source: {source}.

{found}
- SHA-256 of `weights.npz`: {manifest["sha256"]}

Made by `{command}` at commit {commit}. This project trained nothing here and measured nothing on
these weights; use, limits and licence are those of the source. For research on cropping; the data
behind the weights are web photos and captions, with their biases.
"""
    files.write_atomically(folder / MODEL_CARD, card.encode())
    return manifest


def save_with_trunk(
    output: Path,
    trunk: tuple[str, Mapping[str, np.ndarray]],
    head: tuple[str, Mapping[str, np.ndarray]],
    facts: Sequence[str],
    extra: Mapping[str, Any],
    *,
    source: str,
    command: str,
    commit: str,
) -> list[str]:
    """Writes a head's folder, with its trunk in a folder inside that is named by its kind.

    Args:
      output: The head's folder; must not be there yet.
      trunk: Kind and tensors.
      head: Kind and tensors.
      facts: As in `save`.
      extra: Further entries of the head's manifest; which trunk it needs is added.
      source: As in `save`; of both, as the next two.
      command: As in `save`.
      commit: As in `save`.

    Returns:
      The facts and what was made, a line each.

    Raises:
      checkpoints.CheckpointError: There is something at `output` already.
    """
    kind, tensors = trunk
    head_kind, head_tensors = head
    save_both = functools.partial(save, source=source, command=command, commit=commit)
    with new_folder(output) as made:
        below = save_both(made / kind, kind, tensors, facts)
        needed = {"trunk": kind, "trunk_sha256": below["sha256"]}
        above = save_both(made, head_kind, head_tensors, facts, extra={**extra, **needed})
    return [*facts, describe(output / kind, below), describe(output, above)]


def describe(folder: Path, manifest: Mapping[str, Any]) -> str:
    """A line that says what was made."""
    count = len(manifest["tensors"])
    return f"made {folder}: {manifest['kind']}, {count} tensors, SHA-256 {manifest['sha256']}"

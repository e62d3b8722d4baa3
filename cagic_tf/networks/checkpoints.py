"""Checkpoint folders: `weights.npz` without pickles, `manifest.json`, `MODEL_CARD.md`.

A checkpoint is read strictly: the file's SHA-256, and every tensor's name, shape and dtype, must be
what the manifest says. Nothing in it is executed.
"""

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cagic_tf.system import files

WEIGHTS, MANIFEST = "weights.npz", "manifest.json"


class CheckpointError(Exception):
    """A checkpoint is missing, damaged or not what its manifest says; the message is one line."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint in memory.

    Attributes:
      name: The folder's name.
      sha256: Hex digest of `weights.npz`.
      kind: Which network reads it, such as "lite0" or "sat".
      tensors: Name to array, floats as float32.
      manifest: The whole manifest.
    """

    name: str
    sha256: str
    kind: str
    tensors: Mapping[str, np.ndarray]
    manifest: Mapping[str, Any]


def save(
    directory: str | os.PathLike,
    kind: str,
    tensors: Mapping[str, np.ndarray],
    *,
    source: str,
    command: str,
    commit: str,
    metrics: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes `weights.npz` and its manifest, each atomically, the manifest last.

    Args:
      directory: Folder to write to; made when missing.
      kind: Which network reads it, such as "lite0" or "sat".
      tensors: Name to array. The dtype given is the dtype stored.
      source: Where the values come from, in a sentence.
      command: The command that made them.
      commit: The commit of the code that made them.
      metrics: Measured figures, with how they were measured in their names.
      extra: Further entries that the network reads, such as the vocabulary.

    Returns:
      The manifest.

    Raises:
      CheckpointError: A value is no finite number, as after a training that diverged; nothing is
        written.
    """
    directory = Path(directory)
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in tensors.items()}
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise CheckpointError(
                f"{directory} is not written: {name!r} has values that are no finite "
                f"{array.dtype.name}; lower the learning rate if a training has given them"
            )
    directory.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    manifest = {
        "kind": kind,
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        "source": source,
        "command": command,
        "commit": commit,
        "metrics": dict(metrics or {}),
        **dict(extra or {}),
        "tensors": {
            name: {"shape": list(np.shape(value)), "dtype": np.asarray(value).dtype.name}
            for name, value in sorted(tensors.items())
        },
    }
    files.write_atomically(directory / WEIGHTS, buffer.getvalue())
    write_manifest(directory, manifest)
    return manifest


def write_manifest(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Writes a checkpoint's manifest, atomically."""
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    files.write_atomically(directory / MANIFEST, text.encode())


def load(directory: str | os.PathLike, kind: str | None = None) -> Checkpoint:
    """Reads and verifies a checkpoint.

    Args:
      directory: Folder that `save` wrote.
      kind: The kind that is needed; None takes any.

    Returns:
      The checkpoint, floats widened to float32.

    Raises:
      CheckpointError: A file is missing or unreadable, the SHA-256 differs, the kind differs, or
        a tensor is missing, extra, or of another shape or dtype than the manifest says.
    """
    directory = Path(directory)
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        data = (directory / WEIGHTS).read_bytes()
        expected, found_kind = manifest["tensors"], manifest["kind"]
        for entry in expected.values():
            entry["dtype"], list(entry["shape"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"no readable checkpoint in {directory}: {type(error).__name__}: {error}"
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != manifest.get("sha256"):
        raise CheckpointError(
            f"{directory / WEIGHTS} has SHA-256 {digest}, its manifest says "
            f"{manifest.get('sha256')}: the file is damaged or was changed"
        )
    if kind is not None and found_kind != kind:
        raise CheckpointError(f"{directory} is a {found_kind!r} checkpoint; a {kind!r} is needed")
    tensors = _read_tensors(directory / WEIGHTS, data)
    check_tensors(tensors, expected, str(directory))
    return Checkpoint(directory.name, digest, found_kind, _widen(tensors), manifest)


def check_tensors(
    tensors: Mapping[str, np.ndarray], expected: Mapping[str, Mapping[str, Any]], where: str
) -> None:
    """Raises `CheckpointError` unless names, shapes and dtypes are the expected ones."""
    missing, extra = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
    if missing or extra:
        raise CheckpointError(f"{where}: missing tensors {missing}, unexpected tensors {extra}")
    for name, entry in expected.items():
        found = (list(tensors[name].shape), tensors[name].dtype.name)
        wanted = (list(entry["shape"]), entry["dtype"])
        if found != wanted:
            raise CheckpointError(f"{where}: tensor {name!r} is {found}, expected {wanted}")


def _read_tensors(path: Path, data: bytes) -> dict[str, np.ndarray]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile, zlib and NumPy each raise their own kinds.
        raise CheckpointError(f"{path} is no readable .npz: {error}") from error


def _widen(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    half = np.dtype(np.float16)
    return {
        name: value.astype(np.float32) if value.dtype == half else value
        for name, value in tensors.items()
    }

"""Scans: every term of the objective for a grid of crops of each row, without any search.

What the networks see in a crop depends on no caption. So a photo goes through them once, for all of
its rows, and weights of terms and rules of picking are arithmetic afterwards.
"""

import collections
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from cagic_tf import pipeline
from cagic_tf.batch import manifest
from cagic_tf.beyond import coarse_to_fine, picking
from cagic_tf.method import problems
from cagic_tf.networks import grounder
from cagic_tf.photos import reading
from cagic_tf.system import files


class Scan(NamedTuple):
    """Losses of crops of R rows.

    Attributes:
      grid: `[N, 3]` the crops, rows `(x, y, s)`, the same for all.
      terms: Name of each term to its values `[R, N]`, without weights; NaN where the caption has no
        word that is known.
      meant: `[R, A, 5]`, boxes that each row may mean, see `problems.Problem`; NaN where there are
        fewer than A.
    """

    grid: np.ndarray
    terms: dict[str, np.ndarray]
    meant: np.ndarray

    def boxes(self, row: int) -> picking.Meant | None:
        """What the grounder says of a row, if it says anything."""
        rows = self.meant[row]
        rows = rows[np.isfinite(rows).all(axis=1)]
        return picking.Meant(rows[:, :4], rows[:, 4]) if len(rows) else None


def scan(
    cropper: pipeline.Cropper,
    rows: Sequence[manifest.Row],
    scales: Sequence[float],
    centers: int,
    cache: Path,
) -> Scan:
    """Scans rows as `coarse_to_fine.sharp_view` shows them, or reads the scan of an earlier run.

    Args:
      cropper: Its networks and terms.
      rows: Rows with captions.
      scales: The grid's scales.
      centers: Its centres a side at least, see `coarse_to_fine.scan_grid`.
      cache: The folder of earlier scans.

    Raises:
      reading.ImageError: A photo cannot be read.
      OSError: The scan cannot be written.
    """
    grid = coarse_to_fine.scan_grid(scales, centers, farthest=coarse_to_fine.FARTHEST)
    networks = sorted(cropper.loss.networks.checkpoints.items())
    # The fields, since files that another version kept may have others.
    kept = Scan._fields, [(row.id, row.caption) for row in rows]
    key = networks, cropper.loss.objective, grid.tolist(), kept
    path = cache / f"scan-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        terms, meant = _scanned(cropper, rows, grid)
        buffer = io.BytesIO()
        np.savez(buffer, grid=grid, meant=meant, **terms)
        cache.mkdir(parents=True, exist_ok=True)
        files.write_atomically(path, buffer.getvalue())
    with np.load(path) as found:
        arrays = dict(found)
    return Scan(arrays.pop("grid"), meant=arrays.pop("meant"), terms=arrays)


def _scanned(
    cropper: pipeline.Cropper, rows: Sequence[manifest.Row], grid: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The values of the terms, and what the grounder says."""
    loss = cropper.loss
    look = _look(cropper)
    terms = {
        term.name: np.full((len(rows), len(grid)), np.nan, np.float32)
        for term in loss.objective.terms
    }
    most = grounder.PROPOSALS + len(grounder.lattice())
    meant = np.full((len(rows), most, problems.MEANT), np.nan, np.float32)
    of_photo: dict[Path, list[int]] = collections.defaultdict(list)
    for number, row in enumerate(rows):
        of_photo[row.path].append(number)
    for path, numbers in tqdm(of_photo.items(), desc="photos", disable=None):
        photo, seen = reading.read(path), None
        for number in numbers:
            try:
                problem, words = cropper.problem(photo, rows[number].caption)
            except ValueError:  # Its words are unknown.
                continue
            meant[number, : len(problem.meant)] = problem.meant
            seen = seen or _see(look, problem, grid, loss.networks)
            content = words.without_stop_words()
            for term in loss.objective.terms:
                value = term(seen, term.target(loss.networks, content))
                terms[term.name][number] = value.numpy()
    return terms, meant


def _look(cropper: pipeline.Cropper):
    """What the networks see in crops, as a graph."""
    loss = cropper.loss

    def look(problem, theta):
        crops = loss.crops(coarse_to_fine.sharp_view(problem), theta)
        return crops.captioner_features, crops.scorer_features, crops.word_distribution

    theta = tf.TensorSpec([None, 3], tf.float32)
    return tf.function(look, input_signature=[loss.signature, theta], autograph=False)


def _see(look, problem, grid: np.ndarray, networks) -> SimpleNamespace:
    """What stands in for `losses.Crops` of the whole grid: terms read no more than this."""
    parts = [look(problem, theta) for theta in coarse_to_fine.batches(grid)]
    names = "captioner_features", "scorer_features", "word_distribution"
    joined = {
        name: tf.concat(part, 0) for name, part in zip(names, zip(*parts, strict=True), strict=True)
    }
    return SimpleNamespace(networks=networks, **joined)

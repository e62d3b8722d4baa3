"""What L-BFGS reaches at one scale: losses against a grid, and how many restarts converge or fail.

    python -m experiments.lbfgs_study --dataset=ROWS.jsonl --scales=0.9,0.7,0.5 --rows=6 \\
        --output_dir=RESULTS/lbfgs_study

At each of the scales of each row, the K restarts of `paper.gin` begin around the photo's middle,
and are minimised with at most 1, 3 and 10 iterations and until they converge, and as
`paper_quick.gin` has it. A grid of centres at that scale says what there was to find. The same
command goes on where it stopped. Writes cells.jsonl, a line for each row, scale and limit; table.md
and table.csv, means over these; operative_config.gin and made_by.json.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from cagic_tf import pipeline
from cagic_tf.batch import output_folder
from cagic_tf.beyond import coarse_to_fine
from cagic_tf.method import annealing, evaluation_cache, lbfgs
from cagic_tf.method.search import minimized
from cagic_tf.photos import reading
from cagic_tf.system import devices
from experiments import command
from experiments.errors import ExperimentError
from experiments.tables import made_by, method_runs, networks, table_files

FLAGS = flags.FLAGS
CELLS = "cells.jsonl"
STILL = 1e-3  # Nats: a restart that gained less has not moved.
LIMITS: dict[str, Callable[[lbfgs.Minimizer], lbfgs.Minimizer]] = {
    "paper_quick.gin": lambda _: lbfgs.Minimizer(1, 1, hold_words="evaluation", extend_slopes=True),
    "1 iteration": lambda found: dataclasses.replace(found, max_iterations=1),
    "3 iterations": lambda found: dataclasses.replace(found, max_iterations=3),
    "10 iterations": lambda found: dataclasses.replace(found, max_iterations=10),
    "until converged": lambda found: found,
    "until converged, words anew at each evaluation": lambda found: dataclasses.replace(
        found, hold_words="evaluation"
    ),
}
COLUMNS = {
    "limit": "",
    "cells": "d",
    "converged": ".3f",
    "failed": ".3f",
    "a line search failed": ".3f",
    "of these still": ".3f",
    "iterations": ".1f",
    "evaluations a restart": ".1f",
    "loss gained a restart": ".3f",
    "best restart - grid": "+.3f",
    "mean restart - grid": "+.3f",
    "below the grid": ".2f",
}


def define_flags() -> None:
    """Flags of this script."""
    method_runs.define_flags()
    flags.DEFINE_integer("rows", 0, "How many rows, from the first on; 0: all.", 0)
    flags.DEFINE_list("scales", ["0.9", "0.7", "0.5"], "The crops' scales, between 0 and 1.")
    flags.DEFINE_integer("centers", 15, "Centres a side of the grid.", 2)


def scales() -> list[float]:
    """Those of --scales.

    Raises:
      ExperimentError: One is no number between 0 and 1.
    """
    try:
        found = [float(text) for text in FLAGS.scales]
    except ValueError:
        found = []
    if not found or not all(0 < scale < 1 for scale in found):
        raise ExperimentError(f"--scales is {','.join(FLAGS.scales)}; give numbers such as 0.9,0.5")
    return found


class Study:
    """The graphs of one objective: each limit's, and the grid's."""

    def __init__(self, cropper: pipeline.Cropper, settings: annealing.Annealing):
        self._cropper, self._settings = cropper, settings
        signature = cropper.loss.signature, tf.TensorSpec([None, 3], tf.float32)
        self._loss = tf.function(
            lambda problem, theta: cropper.loss(problem, theta).total, signature, autograph=False
        )
        self._runs = {name: self._compile(of(settings.minimizer)) for name, of in LIMITS.items()}

    def _compile(self, minimizer: lbfgs.Minimizer) -> Any:
        loss, count = self._cropper.loss, self._settings.restart_count
        known = evaluation_cache.EvaluationCache(count, 2)

        def run(problem: Any, scale: tf.Tensor, seed: tf.Tensor) -> lbfgs.Minimum:
            def crops(xy: tf.Tensor, _: tf.Tensor) -> tuple[Any, tf.Tensor]:
                return problem, tf.concat([xy, tf.fill([tf.shape(xy)[0], 1], scale)], axis=1)

            starts = self._settings.draw_starts(tf.zeros([2]), count, seed)
            reach = (1 - scale) * tf.ones([2])
            return minimizer(minimized(loss, crops), starts, -reach, reach, known)

        given = tf.TensorSpec([], tf.float32), tf.TensorSpec([2], tf.int32)
        return tf.function(run, (loss.signature, *given), autograph=False)

    def problem(self, path: Path, caption: str) -> Any:
        """A photo and its caption, read once."""
        return self._cropper.problem(reading.read(path), caption)[0]

    def grid(self, problem: Any, scale: float, centers: int) -> np.ndarray:
        """Losses of a grid of centres at a scale."""
        crops = coarse_to_fine.scan_grid([scale], centers)
        batches = coarse_to_fine.batches(crops)
        return np.concatenate([self._loss(problem, batch).numpy() for batch in batches])

    def cell(self, problem: Any, scale: float, number: int, limit: str) -> dict[str, Any]:
        """What the restarts of a limit reach at a scale; JSON types."""
        seed = tf.constant([self._cropper.seed, number], tf.int32)
        found = self._runs[limit](problem, tf.constant(scale, tf.float32), seed)
        return {
            "starts": found.start_losses.numpy().tolist(),
            "ends": found.losses.numpy().tolist(),
            "converged": found.converged.numpy().tolist(),
            "failed": found.failed.numpy().tolist(),
            "failed searches": found.failed_searches.numpy().tolist(),
            "iterations": int(found.iterations),
            "evaluations": found.evaluations.numpy().tolist(),
        }


def summary(cells: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table, a row a limit: means over its cells, each of a row and a scale."""
    table = []
    for limit in LIMITS:
        rows: list[dict[str, Any]] = []
        for cell in cells:
            if cell["limit"] != limit:
                continue
            start, end = np.array(cell["starts"]), np.array(cell["ends"])
            searches = np.array(cell["failed searches"]) > 0
            rows.append(
                {
                    "converged": np.mean(cell["converged"]),
                    "failed": np.mean(cell["failed"]),
                    "a line search failed": np.mean(searches),
                    "of these still": np.mean(searches & (start - end < STILL)),
                    "iterations": cell["iterations"],
                    "evaluations a restart": np.mean(cell["evaluations"]),
                    "loss gained a restart": np.mean(start - end),
                    "best restart - grid": np.min(end) - cell["grid"],
                    "mean restart - grid": np.mean(end) - cell["grid"],
                    "below the grid": float(np.min(end) < cell["grid"]),
                }
            )
        means = pd.DataFrame(rows).mean().to_dict() if rows else {}
        table.append({"limit": limit, "cells": len(rows), **means})
    return pd.DataFrame(table, columns=list(COLUMNS))


def read_cells(path: Path) -> list[dict[str, Any]]:
    """The cells of an earlier run; a last line that was not finished is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


def remaining(
    study: Study, rows: Sequence[Any], done: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The cells that are not done, one after the other."""
    known = {(cell["id"], cell["scale"], cell["limit"]) for cell in done}
    for row in tqdm(rows, unit="row", disable=None):
        missing = [
            (number, scale, limit)
            for number, scale in enumerate(scales())
            for limit in LIMITS
            if (row.id, scale, limit) not in known
        ]
        problem = study.problem(row.path, row.caption) if missing else None
        grids: dict[float, float] = {}
        for number, scale, limit in missing:
            if scale not in grids:
                grids[scale] = float(study.grid(problem, scale, FLAGS.centers).min())
            cell = study.cell(problem, scale, number, limit)
            yield {"id": row.id, "scale": scale, "limit": limit, "grid": grids[scale], **cell}


def main() -> None:
    """Minimises, then writes the table."""
    scales()  # A mistake is told before anything is loaded.
    setup = method_runs.read_setup()
    rows = setup.rows[: FLAGS.rows or None]
    cropper = networks.SharedNetworks().load_cropper("paper.gin")
    settings = annealing.Annealing()  # A test holds that paper.gin has the defaults.
    directory = Path(FLAGS.output_dir or "outputs/lbfgs_study")
    config = directory / output_folder.CONFIG
    text = cropper.configuration + f"# The grid has {FLAGS.centers} centres a side.\n"
    if config.exists() and config.read_text(encoding="utf-8") != text:
        raise ExperimentError(f"{directory} has cells of other settings; give another --output_dir")
    made_by.write_file(config, text.encode())
    path = directory / CELLS
    cells = read_cells(path)
    with devices.reproducible():
        for cell in remaining(Study(cropper, settings), rows, cells):
            cells.append(cell)
            made_by.write_file(path, b"".join(json.dumps(c).encode() + b"\n" for c in cells))
    wanted = {(row.id, scale) for row in rows for scale in scales()}
    shown = [cell for cell in cells if (cell["id"], cell["scale"]) in wanted]
    notes = [
        f"{settings.restart_count} restarts a cell around the middle, drawn as paper.gin draws "
        "them, the same for each limit; a cell is a row at one of the scales "
        f"{', '.join(map(str, scales()))}. Losses are in nats. The grid has {FLAGS.centers} x "
        f"{FLAGS.centers} centres. Shares are of all restarts: those that converged; those whose "
        "last line search, along the gradient, found nothing; those of which any line search "
        f"failed, as TFP says; and which of these gained less than {STILL}. Iterations are those "
        "of the restart that took most.",
        f"Data: {len(rows)} rows of {made_by.shortened(FLAGS.dataset)}.",
    ]
    checkpoints = cropper.loss.networks.checkpoints
    table_files.write(directory, summary(shown), COLUMNS, notes, checkpoints, [path, config])


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

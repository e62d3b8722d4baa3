"""Whose miss it is, the objective's or the optimiser's: losses of crops that methods returned.

    python -m experiments.objective_gap --dataset=ROWS.jsonl --gin_file=paper.gin \\
        --results=OUT/CN --results=OUT/CN-SA --results=OUT/grid --output_dir=RESULTS/objective_gap

Evaluates one objective, that of the gin file, at every crop of the folders of results (of `table1`,
`table4` or `cagic_tf.run`) and at the ground truth. Where a crop's loss is below the ground truth's
and the crop is wrong, no better optimiser would help: the objective prefers it. Where the loss is
above, the optimiser left something on the table. Rows count that no folder's method refused: a row
without a crop has no loss. Writes table.md, table.csv, losses.csv (of each crop) and made_by.json.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from absl import app, flags
from scipy import stats
from tqdm import tqdm

from cagic_tf import pipeline
from cagic_tf.batch import manifest, output_folder, records
from cagic_tf.method import geometry
from cagic_tf.photos import reading
from experiments import command
from experiments.errors import ExperimentError
from experiments.tables import comparison, made_by, method_runs, networks, table_files

FLAGS = flags.FLAGS
TRUTH = "ground truth"
LOSSES = "losses.csv"
COLUMNS = {
    "method": "",
    "rows": "d",
    "mean IoU": ".4f",
    "mean loss": ".3f",
    "loss - ground truth's": "+.3f",
    "below the ground truth's": ".2f",
    "wrong though below": ".2f",
    "wrong and above": ".2f",
}
WRONG = 0.25  # Mean IoU with the ground truths below which a crop is wrong.


def define_flags() -> None:
    """Flags of this script."""
    method_runs.define_flags()
    flags.DEFINE_string("gin_file", "paper.gin", "The gin file whose objective is evaluated.")
    flags.DEFINE_multi_string(
        "results", None, "A folder with results of the rows of --dataset. It may be repeated."
    )
    flags.mark_flag_as_required("results")


def loss_at(
    cropper: pipeline.Cropper, row: manifest.Row, boxes: Sequence[Sequence[float]]
) -> list[float]:
    """The total loss (Eq. 3) of boxes `(x, y, w, h)` in pixels, of any shape.

    Args:
      cropper: Its objective and networks are used, not its search.
      row: The photo and caption.
      boxes: Inside the photo.

    Returns:
      A loss a box.
    """
    photo = reading.read(row.path)
    height, width = photo.shape[:2]
    problem, _ = cropper.problem(photo, row.caption)
    losses = []
    for x, y, w, h in boxes:
        # The crop of scale 1, when that has the box's own sides.
        own = problem._replace(base_size=tf.constant([w / width, h / height], tf.float32))
        theta = [[(2 * x + w) / width - 1, (2 * y + h) / height - 1, 1.0]]
        total = cropper.loss(own, tf.constant(theta, tf.float32)).total
        losses.append(float(total[0]))
    return losses


def gaps(
    rows: Sequence[manifest.Row],
    boxes: Mapping[str, Mapping[str, Sequence[float]]],
    losses: Mapping[str, Mapping[str, float]],
) -> pd.DataFrame:
    """The table, its first row that of the ground truth.

    Args:
      rows: With ground truth.
      boxes: Method to row id to box; without the ground truth.
      losses: Method to row id to loss; of the ground truth too, the lowest of a row's.

    Returns:
      Columns as in `COLUMNS`; the last three are fractions of the rows.
    """
    truth = np.array([losses[TRUTH][row.id] for row in rows])
    table: list[dict[str, Any]] = [
        {"method": TRUTH, "rows": len(rows), "mean loss": float(truth.mean())}
    ]
    for name, of_method in boxes.items():
        loss = np.array([losses[name][row.id] for row in rows])
        overlap = np.array([geometry.mean_iou(of_method[row.id], row.crops) for row in rows])
        below, wrong = loss < truth, overlap < WRONG
        fractions = below.mean(), (wrong & below).mean(), (wrong & ~below).mean()
        figures = overlap.mean(), loss.mean(), (loss - truth).mean(), *fractions
        found = dict(zip(list(COLUMNS)[2:], map(float, figures), strict=True))
        table.append({"method": name, "rows": len(rows)} | found)
    return pd.DataFrame(table, columns=list(COLUMNS))


def agreement(
    rows: Sequence[manifest.Row],
    boxes: Mapping[str, Mapping[str, Sequence[float]]],
    losses: Mapping[str, Mapping[str, float]],
) -> float:
    """Mean over rows of Spearman's correlation, over methods, of loss and mean IoU; -1 is ideal."""
    found = []
    for row in rows:
        overlaps = [geometry.mean_iou(of_method[row.id], row.crops) for of_method in boxes.values()]
        values = [losses[name][row.id] for name in boxes]
        if len(set(overlaps)) > 1 and len(set(values)) > 1:
            found.append(stats.spearmanr(values, overlaps).statistic)
    return float(np.mean(found)) if found else float("nan")


def main() -> None:
    """Evaluates the crops, then writes the table."""
    setup = method_runs.read_setup()
    cropper = networks.SharedNetworks().load_cropper(FLAGS.gin_file)
    sources = {Path(name).name: Path(name) / output_folder.RESULTS for name in FLAGS.results}
    if len(sources) < len(FLAGS.results):
        raise ExperimentError("two folders of --results have the same name, which names the method")
    found = {name: records.read(path) for name, path in sources.items()}
    rows = [
        row
        for row in setup.rows
        if row.crops and all(row.id in each and each[row.id].ok for each in found.values())
    ]
    if not rows:
        raise ExperimentError(f"no row of {FLAGS.dataset} with crops is in all of --results")
    boxes = {name: {row.id: each[row.id].box for row in rows} for name, each in found.items()}
    losses = evaluate(cropper, rows, boxes)
    gin_file = made_by.shortened(FLAGS.gin_file)
    used = {f"the objective of {gin_file}": cropper.loss.networks.checkpoints}
    for name, each in found.items():
        used[name] = comparison.recorded({row.id: each[row.id] for row in rows})
    notes = [
        f"The objective is {gin_file}'s. A crop is wrong when its mean IoU is below {WRONG}. "
        f"{sum(bool(row.crops) for row in setup.rows) - len(rows)} rows are left out, for which "
        "some method has no crop. Spearman's correlation, over the methods, of loss and mean IoU, "
        f"mean over rows: {agreement(rows, boxes, losses):.2f} (-1: a lower loss is always a "
        "better crop).",
        comparison.data_note(setup, used),
    ]
    directory = Path(FLAGS.output_dir or "outputs/objective_gap")
    of_rows = pd.DataFrame(losses).rename_axis("id").to_csv(lineterminator="\n")
    made_by.write_file(directory / LOSSES, of_rows.encode())
    made_by.write_file(directory / output_folder.CONFIG, cropper.configuration.encode())
    table_files.write(
        directory,
        gaps(rows, boxes, losses),
        COLUMNS,
        notes,
        networks.merged(used),
        [directory / LOSSES, directory / output_folder.CONFIG],
        sources.values(),
    )


def evaluate(
    cropper: pipeline.Cropper,
    rows: Sequence[manifest.Row],
    boxes: Mapping[str, Mapping[str, Sequence[float]]],
) -> dict[str, dict[str, float]]:
    """What `gaps` takes: the losses of the methods' boxes and, lowest of a row, the truths'."""
    losses: dict[str, dict[str, float]] = {name: {} for name in [TRUTH, *boxes]}
    for row in tqdm(rows, unit="row", disable=None):
        found = loss_at(cropper, row, [*row.crops, *(boxes[name][row.id] for name in boxes)])
        losses[TRUTH][row.id] = min(found[: len(row.crops)])
        for name, loss in zip(boxes, found[len(row.crops) :], strict=True):
            losses[name][row.id] = loss
    return losses


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

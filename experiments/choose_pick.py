"""Chooses how a crop is picked of a scan: photos are scanned once, then every rule is tried.

    python -m experiments.choose_pick --dataset=phrases=PHRASES.jsonl --dataset=parts=PARTS.jsonl \\
        --binding='HighestExpectedIoU.temperature=[0.1, 0.2, 0.4]' \\
        --binding='Objective.aesthetic_weight=[0, 0.01]' --work_dir=WORK --output_dir=OUT

Values are written as in a gin file; several --binding give every combination, or as many as --draws
says, drawn of all. They may be settings of a rule of picking, weights of terms, and
`CoarseToFine.scan_scales`. What a search does after its pick, to refine it, has no part in this.
Writes OUT/table.md, table.csv and made_by.json.
"""

import ast
import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from absl import app, flags
from tqdm import tqdm

from cagic_tf import config
from cagic_tf.batch import manifest
from cagic_tf.beyond import picking
from cagic_tf.beyond.coarse_to_fine import CoarseToFine
from cagic_tf.beyond.grounded_picking import HighestExpectedUtility
from cagic_tf.method import geometry
from cagic_tf.system import devices
from experiments import command, sweep
from experiments.errors import ExperimentError
from experiments.methods import scans
from experiments.tables import made_by, method_runs, metrics, table_files

FLAGS = flags.FLAGS
SCALES = "CoarseToFine.scan_scales"
PICK = "CoarseToFine.pick"
RULES = {
    rule.__name__: rule
    for rule in (HighestExpectedUtility, picking.HighestExpectedIoU, picking.LowestMean)
}
FIGURES = {"IoU": "mean IoU", "hits": "hit rate", "kept": "ground truth kept", "cut": "cut through"}


class Dataset(NamedTuple):
    """Rows of one kind, scanned."""

    name: str
    rows: list[manifest.Row]
    sizes: dict[str, tuple[int, int]]
    scan: scans.Scan


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_multi_string(
        "dataset", None, "Rows with ground truth, NAME=MANIFEST.jsonl. It may be repeated."
    )
    flags.DEFINE_multi_string("gin_file", ["fast.gin"], "The configuration that is varied.")
    flags.DEFINE_multi_string("gin_param", [], "A setting of it, as in cagic_tf.run.")
    flags.DEFINE_multi_string(
        "binding", [], "A setting and its values, NAME.PARAMETER=[VALUE, ...]."
    )
    flags.DEFINE_integer("draws", 0, "How many combinations are drawn; 0 takes every one.", 0)
    flags.DEFINE_integer("seed", 1, "The seed of the draws.")
    flags.DEFINE_list(
        "scales", "0.25,0.32,0.4,0.5,0.6,0.7,0.8,0.9".split(","), "The scales that are scanned."
    )
    flags.DEFINE_integer("centers", 5, "How many centres a side are scanned at least.")
    flags.DEFINE_string("work_dir", None, "The folder for scans.")
    flags.DEFINE_string("output_dir", "outputs/choose_pick", "The folder that results go to.")
    devices.define_flags()
    flags.mark_flags_as_required(["dataset", "work_dir"])


def main() -> None:
    """Scans what is missing, then tries every setting."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    swept = dict(sweep.parse_binding(text) for text in FLAGS.binding)
    cropper = config.load_cropper(*FLAGS.gin_file, bindings=FLAGS.gin_param)
    bound = config.read(*FLAGS.gin_file, bindings=FLAGS.gin_param)
    scales = [float(scale) for scale in FLAGS.scales]
    datasets = []
    for given in FLAGS.dataset:
        name, equals, path = given.partition("=")
        if not equals:
            raise ExperimentError(f"--dataset is {given!r}; NAME=MANIFEST.jsonl is needed")
        rows = method_runs.read_annotated_rows(path)
        found = scans.scan(cropper, rows, scales, FLAGS.centers, Path(FLAGS.work_dir))
        datasets.append(Dataset(name, rows, method_runs.sizes_of(rows), found))
    table = []
    combinations = list(itertools.product(*swept.values()))
    if FLAGS.draws and FLAGS.draws < len(combinations):
        combinations = random.Random(FLAGS.seed).sample(combinations, FLAGS.draws)
    for values in tqdm(combinations, desc="settings", disable=None):
        chosen = dict(zip(swept, values, strict=True))
        weights = cropper.loss.objective.weights
        pick, weights, kept = read_setting(chosen, bound, weights, scales)
        line: dict[str, Any] = dict(chosen)
        for dataset in datasets:
            figures = measure(dataset, pick, weights, kept)
            line |= {f"{dataset.name} {short}": figures[name] for short, name in FIGURES.items()}
        table.append(line)
    columns = dict.fromkeys(swept, "")
    columns |= {f"{each.name} {short}": ".3f" for each in datasets for short in FIGURES}
    notes = [
        f"Crops as they are picked of a scan of {', '.join(FLAGS.scales)} with "
        f"{FLAGS.centers} centres a side, not refined; other settings are "
        f"{', '.join(map(made_by.shortened, FLAGS.gin_file))}'s. Cut: share of rows of which the "
        "crop keeps 20 to 90 % of the ground truth.",
        *(
            f"{each.name}: {len(each.rows)} rows of {len({r.path for r in each.rows})} photos; the "
            f"best crop of the scan has a mean IoU of {ceiling(each):.3f}."
            for each in datasets
        ),
    ]
    used = cropper.loss.networks.checkpoints
    table_files.write(Path(FLAGS.output_dir), pd.DataFrame(table), columns, notes, used)


def read_setting(
    chosen: Mapping[str, str],
    bound: Mapping[str, Any],
    weights: Mapping[str, float],
    scales: Sequence[float],
) -> tuple[picking.Pick, dict[str, float], list[float]]:
    """The rule of picking, the weights of terms and the scales of one setting.

    Args:
      chosen: Names that are varied to their values as text.
      bound: Names to values of the gin files, where nothing else is chosen.
      weights: The terms' weights, likewise.
      scales: The scales that are scanned, likewise.

    Raises:
      ExperimentError: A name or value is none of these.
    """
    weights, kept, settings = dict(weights), list(scales), {}
    rule = str(bound.get(PICK, "HighestExpectedIoU")).strip("@()")
    for name, text in chosen.items():
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError) as error:
            raise ExperimentError(f"{name} = {text}: a number or a tuple is needed") from error
        of, _, parameter = name.partition(".")
        if name == SCALES:
            kept = [float(scale) for scale in value]
        elif of == "Objective" and parameter.removesuffix("_weight") in weights:
            weights[parameter.removesuffix("_weight")] = float(value)
        elif of in RULES:
            rule, settings = of, {**settings, parameter: value}
        else:
            raise ExperimentError(
                f"{name} cannot be varied; {SCALES}, weights of the terms {', '.join(weights)} and "
                f"settings of {', '.join(RULES)} can"
            )
    here = f"{rule}."
    own = {name.removeprefix(here): bound[name] for name in bound if name.startswith(here)}
    missing = set(kept) - set(scales)
    if missing:
        raise ExperimentError(f"{SCALES} has {sorted(missing)}, which --scales does not scan")
    try:
        return RULES[rule](**own | settings), weights, kept
    except (TypeError, ValueError) as error:
        raise ExperimentError(f"{rule}: {error}") from error


def measure(
    dataset: Dataset, pick: picking.Pick, weights: Mapping[str, float], scales: Sequence[float]
) -> dict[str, Any]:
    """The figures of a setting."""
    # Crops have the photo's shape unless the rule chooses one.
    chooses = CoarseToFine(pick=pick).chooses_shape
    free: dict[str, Any] = {"smallest_sides": (0.0, 0.0)} if chooses else {}
    chosen = np.isin(dataset.scan.grid[:, 2], scales)
    grid, boxes = dataset.scan.grid[chosen], {}
    total = sum(weights[name] * values for name, values in dataset.scan.terms.items())
    for number, (row, losses) in enumerate(zip(dataset.rows, total[:, chosen], strict=True)):
        if np.isfinite(losses).any():
            found = pick(losses, grid, (1.0, 1.0), dataset.scan.boxes(number), **free)
            x, y, scale = found.theta
            base_size = found.base_size or (1.0, 1.0)
            boxes[row.id] = geometry.pixel_box((x, y), scale, *dataset.sizes[row.id], base_size)
    measured = metrics.measure(boxes, dataset.rows, dataset.sizes)
    return {
        "mean IoU": measured.iou.mean(),
        "hit rate": measured.hit.mean(),
        "ground truth kept": measured.kept.mean(),
        "cut through": measured.cut.mean(),
    }


def ceiling(dataset: Dataset) -> float:
    """Mean IoU of each row's best scanned crop: what a perfect choice would have."""
    found = []
    for row in dataset.rows:
        boxes = [geometry.pixel_box(t[:2], t[2], *dataset.sizes[row.id]) for t in dataset.scan.grid]
        found.append(max(geometry.mean_iou(box, row.crops) for box in boxes))
    return float(np.mean(found))


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

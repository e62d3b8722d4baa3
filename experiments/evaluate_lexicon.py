"""What the lexicon adds: the captioner alone, the lexicon alone, both, on the same rows.

    python -m experiments.evaluate_lexicon --manifest=COCO=OBJECTS.jsonl \\
        --manifest=mosaics=MOSAICS/manifest.jsonl --output_dir=RESULTS/lexicon

`experiments.datasets coco_objects` and `experiments.mosaics` write the manifests. Writes
OUT/SET-METHOD/results.jsonl, then OUT/table.md, table.csv and made_by.json; goes on where it
stopped. A row that a method refuses (it knows no word of it) counts as `metrics` says.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from absl import app, flags

from cagic_tf import config, pipeline
from cagic_tf.system import devices
from experiments import command
from experiments.errors import ExperimentError
from experiments.methods.named import Setup
from experiments.tables import (
    comparison,
    method_runs,
    metrics,
    networks,
    resampling,
    table_files,
)

FLAGS = flags.FLAGS
CAPTIONER = "captioner alone"
METHODS = (CAPTIONER, "lexicon alone", "both")
HIT_INTERVAL, IOU_GAIN, HIT_GAIN = "hits, 95 % interval", "IoU - captioner's", "hits - captioner's"
GAIN_INTERVALS = {IOU_GAIN: "95 % interval of IoU's", HIT_GAIN: "95 % interval of hits'"}
P_VALUES = {IOU_GAIN: "p of IoU's", HIT_GAIN: "p of hits'"}
COLUMNS = {
    "data set": "",
    "method": "",
    "rows": "d",
    "refused": "d",
    "mean IoU": ".3f",
    comparison.INTERVAL: ".3f",
    "hit rate": ".3f",
    HIT_INTERVAL: ".3f",
    IOU_GAIN: "+.3f",
    GAIN_INTERVALS[IOU_GAIN]: ".3f",
    P_VALUES[IOU_GAIN]: ".2g",
    HIT_GAIN: "+.3f",
    GAIN_INTERVALS[HIT_GAIN]: ".3f",
    P_VALUES[HIT_GAIN]: ".2g",
    "mean scale": ".3g",
    "seconds a photo": ".3g",
}


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_multi_string(
        "manifest", None, "Rows with ground truth, NAME=PATH of a manifest. It may be repeated."
    )
    flags.DEFINE_multi_string("method", METHODS, "What to compare. It may be repeated.")
    flags.DEFINE_string("gin_file", "fast.gin", "The search, a gin file that has the lexicon.")
    flags.DEFINE_string("output_dir", "outputs/lexicon", "The folder that results go to.")
    flags.mark_flag_as_required("manifest")
    devices.define_flags()


def load_cropper(method: str, gin_file: str) -> pipeline.Cropper:
    """The cropper of a method.

    Raises:
      ExperimentError: There is no such method.
      config.ConfigError, checkpoints.CheckpointError: See there.
    """
    if method not in METHODS:
        raise ExperimentError(f"--method is {method!r}; accepted are {', '.join(METHODS)}")
    return config.load_cropper(gin_file, bindings=bindings_of(method, gin_file))


def bindings_of(method: str, gin_file: str) -> list[str]:
    """A method's difference from the gin file's search."""
    terms = [str(term) for term in config.read(gin_file)["Objective.terms"]]
    without = [term for term in terms if "NounLoss" not in term]
    if method == CAPTIONER:
        return [
            "Networks.lexicon = None",
            f"Objective.terms = [{', '.join(without)}]",
            "Objective.lexicon_weight = None",
        ]
    if method == "both":
        return []
    read = any("SentenceLoss" in term for term in terms)
    return ["Objective.caption_weight = 0", *(["Objective.sentence_weight = 0"] if read else [])]


def read_setup(name: str, path: str) -> Setup:
    """The rows of one data set."""
    rows = method_runs.read_annotated_rows(path)
    return Setup(name, rows, method_runs.sizes_of(rows))


def figures(setup: Setup, records: Mapping[str, comparison.Records]) -> pd.DataFrame:
    """Figures of each method, and its differences from the captioner alone.

    Args:
      setup: The data set.
      records: Method to row id to record.

    Returns:
      The columns of `COLUMNS`, intervals in two each.
    """
    frame, measured = comparison.figures(records, setup, None)
    added = [
        {
            **_interval(HIT_INTERVAL, resampling.mean_interval(found.hit, found.photos)),
            **(_gains(found, measured[CAPTIONER]) if _is_compared(name, measured) else {}),
            "mean scale": pd.Series([record.scale for record in records[name].values()]).mean(),
        }
        for name, found in measured.items()
    ]
    frame.insert(0, "data set", setup.dataset)
    return pd.concat([frame, pd.DataFrame(added)], axis=1)


def _is_compared(name: str, measured: Mapping[str, metrics.Measured]) -> bool:
    return name != CAPTIONER and CAPTIONER in measured


def _gains(found: metrics.Measured, base: metrics.Measured) -> dict[str, float]:
    """A method less the captioner alone, in IoU and in hits, with the paired test."""
    hits = [dataclasses.replace(each, iou=each.hit) for each in (found, base)]
    gains: dict[str, float] = {}
    for column, pair in ((IOU_GAIN, (found, base)), (HIT_GAIN, hits)):
        compared = metrics.compare(*pair)
        gains |= {column: compared.difference, P_VALUES[column]: compared.p}
        gains |= _interval(GAIN_INTERVALS[column], compared.interval)
    return gains


def _interval(column: str, ends: list[float] | None) -> dict[str, float]:
    return dict(zip(table_files.interval_columns(column), ends or (np.nan,) * 2, strict=True))


def main() -> None:
    """Runs what is missing, then writes the table."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    croppers = {method: load_cropper(method, FLAGS.gin_file) for method in FLAGS.method}
    used = {method: cropper.loss.networks.checkpoints for method, cropper in croppers.items()}
    output, frames, notes, written = Path(FLAGS.output_dir), [], [], []
    for given in FLAGS.manifest:
        name, equals, path = given.partition("=")
        if not equals:
            raise ExperimentError(f"--manifest is {given!r}; NAME=PATH is needed")
        setup = read_setup(name, path)
        runs = {
            method: method_runs.from_cropper(f"{name} {method}", cropper)
            for method, cropper in croppers.items()
        }
        done = comparison.run(list(runs.values()), setup.rows, output)
        records = {method: done[run.name] for method, run in runs.items()}
        frames.append(figures(setup, records))
        notes += [comparison.data_note(setup, used), *comparison.refusals(done)]
        written += comparison.files_of(list(runs.values()), output)
    frame = pd.concat(frames, ignore_index=True)
    notes += [comparison.MEASURED, comparison.REFUSED]
    table_files.write(output, frame, COLUMNS, notes, networks.merged(used), written)


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

"""From methods to a table: records of every row on the disk, then figures and notes."""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from cagic_tf.batch import manifest, output_folder
from cagic_tf.batch.records import Record
from experiments.methods.named import Setup
from experiments.tables import made_by, metrics, table_files
from experiments.tables.method_runs import MethodRun

INTERVAL = "95 % interval"
# The columns of figures to how Markdown shows their numbers.
METRICS = {
    "rows": "d",
    "refused": "d",
    "mean IoU": ".4f",
    INTERVAL: ".3f",
    "std over images": ".4f",
    "std over annotators": ".4f",
    "boundary displacement": ".4f",
    "hit rate": ".3f",
    "ground truth kept": ".3f",
    "cut through": ".3f",
    "people cut through": ".3f",
    "seconds a photo": ".3g",
}

MEASURED = (
    "IoU, boundary displacement, hit rate (the crop's centre lies in the ground truth), how much "
    "of the ground truth is kept and whether it is cut through (20 to 90 % of it is kept) are "
    "means over a row's annotations, then over rows; intervals are BCa bootstraps over photos; p "
    "is of a two-sided paired permutation test of the mean IoU, photo by photo; seconds are "
    "medians."
)
PEOPLE = (
    "People cut through: of the boxes of the people in each row's photo, the share that the row's "
    "crop cuts through (keeps 20 to 90 % of)."
)
REFUSED = (
    "A row that a method refused, such as one whose caption has no word that it knows, counts as "
    "IoU 0, no hit, nothing kept, displacement 1, and everything cut through: all methods have the "
    "same rows."
)

# Row id to record, of one method.
Records = dict[str, Record]


def run(
    methods: Sequence[MethodRun], rows: Sequence[manifest.Row], directory: Path
) -> dict[str, Records]:
    """Crops every row by every method, but for what is on the disk already.

    Methods take turns on each row, so that what else the machine does slows all of them alike.

    Args:
      methods: The methods; each has its own folder in `directory`.
      rows: The rows.
      directory: Where `METHOD/results.jsonl` go.

    Returns:
      Method's name to row id to record.

    Raises:
      output_folder.OutputError: A folder cannot be written, is in use, or has other results.
    """
    with contextlib.ExitStack() as stack:
        folders = {
            method.name: stack.enter_context(contextlib.closing(method.open(directory)))
            for method in methods
        }
        crops = [(row, method) for row in rows for method in methods]
        waiting = [(row, method) for row, method in crops if not folders[method.name].is_done(row)]
        done = len(crops) - len(waiting)
        with tqdm(total=len(crops), initial=done, unit="crop", disable=None) as bar:
            for row, method in waiting:
                bar.set_description(method.name)

                def progress(scale: int, scales: int, loss: float) -> None:
                    bar.set_postfix_str(f"scale {scale}/{scales}")

                crop = functools.partial(method.crop, row, progress)
                folders[method.name].fill(row, crop)
                bar.update()
        return {
            name: {row.id: folder.done[row.id] for row in rows} for name, folder in folders.items()
        }


def files_of(methods: Sequence[MethodRun], directory: Path) -> list[Path]:
    """What `run` has written."""
    names = output_folder.RESULTS, output_folder.CONFIG, output_folder.PROVENANCE
    return [directory / method.folder / name for method in methods for name in names]


def figures(
    records: Mapping[str, Records], setup: Setup, reference: str | None
) -> tuple[pd.DataFrame, dict[str, metrics.Measured]]:
    """The figures of each method, and the figures of each of its rows.

    Args:
      records: What `run` returned.
      setup: Rows, some of them with ground truth, and the sizes of their photos.
      reference: The method that the others are compared with, None for none; adds the column of
        `p_column`.

    Returns:
      A row a method: its name as "method", and the columns of `METRICS`, the interval in two;
      people cut through only where rows have people.
    """
    measured = {
        name: metrics.measure(
            {key: record.box for key, record in found.items() if record.ok}, setup.rows, setup.sizes
        )
        for name, found in records.items()
    }
    table = []
    for name, one in measured.items():
        table.append({"method": name} | _means(one, records[name]))
        if reference not in (None, name):
            table[-1][p_column(reference)] = metrics.compare(one, measured[reference]).p
    return pd.DataFrame(table), measured


def p_column(reference: str | None) -> str:
    """Heading of the p-values."""
    return f"p (against {reference})"


def _means(measured: metrics.Measured, records: Records) -> dict[str, Any]:
    found = measured.summary()
    low, high = found["IoU interval"] or (None, None)
    seconds = [record.seconds for record in records.values() if record.seconds is not None]
    return {
        "rows": found["rows"],
        "refused": found["refused"],
        "mean IoU": found["mean IoU"],
        **dict(zip(table_files.interval_columns(INTERVAL), (low, high), strict=True)),
        "std over images": found["std over images of the mean over annotators"],
        "std over annotators": found["std over annotators of the mean over images"],
        "boundary displacement": found["boundary displacement"],
        "hit rate": found["hit rate"],
        "ground truth kept": found["ground truth kept"],
        "cut through": found["cut through"],
        **{name: found[name] for name in ("people cut through",) if found[name] is not None},
        # The median: the first photo of a search has its tracing in it.
        "seconds a photo": float(np.median(seconds)) if seconds else None,
    }


def checkpoints_of(setup: Setup, records: Mapping[str, Records]) -> dict[str, str]:
    """Name to SHA-256 of the networks that all methods share, and of what a search has besides."""
    used = dict(setup.networks.checkpoints)
    for found in records.values():
        for record in found.values():
            used |= record.checkpoints or {}
    return used


def notes(setup: Setup, records: Mapping[str, Records]) -> list[str]:
    """What every table says below itself."""
    people = [PEOPLE] if any(row.crops and row.people for row in setup.rows) else []
    return [data_note(setup, records), MEASURED, *people, REFUSED, *refusals(records)]


def data_note(setup: Setup, records: Mapping[str, Records]) -> str:
    """Which rows and checkpoints a table is of."""
    photos = len({row.path for row in setup.rows})
    used = checkpoints_of(setup, records)
    names = ", ".join(f"{name} {sha[:12]}" for name, sha in used.items())
    return (
        f"Data set: {made_by.shortened(setup.dataset)}, {len(setup.rows)} rows of {photos} photos. "
        f"Our checkpoints (SHA-256): {names}. No figure from embedded checkpoints, or on other "
        "photos than the paper's 100, is the paper's or can be set against it."
    )


def refusals(records: Mapping[str, Records]) -> list[str]:
    """A line for each method that refused rows, with its first reason."""
    found = []
    for name, rows in records.items():
        refused = [record for record in rows.values() if not record.ok]
        if refused:
            error = made_by.shortened(refused[0].error or "")
            found.append(f"{name}: {len(refused)} rows refused, the first: {error}")
    return found

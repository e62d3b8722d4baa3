"""From entries to a table: results of every row on disk, figures, Markdown and CSV."""

import csv
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags
from tqdm import tqdm

from cagic_tf import config
from cagic_tf.batch import manifest, output_folder
from cagic_tf.networks import checkpoints
from cagic_tf.photos import reading
from cagic_tf.system import files
from experiments.methods import predictions
from experiments.tables import entries, metrics

FLAGS = flags.FLAGS
ERRORS = (
    manifest.ManifestError,
    config.ConfigError,
    checkpoints.CheckpointError,
    output_folder.OutputError,
    reading.ImageError,
    entries.EntryError,
    predictions.PredictionsError,
)
# The columns of figures, which are keys of a table's rows, to how Markdown shows their numbers.
METRICS = {
    "rows": "d",
    "mean IoU": ".4f",
    "95 % interval": ".3f",
    "std over images": ".4f",
    "std over annotators": ".4f",
    "boundary displacement": ".4f",
    "hit rate": ".3f",
    "ground truth kept": ".3f",
    "seconds a photo": ".3g",
}

Lines = dict[str, dict[str, Any]]


def main(work: Callable[[], None]) -> Callable[[Sequence[str]], None]:
    """What `app.run` takes: `work`, with an exit status of 1 and one line for a user's mistake."""

    def run(arguments: Sequence[str]) -> None:
        if len(arguments) > 1:
            sys.exit(f"error: unexpected arguments {arguments[1:]}; flags are --name=value")
        tf.config.experimental.enable_op_determinism()  # The same boxes on a GPU too.
        try:
            work()
        except ERRORS as error:
            sys.exit(f"error: {error}")

    return run


def run(
    chosen: Sequence[entries.Entry], rows: Sequence[manifest.Row], directory: Path
) -> dict[str, Lines]:
    """Crops every row by every entry, but for what is on disk already.

    Args:
      chosen: The entries; each has its own folder in `directory`.
      rows: The rows.
      directory: Where `ENTRY/results.jsonl` go.

    Returns:
      Entry name to row id to result line.
    """
    folders = {
        entry.name: output_folder.OutputFolder(
            directory / entry.folder, entry.config, pictures=False
        )
        for entry in chosen
    }
    for entry in chosen:
        folder = folders[entry.name]
        waiting = [row for row in rows if not folder.is_done(row)]
        done = len(rows) - len(waiting)
        with tqdm(total=len(rows), initial=done, desc=entry.name, unit="row") as bar:

            def progress(scale: int, scales: int, loss: float, bar=bar) -> None:
                bar.set_postfix_str(f"scale {scale}/{scales}")

            for row in waiting:
                folder.fill(row, lambda entry=entry, row=row, told=progress: entry.crop(row, told))
                bar.update()
    return {name: {row.id: folder.done[row.id] for row in rows} for name, folder in folders.items()}


def figures(
    lines: Mapping[str, Lines], setup: entries.Setup, reference: str | None
) -> dict[str, dict[str, Any]]:
    """The figures of each entry, keyed as in `METRICS`.

    Args:
      lines: What `run` returned.
      setup: Rows and the sizes of their photos.
      reference: The entry that the others are compared with, None for none; adds the column of
        `p_column`.
    """
    measured = {
        name: metrics.measure(
            {key: line["box"] for key, line in found.items() if line["status"] == "ok"},
            setup.rows,
            setup.sizes,
        )
        for name, found in lines.items()
    }
    table = {}
    for name, one in measured.items():
        table[name] = {"rows": len(one.ids)}
        if one.ids:
            table[name] |= _means(one, lines[name])
        if reference not in (None, name) and set(one.ids) & set(measured[reference].ids):
            table[name][p_column(reference)] = metrics.compare(one, measured[reference]).p
    return table


def p_column(reference: str) -> str:
    """Heading of the p-values."""
    return f"p (against {reference})"


def _means(measured: metrics.Measured, lines: Lines) -> dict[str, Any]:
    found = measured.summary()
    seconds = [line["seconds"] for line in lines.values() if line["seconds"] is not None]
    return {
        "mean IoU": found["mean IoU"],
        "95 % interval": found["IoU interval"],
        "std over images": found["std over images of the mean over annotators"],
        "std over annotators": found["std over annotators of the mean over images"],
        "boundary displacement": found["boundary displacement"],
        "hit rate": found["hit rate"],
        "ground truth kept": found["share of ground truth kept"],
        # The median: the first photo of a search has its tracing in it.
        "seconds a photo": float(np.median(seconds)) if seconds else None,
    }


def notes(setup: entries.Setup, lines: Mapping[str, Lines]) -> list[str]:
    """What every table says below itself."""
    photos = len({row.path for row in setup.rows})
    used = dict(setup.networks.checkpoints)
    for rows in lines.values():
        for line in rows.values():
            used |= line["checkpoints"] or {}  # A search may have a lexicon besides.
    names = ", ".join(f"{name} {sha[:12]}" for name, sha in used.items())
    found = [
        f"Data set: {setup.dataset}, {len(setup.rows)} rows of {photos} photos. Our checkpoints "
        f"(SHA-256): {names}. No figure from embedded checkpoints, or on other photos than the "
        "paper's 100, is the paper's or can be set against it.",
        "IoU, boundary displacement, hit rate (the crop's centre lies in the ground truth) and the "
        "share of the ground truth that is kept are means over a row's annotations, then over "
        "rows; intervals are BCa bootstraps over photos; p is of a two-sided paired permutation "
        "test of the mean IoU, photo by photo; seconds are medians.",
    ]
    for name, rows in lines.items():
        failed = [line for line in rows.values() if line["status"] == "error"]
        if failed:
            found.append(f"{name}: {len(failed)} rows failed, the first: {failed[0]['error']}")
    return found


def write(
    output: Path,
    table: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    below: Sequence[str],
) -> None:
    """Writes OUTPUT.md and OUTPUT.csv, and prints the former.

    Args:
      output: Path without ending.
      table: Rows; a cell that is missing or None stays empty.
      columns: Headings, which are keys of rows, to the format of their numbers in Markdown.
      below: Lines below the Markdown table.
    """
    text = markdown(table, columns) + "".join(f"\n{line}\n" for line in below)
    for ending, content in ((".md", text), (".csv", as_csv(table, columns))):
        try:
            files.write_atomically(output.with_suffix(ending), content.encode())
        except OSError as error:
            raise output_folder.OutputError(f"cannot write {output}{ending}: {error}") from error
    print(text)


def markdown(table: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """The rows as a Markdown table."""
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in table:
        cells = [_cell(row.get(column), shape) for column, shape in columns.items()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def as_csv(table: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """The rows as CSV with all digits; a pair of numbers takes two columns, low and high."""
    pairs = {column for row in table for column in columns if isinstance(row.get(column), list)}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    ends = {c: [f"{c}, low", f"{c}, high"] if c in pairs else [c] for c in columns}
    writer.writerow([name for column in columns for name in ends[column]])
    for row in table:
        cells = []
        for column in columns:
            value = row.get(column)
            cells += value or ["", ""] if column in pairs else ["" if value is None else value]
        writer.writerow(cells)
    return buffer.getvalue()


def _cell(value: Any, shape: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("|", "\\|")
    if isinstance(value, list):
        return " to ".join(format(number, shape) for number in value)
    return format(value, shape)

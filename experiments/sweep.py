"""What a setting does: one run a value, a table of IoU, hits, loss and seconds.

    python -m experiments.sweep --gin_file=fast.gin \\
        --binding='Objective.aesthetic_weight=[0, 0.01, 0.1]'
    python -m experiments.sweep --gin_file=paper.gin --dataset=ROWS.jsonl --output_dir=OUT \\
        --binding='Annealing.draw_starts=[@Normal(), @Uniform()]'

Values are written as in a gin file; several --binding give every combination. Writes
OUT/VALUES/results.jsonl, then OUT/table.md, table.csv and made_by.json; goes on where it stopped.
"""

import itertools
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from absl import app, flags

from cagic_tf.batch import manifest
from experiments import command
from experiments.errors import ExperimentError
from experiments.tables import comparison, made_by, method_runs, networks, repeats, table_files

FLAGS = flags.FLAGS
COLUMNS = {
    **{name: comparison.METRICS[name] for name in ("rows", "refused", "mean IoU")},
    **{name: comparison.METRICS[name] for name in (comparison.INTERVAL, "hit rate")},
    **{name: comparison.METRICS[name] for name in ("ground truth kept", "cut through")},
    "people cut through": comparison.METRICS["people cut through"],
    "mean loss": ".4f",
    "crops computed a photo": ".0f",
    repeats.COLUMN: "",
    "seconds a photo": ".3g",
}
LONGEST = 80  # Characters of a folder's name.
OPEN, CLOSE = "([{", ")]}"


def define_flags() -> None:
    """Flags of this script."""
    method_runs.define_flags()
    repeats.define_flag()
    flags.DEFINE_multi_string(
        "gin_file", ["fast.gin"], "The configuration that is varied, as in cagic_tf.run."
    )
    flags.DEFINE_multi_string(
        "binding",
        None,
        "A setting and its values, NAME.PARAMETER=[VALUE, ...]. With several, all "
        "combinations are run.",
        required=True,
    )


def main() -> None:
    """Runs what is missing, then writes the table."""
    swept = dict(parse_binding(text) for text in FLAGS.binding)
    if len(swept) < len(FLAGS.binding):
        raise ExperimentError("a parameter has more than one --binding; put all values in one")
    setup = repeats.read_setup()
    settings = {}
    for values in itertools.product(*swept.values()):
        chosen = dict(zip(swept, values, strict=True))
        settings[folder_name(chosen)] = chosen
    shared, runs = networks.SharedNetworks(), []
    for name, chosen in settings.items():
        bindings = [f"{parameter} = {value}" for parameter, value in chosen.items()]
        cropper = shared.load_cropper(*FLAGS.gin_file, bindings=bindings)
        runs.append(method_runs.from_cropper(name, cropper))
    directory = Path(FLAGS.output_dir or "outputs/sweep")
    records = comparison.run(runs, setup.rows, directory)
    frame, measured = comparison.figures(records, setup, None)
    frame[repeats.COLUMN] = [repeats.means(measured[name]) for name in frame["method"]]
    means = [_search_means(records[name]) for name in frame["method"]]
    varied = pd.DataFrame([settings[name] for name in frame["method"]])
    used = comparison.checkpoints_of(runs, records)
    notes = [
        f"All other settings are {', '.join(map(made_by.shortened, FLAGS.gin_file))}'s. Losses "
        "under different objectives (weight, pyramid, blur) are different quantities.",
        *comparison.notes(setup, records, used),
        *repeats.note(),
    ]
    table_files.write(
        directory,
        pd.concat([varied, frame, pd.DataFrame(means)], axis=1),
        dict.fromkeys(swept, "") | COLUMNS,
        notes,
        networks.merged(used),
        comparison.files_of(runs, directory),
    )


def parse_binding(text: str) -> tuple[str, list[str]]:
    """`"A.b = [1, (2, 3), @C()]"` to `("A.b", ["1", "(2, 3)", "@C()"])`.

    Raises:
      ExperimentError: It is not of that form.
    """
    name, _, listed = (part.strip() for part in text.partition("="))
    values = split_values(listed[1:-1]) if listed[:1] + listed[-1:] == "[]" else []
    if "." not in name or not values or "" in values:
        raise ExperimentError(
            f"--binding is {text!r}; NAME.PARAMETER=[VALUE, ...] is needed, such as "
            "Objective.aesthetic_weight=[0, 0.01, 0.1]"
        )
    return name, values


def split_values(text: str) -> list[str]:
    """Splits at the commas that stand in no bracket and no quotes; a last comma may follow."""
    values, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += (letter in OPEN) - (letter in CLOSE) if not quote else 0
        if letter == "," and not depth and not quote:
            values.append("")
        else:
            values[-1] += letter
    values = [value.strip() for value in values]
    return values[:-1] if len(values) > 1 and not values[-1] else values


def folder_name(chosen: dict[str, str]) -> str:
    """A folder's name for some values; a checksum tells apart what cannot be written out."""
    text = ",".join(f"{parameter}={value}" for parameter, value in chosen.items())
    name = manifest.safe_name(text)
    if len(name) < LONGEST:
        return name
    return f"{name[: LONGEST - 9]}-{zlib.crc32(text.encode()):08x}"


def _search_means(records: comparison.Records) -> dict[str, float]:
    """Over the rows that were not refused; NaN where all were."""
    good = [record for record in records.values() if record.ok]
    losses = [record.loss["total"] for record in good if record.loss]
    evaluations = [record.evaluations for record in good if record.evaluations is not None]
    return {
        "mean loss": float(np.mean(losses)) if losses else np.nan,
        "crops computed a photo": float(np.mean(evaluations)) if evaluations else np.nan,
    }


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

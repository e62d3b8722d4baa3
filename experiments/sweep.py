"""What a setting does: one run a value, a table of IoU, hits, loss and seconds.

    python -m experiments.sweep --gin_file=fast.gin \\
        --binding='Objective.aesthetic_weight=[0, 0.01, 0.1]'
    python -m experiments.sweep --gin_file=paper.gin --dataset=ROWS.jsonl --output_dir=OUT \\
        --binding='Annealing.draw_starts=[@Normal(), @Uniform()]'

Values are written as in a gin file; several --binding give every combination. Writes
OUT/VALUES/results.jsonl, then OUT/sweep.md and OUT/sweep.csv; goes on where it stopped.
"""

import itertools
import zlib
from pathlib import Path

import numpy as np
from absl import app, flags

from cagic_tf.batch import manifest
from experiments.tables import comparison, entries

FLAGS = flags.FLAGS
COLUMNS = {
    "rows": "d",
    "mean IoU": ".4f",
    "95 % interval": ".3f",
    "hit rate": ".3f",
    "mean loss": ".4f",
    "crops computed a photo": ".0f",
    "seconds a photo": ".3g",
}
LONGEST = 80  # Characters of a folder's name.
OPEN, CLOSE = "([{", ")]}"


def define_flags() -> None:
    """Flags of this script."""
    entries.define_flags()
    flags.DEFINE_multi_string("gin_file", ["fast.gin"], "what is varied; as in cagic_tf.run")
    flags.DEFINE_multi_string(
        "binding", None, "NAME.PARAMETER=[VALUE, ...]; repeatable: all combinations", required=True
    )


def main() -> None:
    """Runs what is missing, then writes the table."""
    swept = dict(parse_binding(text) for text in FLAGS.binding)
    if len(swept) < len(FLAGS.binding):
        raise entries.EntryError("a parameter has more than one --binding; put all values in one")
    setup = entries.read_setup()
    settings = {}
    for values in itertools.product(*swept.values()):
        chosen = dict(zip(swept, values, strict=True))
        settings[folder_name(chosen)] = chosen
    runs = []
    for name, chosen in settings.items():
        bindings = [f"{parameter} = {value}" for parameter, value in chosen.items()]
        loaded = entries.load_cropper(setup, FLAGS.gin_file, bindings)
        runs.append(entries.from_cropper(setup, name, *loaded))
    directory = Path(FLAGS.output_dir or "outputs/sweep")
    lines = comparison.run(runs, setup.rows, directory)
    table = [
        settings[name] | row | _search_means(lines[name])
        for name, row in comparison.figures(lines, setup, None).items()
    ]
    notes = [
        f"All other settings are {', '.join(FLAGS.gin_file)}'s. Losses under different objectives "
        "(weight, pyramid, blur) are different quantities."
    ]
    comparison.write(
        directory / "sweep",
        table,
        dict.fromkeys(swept, "") | COLUMNS,
        notes + comparison.notes(setup, lines),
    )


def parse_binding(text: str) -> tuple[str, list[str]]:
    """`"A.b = [1, (2, 3), @C()]"` to `("A.b", ["1", "(2, 3)", "@C()"])`.

    Raises:
      EntryError: It is not of that form.
    """
    name, _, listed = (part.strip() for part in text.partition("="))
    values = split_values(listed[1:-1]) if listed[:1] + listed[-1:] == "[]" else []
    if "." not in name or not values or "" in values:
        raise entries.EntryError(
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


def _search_means(lines: comparison.Lines) -> dict[str, float]:
    good = [line for line in lines.values() if line["status"] == "ok"]
    if not good:
        return {}
    return {
        "mean loss": float(np.mean([line["loss"]["total"] for line in good])),
        "crops computed a photo": float(np.mean([line["evaluations"] for line in good])),
    }


if __name__ == "__main__":
    define_flags()
    app.run(comparison.main(main))

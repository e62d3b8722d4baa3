"""Table 2: is what the caption asked for still there? Captions given to crops, against it.

    python -m experiments.table2 --manifest=ROWS.jsonl --human_captions=CAPTIONS.csv \\
        --results=CAGIC=OUTPUT_DIR --output=RESULTS/table2

The paper asked four people, who had not seen the photos, to caption the crops of three methods, and
compared their captions with the one that the crops were made for (Sec. 4.2). CAPTIONS.csv holds
such captions, a line each, with these columns (others are ignored):

    method,id,caption

`method` names what made the crop, `id` is the manifest's row, `caption` what a person wrote; a crop
may have several, each counted on its own. A further column `reference` may give a row more wanted
captions than the manifest's.

`--results=NAME=DIR` of a cagic_tf.run is an automatic stand-in: the captioner's own caption of each
crop (`predicted_caption`). Writes OUTPUT.json, OUTPUT.csv and OUTPUT.md.
"""

import collections
import csv
import dataclasses
import io
import json
import sys
from pathlib import Path

from absl import app, flags

from cagic_tf.batch import manifest
from cagic_tf.system import files
from experiments.data import annotations
from experiments.data.annotations import MALFORMED, DataError
from experiments.tables import caption_scores

FLAGS = flags.FLAGS
# The paper's Table 2, in the order of `caption_scores.METRICS`.
PAPER = {
    "GradCAM": (0.2728, 0.1410, 0.0874, 0.0531, 0.1182, 0.2790, 0.6973),
    "MAttNet": (0.1718, 0.0937, 0.0603, 0.0355, 0.1132, 0.2947, 0.7154),
    "CAGIC": (0.3424, 0.1876, 0.1017, 0.0631, 0.1702, 0.2970, 0.9054),
}
PEOPLE, STAND_IN = "people", "the captioner itself (stand-in)"
COLUMNS = ("method", "captions by", "crops", "captions", *caption_scores.METRICS)


@dataclasses.dataclass
class Captioned:
    """The crops of one method and their captions.

    Attributes:
      method: Its name.
      by: Who captioned: `PEOPLE` or `STAND_IN`.
      captions: Row id and caption, in the file's order.
      without: Rows of the manifest without a caption.
      checkpoints: Name to SHA-256 of what made and captioned the crops; empty where unknown.
    """

    method: str
    by: str
    captions: list[tuple[str, str]]
    without: int
    checkpoints: dict[str, str]


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string("manifest", None, "the rows that were cropped, with the wanted captions")
    flags.DEFINE_string("human_captions", None, "CSV of people's captions of crops")
    flags.DEFINE_multi_string("results", [], "NAME=DIR of a cagic_tf.run on that manifest")
    flags.DEFINE_string("output", None, "where to write, without ending")
    flags.mark_flags_as_required(["manifest", "output"])


def read_human(path: Path, wanted: dict[str, list[str]]) -> list[Captioned]:
    """People's captions, by method; adds the file's `reference` texts to the wanted ones.

    Args:
      path: The CSV.
      wanted: Row id to the captions that its crop should have; changed in place.

    Raises:
      DataError: The file is no such CSV, or names a row that is not there.
    """
    by_method = collections.defaultdict(list)
    for number, line in annotations.read_csv(path, ("method", "id", "caption")):
        if line["id"] not in wanted:
            raise DataError(f"{path}, line {number}: the manifest has no row {line['id']!r}")
        for name in ("method", "caption"):
            if not line[name]:
                raise DataError(f"{path}, line {number}: the {name} is empty")
        by_method[line["method"]].append((line["id"], line["caption"]))
        reference = line.get("reference")
        if reference and reference not in wanted[line["id"]]:
            wanted[line["id"]].append(reference)
    return [
        Captioned(method, PEOPLE, captions, len(wanted) - len(dict(captions)), {})
        for method, captions in by_method.items()
    ]


def read_results(method: str, directory: Path, wanted: dict[str, list[str]]) -> Captioned:
    """The captioner's own captions of the crops in a cagic_tf.run's output.

    Args:
      method: Its name in the table.
      directory: The output folder.
      wanted: Row id to the captions that its crop should have, the manifest's first.

    Raises:
      DataError: There are no such results, or they are of another manifest or of two captioners.
    """
    path = directory / "results.jsonl"
    try:
        text = path.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.split("\n") if line.strip()]
        good = [line for line in lines if line["status"] == "ok" and line["id"] in wanted]
        captions = [(line["id"], line["predicted_caption"]) for line in good]
        changed = [line["id"] for line in good if line["caption"] != wanted[line["id"]][0]]
        checkpoints = {json.dumps(line["checkpoints"], sort_keys=True) for line in good}
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except MALFORMED as error:
        raise DataError(f"{path} is no cagic_tf.run's results: {error!r}") from error
    if not all(isinstance(caption, str) for _, caption in captions) or not captions:
        raise DataError(f"{path} has no predicted captions of the manifest's rows")
    if changed:
        raise DataError(f"{path}: row {changed[0]!r} has another caption than in the manifest")
    if len(checkpoints) > 1:
        raise DataError(f"{path} is of {len(checkpoints)} different sets of checkpoints")
    without = len(wanted) - len(dict(captions))
    return Captioned(method, STAND_IN, captions, without, json.loads(checkpoints.pop()) or {})


def report(captioned: list[Captioned], wanted: dict[str, list[str]]) -> list[dict]:
    """A row of the table for each method.

    Raises:
      ScorerError: The scorers cannot run here.
    """
    rows = []
    for found in captioned:
        texts = [caption for _, caption in found.captions]
        scores = caption_scores.score(texts, [wanted[name] for name, _ in found.captions])
        row = {"method": found.method, "captions by": found.by}
        row |= {"crops": len(dict(found.captions)), "captions": len(texts)} | scores
        rows.append(row | {"rows without": found.without, "checkpoints": found.checkpoints})
    return rows


def paper_rows() -> list[dict]:
    """Table 2 as it is printed."""
    return [
        {"method": f"{name} (the paper's Table 2)", "captions by": PEOPLE}
        | dict(zip(caption_scores.METRICS, values, strict=True))
        for name, values in PAPER.items()
    ]


def cells(row: dict) -> list[str]:
    """A row's cells as text, those that it lacks empty."""
    shown = (row.get(column, "") for column in COLUMNS)
    return [f"{value:.4f}" if isinstance(value, float) else str(value) for value in shown]


def as_csv(rows: list[dict]) -> str:
    """The table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *map(cells, rows)])
    return text.getvalue()


def as_markdown(ours: list[dict]) -> str:
    """The table, the paper's rows below ours, and what it is of."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(cells(row))} |" for row in [*ours, *paper_rows()]]
    lines += ["", "No figure above the paper's rows is the paper's: its photos, crops, networks "]
    lines[-1] += "and people's captions are not public."
    for row in ours:
        used = ", ".join(f"{name} {sha[:12]}" for name, sha in row["checkpoints"].items())
        made = f"Checkpoints (SHA-256): {used}." if used else "What made the crops is not recorded."
        left = f" {row['rows without']} rows have no caption." if row["rows without"] else ""
        lines += ["", f"{row['method']}, {row['captions by']}: {made}{left}"]
    if any(row["captions by"] == STAND_IN for row in ours):
        lines += ["", "The captioner's own captions stand in for people's. They flatter methods "]
        lines[-1] += "whose crops that captioner chose, and compare with no figure of people."
    return "\n".join(lines) + "\n"


def write(output: Path, ours: list[dict]) -> None:
    """Writes OUTPUT.json, OUTPUT.csv and OUTPUT.md.

    Raises:
      DataError: They cannot be written.
    """
    content = json.dumps({"ours": ours, "paper": paper_rows()}, indent=1, ensure_ascii=False)
    texts = {".json": content + "\n", ".csv": as_csv([*ours, *paper_rows()])}
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        for ending, text in (texts | {".md": as_markdown(ours)}).items():
            files.write_atomically(output.with_name(output.name + ending), text.encode())
    except OSError as error:
        raise DataError(f"cannot write {output}: {error.strerror}") from error


def main(_) -> int:
    """Runs the command; returns the exit status."""
    try:
        wanted = {row.id: [row.caption] for row in manifest.read(Path(FLAGS.manifest))}
        captioned = []
        if FLAGS.human_captions:
            captioned += read_human(Path(FLAGS.human_captions), wanted)
        for entry in FLAGS.results:
            name, given, directory = entry.partition("=")
            if not given:
                raise DataError(f"--results={entry}: NAME=DIR is needed")
            captioned.append(read_results(name, Path(directory), wanted))
        if not captioned:
            raise DataError("no captions of crops: give --human_captions, --results or both")
        ours = report(captioned, wanted)
        write(Path(FLAGS.output), ours)
    except (DataError, manifest.ManifestError, caption_scores.ScorerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(as_markdown(ours))
    return 0


if __name__ == "__main__":
    define_flags()
    app.run(main)

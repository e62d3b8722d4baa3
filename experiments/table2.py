"""Table 2: is what the caption asked for still there? Captions given to crops, against it.

    python -m experiments.table2 --manifest=ROWS.jsonl --human_captions=CAPTIONS.csv \\
        --results=CAGIC=FOLDER --output_dir=RESULTS/table2

The paper asked four people, who had not seen the photos, to caption the crops of three methods, and
compared their captions with the one that the crops were made for (Sec. 4.2). CAPTIONS.csv holds
such captions, a line each, with these columns (others are ignored):

    method,id,caption

`method` names what made the crop, `id` is the manifest's row, `caption` what a person wrote; a crop
may have several, each counted on its own. A further column `reference` may give a row more wanted
captions than the manifest's.

`--results=NAME=DIR` of a cagic_tf.run is an automatic stand-in: the captioner's own caption of each
crop (`predicted_caption`). Writes table.md, table.csv and made_by.json.
"""

import collections
import dataclasses
from pathlib import Path

import pandas as pd
from absl import app, flags

from cagic_tf.batch import manifest, output_folder, records
from experiments import command
from experiments.data import annotations
from experiments.errors import ExperimentError
from experiments.tables import caption_scores, table_files

FLAGS = flags.FLAGS
# The paper's Table 2, in the order of `caption_scores.METRICS`.
PAPER = {
    "GradCAM": (0.2728, 0.1410, 0.0874, 0.0531, 0.1182, 0.2790, 0.6973),
    "MAttNet": (0.1718, 0.0937, 0.0603, 0.0355, 0.1132, 0.2947, 0.7154),
    "CAGIC": (0.3424, 0.1876, 0.1017, 0.0631, 0.1702, 0.2970, 0.9054),
}
PEOPLE, STAND_IN = "people", "the captioner itself (stand-in)"
COLUMNS = {"method": "", "captions by": "", "crops": "d", "captions": "d"}
COLUMNS |= dict.fromkeys(caption_scores.METRICS, ".4f")


@dataclasses.dataclass
class Captioned:
    """The crops of one method and their captions.

    Attributes:
      method: Its name.
      by: Who captioned: `PEOPLE` or `STAND_IN`.
      captions: Row id and caption, in the file's order.
      without: Rows of the manifest without a caption.
      checkpoints: Name to SHA-256 of what made and captioned the crops; empty where unknown.
      source: The file that was read.
    """

    method: str
    by: str
    captions: list[tuple[str, str]]
    without: int
    checkpoints: dict[str, str]
    source: Path


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string(
        "manifest",
        None,
        "The manifest of the rows that were cropped, with the captions that were asked for.",
    )
    flags.DEFINE_string("human_captions", None, "A CSV file with what people wrote of the crops.")
    flags.DEFINE_multi_string(
        "results",
        [],
        "A method and the output folder of cagic_tf.run on that manifest, NAME=FOLDER. It may "
        "be repeated.",
    )
    flags.DEFINE_string("output_dir", "outputs/table2", "The folder to write to.")
    flags.mark_flag_as_required("manifest")


def read_human(path: Path, wanted: dict[str, list[str]]) -> list[Captioned]:
    """People's captions, by method; adds the file's `reference` texts to the wanted ones.

    Args:
      path: The CSV.
      wanted: Row id to the captions that its crop should have; changed in place.

    Raises:
      ExperimentError: The file is no such CSV, or names a row that is not there.
    """
    by_method = collections.defaultdict(list)
    for number, line in annotations.read_csv(path, ("method", "id", "caption")):
        if line["id"] not in wanted:
            raise ExperimentError(f"{path}, line {number}: the manifest has no row {line['id']!r}")
        for name in ("method", "caption"):
            if not line[name]:
                raise ExperimentError(f"{path}, line {number}: the {name} is empty")
        by_method[line["method"]].append((line["id"], line["caption"]))
        reference = line.get("reference")
        if reference and reference not in wanted[line["id"]]:
            wanted[line["id"]].append(reference)
    return [
        Captioned(method, PEOPLE, captions, len(wanted) - len(dict(captions)), {}, path)
        for method, captions in by_method.items()
    ]


def read_results(method: str, directory: Path, wanted: dict[str, list[str]]) -> Captioned:
    """The captioner's own captions of the crops in a cagic_tf.run's output.

    Args:
      method: Its name in the table.
      directory: The output folder.
      wanted: Row id to the captions that its crop should have, the manifest's first.

    Raises:
      ExperimentError: There are no such results, or they are of another manifest or of two
        captioners.
      records.RecordError: See there.
    """
    path = directory / output_folder.RESULTS
    good = [found for found in records.read(path).values() if found.ok and found.id in wanted]
    captions = [(found.id, found.predicted_caption) for found in good]
    if not all(isinstance(caption, str) for _, caption in captions) or not captions:
        raise ExperimentError(f"{path} has no predicted captions of the manifest's rows")
    changed = [found.id for found in good if found.caption != wanted[found.id][0]]
    if changed:
        raise ExperimentError(
            f"{path}: row {changed[0]!r} has another caption than in the manifest"
        )
    checkpoints = {tuple(sorted((found.checkpoints or {}).items())) for found in good}
    if len(checkpoints) > 1:
        raise ExperimentError(f"{path} is of {len(checkpoints)} different sets of checkpoints")
    without = len(wanted) - len(captions)
    return Captioned(method, STAND_IN, captions, without, dict(checkpoints.pop()), path)


def report(captioned: list[Captioned], wanted: dict[str, list[str]]) -> pd.DataFrame:
    """A row of the table for each method, then the paper's as they are printed.

    Raises:
      ScorerError: The scorers cannot run here.
    """
    rows = []
    for found in captioned:
        texts = [caption for _, caption in found.captions]
        scores = caption_scores.score(texts, [wanted[name] for name, _ in found.captions])
        row = {"method": found.method, "captions by": found.by}
        rows.append(row | {"crops": len(dict(found.captions)), "captions": len(texts)} | scores)
    for name, values in PAPER.items():
        row = {"method": f"{name} (the paper's Table 2)", "captions by": PEOPLE}
        rows.append(row | dict(zip(caption_scores.METRICS, values, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def notes(captioned: list[Captioned]) -> list[str]:
    """What the table is of."""
    found = [
        "No figure above the paper's rows is the paper's: its photos, crops, networks and people's "
        "captions are not public."
    ]
    for one in captioned:
        used = ", ".join(f"{name} {sha[:12]}" for name, sha in one.checkpoints.items())
        made = f"Checkpoints (SHA-256): {used}." if used else "What made the crops is not recorded."
        left = f" {one.without} rows have no caption." if one.without else ""
        found.append(f"{one.method}, {one.by}: {made}{left}")
    if any(one.by == STAND_IN for one in captioned):
        found.append(
            "The captioner's own captions stand in for people's. They flatter methods whose crops "
            "that captioner chose, and compare with no figure of people."
        )
    return found


def main() -> None:
    """Scores the captions, then writes the table."""
    wanted = {row.id: [row.caption] for row in manifest.read(Path(FLAGS.manifest))}
    captioned = []
    if FLAGS.human_captions:
        captioned += read_human(Path(FLAGS.human_captions), wanted)
    for given in FLAGS.results:
        name, equals, directory = given.partition("=")
        if not equals:
            raise ExperimentError(f"--results={given}: NAME=DIR is needed")
        captioned.append(read_results(name, Path(directory), wanted))
    if not captioned:
        raise ExperimentError("no captions of crops: give --human_captions, --results or both")
    table_files.write(
        Path(FLAGS.output_dir),
        report(captioned, wanted),
        COLUMNS,
        notes(captioned),
        {name: sha for one in captioned for name, sha in one.checkpoints.items()},
        sources=dict.fromkeys(one.source for one in captioned),
    )


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

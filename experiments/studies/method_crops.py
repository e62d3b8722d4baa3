"""The crops of several methods, of the rows of a manifest, for the studies that compare methods."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from absl import flags

from cagic_tf.batch import manifest, output_folder, records
from experiments.errors import ExperimentError
from experiments.studies.pictures import Box

FLAGS = flags.FLAGS


class MethodCrops(NamedTuple):
    """What methods made of the rows that all of them have a crop of.

    Attributes:
      methods: Their names, in the order of the flags.
      rows: The rows.
      boxes: Method and row id to box `(x, y, w, h)` in pixels of the upright photo.
      checkpoints: Name to SHA-256 of the networks that had a part in the crops.
      notes: Which rows are left out, a sentence each.
      sources: The files that were read.
    """

    methods: list[str]
    rows: list[manifest.Row]
    boxes: dict[tuple[str, str], Box]
    checkpoints: dict[str, str]
    notes: list[str]
    sources: list[Path]


def define_flags() -> None:
    """The flag that names the methods and their crops."""
    flags.DEFINE_multi_string(
        "results",
        [],
        "A method and the folder of its results of the manifest's rows, NAME=FOLDER, as cagic and "
        "experiments.table1 write it. It may be repeated; the others are compared with the first.",
    )


def read(rows: Sequence[manifest.Row], taken: Sequence[str] = ()) -> MethodCrops:
    """Reads the results that the flag names.

    Args:
      rows: The manifest's rows.
      taken: Names that no method may have.

    Raises:
      ExperimentError: No results are given, a name occurs twice, or results are not of these rows.
      records.RecordError: See there.
    """
    boxes: dict[tuple[str, str], Box] = {}
    methods: list[str] = []
    checkpoints: dict[str, str] = {}
    sources, notes = [], []
    captions = {row.id: row.caption for row in rows}
    for given in FLAGS.results:
        name, equals, directory = given.partition("=")
        if not (name and equals and directory):
            raise ExperimentError(f"--results={given}: NAME=FOLDER is needed")
        if name in (*methods, *taken):
            raise ExperimentError(f"--results={given}: there is a method {name} already; rename it")
        path = Path(directory) / output_folder.RESULTS
        found = [one for one in records.read(path).values() if one.ok and one.id in captions]
        for record in found:
            if record.caption != captions[record.id]:
                raise ExperimentError(f"{path}: row {record.id!r} has another caption than here")
            boxes[name, record.id] = _box(record, path)
            checkpoints |= record.checkpoints or {}
        refused = [row.id for row in rows if (name, row.id) not in boxes]
        if refused:
            notes.append(f"{name} has no crop of {', '.join(refused)}: left out for all methods.")
        methods.append(name)
        sources.append(path)
    if not methods:
        raise ExperimentError("no crops: give --results=NAME=FOLDER for each method")
    kept = [row for row in rows if all((name, row.id) in boxes for name in methods)]
    if not kept:
        raise ExperimentError(f"no row has a crop of each of the methods {', '.join(methods)}")
    return MethodCrops(methods, kept, boxes, checkpoints, notes, sources)


def _box(record: records.Record, path: Path) -> Box:
    if record.box is None:
        raise ExperimentError(f"{path}: row {record.id!r} has no box")
    x, y, w, h = record.box
    return x, y, w, h

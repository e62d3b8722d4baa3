"""Entries of a table: each method under its name, ready to crop rows, with what identifies it.

Networks are loaded once and shared by all entries, so that they differ in the method alone.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags

from cagic_tf import config, pipeline
from cagic_tf.batch import manifest
from cagic_tf.method import annealing
from cagic_tf.networks.bundle import Networks
from cagic_tf.photos import reading
from cagic_tf.system import resources
from experiments.methods import blind, grad_cam, grid_search, predictions, windows

FLAGS = flags.FLAGS

# Methods by name, made from a `Setup`. Names that end in ".gin" are searches of the objective;
# "grid" takes its objective from the first of them.
METHODS = {
    "whole": lambda setup: blind.Centre(1.0),
    "centre": lambda setup: blind.Centre(0.5),
    "random": lambda setup: blind.Random(),
    "prior": lambda setup: blind.Prior(setup.rows, setup.sizes),
    "grad_cam": lambda setup: grad_cam.GradCam(setup.networks),
    "grad_cam_mask": lambda setup: grad_cam.GradCam(setup.networks, whole_mask=True),
    "vfn": lambda setup: windows.SlidingWindows(setup.networks),
    "grad_cam+vfn": lambda setup: windows.SlidingWindows(
        setup.networks, first=grad_cam.GradCam(setup.networks)
    ),
}
GRID = "grid"


class EntryError(Exception):
    """Methods or rows cannot be used; the message is one line."""


class Setup(NamedTuple):
    """What the entries of a table share.

    Attributes:
      dataset: The data set's name, for the table.
      rows: Its rows, of which some have ground truth.
      sizes: Row id to `(width, height)` of the upright photo.
      networks: The frozen networks.
    """

    dataset: str
    rows: list[manifest.Row]
    sizes: dict[str, tuple[int, int]]
    networks: Networks


class Entry(NamedTuple):
    """A row of a table.

    Attributes:
      name: The method's name.
      crop: `crop(row, progress)` gives what `outputs.OutputFolder.fill` takes.
      config: What its results depend on, as text; another text needs another folder.
    """

    name: str
    crop: Callable[[manifest.Row, annealing.Progress | None], Any]
    config: str

    @property
    def folder(self) -> str:
        """Name of its folder of results."""
        return manifest.safe_name(self.name)


def define_flags() -> None:
    """Flags that every table has."""
    flags.DEFINE_string("dataset", "samples", "'samples', or a manifest (JSONL) with crops")
    flags.DEFINE_string("output_dir", None, "where results go; outputs/ and the script's name")
    flags.DEFINE_string(
        "captioner", "sat", "captioner of all methods: a checkpoint's name or folder"
    )
    flags.DEFINE_string("scorer", "vfn", "scorer of all methods: a checkpoint's name or folder")


def read_setup() -> Setup:
    """The rows and networks that the flags name.

    Raises:
      EntryError: No row has ground truth.
      manifest.ManifestError, reading.ImageError, checkpoints.CheckpointError: See there.
    """
    rows = read_rows(FLAGS.dataset)
    if not any(row.crops for row in rows):
        raise EntryError(
            f"no row of {FLAGS.dataset} has ground-truth crops, so nothing can be measured"
        )
    sizes = {row.id: reading.upright_size(row.path) for row in rows}
    return Setup(FLAGS.dataset, rows, sizes, Networks(FLAGS.captioner, FLAGS.scorer))


def read_rows(dataset: str) -> list[manifest.Row]:
    """The rows of `--dataset`.

    Raises:
      manifest.ManifestError: See there.
    """
    if dataset == "samples":
        return manifest.read(resources.package_path("samples") / "manifest.jsonl")
    return manifest.read(Path(dataset))


def load_cropper(
    setup: Setup, gin_files: Sequence[str], bindings: Sequence[str] = ()
) -> tuple[pipeline.Cropper, str]:
    """A cropper on the shared networks, and its operative configuration.

    Raises:
      EntryError: A file names other networks than the flags.
      config.ConfigError, checkpoints.CheckpointError: See there.
    """
    cropper = config.load_cropper(*gin_files, bindings=bindings, networks=setup.networks)
    lexicon = config.bound("Networks.lexicon")
    if lexicon is not None:
        networks = setup.networks.with_lexicon(lexicon)
        cropper = config.load_cropper(*gin_files, bindings=bindings, networks=networks)
    for flag in ("captioner", "scorer"):
        named = config.bound(f"Networks.{flag}")
        # The default is what every shipped file names by base.gin, which the flag may overrule.
        if named not in (None, FLAGS[flag].value, FLAGS[flag].default):
            raise EntryError(
                f"{', '.join(gin_files)} names the {flag} {named!r}, but all methods share one: "
                f"give --{flag}={named}"
            )
    return cropper, config.operative_config()


def from_cropper(setup: Setup, name: str, cropper: pipeline.Cropper, text: str) -> Entry:
    """The entry of a search of the objective."""

    def crop(row, progress):
        return cropper.crop(row.path, row.caption, progress=progress)

    return Entry(name, crop, text + _checkpoints(cropper.loss.networks))


def from_names(setup: Setup, names: Sequence[str], files: Sequence[str] = ()) -> list[Entry]:
    """The entries of `--methods` and `--predictions`, in their order.

    Args:
      setup: Rows and networks.
      names: Names of `METHODS`, "grid", or gin files.
      files: `NAME=FILE` of boxes that other methods wrote.

    Raises:
      EntryError: A name is unknown, occurs twice, or its method cannot be used.
      config.ConfigError, predictions.PredictionsError: A file is wrong.
    """
    searches = {name: load_cropper(setup, [name]) for name in names if name.endswith(".gin")}
    entries = []
    for name in names:
        if name in searches:
            entries.append(from_cropper(setup, name, *searches[name]))
        elif name == GRID:
            entries.append(_grid(setup, next(iter(searches.values()), (None, ""))[0]))
        elif name in METHODS:
            entries.append(_from_method(setup, name))
        else:
            raise EntryError(
                f"unknown method {name!r}; accepted are {', '.join([*METHODS, GRID])} and gin "
                "files such as fast.gin, paper.gin or ablations/cn.gin"
            )
    entries += [_from_file(entry) for entry in files]
    folders = [entry.folder for entry in entries]
    for entry in entries:
        if folders.count(entry.folder) > 1:
            raise EntryError(f"more than one method would write to {entry.folder}; rename one")
    return entries


def _from_method(setup: Setup, name: str) -> Entry:
    try:
        method = METHODS[name](setup)
    except ValueError as error:
        raise EntryError(f"method {name!r}: {error}") from error
    text = f"# {method!r}\n" + _checkpoints(setup.networks)
    return Entry(name, lambda row, progress: method(row.path, row.caption), text)


def _grid(setup: Setup, reference: pipeline.Cropper | None) -> Entry:
    """Grid search of the objective of another search, or of the paper's."""
    search, networks, objective, max_side = grid_search.GridSearch(), setup.networks, None, 1024
    if reference:
        networks, objective = reference.loss.networks, reference.loss.objective
        max_side = reference.max_side
    cropper = pipeline.Cropper(networks, objective, search, max_side)
    text = f"# {search!r}\n# {cropper.loss.objective!r}\n# max_side={max_side}\n"
    return from_cropper(setup, GRID, cropper, text)


def _from_file(given: str) -> Entry:
    name, equals, file = given.partition("=")
    if not (name and equals and file):
        raise EntryError(f"--predictions is {given!r}; NAME=FILE is needed")
    found = predictions.Predictions(Path(file))
    return Entry(name, lambda row, progress: found(row), f"# boxes with SHA-256 {found.sha256}\n")


def _checkpoints(networks: Networks) -> str:
    return "".join(f"# {name} {sha}\n" for name, sha in networks.checkpoints.items())

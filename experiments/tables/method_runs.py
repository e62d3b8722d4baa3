"""The methods of a table, each under its name, ready to crop, with what its crops depend on."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
from absl import flags

from cagic_tf import pipeline
from cagic_tf.baselines import systems
from cagic_tf.batch import manifest, output_folder, row_seeds
from cagic_tf.method.search import Progress
from cagic_tf.networks.bundle import Networks
from cagic_tf.photos import reading
from cagic_tf.system import devices, provenance, resources
from experiments.errors import ExperimentError
from experiments.methods import grad_cam, grid_search, predictions
from experiments.methods.named import METHODS, OF_SYSTEMS, WITH_NETWORKS, WITHOUT_NETWORKS, Setup
from experiments.methods.system_boxes import SystemBox
from experiments.tables import made_by, networks

FLAGS = flags.FLAGS
# The grid search takes its objective from the first search of the table, a name in ".gin", or from
# the paper's.
GRID = "grid"


class MethodRun(NamedTuple):
    """A method of a table.

    Attributes:
      name: The method's name.
      crop: `crop(row, progress)` gives what `output_folder.OutputFolder.fill` takes.
      config: Its settings as text; other settings need another folder.
      checkpoints: Name to SHA-256 of its networks, likewise.
    """

    name: str
    crop: Callable[[manifest.Row, Progress | None], Any]
    config: str
    checkpoints: dict[str, str]

    @property
    def folder(self) -> str:
        """Name of its folder of results."""
        return manifest.safe_name(self.name)

    def open(self, directory: Path) -> output_folder.OutputFolder:
        """Its folder of results in a directory, which may have rows of an earlier run.

        Raises:
          output_folder.OutputError: It is in use, or has rows of other settings.
        """
        here = provenance.record(
            made_by.command(),
            checkpoints=self.checkpoints,
            threads=devices.thread_count(tf.config.threading.get_intra_op_parallelism_threads()),
        )
        return output_folder.OutputFolder(
            directory / self.folder, self.config, pictures=False, provenance=here
        )


def define_flags() -> None:
    """Flags that every table has."""
    define_dataset_flag()
    flags.DEFINE_string(
        "output_dir",
        None,
        "The folder that results go to. By default it is outputs/ and the script's name.",
    )
    networks.define_flags()
    devices.define_flags()


def define_dataset_flag() -> None:
    """The flag that names the rows."""
    flags.DEFINE_string(
        "dataset",
        "samples",
        "The rows: 'samples', or a manifest with ground-truth crops. With several, commas stand "
        "between them; with :N behind it, the first N of a manifest's rows are taken.",
    )


def read_setup() -> Setup:
    """Sets TensorFlow up, then reads the rows that the flags name.

    Raises:
      ExperimentError: No row has ground truth.
      devices.DeviceError, manifest.ManifestError, reading.ImageError: See there.
    """
    devices.prepare(FLAGS.device, FLAGS.threads)
    rows = read_annotated_rows(FLAGS.dataset)
    return Setup(FLAGS.dataset, rows, sizes_of(rows))


def read_annotated_rows(dataset: str) -> list[manifest.Row]:
    """The rows of a data set; some have no ground truth, but not all.

    Raises:
      ExperimentError: No row has any.
      manifest.ManifestError: See there.
    """
    rows = read_rows(dataset)
    if not any(row.crops for row in rows):
        raise ExperimentError(
            f"no row of {dataset} has ground-truth crops, so nothing can be measured"
        )
    return rows


def read_rows(dataset: str) -> list[manifest.Row]:
    """The rows of `--dataset`.

    Raises:
      ExperimentError: Two manifests have an id in common.
      manifest.ManifestError: See there.
    """
    if dataset == "samples":
        return manifest.read(resources.package_path("samples") / "manifest.jsonl")
    if Path(dataset).exists():
        return manifest.read(Path(dataset))
    rows: list[manifest.Row] = []
    for part in dataset.split(","):
        name, _, first = part.rpartition(":")
        cut = bool(name) and first.isdecimal()
        rows += manifest.read(Path(name if cut else part))[: int(first) if cut else None]
    ids = [row.id for row in rows]
    if len(set(ids)) < len(ids):
        raise ExperimentError(f"two rows of --dataset={dataset} have the same id")
    return rows


def sizes_of(rows: Sequence[manifest.Row]) -> dict[str, tuple[int, int]]:
    """Row id to `(width, height)` of the upright photo.

    Raises:
      reading.ImageError: A photo cannot be read.
    """
    return {row.id: reading.upright_size(row.path) for row in rows}


def from_cropper(name: str, cropper: pipeline.Cropper, text: str = "") -> MethodRun:
    """The run of a search of the objective; the text is the configuration of one without gin."""

    def crop(row, progress):
        seed = row_seeds.row_seed(cropper.seed, row.id)
        return cropper.crop(row.path, row.caption, seed, progress)

    return MethodRun(name, crop, text or cropper.configuration, cropper.loss.networks.checkpoints)


def from_names(
    setup: Setup,
    names: Sequence[str],
    files: Sequence[str] = (),
    grid_stride: float = grid_search.GridSearch.stride,
    load_system: Callable[[str], systems.System] = systems.load,
) -> list[MethodRun]:
    """The runs of `--methods` and `--predictions`, in their order.

    Args:
      setup: The rows.
      names: Names of `METHODS`, "grid", or gin files. Each gin file has the networks that it
        names, the other methods those of the first one; see `networks.SharedNetworks.of`.
      files: `NAME=FILE` of boxes that other methods wrote.
      grid_stride: How fine the grid of "grid" is, see `grid_search.GridSearch`.
      load_system: Loads a system by its name, such as "vpn".

    Raises:
      ExperimentError: A name is unknown, occurs twice, or its method or file cannot be used.
      config.ConfigError, checkpoints.CheckpointError: See there.
    """
    shared = networks.SharedNetworks()
    searches = {name: shared.load_cropper(name) for name in names if name.endswith(".gin")}
    first = list(searches)[:1]
    runs = []
    for name in names:
        if name in searches:
            runs.append(from_cropper(name, searches[name]))
        elif name == GRID:
            reference = searches[first[0]] if first else shared.load_cropper("paper.gin")
            runs.append(_grid(reference, grid_stride))
        elif name in WITHOUT_NETWORKS:
            runs.append(_without_networks(setup, name))
        elif name in WITH_NETWORKS:
            method = WITH_NETWORKS[name](shared.of(*first))
            runs.append(_with_networks(name, method, shared.of(*first).checkpoints))
        elif name in OF_SYSTEMS:
            of, after = OF_SYSTEMS[name]
            before = shared.of(*first) if after else None
            runs.append(_of_system(name, load_system(of), before))
        else:
            raise ExperimentError(
                f"unknown method {name!r}; accepted are {', '.join([*METHODS, GRID])} and gin "
                "files such as fast.gin, paper.gin or ablations/cn.gin"
            )
    runs += [_from_file(given) for given in files]
    folders = [run.folder for run in runs]
    for folder in folders:
        if folders.count(folder) > 1:
            raise ExperimentError(f"more than one method would write to {folder}; rename one")
    return runs


def _without_networks(setup: Setup, name: str) -> MethodRun:
    try:
        method = WITHOUT_NETWORKS[name](setup)
    except ValueError as error:
        raise ExperimentError(f"method {name!r}: {error}") from error

    def crop(row, progress):
        return method(row.path, row.caption)

    return MethodRun(name, crop, f"# {method!r}\n", {})


def _with_networks(name: str, method: Any, checkpoints: dict[str, str]) -> MethodRun:
    """Its records name their checkpoints, as a search's do."""

    def crop(row, progress):
        start = time.monotonic()
        box = method(row.path, row.caption)
        seconds = time.monotonic() - start
        return {"box": list(box), "seconds": seconds, "checkpoints": checkpoints}

    return MethodRun(name, crop, f"# {method!r}\n", checkpoints)


def _of_system(name: str, system: systems.System, before: Networks | None) -> MethodRun:
    """A system alone, or on the crop of the Grad-CAM of the networks that come before it."""
    settings = f"{OF_SYSTEMS[name][0]} {system.settings}".strip()
    method = SystemBox(settings, system.boxes, before and grad_cam.GradCam(before))
    return _with_networks(name, method, system.checkpoints | (before.checkpoints if before else {}))


def _grid(reference: pipeline.Cropper, stride: float) -> MethodRun:
    """Grid search of the objective of another search."""
    search, max_side = grid_search.GridSearch(stride=stride), reference.max_side
    cropper = pipeline.Cropper(reference.loss.networks, reference.loss.objective, search, max_side)
    text = f"# {search!r}\n# {cropper.loss.objective!r}\n# max_side={max_side}\n"
    return from_cropper(GRID, cropper, text)


def _from_file(given: str) -> MethodRun:
    name, equals, file = given.partition("=")
    if not (name and equals and file):
        raise ExperimentError(f"--predictions is {given!r}; NAME=FILE is needed")
    found = predictions.Predictions(Path(file))

    def crop(row, progress):
        return found(row)

    return MethodRun(name, crop, f"# boxes with SHA-256 {found.sha256}\n", {})

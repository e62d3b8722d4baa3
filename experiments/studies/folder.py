"""A study's folder: what Label Studio imports, and the key to it, which only researchers see.

    STUDY/
      project.json     the body that makes a project: title, instruction, labelling, people a task
      tasks.json       the tasks; nothing in them says which method made a crop
      images/          what people are shown
      study.json       the key: each task's row, and which method made which of its pictures
      made_by.json

Label Studio serves the pictures from the disk. It has to be told the folder in which STUDY lies
(`LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`), and, once a project, the folder `images/` (a storage).
"""

import dataclasses
import hashlib
import json
import os
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from cagic_tf.batch import manifest
from cagic_tf.photos import reading
from experiments.data import annotations
from experiments.errors import ExperimentError
from experiments.studies import pictures
from experiments.tables import made_by

KEY, TASKS, PROJECT, IMAGES = "study.json", "tasks.json", "project.json", "images"
FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Study:
    """The key of a study.

    Attributes:
      kind: "crops", "captions" or "choices".
      people: How many people should answer each task.
      seed: The seed of the order.
      methods: The methods whose crops are shown, the first one that others are compared with.
      checkpoints: Name to SHA-256 of the networks that had a part in its crops.
      notes: What else is to know of it, a sentence each.
      tasks: What is known of each task: "task", its number from 1 on, and what its kind needs.
    """

    kind: str
    people: int
    seed: int
    methods: list[str]
    checkpoints: dict[str, str]
    notes: list[str]
    tasks: list[dict[str, Any]]

    @property
    def id(self) -> str:
        """Twelve digits that stand in each task and tell studies apart."""
        return hashlib.sha256(_json(dataclasses.asdict(self))).hexdigest()[:12]


@dataclasses.dataclass(frozen=True)
class Labelling:
    """What Label Studio shows.

    Attributes:
      title: The project's name.
      instruction: What people are asked to do.
      config: The labelling configuration, in Label Studio's XML.
      sampling: "Sequential sampling": in the tasks' order; "Uniform sampling": in one of each
        person's own.
      drawn: Whether something has to be drawn before an answer can be sent. What is to be written
        or chosen is required by the configuration instead: a text counts as drawn only once Enter
        was pressed, and until then the button to send it would be dead.
    """

    title: str
    instruction: str
    config: str
    sampling: str = "Sequential sampling"
    drawn: bool = False


def define_flags(people: int) -> None:
    """Flags that every study has.

    Args:
      people: How many people the paper asked.
    """
    flags.DEFINE_string("manifest", None, "The rows of photos and captions, to make the tasks of.")
    flags.DEFINE_string("export", None, "What people answered: Label Studio's export as JSON.")
    flags.DEFINE_string(
        "study", None, "The study's folder. By default it is outputs/studies/ and the study's name."
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "The folder that results of an export go to. By default it is results/ in the study's.",
    )
    flags.DEFINE_integer(
        "people",
        people,
        f"How many people are to answer each task; the paper had {people}.",
        lower_bound=1,
    )
    flags.DEFINE_integer("seed", 0, "The seed of the tasks' order.", lower_bound=0)
    flags.DEFINE_list(
        "annotators",
        None,
        "The numbers of the people to read from the export, with commas between them. By default "
        "they are all; who tried a task out should be left out.",
    )


def run(
    kind: str, make: Callable[[Path, Path], None], read: Callable[[Path, Path, Path], None]
) -> None:
    """Makes the tasks of a study, or reads the answers, as the flags say.

    Args:
      kind: The study's name.
      make: Called with the study's folder and the manifest.
      read: Called with the study's folder, the export, and the folder of results.

    Raises:
      ExperimentError: The flags say neither or both of what to make and what to read.
    """
    if (FLAGS.manifest is None) == (FLAGS.export is None):
        raise ExperimentError(
            "one of --manifest, to make the tasks, and --export, to read the answers, is needed"
        )
    study = Path(FLAGS.study or f"outputs/studies/{kind}")
    if FLAGS.manifest is not None:
        make(study, Path(FLAGS.manifest))
    else:
        read(study, Path(FLAGS.export), Path(FLAGS.output_dir or study / "results"))


def image_url(folder: Path, name: str) -> str:
    """The address at which Label Studio serves a picture of a study's folder."""
    own_name = os.path.basename(os.path.abspath(folder))  # A link's own, not where it leads.
    path = urllib.parse.quote(f"{own_name}/{IMAGES}/{name}")
    return f"/data/local-files/?d={path}"


def write(
    folder: Path,
    study: Study,
    labelling: Labelling,
    shown: Sequence[Mapping[str, str]],
    images: Sequence[pictures.Picture],
    sources: Sequence[Path],
) -> None:
    """Writes a study's folder; the same study is gone on with where it stopped.

    The key comes first and the tasks last, so that there is nothing to import before all is there.

    Args:
      folder: Where to.
      study: Its key.
      labelling: What Label Studio shows.
      shown: What each task shows, by the names of the configuration, in the order of the tasks.
      images: The pictures, those of one photo together.
      sources: The files that it was made of.

    Raises:
      ExperimentError: The folder has another study, whose key would be lost, or other files.
      output_folder.OutputError: A file cannot be written.
      reading.ImageError: A photo cannot be read.
    """
    _make_room(folder, study)
    project = {
        "title": labelling.title,
        "description": f"Study {study.id}",
        "expert_instruction": labelling.instruction,
        "show_instruction": True,
        "label_config": labelling.config,
        "maximum_annotations": study.people,
        "sampling": labelling.sampling,
        "enable_empty_annotation": not labelling.drawn,
        "show_skip_button": False,
    }
    tasks = [
        {"data": {"study": study.id, "task": known["task"], **texts}}
        for known, texts in zip(study.tasks, shown, strict=True)
    ]
    made_by.write_file(folder / KEY, _json(dataclasses.asdict(study)))
    paths = pictures.write(folder / IMAGES, images)
    made_by.write_file(folder / PROJECT, _json(project))
    made_by.write_file(folder / TASKS, _json(tasks))
    files = [*(folder / name for name in (KEY, PROJECT, TASKS)), *paths]
    made_by.write(folder, files, study.checkpoints, sources)
    print(f"{folder}: {len(tasks)} tasks for {study.people} people, {len(paths)} pictures")
    for note in study.notes:
        print(note)


def _make_room(folder: Path, study: Study) -> None:
    """Sees to it that what the folder has is of this study; a part of another goes."""
    if not (folder / KEY).exists():
        others = [name for name in (TASKS, PROJECT, IMAGES) if (folder / name).exists()]
        if others:
            raise ExperimentError(
                f"{folder} has {', '.join(others)} and no {KEY}, so it is no study's folder; "
                "choose another --study"
            )
    elif read(folder, study.kind) != study:
        if (folder / TASKS).exists():
            raise ExperimentError(
                f"{folder} holds another study, whose answers could not be read without its {KEY}; "
                "choose another --study, or remove the folder"
            )
        for path in (folder / IMAGES).glob("*.jpg"):
            path.unlink()


def read(folder: Path, kind: str) -> Study:
    """The key of a study's folder.

    Raises:
      ExperimentError: There is none, or it is of another kind.
    """
    path = folder / KEY
    try:
        study = Study(**annotations.read_json(path))
        known = {task["task"] for task in study.tasks} == set(range(1, len(study.tasks) + 1))
    except annotations.MALFORMED as error:
        raise ExperimentError(f"{path} is not what this command wrote: {error!r}") from error
    if study.kind != kind or not known:
        raise ExperimentError(f"{path} is no study of {kind}, but of {study.kind}")
    return study


def read_rows(path: Path) -> list[manifest.Row]:
    """The rows of a manifest, none without a caption, each with a photo that is there.

    Raises:
      ExperimentError: A row has no caption.
      manifest.ManifestError, reading.ImageError: See there.
    """
    rows = manifest.read(path)
    for row in rows:
        if not (row.caption and row.caption.strip()):
            raise ExperimentError(f"{path}: the row {row.id!r} has no caption to show to people")
        reading.upright_size(row.path)
    return rows


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"

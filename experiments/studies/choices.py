"""Table 3: people choose the best of several crops of a photo; back into each method's share.

    python -m experiments.studies choices --manifest=ROWS.jsonl --results=CAGIC=FOLDER \\
        --results=GradCAM=FOLDER --results=MAttNet=FOLDER --study=STUDY
    python -m experiments.studies choices --study=STUDY --export=export.json --output_dir=OUT

The first writes the tasks: the caption, the whole photo and each method's crop of it, side by side
in random order. In every four tasks of four pictures each method stands once at each place.
Everybody gets the tasks in an order of their own, and may stop at any time. The second writes a
table of how often each method was chosen, beside the paper's, and how far people agree.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from absl import flags

from experiments.data import annotations, photo_paths
from experiments.errors import ExperimentError
from experiments.studies import answers, folder, method_crops, pictures, shares
from experiments.studies.answers import Answer, Problem
from experiments.studies.shares import ORIGINAL, Decision
from experiments.tables import table_files

KIND = "choices"
PEOPLE = 13  # Sec. 4.2.
QUESTION = "Select the crop described by the caption which looks the best"
FLAGS = flags.FLAGS
MISSING, TWO, NO_PLACE = "no choice", "two choices", "a choice that was not offered"


def define_flags() -> None:
    """Flags of this study."""
    folder.define_flags(PEOPLE)
    method_crops.define_flags()


def main() -> None:
    """Makes the tasks, or reads the answers."""
    folder.run(KIND, make, read)


def labelling(count: int) -> folder.Labelling:
    """What Label Studio shows for some pictures side by side, two in a row."""
    shown = "\n".join(
        f'    <View style="flex: 0 0 48%">\n      <Header value="{place}"/>\n'
        f'      <Image name="picture{place}" value="$picture{place}" rotateControl="false"\n'
        f'             zoomControl="false" defaultZoom="auto" maxHeight="38vh"/>\n    </View>'
        for place in range(1, count + 1)
    )
    offered = "\n".join(
        f'    <Choice value="{place}" hotkey="{place}"/>' for place in range(1, count + 1)
    )
    return folder.Labelling(
        "Choices",
        f"<p>{QUESTION}. Press its number, then Submit.</p>",
        f"""<View>
  <Text name="caption" value="$caption"/>
  <Choices name="best" toName="caption" choice="single-radio" showInline="true" required="true"
           requiredMessage="Please choose one.">
    <Header value="{QUESTION}:"/>
{offered}
  </Choices>
  <View style="display: flex; flex-wrap: wrap; gap: 1em">
{shown}
  </View>
</View>
""",
        "Uniform sampling",
    )


def make(directory: Path, path: Path) -> None:
    """Writes the study's folder.

    Args:
      directory: Where to.
      path: The manifest of the rows that were cropped.

    Raises:
      ExperimentError, manifest.ManifestError, records.RecordError, reading.ImageError: See there.
    """
    crops = method_crops.read(folder.read_rows(path), [ORIGINAL])
    offered = [*crops.methods, ORIGINAL]
    tasks: list[dict[str, Any]] = []
    shown, images = [], []
    for row, order in zip(crops.rows, orders(offered, len(crops.rows), FLAGS.seed), strict=True):
        number = len(tasks) + 1
        photo = photo_paths.relative(row.path, directory)
        tasks.append({"task": number, "id": row.id, "photo": photo, "order": order})
        texts = {"caption": row.caption or ""}
        for place, method in enumerate(order, 1):
            name = f"{number:04d}-{place}.jpg"
            texts[f"picture{place}"] = folder.image_url(directory, name)
            images.append(pictures.Picture(name, row.path, crops.boxes.get((method, row.id))))
        shown.append(texts)
    facts = offered, crops.checkpoints, crops.notes
    study = folder.Study(KIND, FLAGS.people, FLAGS.seed, *facts, tasks)
    folder.write(directory, study, labelling(len(offered)), shown, images, [path, *crops.sources])


def orders(methods: Sequence[str], count: int, seed: int) -> list[list[str]]:
    """Random orders of some methods; of each M in turn, each method has each place once.

    Args:
      methods: The M methods.
      count: How many orders.
      seed: The seed.
    """
    random, found = np.random.default_rng(seed), []
    while len(found) < count:
        first = random.permutation(len(methods)).tolist()
        for shift in random.permutation(len(methods)).tolist():
            found.append([methods[at] for at in first[shift:] + first[:shift]])
    return found[:count]


def read(directory: Path, export: Path, output: Path) -> None:
    """Writes the table.

    Args:
      directory: The study's folder.
      export: What people chose.
      output: Where to.

    Raises:
      ExperimentError: The files cannot be used, or nobody has chosen anything.
    """
    study = folder.read(directory, KIND)
    given = answers.read(export, study, FLAGS.annotators)
    decisions, problems = decided(study, given)
    if not decisions:
        raise ExperimentError(f"{export} has no decision")
    names = {task["task"]: task["id"] for task in study.tasks}
    table_files.write(
        output,
        pd.concat([shares.table(decisions, study.methods), shares.paper()], ignore_index=True),
        shares.COLUMNS | {shares.p_column(study.methods[0]): ".2g"},
        [
            *shares.notes(decisions, study),
            *answers.time_note(given.found),
            *answers.problem_notes(problems, names),
        ],
        study.checkpoints,
        sources=[export, directory / folder.KEY],
    )


def decided(study: folder.Study, given: answers.Answers) -> tuple[list[Decision], list[Problem]]:
    """The decisions, in the order of tasks and people, and what is wrong with other answers.

    Not to have answered a task is nothing wrong: people see as many as they like.

    Args:
      study: The study.
      given: The answers.
    """
    decisions, problems = [], list(given.problems)
    for task, person, answer in answers.each(study, given):
        if answer is None:
            continue
        place = chosen_place(answer, len(task["order"]))
        if isinstance(place, str):
            problems.append(Problem(task["task"], person, place))
        else:
            method = task["order"][place - 1]
            decisions.append(Decision(person, task["task"], task["photo"], method, place))
    return decisions, problems


def chosen_place(answer: Answer, count: int) -> int | str:
    """Where the chosen picture stood, from 1 on, or what is wrong with the answer.

    Args:
      answer: The answer.
      count: How many pictures there were.

    Raises:
      ExperimentError: The answer is not of Label Studio's form.
    """
    parts = answers.of_type(answer, "choices")
    try:
        chosen = [choice for part in parts for choice in part["value"]["choices"]]
        places = [int(choice) for choice in chosen]
    except annotations.MALFORMED as error:
        raise ExperimentError(f"a choice of the export is no such: {parts} ({error!r})") from error
    if len(places) != 1:
        return TWO if places else MISSING
    return places[0] if 1 <= places[0] <= count else NO_PLACE

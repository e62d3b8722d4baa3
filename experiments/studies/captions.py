"""Table 2: people say what they see in crops; back into the CSV that `experiments.table2` reads.

    python -m experiments.studies captions --manifest=ROWS.jsonl --results=CAGIC=FOLDER \\
        --results=GradCAM=FOLDER --study=STUDY
    python -m experiments.studies captions --study=STUDY --export=export.json --output_dir=OUT

The first writes the tasks, a crop each without its photo, its caption and its method. They are
shuffled in rounds: each has one crop of every row, of all methods alike, so that two crops of a row
lie far apart. The second writes OUT/captions.csv, a line for each crop and person.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from experiments.errors import ExperimentError
from experiments.studies import answers, folder, method_crops, pictures
from experiments.studies.answers import Answer, Problem
from experiments.tables import made_by

KIND = "captions"
PEOPLE = 4  # Sec. 4.2.
CSV = "captions.csv"
COLUMNS = ("method", "id", "caption", "annotator")
FLAGS = flags.FLAGS
LABELLING = folder.Labelling(
    "Captions",
    "<p>Describe the picture in one sentence of plain English, of about ten words, so that "
    "somebody else would know what it shows. Then press Submit.</p>",
    """<View>
  <Image name="image" value="$image" rotateControl="false" defaultZoom="auto" maxHeight="60vh"/>
  <Header value="What does this picture show?"/>
  <TextArea name="caption" toName="image" maxSubmissions="1" editable="true" required="true"
            requiredMessage="Please describe the picture." placeholder="One sentence"/>
</View>
""",
)
MISSING, EMPTY, TWO = "no caption", "an empty caption", "two captions"


def define_flags() -> None:
    """Flags of this study."""
    folder.define_flags(PEOPLE)
    method_crops.define_flags()


def main() -> None:
    """Makes the tasks, or reads the answers."""
    folder.run(KIND, make, read)


def make(directory: Path, path: Path) -> None:
    """Writes the study's folder.

    Args:
      directory: Where to.
      path: The manifest of the rows that were cropped.

    Raises:
      ExperimentError, manifest.ManifestError, records.RecordError, reading.ImageError: See there.
    """
    crops = method_crops.read(folder.read_rows(path))
    rows = {row.id: row for row in crops.rows}
    order = in_rounds(list(rows), crops.methods, FLAGS.seed)
    tasks = [
        {"task": number, "id": name, "method": method}
        for number, (name, method) in enumerate(order, 1)
    ]
    facts = crops.methods, crops.checkpoints, crops.notes
    study = folder.Study(KIND, FLAGS.people, FLAGS.seed, *facts, tasks)
    names = {pair: f"{number:04d}.jpg" for number, pair in enumerate(order, 1)}
    images = [
        pictures.Picture(names[row.id, method], row.path, crops.boxes[method, row.id])
        for row in crops.rows
        for method in crops.methods
    ]
    shown = [{"image": folder.image_url(directory, names[pair])} for pair in order]
    folder.write(directory, study, LABELLING, shown, images, [path, *crops.sources])


def in_rounds(ids: Sequence[str], methods: Sequence[str], seed: int) -> list[tuple[str, str]]:
    """Every crop once: rounds of all rows, each shuffled, with all methods alike in a round.

    Args:
      ids: The rows.
      methods: The methods.
      seed: Seed of the order.

    Returns:
      Row and method of each crop.
    """
    random = np.random.default_rng(seed)
    first = random.permutation(len(ids)).tolist()
    return [
        (ids[at], methods[(first[at] + turn) % len(methods)])
        for turn in range(len(methods))
        for at in random.permutation(len(ids)).tolist()
    ]


def read(directory: Path, export: Path, output: Path) -> None:
    """Writes the captions as CSV.

    Args:
      directory: The study's folder.
      export: What people wrote.
      output: Where to.

    Raises:
      ExperimentError: The files cannot be used, or there is no caption.
    """
    study = folder.read(directory, KIND)
    given = answers.read(export, study, FLAGS.annotators)
    lines, problems = captions(study, given)
    if not lines:
        raise ExperimentError(f"{export} has no caption")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *lines])
    made_by.write_file(output / CSV, text.getvalue().encode())
    sources = [export, directory / folder.KEY]
    made_by.write(output, [output / CSV], study.checkpoints, sources)
    print(
        f"{output / CSV}: {len(lines)} captions of {len(study.tasks)} crops by {len(given.people)} "
        f"people ({', '.join(given.people)}); {study.people} were to be asked"
    )
    names = {task["task"]: f"{task['id']} ({task['method']})" for task in study.tasks}
    for line in [*study.notes, *answers.time_note(given.found)]:
        print(line)
    for line in answers.problem_notes(problems, names):
        print(line)


def captions(
    study: folder.Study, given: answers.Answers
) -> tuple[list[tuple[str, str, str, str]], list[Problem]]:
    """A line of the CSV for each caption, in the order of tasks and people, and what is wrong.

    Args:
      study: The study.
      given: The answers.
    """
    lines, problems = [], list(given.problems)
    for task, person, answer in answers.each(study, given):
        text, wrong = caption(answer)
        if wrong:
            problems.append(Problem(task["task"], person, wrong))
        else:
            lines.append((task["method"], task["id"], text, person))
    return lines, problems


def caption(answer: Answer | None) -> tuple[str, str]:
    """The caption of an answer in one line, "" where it is none, and then what is wrong.

    Raises:
      ExperimentError: The answer is not of Label Studio's form.
    """
    written = answers.of_type(answer, "textarea") if answer else []
    if not written:
        return "", MISSING
    value = written[0].get("value")
    texts = value.get("text") if isinstance(value, dict) else None
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ExperimentError(f"a caption of the export is no text: {value!r}")
    if len(written) > 1 or len(texts) > 1:
        return "", TWO
    line = " ".join(" ".join(texts).split())
    return line, "" if line else EMPTY

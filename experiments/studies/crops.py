"""Sec. 4.1.1: people draw the crop that a caption describes; back into a manifest in its form.

    python -m experiments.studies crops --manifest=ROWS.jsonl --study=STUDY
    python -m experiments.studies crops --study=STUDY --export=export.json --output_dir=OUT

The first writes the tasks, a photo with its caption each. The second writes OUT/manifest.jsonl,
with everybody's crop in each row, the j-th by the same person everywhere, and a table of how far
every two of them agree (Fig. 7). A row counts where each person has drawn one good rectangle; what
is wrong with the others is named.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from absl import flags

from cagic_tf.photos import reading
from experiments.data import annotations, photo_paths
from experiments.data.annotations import Box
from experiments.errors import ExperimentError
from experiments.studies import answers, folder, pictures
from experiments.studies.answers import Answer, Problem
from experiments.tables import agreement, made_by, resampling, table_files

KIND = "crops"
PEOPLE = 8  # Sec. 4.1.1.
MANIFEST = "manifest.jsonl"
FLAGS = flags.FLAGS
LABELLING = folder.Labelling(
    "Crops",
    "<p>Draw the crop of the photo that the sentence describes: one rectangle, by dragging the "
    "mouse from corner to corner. It should show what the sentence says and look good as a picture "
    "of its own. Then press Submit.</p>",
    """<View>
  <Header value="$caption"/>
  <Image name="image" value="$image" rotateControl="false" defaultZoom="auto"/>
  <Rectangle name="crop" toName="image" canRotate="false" strokeColor="#00a000" strokeWidth="3"/>
</View>
""",
    drawn=True,
)
LEAST_SIDE = 0.02  # Of the photo's; what is smaller was a slip of the mouse.
ROUNDING = 0.1  # Per cent of a side by which a rectangle may lie outside.
MISSING, TWO, TINY, OUTSIDE = "no rectangle", "two rectangles", "tiny", "outside the photo"
ROTATED, OTHER_PICTURE = "rotated", "drawn on another picture"
INTERVAL = "95 % interval"
COLUMNS = {"annotators": "", "rows": "d", "mean IoU": ".4f", INTERVAL: ".3f", "least IoU": ".3f"}
COLUMNS |= {"without overlap": "d"}
EVERY_TWO = "every two"
NOTES = [
    "IoU of two people's crops of a row, mean over the rows. Intervals are BCa bootstraps over "
    "photos.",
    "The paper prints no figure of its eight annotators' agreement; it says that their crops are "
    "all overlapping (Sec. 4.1.1).",
]


def define_flags() -> None:
    """Flags of this study."""
    folder.define_flags(PEOPLE)


def main() -> None:
    """Makes the tasks, or reads the answers."""
    folder.run(KIND, make, read)


def make(directory: Path, path: Path) -> None:
    """Writes the study's folder.

    Args:
      directory: Where to.
      path: The manifest of photos and captions.

    Raises:
      ExperimentError, manifest.ManifestError, reading.ImageError: See `folder`.
    """
    rows = folder.read_rows(path)
    tasks: list[dict[str, Any]] = []
    shown, images = [], []
    for place in np.random.default_rng(FLAGS.seed).permutation(len(rows)).tolist():
        row, name = rows[place], f"{len(tasks) + 1:04d}.jpg"
        tasks.append(
            {
                "task": len(tasks) + 1,
                "place": place,
                "id": row.id,
                "image": photo_paths.relative(row.path, directory),
                "caption": row.caption,
                "size": list(reading.upright_size(row.path)),
                "people": [list(box) for box in row.people],
            }
        )
        shown.append({"caption": row.caption or "", "image": folder.image_url(directory, name)})
        images.append(pictures.Picture(name, row.path))
    study = folder.Study(KIND, FLAGS.people, FLAGS.seed, [], {}, [], tasks)
    folder.write(directory, study, LABELLING, shown, images, [path])


def read(directory: Path, export: Path, output: Path) -> None:
    """Writes the manifest and the table.

    Args:
      directory: The study's folder.
      export: What people answered.
      output: Where to.

    Raises:
      ExperimentError: The files cannot be used, or no row is complete.
    """
    study = folder.read(directory, KIND)
    given = answers.read(export, study, FLAGS.annotators)
    boxes, problems = rectangles(study, given)
    names = {task["task"]: task["id"] for task in study.tasks}
    named = answers.problem_notes(problems, names)
    in_order = sorted(study.tasks, key=lambda task: task["place"])
    complete = [task for task in in_order if len(boxes[task["task"]]) == len(given.people)]
    if not complete:
        raise ExperimentError(
            f"no row of {export} has one good rectangle of each of the annotators "
            f"{', '.join(given.people)}; --annotators takes some of them. {named[0]}"
        )
    crops = {task["id"]: boxes[task["task"]] for task in complete}
    rows = [manifest_row(task, crops[task["id"]], directory, output) for task in complete]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    made_by.write_file(output / MANIFEST, text.encode())
    photos = [task["image"] for task in complete]
    table_files.write(
        output,
        pd.concat([table(given.people, list(crops.values()), photos), _paper()], ignore_index=True),
        COLUMNS,
        [
            f"{MANIFEST} has {len(rows)} of {len(study.tasks)} rows, with the crops of the "
            f"annotators {', '.join(given.people)} in this order; {study.people} were to be asked.",
            *NOTES,
            *answers.time_note(given.found),
            *named,
        ],
        {},
        files=[output / MANIFEST],
        sources=[export, directory / folder.KEY],
    )


def rectangles(
    study: folder.Study, given: answers.Answers
) -> tuple[dict[int, list[Box]], list[Problem]]:
    """The good rectangles of each task in the people's order, and what is wrong with the others.

    Args:
      study: The study.
      given: The answers.

    Returns:
      Task number to boxes `(x, y, w, h)` in pixels of the upright photo, to the hundredth.
    """
    boxes: dict[int, list[Box]] = {task["task"]: [] for task in study.tasks}
    problems = list(given.problems)
    for task, person, answer in answers.each(study, given):
        box = rectangle(answer, (task["size"][0], task["size"][1]))
        if isinstance(box, str):
            problems.append(Problem(task["task"], person, box))
        else:
            boxes[task["task"]].append(box)
    return boxes, problems


def rectangle(answer: Answer | None, size: tuple[int, int]) -> Box | str:
    """The one rectangle of an answer, or what is wrong with it.

    Args:
      answer: The answer; None: there is none.
      size: `(width, height)` of the upright photo in pixels.

    Returns:
      `(x, y, w, h)` in the photo's pixels, cut to it where it lies outside by a rounding.

    Raises:
      ExperimentError: The answer is not of Label Studio's form.
    """
    drawn = answers.of_type(answer, "rectangle") if answer else []
    if len(drawn) != 1:
        return TWO if drawn else MISSING
    part, value = drawn[0], drawn[0].get("value")
    try:
        x, y, w, h = annotations.finite([value[name] for name in ("x", "y", "width", "height")])
        turned = any(
            float(number or 0) for number in (value.get("rotation"), part.get("image_rotation"))
        )
        shown = int(part["original_width"]), int(part["original_height"])
    except annotations.MALFORMED as error:
        raise ExperimentError(
            f"a rectangle of the export is no such: {part} ({error!r})"
        ) from error
    if turned:
        return ROTATED
    if shown != pictures.shown_size(size):
        return OTHER_PICTURE
    if min(x, y) < -ROUNDING or max(x + w, y + h) > 100 + ROUNDING:
        return OUTSIDE
    if min(w, h) < 100 * LEAST_SIDE:
        return TINY
    box = annotations.in_pixels((x / 100, y / 100, w / 100, h / 100), size)
    return annotations.clip(box, size) or TINY


def manifest_row(
    task: dict[str, Any], crops: Sequence[Box], directory: Path, output: Path
) -> dict[str, Any]:
    """A row of the manifest, its photo's path from the folder that the manifest lies in."""
    photo = photo_paths.relative(directory / task["image"], output)
    row = {"id": task["id"], "image": photo, "caption": task["caption"], "crops": crops}
    return row | ({"people": task["people"]} if task["people"] else {})


def table(
    people: Sequence[str], crops: Sequence[Sequence[Box]], photos: Sequence[str]
) -> pd.DataFrame:
    """How far every two people agree, a row for two and one for all of them.

    Args:
      people: The A people.
      crops: Of each row, everybody's crop, in the people's order.
      photos: The photo of each row.
    """
    pairs = [f"{one} and {other}" for at, one in enumerate(people) for other in people[at + 1 :]]
    ious = np.array([agreement.overlaps(boxes) for boxes in crops])
    found = [_agreement_row(name, ious[:, [at]], photos) for at, name in enumerate(pairs)]
    if len(pairs) > 1:
        found.append(_agreement_row(f"{EVERY_TWO} of {len(people)}", ious, photos))
    return pd.DataFrame(found, columns=_columns())


def _agreement_row(name: str, ious: np.ndarray, photos: Sequence[str]) -> dict[str, Any]:
    means = ious.mean(axis=1)
    low, high = resampling.mean_interval(means, photos) or (None, None)
    row = {"annotators": name, "rows": len(ious), "mean IoU": float(means.mean())}
    row |= dict(zip(table_files.interval_columns(INTERVAL), (low, high), strict=True))
    return row | {"least IoU": float(ious.min()), "without overlap": int((ious == 0).sum())}


def _paper() -> pd.DataFrame:
    row = {"annotators": f"{EVERY_TWO} of {PEOPLE} (the paper's Fig. 7)", "without overlap": 0}
    return pd.DataFrame([row], columns=_columns())


def _columns() -> list[str]:
    low_high = table_files.interval_columns(INTERVAL)
    return [name for column in COLUMNS for name in (low_high if column == INTERVAL else (column,))]

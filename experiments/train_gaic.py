"""Trains a stand-in of GAIC: the embedded scorer, reading the grid's crops from the whole photo.

    python -m experiments.train_gaic --data_dir=FLICKR8K --entities=FLICKR30K_ENTITIES \\
        --work_dir=WORK --output=checkpoints/gaic-lite0

The original learns what people think of the crops of its grid; this one what the embedded scorer
does. Like the original it sees what a crop keeps and what it discards. Of the epochs the one is
kept whose scores of dev photos' crops are most in the teacher's order.

Scores and features are cached (6 GB), and a run that was stopped goes on from there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from cagic_tf.baselines.gaic import cropper
from cagic_tf.baselines.region_scorer import RegionScorer
from cagic_tf.system import devices
from experiments import command
from experiments.errors import ExperimentError
from experiments.training import (
    agreement,
    grid_crops,
    region_lessons,
    region_training,
    scored_boxes,
    stand_ins,
)
from experiments.training.grid_crops import GridPhoto
from experiments.training.region_lessons import Lesson
from experiments.training.scored_boxes import ScoredBoxes
from experiments.training.teacher import Teacher

FLAGS = flags.FLAGS
SETTINGS = ["photos", "boxes", *region_training.SETTINGS]


def define_flags() -> None:
    """Flags of this script."""
    stand_ins.define_folder_flags("cached scores and features")
    flags.DEFINE_integer("photos", 753, "How many training photos, those of an own size first.")
    flags.DEFINE_integer(
        "boxes", 16, "How many crops the teacher scores of a photo that is not at its own size."
    )
    region_training.define_flags(sides=(288, 352), spread=0.15)
    devices.define_flags()


def scored(photos: Sequence[GridPhoto], count: int, teacher: Any) -> list[ScoredBoxes]:
    """So many crops of each photo, with the scores of the teacher, or of another."""
    folder = Path(FLAGS.work_dir) / "gaic_scores"
    return grid_crops.scored(folder, photos, teacher, count, FLAGS.seed)


def lessons(
    photos: Sequence[GridPhoto],
    boxes: Sequence[ScoredBoxes],
    regions: RegionScorer,
    teacher: Teacher,
) -> list[Lesson]:
    """What the head sees of crops of photos, with their scores."""
    paths, folder = [photo.path for photo in photos], Path(FLAGS.work_dir) / "gaic_features"
    return region_lessons.of_photos(folder, paths, boxes, regions, teacher.trunk.sha256)


def own_size_photos(split: str) -> list[GridPhoto]:
    """A split's photos at their own size.

    Raises:
      ExperimentError: There are none.
    """
    data, people = Path(FLAGS.data_dir), Path(FLAGS.entities)
    photos = grid_crops.own_size_photos(data, people, split)[: FLAGS.photos]
    if not photos:
        raise ExperimentError(f"{people / 'images'} has no photo of {data / split}.txt")
    return photos


def training_photos(teacher: Teacher) -> tuple[list[GridPhoto], list[ScoredBoxes]]:
    """The training photos, those at their own size first, and scored crops of each."""
    own = own_size_photos("train")
    squashed = grid_crops.squashed_photos(Path(FLAGS.data_dir), Path(FLAGS.entities), "train")
    squashed = squashed[: FLAGS.photos - len(own)]
    told = [
        *scored(own, grid_crops.MOST, teacher),
        *scored(squashed, FLAGS.boxes, teacher),
    ]
    return [*own, *squashed], told


def mean_scores(
    photos: Sequence[GridPhoto], told: Sequence[ScoredBoxes]
) -> dict[tuple[int, int], np.ndarray]:
    """What crops score in the mean, by size of the photo; see `agreement.mean_scores`."""
    found = {}
    for size in sorted({photo.looked_at for photo in photos}):
        own = [number for number, photo in enumerate(photos) if photo.looked_at == size]
        found[size] = agreement.mean_scores(
            [
                grid_crops.drawn(photos[number], len(told[number].scores), FLAGS.seed)
                for number in own
            ],
            [told[number].scores for number in own],
            len(grid_crops.grid(size)),
        )
    return found


def measure(
    student: Sequence[np.ndarray],
    blind: dict[tuple[int, int], np.ndarray],
    photos: Sequence[GridPhoto],
    every: Sequence[ScoredBoxes],
    others: Sequence[ScoredBoxes],
) -> dict[str, float]:
    """How the student, and others, agree with the teacher.

    Args:
      student: Its scores of all crops of each photo.
      blind: What crops score in the mean, by size of the photo.
      photos: The photos.
      every: All of their crops, and what the teacher says.
      others: What it says of the same crops of the mirrored photos. It should be the same; how far
        it is not says how near a student can come.
    """
    teacher, mirrored = ([each.scores for each in told] for told in (every, others))
    areas = [each.boxes[:, 2] * each.boxes[:, 3] for each in every]
    typical = [
        blind.get(photo.looked_at, np.zeros(len(own)))
        for photo, own in zip(photos, areas, strict=True)
    ]
    means = [(one + other) / 2 for one, other in zip(teacher, mirrored, strict=True)]
    correlation = agreement.mean_rank_correlation
    figures = {
        agreement.CORRELATION: correlation(student, teacher),
        f"{agreement.CORRELATION}, the area alone": correlation(areas, teacher),
        f"{agreement.CORRELATION}, mean scores of the crops": correlation(typical, teacher),
        f"{agreement.CORRELATION}, the teacher of the mirrored photo": correlation(
            mirrored, teacher
        ),
        f"{agreement.CORRELATION}, with the mean of both": correlation(student, means),
        f"{agreement.CORRELATION}, the area alone, with the mean of both": correlation(
            areas, means
        ),
        **agreement.best_boxes(student, teacher),
        "teacher's score of the largest crop": float(
            np.mean([judged[np.argmax(own)] for own, judged in zip(areas, teacher, strict=True)])
        ),
    }
    return {f"{name} ({len(teacher)} photos)": value for name, value in figures.items()}


def main() -> None:
    """Has the crops scored, then trains, measures and saves."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    teacher = Teacher()
    tensors = region_training.initial(teacher, True, FLAGS.seed)
    regions = region_training.regions(teacher, tensors)
    dev_photos = own_size_photos("dev")
    dev = scored(dev_photos, grid_crops.MOST, teacher)
    photos, told = training_photos(teacher)
    tensors, _ = region_training.train(
        tensors,
        lessons(photos, told, regions, teacher),
        lessons(dev_photos, dev, regions, teacher),
    )
    system = cropper.StandIn(region_training.regions(teacher, tensors))
    blind, metrics = mean_scores(photos, told), {}
    test_photos = own_size_photos("test")
    test = scored(test_photos, grid_crops.MOST, teacher)
    for split, measured, every in (("dev", dev_photos, dev), ("test", test_photos, test)):
        student = [system.scored(scored_boxes.read(photo.path)).scores for photo in measured]
        others = scored(measured, grid_crops.MOST, grid_crops.InTheMirror(teacher))
        figures = measure(student, blind, measured, every, others)
        metrics |= {f"{split}, {name}": value for name, value in figures.items()}
    line = stand_ins.command_line("train_gaic", SETTINGS)
    region_training.save("gaic", "GAIC", tensors, teacher, line, metrics)


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

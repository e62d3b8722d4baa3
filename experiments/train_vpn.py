"""Trains a stand-in of View Proposal Net: the embedded scorer, reading boxes from the whole photo.

    python -m experiments.train_vpn --data_dir=FLICKR8K --entities=FLICKR30K_ENTITIES \\
        --work_dir=WORK --output=checkpoints/vpn-lite0

As the original is its View Evaluation Net's, this one is a student of the embedded scorer: it
learns to say at once, from a few views of the photo, what the scorer says of 895 crops one after
the other. It is trained on random boxes of many photos. Of the epochs the one is kept whose scores
of dev photos' boxes are most in the teacher's order.

Scores and features are cached (3.5 GB), and a run that was stopped goes on from there.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags

from cagic_tf.baselines.region_scorer import RegionScorer
from cagic_tf.baselines.vpn import anchors, cropper
from cagic_tf.system import devices
from experiments import command
from experiments.training import (
    agreement,
    anchor_scores,
    region_lessons,
    region_training,
    scored_boxes,
    stand_ins,
)
from experiments.training.region_lessons import Lesson
from experiments.training.scored_boxes import ScoredBoxes
from experiments.training.teacher import Teacher

FLAGS = flags.FLAGS
SETTINGS = ["photos", "boxes", "own_boxes", "dev_photos", "dev_boxes", *region_training.SETTINGS]


def define_flags() -> None:
    """Flags of this script."""
    stand_ins.define_folder_flags("cached scores and features")
    flags.DEFINE_integer("photos", 753, "How many training photos, those of an own size first.")
    flags.DEFINE_integer("boxes", 30, "How many boxes of a training photo the teacher scores.")
    flags.DEFINE_integer("own_boxes", 60, "How many, of a photo at its own size.")
    flags.DEFINE_integer("dev_photos", 40, "How many dev photos it is measured on.")
    flags.DEFINE_integer("dev_boxes", 100, "By how many of their boxes the epoch is chosen.")
    region_training.define_flags(sides=(256, 384, 768), spread=0.3)
    devices.define_flags()


def scored(photos: Sequence[Path], count: int, teacher: Teacher) -> list[ScoredBoxes]:
    """So many boxes of each photo, with the teacher's scores."""
    rule = anchor_scores.rule(count, FLAGS.seed)
    return scored_boxes.of_photos(Path(FLAGS.work_dir) / "vpn_scores", photos, rule, teacher)


def lessons(
    photos: Sequence[Path], boxes: Sequence[ScoredBoxes], regions: RegionScorer, teacher: Teacher
) -> list[Lesson]:
    """What the head sees of some boxes of photos, with their scores."""
    folder = Path(FLAGS.work_dir) / "vpn_features"
    return region_lessons.of_photos(folder, photos, boxes, regions, teacher.trunk.sha256)


def training_photos(teacher: Teacher) -> tuple[list[Path], list[ScoredBoxes]]:
    """The training photos, those at their own size first, and some scored boxes of each."""
    own, squares = scored_boxes.photos_of(Path(FLAGS.data_dir), Path(FLAGS.entities), "train")
    photos = [*own, *squares][: FLAGS.photos]
    own, squares = photos[: len(own)], photos[len(own) :]
    found = [*scored(own, FLAGS.own_boxes, teacher), *scored(squares, FLAGS.boxes, teacher)]
    return photos, found


def measured_photos(
    split: str, count: int | None, teacher: Teacher
) -> tuple[list[Path], list[ScoredBoxes]]:
    """Photos of a split at their own size, all or the first ones, with all of their boxes."""
    photos = scored_boxes.photos_of(Path(FLAGS.data_dir), Path(FLAGS.entities), split)[0][:count]
    return photos, scored(photos, len(anchors.anchors()), teacher)


def some(photos: Sequence[Path], every: Sequence[ScoredBoxes]) -> list[ScoredBoxes]:
    """Those of dev photos' boxes that the epoch is chosen by."""
    found = []
    for path, each in zip(photos, every, strict=True):
        numbers = anchor_scores.drawn(path.name, FLAGS.dev_boxes, FLAGS.seed)
        found.append(ScoredBoxes(each.boxes[numbers], each.scores[numbers]))
    return found


def mean_scores(photos: Sequence[Path], told: Sequence[ScoredBoxes]) -> np.ndarray:
    """What a box's score is in the mean, `[895]`, each photo's scores counted from its own mean."""
    numbers = [
        anchor_scores.drawn(path.name, len(each.scores), FLAGS.seed)
        for path, each in zip(photos, told, strict=True)
    ]
    return agreement.mean_scores(numbers, [each.scores for each in told], len(anchors.anchors()))


def measure(
    system: cropper.VPN, means: np.ndarray, photos: Sequence[Path], every: Sequence[ScoredBoxes]
) -> dict[str, float]:
    """How the student, and what knows nothing of the photo, agree with the teacher.

    Args:
      system: The student.
      means: `[895]`, the boxes' mean scores on training photos.
      photos: Files.
      every: All predefined boxes of each, with the teacher's scores.
    """
    teacher = [each.scores for each in every]
    student = [system.scores([scored_boxes.read(path)])[0] for path in photos]
    areas = [each.boxes[:, 2] * each.boxes[:, 3] for each in every]
    correlation = agreement.mean_rank_correlation
    figures = {
        agreement.CORRELATION: correlation(student, teacher),
        f"{agreement.CORRELATION}, the area alone": correlation(areas, teacher),
        f"{agreement.CORRELATION}, mean scores of the boxes": correlation(
            [means] * len(every), teacher
        ),
        **agreement.best_boxes(student, teacher),
        "teacher's score of the whole photo": float(np.mean([each[0] for each in teacher])),
        "teacher's score of the best box by mean scores": float(
            np.mean([each[np.argmax(means)] for each in teacher])
        ),
    }
    return {f"{name} ({len(every)} photos)": value for name, value in figures.items()}


def main() -> None:
    """Has the boxes scored, then trains, measures and saves."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    teacher = Teacher()
    tensors = region_training.initial(teacher, False, FLAGS.seed)
    regions = region_training.regions(teacher, tensors)
    dev_photos, dev = measured_photos("dev", FLAGS.dev_photos, teacher)
    photos, told = training_photos(teacher)
    chosen_by = lessons(dev_photos, some(dev_photos, dev), regions, teacher)
    tensors, _ = region_training.train(tensors, lessons(photos, told, regions, teacher), chosen_by)
    system = cropper.StandIn(region_training.regions(teacher, tensors))
    means, metrics = mean_scores(photos, told), {}
    for split, measured in (
        ("dev", (dev_photos, dev)),
        ("test", measured_photos("test", None, teacher)),
    ):
        figures = measure(system, means, *measured)
        metrics |= {f"{split}, {name}": value for name, value in figures.items()}
    line = stand_ins.command_line("train_vpn", SETTINGS)
    region_training.save("vpn", "View Proposal Net", tensors, teacher, line, metrics)


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

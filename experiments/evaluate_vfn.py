"""Measures scorers on crops of one photo: how much is scale, and whether the best cuts people.

    python -m experiments.evaluate_vfn --data_dir=FLICKR8K --entities=FLICKR30K_ENTITIES \\
        --photos=FLICKR30K/images --output_dir=experiments/results/scorers

The photos are those of a split of Flickr8k that have boxes and lie in --photos, at their own size.
Of each, crops at a grid of centres are scored at seven scales, as the paper's objective sees them
(the pyramid of Eq. 1) and as `fast.gin` scans them (sharp). Scores have no unit, so their spread
within a photo says what lambda of Eq. 3 makes of them. Writes table.md, table.csv and made_by.json.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from cagic_tf.beyond import coarse_to_fine
from cagic_tf.method import objective, vocabulary
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.networks.bundle import Networks
from cagic_tf.photos import reading
from cagic_tf.system import devices
from experiments import command
from experiments.data import entities, flickr8k
from experiments.errors import ExperimentError
from experiments.tables import metrics, table_files
from experiments.training import crops_and_boxes, region_pairs

FLAGS = flags.FLAGS
SCALES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
CENTERS = 5  # A side, at each scale.
CUT_SCALES = (0.5, 0.6, 0.7)  # At which it counts whether the best crop cuts through a person.
VIEWS = {"pyramid": lambda problem: problem, "sharp": coarse_to_fine.sharp_view}
ANY_CROP = "(any crop)"
CORRELATION, SPREAD, SPREAD_AT_ONE = "r with scale", "sd in a photo", "sd at one scale"
COLUMNS = {"scorer": "", "view": "", "photos": "d"}
COLUMNS |= dict.fromkeys((CORRELATION, SPREAD, SPREAD_AT_ONE), ".2f")
COLUMNS["photos with people"] = "d"
COLUMNS |= {f"cuts people, {scale}": ".3f" for scale in CUT_SCALES}
COLUMNS |= {f"people whole, {scale}": ".3f" for scale in CUT_SCALES}


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string(
        "data_dir", None, "The folder of Flickr8k; experiments/data/flickr8k.py says what is in it."
    )
    flags.DEFINE_string(
        "entities",
        None,
        "The folder of Flickr30k Entities; experiments/data/entities.py says what is in it.",
    )
    flags.DEFINE_string("photos", None, "The folder of the photos at their own size.")
    flags.DEFINE_string("split", "dev", "Whose photos: train, dev or test.")
    flags.DEFINE_list(
        "scorers", ["vfn", "vfn-regions"], "Checkpoints: names under checkpoints/ or paths."
    )
    flags.DEFINE_string("output_dir", "outputs/scorers", "The folder that results go to.")
    devices.define_flags()
    flags.mark_flags_as_required(["data_dir", "entities", "photos"])


class Scores:
    """Scores of crops as one of `VIEWS` shows them, by scorers on one trunk."""

    def __init__(self, networks: Sequence[Networks], view: str):
        self._scorers = [each.scorer for each in networks]
        loss = objective.CropLoss(objective.Objective().without_caption(), networks[0])
        self._loss, self._view = loss, VIEWS[view]
        self._words = vocabulary.no_words(networks[0].captioner.vocabulary)
        self._features = tf.function(
            lambda problem, theta: loss.crops(problem, theta).scorer_features,
            input_signature=[loss.signature, tf.TensorSpec([None, 3], tf.float32)],
        )

    def __call__(self, photo: np.ndarray, grid: np.ndarray) -> np.ndarray:
        """Scores `[scorers, N]` of crops `[N, 3]`, rows `(x, y, s)`; higher is better."""
        seen = self._view(self._loss.problem(photo.astype(np.float32) / 255, self._words))
        found = []
        for theta in coarse_to_fine.batches(grid):
            features = self._features(seen, theta)
            found.append([scorer(features).numpy() for scorer in self._scorers])
        return np.concatenate(found, axis=1)


def load_scorers(names: Sequence[str]) -> list[Networks]:
    """Networks with each of the scorers.

    Raises:
      ExperimentError: They stand on different trunks.
      checkpoints.CheckpointError: One is missing or damaged.
    """
    loaded = [checkpoints.load(bundle.find(name), "vfn") for name in names]
    if len({checkpoint.manifest["trunk_sha256"] for checkpoint in loaded}) != 1:
        raise ExperimentError(
            f"--scorers={','.join(names)} are on different trunks; measure one trunk's at a time"
        )
    return [Networks(scorer=name) for name in names]


def people_of(photo: entities.AnnotatedPhoto) -> list[entities.Corners]:
    """Boxes of people that are large enough for a cut to matter."""
    return [box for box in entities.people(photo) if entities.area(box) >= region_pairs.SMALLEST]


def spread(scores: np.ndarray, scales: np.ndarray) -> dict[str, float]:
    """How scores vary within a photo, as means over photos.

    Args:
      scores: `[photos, N]`.
      scales: `[N]` of the crops.

    Returns:
      The correlation with scale, the standard deviation, and that among crops of one scale.
    """
    correlations = [np.corrcoef(row, scales)[0, 1] for row in scores]
    at_one = [scores[:, scales == scale].std(axis=1).mean() for scale in np.unique(scales)]
    return {
        CORRELATION: float(np.mean(correlations)),
        SPREAD: float(scores.std(axis=1).mean()),
        SPREAD_AT_ONE: float(np.mean(at_one)),
    }


def cuts(
    scores: np.ndarray | None, grid: np.ndarray, people: Sequence[Sequence[entities.Corners]]
) -> dict[str, float]:
    """What the best crop of each of `CUT_SCALES` does to a photo's people.

    Args:
      scores: `[photos, N]`; None: the mean of all crops instead of the best one's.
      grid: `[N, 3]` crops, rows `(x, y, s)`.
      people: Boxes of the people in each photo; photos without any do not count.

    Returns:
      The share of photos in which it cuts through a person, and the mean share of a photo's people
      that it has whole, by scale.
    """
    counted = [at for at, boxes in enumerate(people) if boxes]
    figures: dict[str, float] = {"photos with people": len(counted)}
    for scale in CUT_SCALES:
        (chosen,) = np.nonzero(np.isclose(grid[:, 2], scale))
        cut, whole = [], []
        for at in counted:
            best = chosen if scores is None else chosen[[np.argmax(scores[at, chosen])]]
            shares = crops_and_boxes.kept_shares(grid[best], people[at])
            cut.append(region_pairs.cut_through(shares).any(axis=1).mean())
            whole.append((shares > metrics.CUT[1]).mean())
        figures[f"cuts people, {scale}"] = float(np.mean(cut))
        figures[f"people whole, {scale}"] = float(np.mean(whole))
    return figures


def read_photos() -> list[entities.AnnotatedPhoto]:
    """The annotated photos of the split that are there at their own size.

    Raises:
      ExperimentError: There are none.
    """
    names = flickr8k.split_names(Path(FLAGS.data_dir), FLAGS.split)
    there = [name for name in names if (Path(FLAGS.photos) / name).is_file()]
    photos = list(entities.read(Path(FLAGS.entities), there))
    if not photos:
        raise ExperimentError(f"{FLAGS.photos} has no annotated photo of --split={FLAGS.split}")
    return photos


def main() -> None:
    """Scores the crops, then writes the table."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    networks, photos = load_scorers(FLAGS.scorers), read_photos()
    people = [people_of(photo) for photo in photos]
    grid = coarse_to_fine.scan_grid(SCALES, CENTERS)
    rows: list[dict[str, Any]] = [{"scorer": ANY_CROP, **cuts(None, grid, people)}]
    for view in VIEWS:
        score, found = Scores(networks, view), []
        for photo in tqdm(photos, desc=view, disable=None):
            found.append(score(reading.read(Path(FLAGS.photos) / photo.name), grid))
        for name, scores in zip(FLAGS.scorers, np.stack(found, axis=1), strict=True):
            figures = {**spread(scores, grid[:, 2]), **cuts(scores, grid, people)}
            rows.append(
                {"scorer": bundle.find(name).name, "view": view, "photos": len(photos), **figures}
            )
    note = (
        f"Crops of {CENTERS} x {CENTERS} centres at scales {', '.join(map(str, SCALES))}. Cuts "
        "people, at a scale: the share of photos in which the crop of that scale with the highest "
        "score keeps 20 to 90 % of a person's box; people whole: the share of a photo's people of "
        "whom it keeps more. "
        f"{ANY_CROP}: the same, as the mean of all crops."
    )
    shas = {name: sha for each in networks for name, sha in each.checkpoints.items()}
    table_files.write(Path(FLAGS.output_dir), pd.DataFrame(rows), COLUMNS, [note], shas)


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

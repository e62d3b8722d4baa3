"""Measures the captioner: captioning metrics, and whether its caption loss finds the right tile.

    python -m experiments.evaluate_sat --data_dir=FLICKR8K \\
        --output_dir=experiments/results/captioner

BLEU, METEOR, ROUGE-L and CIDEr of beam-search captions of the test photos (`pycocoevalcap`; METEOR
and its tokenizer need Java). Then, on 2 x 2 mosaics of test photos, the caption loss (Eq. 4) of the
four tiles, with the pyramid of Eq. 1 and without: how often is the right tile's the lowest? Writes
OUT/captioner.json and OUT/made_by.json.
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from cagic_tf.method import objective, vocabulary
from cagic_tf.networks import bundle, checkpoints, sat
from cagic_tf.system import devices
from experiments import command, mosaics
from experiments.data import flickr8k
from experiments.errors import ExperimentError
from experiments.tables import caption_scores, made_by
from experiments.training import beam_search

FLAGS = flags.FLAGS
TILES = np.array([[x, y, 0.5] for y in (-0.5, 0.5) for x in (-0.5, 0.5)], np.float32)


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string(
        "data_dir", None, "The folder of Flickr8k; experiments/data/flickr8k.py says what is in it."
    )
    flags.DEFINE_string(
        "captioner", "sat", "The captioner's checkpoint: a name under checkpoints/ or a path."
    )
    flags.DEFINE_string(
        "scorer", "vfn", "The scorer's checkpoint, which is loaded but not measured."
    )
    flags.DEFINE_string("output_dir", "outputs/captioner", "The folder that results go to.")
    flags.DEFINE_bool("record", False, "Write the figures into the captioner's manifest, too.")
    flags.DEFINE_integer("beam", 3, "How many captions the beam search keeps.")
    flags.DEFINE_integer("mosaics", 200, "How many mosaics are made.")
    flags.DEFINE_integer("seed", 1, "The seed of the mosaics.")
    devices.define_flags()
    flags.mark_flag_as_required("data_dir")


def caption_metrics(networks: bundle.Networks, data_dir: Path) -> dict[str, float]:
    """Metrics of beam-search captions of the test photos, in percent but CIDEr.

    Raises:
      ExperimentError: The captioner has no single steps to search beams with.
    """
    captioner = networks.captioner
    if not isinstance(captioner, sat.ShowAttendTell):
        raise ExperimentError(f"--captioner={FLAGS.captioner} is no Show, Attend and Tell")
    names = flickr8k.split_names(data_dir, "test")
    references = flickr8k.captions_by_name(data_dir)
    extract = tf.function(networks.caption_trunk, reduce_retracing=True)
    features = []
    for at in tqdm(range(0, len(names), 50), desc="features", disable=None):
        photos = np.stack([flickr8k.read_image(data_dir, name) for name in names[at : at + 50]])
        features.append(extract(tf.constant(photos / 255, tf.float32)).numpy())
    found = beam_search.captions(captioner, np.concatenate(features), FLAGS.beam, 20)
    scores = caption_scores.score(found, [references[name] for name in names])
    label = f"{len(names)} test photos, beam {FLAGS.beam}"
    return {
        f"{name} ({label})": value * (1 if name == "CIDEr" else 100)
        for name, value in scores.items()
    }


def tile_accuracy(
    networks: bundle.Networks, data_dir: Path, settings: objective.Objective
) -> float:
    """Share of mosaics in which the right tile has the lowest caption loss."""
    loss = objective.CropLoss(settings, networks)
    captioner = networks.captioner
    end_word = captioner.end_word if settings.user_end_word else None
    evaluate = tf.function(
        lambda problem: loss(problem, tf.constant(TILES)).terms["caption"],
        input_signature=[loss.signature],
    )
    right = []
    made = mosaics.make(data_dir, "test", FLAGS.mosaics, FLAGS.seed)
    for mosaic in tqdm(made, total=FLAGS.mosaics, desc="tiles", disable=None):
        words = vocabulary.bag_of_words(mosaic.caption, captioner.vocabulary, end_word)
        problem = loss.problem(mosaic.image.astype(np.float32) / 255, words)
        right.append(int(np.argmin(evaluate(problem).numpy())) == mosaic.tile)
    return float(np.mean(right))


def record(folder: Path, figures: dict[str, float]) -> None:
    """Adds figures to the metrics of a checkpoint's manifest."""
    manifest = checkpoints.load(folder, "sat").manifest
    metrics = {**manifest["metrics"], **figures}
    checkpoints.write_manifest(folder, {**manifest, "metrics": metrics})


def main() -> None:
    """Measures, then writes the figures."""
    devices.prepare(FLAGS.device, FLAGS.threads)
    data_dir = Path(FLAGS.data_dir)
    networks = bundle.Networks(FLAGS.captioner, FLAGS.scorer)
    plain = objective.Objective(pyramid=(1,), blur_sigma=0.0)
    count = f"{FLAGS.mosaics} mosaics, seed {FLAGS.seed}"
    figures = {
        f"right tile, pyramid ({count})": tile_accuracy(networks, data_dir, objective.Objective()),
        f"right tile, no pyramid ({count})": tile_accuracy(networks, data_dir, plain),
    }
    figures |= caption_metrics(networks, data_dir)
    path = Path(FLAGS.output_dir) / "captioner.json"
    made_by.write_file(path, json.dumps(figures, indent=1).encode() + b"\n")
    made_by.write(path.parent, [path], networks.checkpoints)
    if FLAGS.record:
        record(bundle.find(FLAGS.captioner), figures)
    for name, value in figures.items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

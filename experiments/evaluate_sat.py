"""Measures the captioner: captioning metrics, and whether its caption loss finds the right tile.

    python -m experiments.evaluate_sat --data_dir=FLICKR8K --output=experiments/results/sat.json

BLEU, METEOR, ROUGE-L and CIDEr of beam-search captions of the test photos (`pycocoevalcap`; METEOR
and its tokenizer need Java). Then, on 2 x 2 mosaics of test photos, the caption loss (Eq. 4) of the
four tiles, with the pyramid of Eq. 1 and without: how often is the right tile's the lowest?
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from cagic_tf.method import losses, vocabulary
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.system import files
from experiments import mosaics
from experiments.data import flickr8k
from experiments.tables import caption_scores
from experiments.training import beam_search

FLAGS = flags.FLAGS
TILES = np.array([[x, y, 0.5] for y in (-0.5, 0.5) for x in (-0.5, 0.5)], np.float32)


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string("data_dir", None, "folder of Flickr8k (see experiments/data/flickr8k.py)")
    flags.DEFINE_string("captioner", "sat", "checkpoint of the captioner")
    flags.DEFINE_string("scorer", "vfn", "checkpoint of the scorer (not measured here)")
    flags.DEFINE_string("output", None, "JSON file to write")
    flags.DEFINE_bool("record", False, "also write the figures into the captioner's manifest")
    flags.DEFINE_integer("beam", 3, "beam width")
    flags.DEFINE_integer("mosaics", 200, "mosaics")
    flags.DEFINE_integer("seed", 1, "seed of the mosaics")
    flags.mark_flags_as_required(["data_dir", "output"])


def caption_metrics(networks: bundle.Networks, data_dir: Path) -> dict[str, float]:
    """Metrics of beam-search captions of the test photos, in percent but CIDEr."""
    names = flickr8k.split_names(data_dir, "test")
    references = flickr8k.captions_by_name(data_dir)
    extract = tf.function(lambda photos: networks.features(lambda size: photos)[0])
    features = []
    for at in tqdm(range(0, len(names), 50), desc="features"):
        photos = np.stack([flickr8k.read_image(data_dir, name) for name in names[at : at + 50]])
        features.append(extract(tf.constant(photos / 255, tf.float32)).numpy())
    found = beam_search.captions(networks.decoder, np.concatenate(features), FLAGS.beam, 20)
    scores = caption_scores.score(found, [references[name] for name in names])
    return {name: value * (1 if name == "CIDEr" else 100) for name, value in scores.items()}


def tile_accuracy(networks: bundle.Networks, data_dir: Path, objective: losses.Objective) -> float:
    """Share of mosaics in which the right tile has the lowest caption loss."""
    loss = losses.CropLoss(objective, networks)
    evaluate = tf.function(
        lambda problem: loss(problem, tf.constant(TILES)).caption, input_signature=[loss.signature]
    )
    right = []
    made = mosaics.make(data_dir, "test", FLAGS.mosaics, FLAGS.seed)
    for mosaic in tqdm(made, total=FLAGS.mosaics, desc="tiles"):
        words = vocabulary.bag_of_words(
            mosaic.caption, networks.decoder.vocabulary, objective.end_word
        )
        problem = loss.problem(mosaic.image.astype(np.float32) / 255, words.distribution)
        right.append(int(np.argmin(evaluate(problem).numpy())) == mosaic.tile)
    return float(np.mean(right))


def record(folder: Path, figures: dict[str, float]) -> None:
    """Adds figures to the metrics of a checkpoint's manifest."""
    manifest = checkpoints.load(folder, "sat").manifest
    manifest["metrics"] |= figures
    checkpoints.write_manifest(folder, manifest)


def main(_) -> None:
    data_dir = Path(FLAGS.data_dir)
    networks = bundle.Networks(FLAGS.captioner, FLAGS.scorer)
    plain = losses.Objective(pyramid=(1,), blur_sigma=0.0)
    count = f"{FLAGS.mosaics} mosaics, seed {FLAGS.seed}"
    figures = {
        f"right tile, pyramid ({count})": tile_accuracy(networks, data_dir, losses.Objective()),
        f"right tile, no pyramid ({count})": tile_accuracy(networks, data_dir, plain),
    }
    captions = caption_metrics(networks, data_dir)
    figures |= {f"{name} (500 test photos, beam {FLAGS.beam})": v for name, v in captions.items()}
    report = {"checkpoints": networks.checkpoints, "metrics": figures}
    output = Path(FLAGS.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomically(output, json.dumps(report, indent=1).encode() + b"\n")
    if FLAGS.record:
        record(bundle.find(FLAGS.captioner), figures)
    for name, value in figures.items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    define_flags()
    app.run(main)

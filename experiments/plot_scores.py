"""Scores of near crops, to see whether Eq. 5 is smooth enough to descend.

python -m experiments.plot_scores --output=experiments/results/vfn_scores/vfn_scores.png
"""

import numpy as np
import tensorflow as tf
from absl import app, flags
from matplotlib.figure import Figure

from cagic_tf.method import objective, vocabulary
from cagic_tf.networks.bundle import Networks
from cagic_tf.photos import reading
from cagic_tf.system import devices, resources
from experiments import command
from experiments.figures import panels

FLAGS = flags.FLAGS
PHOTOS = ("astronaut", "workers", "lake")


def define_flags() -> None:
    """Flags of this script."""
    panels.define_output_flag()
    flags.DEFINE_string(
        "captioner", "sat", "The captioner's checkpoint, which is loaded but not plotted."
    )
    flags.DEFINE_string(
        "scorer", "vfn", "The scorer's checkpoint: a name under checkpoints/ or a path."
    )
    devices.define_flags()


def main() -> None:
    """Draws the scores along lines through crops of some samples."""
    output = panels.output_path("vfn_scores.png")
    devices.prepare(FLAGS.device, FLAGS.threads)
    networks = Networks(FLAGS.captioner, FLAGS.scorer)
    loss = objective.CropLoss(objective.Objective().without_caption(), networks)
    words = vocabulary.no_words(networks.captioner.vocabulary)
    evaluate = tf.function(
        lambda problem, theta: -loss(problem, theta).total,
        input_signature=[loss.signature, tf.TensorSpec([None, 3], tf.float32)],
    )
    places, scales = np.linspace(-0.4, 0.4, 81), np.linspace(0.36, 1.0, 81)
    lines = {
        "x of the centre (y = 0, scale 0.6)": (places, [[x, 0, 0.6] for x in places]),
        "y of the centre (x = 0, scale 0.6)": (places, [[0, y, 0.6] for y in places]),
        "scale (centre of the photo)": (scales, [[0, 0, s] for s in scales]),
    }
    figure = Figure(figsize=(12, 3.5), layout="constrained")
    for axes, (label, (along, theta)) in zip(figure.subplots(1, 3), lines.items(), strict=True):
        for name in PHOTOS:
            photo = reading.read(resources.package_path("samples") / f"{name}.jpg")
            problem = loss.problem(photo.astype(np.float32) / 255, words)
            axes.plot(along, evaluate(problem, tf.constant(theta, tf.float32)), label=name)
        axes.set(xlabel=label, ylabel="score g")
    axes.legend()
    panels.write(output, panels.encoded(figure, output.suffix), networks.checkpoints)


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

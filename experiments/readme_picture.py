"""The README's picture, from a run on the samples: each photo with its crop marked, and the crop.

python -m experiments.readme_picture --results=outputs/fast --output=experiments/results/samples.jpg
"""

import json
from pathlib import Path

from absl import app, flags
from matplotlib.figure import Figure
from PIL import Image

from cagic_tf.batch import output_folder

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string("results", "outputs/fast", "output folder of a run on the samples")
    flags.DEFINE_string("output", "experiments/results/samples.jpg", "picture to write")


def main(_) -> None:
    folder = Path(FLAGS.results)
    lines = (folder / output_folder.RESULTS).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    figure = Figure(figsize=(2.6 * len(rows), 4.6), layout="constrained")
    axes = figure.subplots(2, len(rows), squeeze=False)
    for column, row in enumerate(rows):
        for place, kind in enumerate(("overlay", "crop")):
            with Image.open(folder / f"{row['id']}_{kind}.jpg") as image:
                axes[place, column].imshow(image)
            axes[place, column].axis("off")
        axes[0, column].set_title(f"“{row['caption']}”", fontsize=9, wrap=True)
    output = Path(FLAGS.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=90, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    define_flags()
    app.run(main)

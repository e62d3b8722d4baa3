"""What the tests of figures share: a photo, a search that is over, and what is drawn on axes."""

from types import SimpleNamespace

import numpy as np
from matplotlib import patches

from cagic_tf import pipeline
from cagic_tf.method import search
from cagic_tf.system import resources
from experiments.figures import one_search

SAMPLE = str(resources.package_path("samples") / "lake.jpg")
PHOTO = np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8)


def _step(scale, center, starts, ends):
    count = len(starts)
    return search.Step(
        scale,
        np.array(center, np.float32),
        search.Losses(np.float32(3), {"caption": np.float32(3.1), "aesthetic": np.float32(-10)}),
        np.array(starts, np.float32),
        np.array(ends, np.float32),
        np.full(count, 4.0),
        np.full(count, 3.5),
        12,
    )


STEPS = [
    _step(0.8, (0.1, 0.0), [(0.0, 0.0), (0.2, 0.0)], [(0.0, 0.2), (0.2, -0.2)]),
    _step(0.5, (-0.25, 0.5), [(-0.5, 0.5), (0.0, 0.5)], [(-0.5, 0.5), (0.0, 0.5)]),
]
SEARCHED = one_search.Searched(
    SimpleNamespace(configuration="Cropper.seed = 0\n"),
    "a $5 dog",
    pipeline.CropResult(
        box=(0, 20, 40, 20),
        box_normalized=(0.0, 0.5, 0.5, 1.0),
        center=(-0.5, 0.5),
        scale=0.5,
        loss={"total": 3.5, "caption": 3.6, "aesthetic": -10.0},
        predicted_caption="a dog",
        matched_words={"captioner": ["a", "dog"], "lexicon": {}},
        unknown_words={},
        evaluations=24,
        seconds=1.0,
        seed=0,
        checkpoints={"sat": "1" * 64},
        photo=PHOTO,
        path=search.Path(np.array([-0.5, 0.5, 0.5]), 3.5, STEPS, 24),
    ),
)


def boxes_of(axes):
    """`(x, y, w, h)` of the rectangles that are drawn."""
    found = [patch for patch in axes.patches if isinstance(patch, patches.Rectangle)]
    return [(*patch.get_xy(), patch.get_width(), patch.get_height()) for patch in found]


def shown(axes):
    """The picture on axes."""
    return np.asarray(axes.images[0].get_array())

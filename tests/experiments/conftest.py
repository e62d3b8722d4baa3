"""Photos, rows with ground truth and a quick search, for tests of whole commands."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.experiments import manifests

# A scan alone: tracing L-BFGS takes most of a search's time here. Whatever fast.gin's networks are.
QUICK_GIN = """
include "fast.gin"
CoarseToFine.scan_scales = (0.5,)
CoarseToFine.scan_centers = 2
CoarseToFine.refine_scales = ()
CoarseToFine.refinement = @Annealing()
Annealing.draw_starts = @Normal()
Networks.captioner = "sat"
Networks.scorer = "vfn"
"""


@pytest.fixture
def dataset(tmp_path):
    """Three photos of 40 x 20 pixels; the truth is the left half, the right one, and the middle."""
    rows = []
    for name, x in (("left", 0), ("right", 20), ("middle", 10)):
        pixels = np.random.default_rng(x).integers(0, 256, (20, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        rows.append({"id": name, "image": f"{name}.png", "caption": "a dog"})
        rows[-1]["crops"] = [[x, 0, 20, 20], [x, 0, 20, 10]]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def quick_gin(tmp_path):
    """Path of the search."""
    path = tmp_path / "quick.gin"
    path.write_text(QUICK_GIN)
    return str(path)


@pytest.fixture
def photos(tmp_path):
    """A folder of three black photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("1.jpg", "2.jpg", "COCO_train2014_000000000003.jpg"):
        Image.fromarray(np.zeros((manifests.HEIGHT, manifests.WIDTH, 3), np.uint8)).save(
            folder / name
        )
    return folder

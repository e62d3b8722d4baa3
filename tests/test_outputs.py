"""Plots and overlays with awkward captions."""

import numpy as np
import pytest
from PIL import Image

from cagic_tf import annealing, outputs
from cagic_tf.losses import Losses


@pytest.mark.parametrize("caption", ["a $5 and a $10 bill", "$_$", "ein Hund \u2013 na so was", ""])
def test_captions_are_drawn_as_they_are(caption, tmp_path):
    losses = Losses(np.float32(2), np.float32(1.5), np.float32(-1))
    places = np.zeros((3, 2), np.float32)
    values = np.array([2, 3, 4], np.float32)
    steps = [
        annealing.Step(scale, places[0], losses, places, places, values, values, 12)
        for scale in (0.9, 0.8)
    ]
    path = annealing.Path(np.array([0, 0, 0.8]), 2.0, steps, 24)
    outputs.plot_losses(tmp_path / "plot.png", path, caption)
    with Image.open(tmp_path / "plot.png") as plot:
        assert np.asarray(plot.convert("L")).std() > 5


def test_summary_counts_and_averages():
    lines = [
        {"status": "ok", "iou": 0.5, "seconds": 2.0},
        {"status": "ok", "iou": 0.7, "seconds": 4.0},
        {"status": "ok", "iou": None, "seconds": 3.0},
        {"status": "error"},
    ]
    expected = "4 rows, 1 errors, mean IoU 0.6000 (std 0.1000), 3.0 s a picture"
    assert outputs.summary(lines) == expected

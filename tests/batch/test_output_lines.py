"""Plots and overlays with awkward captions."""

import io

import numpy as np
import pytest
from PIL import Image

from cagic_tf.batch import manifest, output_folder
from cagic_tf.method import annealing
from cagic_tf.method.losses import Losses
from cagic_tf.photos import loss_plot


@pytest.mark.parametrize("caption", ["a $5 and a $10 bill", "$_$", "ein Hund \u2013 na so was", ""])
def test_captions_are_drawn_as_they_are(caption):
    losses = Losses(np.float32(2), np.float32(1.5), np.float32(-1))
    places = np.zeros((3, 2), np.float32)
    values = np.array([2, 3, 4], np.float32)
    steps = [
        annealing.Step(scale, places[0], losses, places, places, values, values, 12)
        for scale in (0.9, 0.8)
    ]
    path = annealing.Path(np.array([0, 0, 0.8]), 2.0, steps, 24)
    with Image.open(io.BytesIO(loss_plot.draw(path, caption))) as plot:
        assert np.asarray(plot.convert("L")).std() > 5


def test_fill_takes_boxes_and_known_fields_and_errors(tmp_path):
    folder = output_folder.OutputFolder(tmp_path / "out", "# config\n", pictures=False)
    rows = [
        manifest.Row(name, "a.png", tmp_path / "a.png", "a dog", ((0, 0, 10, 10), (0, 0, 10, 20)))
        for name in ("box", "fields", "error")
    ]
    rows.append(manifest.Row("no truth", "a.png", tmp_path / "a.png", "a dog"))
    line = folder.fill(rows[0], lambda: (0, 0, 10, 10))
    assert line.box == [0, 0, 10, 10] and line.iou == 0.75 and line.seconds >= 0
    assert {getattr(line, key) for key in ("loss", "scale", "checkpoints", "evaluations")} == {None}
    line = folder.fill(rows[1], lambda: {"box": [0, 0, 10, 20], "scale": 0.5, "iou": 7})
    assert line.iou == 0.75 and line.scale == 0.5 and line.seconds is None

    def fail():
        raise ValueError("no words")

    line = folder.fill(rows[2], fail)
    assert (line.status, line.error, line.box) == ("error", "no words", None)
    assert folder.fill(rows[3], lambda: (1, 2, 3, 4)).iou is None
    folder.close()
    again = output_folder.OutputFolder(tmp_path / "out", "# config\n", pictures=False)
    assert again.fill(rows[2], lambda: 1 / 0) == line
    assert again.done == folder.done

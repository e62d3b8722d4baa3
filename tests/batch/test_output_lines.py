"""What rows give: lines and the losses that are plotted."""

import types

import numpy as np
import pytest
from PIL import Image

from cagic_tf.batch import manifest, output_folder, row_output
from cagic_tf.method import search
from cagic_tf.photos import crop_files, drawing


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


@pytest.mark.parametrize("terms", [{"aesthetic": -1.0}, {"caption": 1.5, "own": 2.0}])
def test_the_plot_has_the_total_and_every_term(tmp_path, monkeypatch, terms):
    scales = [0.9, 0.8]
    caption = "a\ndog\x1b" + "g" * 42_000 if "caption" in terms else None
    losses, expected = search.Losses(3.0, terms), {"total": 3.0} | terms
    photo = np.zeros((10, 20, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "a.png")
    row = manifest.Row("a", "a.png", tmp_path / "a.png", caption)
    steps = [
        types.SimpleNamespace(center=(0, 0), scale=scale, losses=losses, end_losses=[2.0, 3.0])
        for scale in scales
    ]
    path = types.SimpleNamespace(steps=steps, theta=np.array([0, 0, 0.8]), loss=1.5)
    crop = types.SimpleNamespace(
        photo=photo, box=(0, 0, 5, 5), path=path, to_dict=lambda: {"box": [0, 0, 5, 5]}
    )
    plotted = []
    monkeypatch.setattr(drawing, "loss_plot", lambda *given: plotted.append(given) or b"plot")
    output = row_output.begin(row, lambda: crop, crop_files.SaveOptions())()
    assert output.error is None and output.pictures["a_losses.png"] == b"plot"
    assert list(plotted[0][1])[0] == "total"
    assert plotted == [
        (
            scales,
            {name: [value] * len(scales) for name, value in expected.items()},
            [[2.0, 3.0]] * len(scales),
            (0.8, 1.5),
            r"a\ndog\x1b" + "g" * 69 + "\u2026" if caption else "",
        )
    ]


def test_the_plot_of_a_scan_without_refinement_has_its_ranks(monkeypatch):
    scanned = np.array([[0.3, 0, 0, 0.8], [0.2, 0, 0, 0.5], [0.6, 0, 0, 0.5], [np.inf, 0, 0, 0.5]])
    path = types.SimpleNamespace(steps=[], theta=np.array([0, 0, 0.6]), loss=1.5, scanned=scanned)
    plotted = []
    monkeypatch.setattr(drawing, "loss_plot", lambda *given: plotted.append(given) or b"plot")
    assert row_output._loss_plot(path, "a dog") == b"plot"
    scales, losses, dots, returned, title, labels = plotted[0]
    assert (scales, losses) == ([0.5, 0.8], {"rank in the scan": [0.2, 0.3]})
    assert [each.tolist() for each in dots] == [[0.2, 0.6], [0.3]]
    assert (returned, title, labels) == ((0.6, 0.2), "a dog", ("best", "scanned"))


def test_a_row_says_that_its_photo_is_one_of_several_pictures(tmp_path):
    first, second = Image.new("L", (20, 10)), Image.new("L", (20, 10), 255)
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    first.save(tmp_path / "b.gif")
    path = types.SimpleNamespace(steps=[], scanned=[], theta=np.array([0, 0, 0.8]), loss=1.5)
    crop = types.SimpleNamespace(
        photo=np.zeros((10, 20, 3), np.uint8),
        box=(0, 0, 5, 5),
        path=path,
        to_dict=lambda: {"box": [0, 0, 5, 5]},
    )
    for name, note in (("a", "only picture 1 of the 2 in the file was cropped"), ("b", None)):
        row = manifest.Row(name, f"{name}.gif", tmp_path / f"{name}.gif", "a dog")
        output = row_output.begin(row, lambda: crop, crop_files.SaveOptions())()
        assert output.error is None and output.fields["note"] == note

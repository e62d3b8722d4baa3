"""What figures share: where boxes and pixels are drawn, and the files of a picture."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cagic_tf.batch import output_folder
from experiments.figures import captions, panels
from tests.experiments import commands, drawn


def test_cut():
    photo = drawn.PHOTO
    np.testing.assert_array_equal(panels.cut(photo, (10, 5, 20, 30)), photo[5:35, 10:30])
    np.testing.assert_array_equal(panels.cut(photo, (9.6, 5.4, 20, 30)), photo[5:35, 10:30])
    np.testing.assert_array_equal(panels.cut(photo, (70, 30, 99, 99)), photo[30:, 70:])
    assert panels.cut(photo, (80, 40, 0.1, 0.1)).shape == (1, 1, 3)


def test_evenly():
    assert panels.evenly(45, 5) == [0, 11, 22, 33, 44]
    assert panels.evenly(8, 5) == [0, 2, 4, 5, 7]
    assert panels.evenly(3, 5) == [0, 1, 2] and panels.evenly(1, 5) == [0]


def test_a_box_covers_its_pixels():
    """On an axes that shows a photo pixel by pixel, the box's edge runs around its pixels."""
    figure = Figure(figsize=(0.8, 0.4))
    axes = figure.add_axes((0, 0, 1, 1))
    panels.show_photo(axes, np.full_like(drawn.PHOTO, 128))
    panels.draw_box(axes, (20, 10, 40, 20), "red").set(linewidth=0.6, path_effects=[])
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=1000)  # Ten pixels for one.
    pixels = np.asarray(Image.open(buffer).convert("RGB")).astype(int)
    down, across = np.nonzero(pixels[..., 0] - pixels[..., 1] > 100)
    assert (across.min() + across.max()) / 2 == pytest.approx(400, abs=2)
    assert across.max() - across.min() == pytest.approx(400 + 8, abs=4)
    assert (down.min() + down.max()) / 2 == pytest.approx(200, abs=2)
    assert down.max() - down.min() == pytest.approx(200 + 8, abs=4)


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_files_are_whole_and_the_same_each_time(ending, tmp_path):
    path = tmp_path / "new" / f"figure{ending}"
    boxes = {"a dog": (0, 0, 20, 10), "a $5 bill": (10, 10, 30, 15)}
    contents = []
    for checkpoints in ({"sat": "1"}, {"sat": "2"}):
        data = panels.encoded(captions.draw(drawn.PHOTO, boxes), ending)
        panels.write(path, data, checkpoints, "Cropper.seed = 7\n")
        contents.append(path.read_bytes())
    assert contents == [data, data]
    with Image.open(path) as picture:
        assert picture.format == {".png": "PNG", ".jpg": "JPEG"}[ending]
    names = {path.name, "operative_config.gin", "made_by.json"}
    assert {file.name for file in path.parent.iterdir()} == names
    assert (path.parent / "operative_config.gin").read_text() == "Cropper.seed = 7\n"
    found = commands.made_by(path.parent)
    assert found["checkpoints"] == {"sat": "2"}
    assert list(found["files"]) == [path.name, "operative_config.gin"]
    (tmp_path / "file").touch()
    with pytest.raises(output_folder.OutputError, match="cannot write"):
        panels.write(tmp_path / "file" / "figure.png", data, {})

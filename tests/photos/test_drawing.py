"""Overlays and plots of losses."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cagic_tf.photos import drawing


def test_overlay():
    pixels = np.full((200, 300, 3), 200, np.uint8)
    centers = np.array([[-0.5, -0.5], [0.5, -0.5]])
    shown = np.asarray(drawing.overlay(pixels, (60, 80, 120, 90), centers, [(200, 150, 50, 30)]))
    assert shown.shape == pixels.shape and shown.dtype == np.uint8
    assert (shown[125, 120] == 200).all()  # Within the crop.
    assert (shown[10, 10] == 100).all() and (shown[190, 290] == 100).all()  # Outside it.
    # Beside the line, which has the later point's colour.
    first, last = shown[52, 75].astype(int), shown[52, 225].astype(int)
    assert first[2] > first[0] + 100 and last[0] > last[2] + 100  # From blue to red.
    truth = shown[150:180, 200:250].astype(int)
    green = (truth[..., 1] > truth[..., 0] + 50) & (truth[..., 1] > truth[..., 2] + 50)
    assert green.any(1).all() and green.any(0).all()  # On every row and column of the box.
    assert not green[10:20, 10:40].any()
    np.testing.assert_array_equal(pixels, 200)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (40, 2)])
def test_overlay_of_a_tiny_photo(size):
    pixels = np.zeros((*size, 3), np.uint8)
    image = drawing.overlay(pixels, (0, 0, size[1], size[0]), np.zeros((3, 2)))
    assert image.size == (size[1], size[0])


def test_a_search_without_steps_has_a_plot():
    with Image.open(io.BytesIO(drawing.loss_plot([], {"total": []}, [], (0.7, 1.5), "x"))) as plot:
        assert np.asarray(plot.convert("L")).std() > 5


def test_characters_that_the_font_lacks_are_no_warning(recwarn):
    drawing.loss_plot([], {"total": []}, [], (0.7, 1.5), "\N{DOG FACE} \u72ac")
    assert not recwarn.list


SCALES = [0.9, 0.8]
LOSSES = {"total": [2.0, 1.75], "caption": [1.5, 1.25], "own": [-1.0, 0.5]}


@pytest.mark.parametrize("title", ["a $5 and a $10 bill", "$_$", "ein Hund \u2013 na so was", ""])
def test_the_plot_shows_its_title_as_it_is_and_all_values(title, monkeypatch):
    figures, save = [], Figure.savefig

    def kept(figure, *arguments, **options):
        figures.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", kept)
    data = drawing.loss_plot(SCALES, LOSSES, [[2, 3, 4], [3, 4]], (0.8, 1.5), title)
    with Image.open(io.BytesIO(data)) as plot:
        assert plot.format == "PNG" and np.asarray(plot.convert("L")).std() > 5
    panels = figures[0].axes
    assert [axes.get_ylabel() for axes in panels] == list(LOSSES)
    assert panels[0].get_title() == title
    for axes, values in zip(panels, LOSSES.values(), strict=True):
        np.testing.assert_array_equal(axes.lines[0].get_xydata(), np.transpose([SCALES, values]))
        assert axes.xaxis_inverted()  # From the whole photo to small crops.
    drawn = [line.get_xydata().tolist() for line in panels[0].lines[1:]]
    assert drawn == [[[0.9, 2], [0.9, 3], [0.9, 4]], [[0.8, 3], [0.8, 4]], [[0.8, 1.5]]]

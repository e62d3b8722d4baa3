"""Fig. 3, 4 and the animation: which losses, where restarts are drawn, frames, one-line errors."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cagic_tf import pipeline
from cagic_tf.method.search import Losses
from experiments.figures import animation, captions, landscapes, restarts
from tests.experiments import commands, drawn

# Fig. 3.


@pytest.mark.slow
def test_landscape_is_the_loss_at_its_centres():
    cropper = pipeline.Cropper()
    (grid,) = landscapes.landscapes(cropper, drawn.PHOTO, "a dog", [0.6], 3)
    problem, _ = cropper.problem(drawn.PHOTO, "a dog")
    for row, y in enumerate((-0.4, 0, 0.4)):
        for column, x in enumerate((-0.4, 0, 0.4)):
            expected = cropper.loss(problem, tf.constant([[x, y, 0.6]], tf.float32))
            assert list(grid.terms) == list(expected.terms)
            pairs = [(grid.total, expected.total)]
            pairs += [(grid.terms[name], expected.terms[name]) for name in grid.terms]
            for found, value in pairs:
                assert found[row, column] == pytest.approx(float(value[0]), rel=1e-4)


@pytest.mark.slow
def test_commands_that_search(tmp_path):
    photo = f"--image={drawn.SAMPLE}"
    quick = ["--gin_param=Annealing.scale_factor = 0.6", "--gin_param=Annealing.restart_count = 2"]
    for script, ending, arguments in (
        (landscapes, ".png", ["--caption=a lake", "--centers=2"]),
        (captions, ".jpg", ["--caption=a lake", "--caption=a rock", "--gin_file=paper.gin"]),
        (restarts, ".jpg", ["--caption=a lake"]),
        (animation, ".gif", ["--caption=a lake"]),
    ):
        output = tmp_path / script.__name__ / f"figure{ending}"
        commands.call(script, photo, f"--output={output}", *arguments, *quick)
        with Image.open(output) as picture:
            assert np.asarray(picture.convert("L")).std() > 10
        made_by = commands.made_by(output.parent)
        assert list(made_by["checkpoints"]) == ["lite0", "sat", "vfn"]
        assert list(made_by["files"]) == [output.name, "operative_config.gin"]
        config = (output.parent / "operative_config.gin").read_text()
        assert "Annealing.scale_factor = 0.6" in config


@pytest.mark.parametrize("lexicon", [False, True])
def test_landscapes_are_drawn_where_their_centres_are(lexicon):
    total = np.array([[3.0, 2.0, 9.0], [4.0, 5.0, np.nan], [6.0, 7.0, 1.0]])
    kinds = [total, total + 1, -total] + [2 * total] * lexicon
    terms = dict(zip(("caption", "aesthetic", "lexicon"), kinds[1:], strict=False))
    grids = [Losses(total, terms)] * 2
    figure = landscapes.draw(drawn.SEARCHED, [0, 1], grids)
    panels = np.array(figure.axes[: 2 + 2 * len(kinds)]).reshape(-1, 2)
    assert [axes.get_title() for axes in panels[0]] == ["80%", "50%"]
    # The lowest is the lower right one, and the crop around it ends at the photo's corner.
    np.testing.assert_allclose(landscapes.lowest_center(total, 0.5), [0.5, 0.5])
    crop, free = drawn.boxes_of(panels[0, 1])
    assert crop == (40, 20, 40, 20) and free == (20, 10, 40, 20)
    for axes, values in zip(panels[1:, 1], kinds, strict=True):
        np.testing.assert_array_equal(drawn.shown(axes), values)
        # Three squares of side 0.5, the outer ones centred on -0.5 and 0.5.
        assert tuple(axes.images[0].get_extent()) == (-0.75, 0.75, 0.75, -0.75)
    assert panels[1, 0].images[0].norm.vmin == 1 and panels[1, 0].images[0].norm.vmax == 9
    path = {line.get_label(): line.get_xydata() for line in panels[1, 1].lines}
    np.testing.assert_allclose(path["path of the means"], [(0.1, 0), (-0.25, 0.5)], atol=1e-7)
    np.testing.assert_allclose(path["its result"], drawn.STEPS[1].ends)
    np.testing.assert_allclose(path["lowest here"], [(0.5, 0.5)])


# Fig. 4 and the animation.


def test_restarts_are_drawn_where_they_were():
    size = (80, 40)
    corners = [[-1, -1], [1, 1], [0, 0], [-0.5, 0.5]]
    expected = [[0, 0], [80, 40], [40, 20], [20, 30]]
    np.testing.assert_array_equal(restarts.on_photo(corners, size), expected)
    figure = restarts.draw(drawn.SEARCHED)
    first, second, x, y = figure.axes
    assert drawn.boxes_of(first) == [(12, 4, 64, 32)] and drawn.boxes_of(second) == [
        (10, 20, 40, 20)
    ]
    begin, end = second.lines[-3].get_xydata(), second.lines[-2].get_xydata()
    np.testing.assert_allclose(begin, [(20, 30), (40, 30)])
    np.testing.assert_allclose(end, [(20, 30), (40, 30)])
    np.testing.assert_allclose(second.lines[-1].get_xydata(), [(30, 30)])
    for axes, means, ends in (
        (x, [0.1, -0.25], [0.0, 0.2, -0.5, 0.0]),
        (y, [0.0, 0.5], [0.2, -0.2, 0.5, 0.5]),
    ):
        lines = {line.get_label(): line.get_xydata() for line in axes.lines}
        np.testing.assert_allclose(lines["mean"], list(zip([0.8, 0.5], means, strict=True)))
        places = zip([0.8, 0.8, 0.5, 0.5], ends, strict=True)
        np.testing.assert_allclose(lines["its result"], list(places))


def test_animation_has_a_frame_a_scale():
    data = animation.encode(animation.frames(drawn.SEARCHED.result, drawn.SEARCHED.caption))
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.n_frames == 2 and picture.info["loop"] == 0
        width, height = picture.size
        # The photo at 360 x 180, a line of caption and one of figures.
        assert (width, height) == (360, 180 + 2 * animation.LINE + 2 * animation.MARGIN)
        frames, times = [], []
        for number in range(2):
            picture.seek(number)
            frames.append(np.asarray(picture.convert("RGB")))
            times.append(picture.info["duration"])
    assert times == [animation.FRAME, animation.LAST_FRAME]
    orange, green = (np.array(animation.COLOURS[name]) for name in ("orange", "green"))
    # Means at (0.1, 0) and (-0.25, 0.5); the first crop is (54, 18, 288, 144).
    np.testing.assert_array_equal(frames[0][90, 198], orange)
    np.testing.assert_array_equal(frames[0][60, 54 + 2], orange)
    assert not (frames[0] == green).all(axis=-1).any()
    np.testing.assert_array_equal(frames[1][135, 135], orange)
    # The result is (0, 90, 180, 90); its outermost pixels are black, and nothing else is green.
    down, across = np.nonzero((frames[1] == green).all(axis=-1))
    assert (across.min(), across.max()) == (1, 178) and (down.min(), down.max()) == (91, 178)
    # Where nothing is drawn, frames are equal.
    np.testing.assert_array_equal(frames[0][5:15, 300:], frames[1][5:15, 300:])
    assert (frames[0][182:] != frames[1][182:]).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image=photo.jpg"], "--image and --caption go together"),
        (["--image=nowhere.jpg", "--caption=a dog"], "no photo at nowhere.jpg"),
        (["--gin_file=nowhere.gin"], "nowhere.gin"),
        (["--device=gpu:99"], "no gpu:99"),
        ([f"--image={drawn.SAMPLE}", "--caption=zyzzyva"], "no word of the caption is known"),
    ],
)
def test_errors_of_one_search(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in commands.error_of(restarts, *arguments)
    assert not list(tmp_path.iterdir())


def test_endings_of_pictures(tmp_path):
    for script in (restarts, animation):
        found = commands.error_of(script, "--output=figure.txt")
        assert "--output is figure.txt; a name that ends in ." in found
    (tmp_path / "made_by.json").write_text('{"files": {"other.jpg": ""}}')
    found = commands.error_of(restarts, f"--output={tmp_path / 'restarts.jpg'}")
    assert "holds another result" in found

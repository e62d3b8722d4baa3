"""Figures: where boxes and points are drawn, which numbers are plotted, files, one-line errors."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from matplotlib import colors, patches
from matplotlib.figure import Figure
from PIL import Image

from cagic_tf import pipeline
from cagic_tf.batch import manifest, output_folder
from cagic_tf.method import annealing, losses
from cagic_tf.system import resources
from experiments.figures import (
    animation,
    annotators,
    captions,
    drawing,
    landscapes,
    one_search,
    restarts,
    side_by_side,
)
from experiments.tables import comparison, entries

SAMPLE = str(resources.package_path("samples") / "lake.jpg")
PHOTO = np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8)


def step(scale, center, starts, ends):
    count = len(starts)
    return annealing.Step(
        scale,
        np.array(center, np.float32),
        losses.Losses(np.float32(3), np.float32(3.1), np.float32(-10)),
        np.array(starts, np.float32),
        np.array(ends, np.float32),
        np.full(count, 4.0),
        np.full(count, 3.5),
        12,
    )


STEPS = [
    step(0.8, (0.1, 0.0), [(0.0, 0.0), (0.2, 0.0)], [(0.0, 0.2), (0.2, -0.2)]),
    step(0.5, (-0.25, 0.5), [(-0.5, 0.5), (0.0, 0.5)], [(-0.5, 0.5), (0.0, 0.5)]),
]


@pytest.fixture
def searched():
    result = pipeline.CropResult(
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
        checkpoints={},
        photo=PHOTO,
        path=annealing.Path(np.array([-0.5, 0.5, 0.5]), 3.5, STEPS, 24),
    )
    return one_search.Searched(SimpleNamespace(), "a $5 dog", result)


def boxes_of(axes):
    found = [patch for patch in axes.patches if isinstance(patch, patches.Rectangle)]
    return [(*patch.get_xy(), patch.get_width(), patch.get_height()) for patch in found]


def shown(axes):
    return np.asarray(axes.images[0].get_array())


def call(script, monkeypatch, **values):
    for module in (script, drawing, one_search):
        monkeypatch.setattr(module, "FLAGS", SimpleNamespace(**values), raising=False)
    comparison.main(script.main)([script.__name__])


def error_of(script, monkeypatch, **values):
    with pytest.raises(SystemExit) as error:
        call(script, monkeypatch, **{"output": None, **values})
    assert str(error.value).startswith("error: ") and "\n" not in str(error.value)
    return str(error.value)


def write_results(folder, *lines):
    folder.mkdir(parents=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / output_folder.RESULTS).write_text(text, encoding="utf-8")


def result_line(name, box, caption="a dog", iou=None, status="ok"):
    head = {"id": name, "image": f"photos/{name}.png", "caption": caption, "status": status}
    return head | {"box": box, "iou": iou}


# What they share.


def test_cut():
    np.testing.assert_array_equal(drawing.cut(PHOTO, (10, 5, 20, 30)), PHOTO[5:35, 10:30])
    np.testing.assert_array_equal(drawing.cut(PHOTO, (9.6, 5.4, 20, 30)), PHOTO[5:35, 10:30])
    np.testing.assert_array_equal(drawing.cut(PHOTO, (70, 30, 99, 99)), PHOTO[30:, 70:])
    assert drawing.cut(PHOTO, (80, 40, 0.1, 0.1)).shape == (1, 1, 3)


def test_evenly():
    assert drawing.evenly(45, 5) == [0, 11, 22, 33, 44]
    assert drawing.evenly(8, 5) == [0, 2, 4, 5, 7]
    assert drawing.evenly(3, 5) == [0, 1, 2] and drawing.evenly(1, 5) == [0]


def test_a_box_covers_its_pixels():
    """On an axes that shows a photo pixel by pixel, the box's edge runs around its pixels."""
    figure = Figure(figsize=(0.8, 0.4))
    axes = figure.add_axes((0, 0, 1, 1))
    drawing.show_photo(axes, np.full_like(PHOTO, 128))
    drawing.draw_box(axes, (20, 10, 40, 20), "red").set(linewidth=0.6, path_effects=[])
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=1000)  # Ten pixels for one.
    pixels = np.asarray(Image.open(buffer).convert("RGB")).astype(int)
    down, across = np.nonzero(pixels[..., 0] - pixels[..., 1] > 100)
    assert (across.min() + across.max()) / 2 == pytest.approx(400, abs=2)
    assert across.max() - across.min() == pytest.approx(400 + 8, abs=4)
    assert (down.min() + down.max()) / 2 == pytest.approx(200, abs=2)
    assert down.max() - down.min() == pytest.approx(200 + 8, abs=4)


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_files_are_whole_and_the_same_each_time(ending, searched, tmp_path):
    path = tmp_path / "new" / f"figure{ending}"
    drawing.save(restarts.draw(searched), path)
    first = path.read_bytes()
    drawing.save(restarts.draw(searched), path)
    assert path.read_bytes() == first
    with Image.open(path) as picture:
        assert picture.format == {".png": "PNG", ".jpg": "JPEG"}[ending]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    (tmp_path / "file").touch()
    with pytest.raises(output_folder.OutputError, match="cannot write"):
        drawing.save(restarts.draw(searched), tmp_path / "file" / "figure.png")


# Fig. 3.


def test_landscape_is_the_loss_at_its_centres():
    cropper = pipeline.Cropper()
    (grid,) = landscapes.landscapes(cropper, PHOTO, "a dog", [0.6], 3)
    problem, _ = cropper.problem(PHOTO, "a dog")
    for row, y in enumerate((-0.4, 0, 0.4)):
        for column, x in enumerate((-0.4, 0, 0.4)):
            expected = cropper.loss(problem, tf.constant([[x, y, 0.6]], tf.float32))
            assert grid.lexicon == expected.lexicon == ()
            for found, value in zip(grid[:3], expected[:3], strict=True):
                assert found[row, column] == pytest.approx(float(value[0]), rel=1e-4)


def test_commands_that_search(tmp_path, monkeypatch):
    values = {"image": SAMPLE, "caption": "a lake", "gin_file": None, "centers": 2}
    values |= {"gin_param": ["Annealing.scale_factor = 0.6", "Annealing.restart_count = 2"]}
    call(landscapes, monkeypatch, output=str(tmp_path / "landscapes.png"), **values)
    values |= {"caption": ["a lake", "a rock"], "gin_file": ["paper.gin"], "results": None}
    call(captions, monkeypatch, output=str(tmp_path / "captions.jpg"), **values)
    for name in ("landscapes.png", "captions.jpg"):
        with Image.open(tmp_path / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 10


@pytest.mark.parametrize("lexicon", [False, True])
def test_landscapes_are_drawn_where_their_centres_are(searched, lexicon):
    total = np.array([[3.0, 2.0, 9.0], [4.0, 5.0, np.nan], [6.0, 7.0, 1.0]])
    kinds = [total, total + 1, -total] + [2 * total] * lexicon
    grids = [losses.Losses(*kinds)] * 2
    figure = landscapes.draw(searched, [0, 1], grids)
    panels = np.array(figure.axes[: 2 + 2 * len(kinds)]).reshape(-1, 2)
    assert [axes.get_title() for axes in panels[0]] == ["80%", "50%"]
    # The lowest is the lower right one, and the crop around it ends at the photo's corner.
    np.testing.assert_allclose(landscapes.lowest_center(total, 0.5), [0.5, 0.5])
    crop, free = boxes_of(panels[0, 1])
    assert crop == (40, 20, 40, 20) and free == (20, 10, 40, 20)
    for axes, values in zip(panels[1:, 1], kinds, strict=True):
        np.testing.assert_array_equal(shown(axes), values)
        # Three squares of side 0.5, the outer ones centred on -0.5 and 0.5.
        assert tuple(axes.images[0].get_extent()) == (-0.75, 0.75, 0.75, -0.75)
    assert panels[1, 0].images[0].norm.vmin == 1 and panels[1, 0].images[0].norm.vmax == 9
    path = {line.get_label(): line.get_xydata() for line in panels[1, 1].lines}
    np.testing.assert_allclose(path["path of the means"], [(0.1, 0), (-0.25, 0.5)], atol=1e-7)
    np.testing.assert_allclose(path["its result"], STEPS[1].ends)
    np.testing.assert_allclose(path["lowest here"], [(0.5, 0.5)])


# Fig. 4 and the animation.


def test_restarts_are_drawn_where_they_were(searched):
    size = (80, 40)
    corners = [[-1, -1], [1, 1], [0, 0], [-0.5, 0.5]]
    expected = [[0, 0], [80, 40], [40, 20], [20, 30]]
    np.testing.assert_array_equal(restarts.on_photo(corners, size), expected)
    figure = restarts.draw(searched)
    first, second, x, y = figure.axes
    assert boxes_of(first) == [(12, 4, 64, 32)] and boxes_of(second) == [(10, 20, 40, 20)]
    begin, end = second.lines[-3].get_xydata(), second.lines[-2].get_xydata()
    np.testing.assert_allclose(begin, [(20, 30), (40, 30)])
    np.testing.assert_allclose(end, [(20, 30), (40, 30)])
    np.testing.assert_allclose(second.lines[-1].get_xydata(), [(30, 30)])
    for axes, means, ends in (
        (x, [0.1, -0.25], [0.0, 0.2, -0.5, 0.0]),
        (y, [0.0, 0.5], [0.2, -0.2, 0.5, 0.5]),
    ):
        drawn = {line.get_label(): line.get_xydata() for line in axes.lines}
        np.testing.assert_allclose(drawn["mean"], list(zip([0.8, 0.5], means, strict=True)))
        places = zip([0.8, 0.8, 0.5, 0.5], ends, strict=True)
        np.testing.assert_allclose(drawn["its result"], list(places))


def test_animation_has_a_frame_a_scale(searched):
    data = animation.encode(animation.frames(searched.result, searched.caption))
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


def test_errors_of_one_search(monkeypatch):
    values = {"image": None, "caption": None, "gin_file": ["fast.gin"], "gin_param": []}
    for script in (restarts, animation):
        found = error_of(script, monkeypatch, **{**values, "output": "figure.txt"})
        assert "--output is figure.txt; a name that ends in ." in found
    for given, message in (
        ({"image": "photo.jpg"}, "--image and --caption go together"),
        ({"image": "nowhere.jpg", "caption": "a dog"}, "no photo at nowhere.jpg"),
        ({"gin_file": ["nowhere.gin"]}, "nowhere.gin"),
        ({"image": SAMPLE, "caption": "zyzzyva"}, "no word of the caption is known"),
    ):
        assert message in error_of(restarts, monkeypatch, **{**values, **given})


# Fig. 7.


def test_annotators_by_hand(tmp_path):
    crops = ((0, 0, 20, 20), (10, 0, 20, 20), (0, 0, 20, 20))
    assert annotators.agreement(crops) == [pytest.approx(1 / 3), 1, pytest.approx(1 / 3)]
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    row = manifest.Row("a", "a.png", tmp_path / "a.png", "a dog", crops)
    figure = annotators.draw([row, row], [row], {"a": (0, 0, 20, 20)})
    photo, plot = figure.axes
    assert boxes_of(photo) == [*crops, (0, 0, 20, 20)]
    medians = [line for line in plot.lines if line.get_color() == "C1"]
    assert [list(line.get_ydata()) for line in medians] == [[pytest.approx(1 / 3)] * 2] * 2
    dots = [line.get_xydata() for line in plot.lines if len(line.get_xdata()) == 6][-1]
    np.testing.assert_allclose(dots, [(n, v) for n in (1, 2) for v in (1, 1 / 3, 1)])


def test_annotators_need_two_crops_and_known_rows(tmp_path, monkeypatch):
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    path = tmp_path / "rows.jsonl"
    values = {"dataset": str(path), "rows": None, "results": None}
    row = {"id": "a", "image": "a.png", "caption": "a dog", "crops": [[0, 0, 9, 9]]}
    path.write_text(json.dumps(row))
    assert "two or more crops" in error_of(annotators, monkeypatch, **values)
    path.write_text(json.dumps(row | {"crops": row["crops"] * 2}))
    values["output"] = str(tmp_path / "figure.png")
    assert "--rows has ['b']" in error_of(annotators, monkeypatch, **values | {"rows": ["b"]})
    assert "no results in" in error_of(annotators, monkeypatch, **values | {"results": "nowhere"})
    assert not (tmp_path / "figure.png").exists()
    call(annotators, monkeypatch, **values)
    assert (tmp_path / "figure.png").exists()


# Fig. 8.


def test_captions_and_their_crops():
    boxes = {"a dog": (0, 0, 20, 10), "a cat": (40, 20, 40, 20), "a $5 bill": (10, 10, 30, 15)}
    whole, *crops = captions.draw(PHOTO, boxes).axes
    np.testing.assert_array_equal(shown(whole), PHOTO)
    assert boxes_of(whole) == list(boxes.values())
    for axes, (caption, (x, y, w, h)), mark in zip(crops, boxes.items(), "abc", strict=True):
        np.testing.assert_array_equal(shown(axes), PHOTO[y : y + h, x : x + w])
        assert axes.get_xlabel().replace("\n", " ") == f"({mark}) {caption}"
    edges = [patch.get_edgecolor() for patch in whole.patches]
    assert edges == [colors.to_rgba(colour) for colour in captions.COLOURS[:3]]
    assert crops[0].spines["left"].get_edgecolor() == edges[0]


def test_captions_from_results(tmp_path, monkeypatch):
    dog, cat = result_line("a", [0, 0, 9, 9]), result_line("a", [5, 5, 9, 9], "a cat")
    others = result_line("b", [1, 1, 9, 9], "a lake"), result_line("a", None, "?", status="error")
    lines = [line | {"id": str(number)} for number, line in enumerate([dog, cat, *others])]
    write_results(tmp_path / "out", *lines)
    found = captions.read_boxes(tmp_path / "out", "a.png", None)
    assert found == {"a dog": [0, 0, 9, 9], "a cat": [5, 5, 9, 9]}
    assert list(captions.read_boxes(tmp_path / "out", "a.png", ["a cat"])) == ["a cat"]
    with pytest.raises(entries.EntryError, match=r"no crop of a.png for \['a lake'\]"):
        captions.read_boxes(tmp_path / "out", "a.png", ["a cat", "a lake"])
    values = {"caption": None, "results": None, "image": "photo.jpg"}
    assert "--image needs --caption" in error_of(captions, monkeypatch, **values)
    values |= {"caption": ["a dog"], "image": "nowhere.jpg"}
    assert "no photo at nowhere.jpg" in error_of(captions, monkeypatch, **values)


# Fig. 9 to 11.


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "photos").mkdir()
    lines = []
    for name, crop in (("a", [10, 5, 30, 20]), ("b", [0, 0, 20, 10])):
        Image.fromarray(PHOTO).save(tmp_path / "photos" / f"{name}.png")
        line = {"id": name, "image": f"photos/{name}.png", "caption": "a dog", "crops": [crop]}
        lines.append(json.dumps(line))
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    return manifest.read(tmp_path / "rows.jsonl")


def test_methods_side_by_side(rows, tmp_path, monkeypatch):
    out = tmp_path / "out"
    write_results(
        out / "CN-SA",
        result_line("b", [0, 0, 40, 20], iou=0.25),
        result_line("a", [10.4, 5, 30, 20], iou=1.0),
    )
    write_results(out / "whole", result_line("a", None, status="error"))
    (out / "table4.csv").write_text("method,rows\nwhole,0\nVPN,\nCN+SA,2\n")
    columns = side_by_side.read_columns(out)
    assert [column.heading for column in columns] == ["whole", "CN+SA"]
    axes = np.array(side_by_side.draw(rows, columns).axes).reshape(2, 3)
    assert [each.get_title() for each in axes[0]] == ["photo", "whole", "CN+SA"]
    for row, (photo, *_) in zip(rows, axes, strict=True):
        assert boxes_of(photo) == [row.crops[0]] and photo.get_xlabel() == "“a dog”"
        assert photo.patches[0].get_edgecolor() == colors.to_rgba("red")
        np.testing.assert_array_equal(shown(photo), PHOTO)
    np.testing.assert_array_equal(shown(axes[0, 2]), PHOTO[5:25, 10:40])
    np.testing.assert_array_equal(shown(axes[1, 2]), PHOTO[:20, :40])
    assert [each.get_xlabel() for each in axes[:, 2]] == ["IoU 1.00", "IoU 0.25"]
    assert [each.texts[0].get_text() for each in axes[:, 1]] == ["failed", "not run"]

    values = {"results": str(out), "dataset": str(tmp_path / "rows.jsonl")}
    values |= {"methods": ["CN+SA"], "rows": ["b"], "output": str(tmp_path / "figure.png")}
    call(side_by_side, monkeypatch, **values)
    (tmp_path / "figure.png").unlink()
    for given, message in (
        ({"methods": ["VPN"]}, "--methods has ['VPN']; there are whole, CN+SA"),
        ({"rows": ["c"]}, "--rows has ['c']; there are a, b"),
        ({"results": "nowhere"}, "nowhere has 0 tables (.csv), one is needed"),
    ):
        assert message in error_of(side_by_side, monkeypatch, **values | given)
    (tmp_path / "rows.jsonl").write_text('{"id": "b", "image": "photos/b.png", "caption": "a cat"}')
    found = error_of(side_by_side, monkeypatch, **values)
    assert "row 'b' is of the caption 'a dog', the data set's of 'a cat'" in found
    assert not (tmp_path / "figure.png").exists()


def test_settings_of_a_sweep_side_by_side(tmp_path):
    out = tmp_path / "sweep"
    for weight in ("0", "0.1"):
        folder = f"Objective.aesthetic_weight-{weight}-Annealing.draw_starts-Normal"
        write_results(out / folder, result_line("a", [0, 0, 9, 9]))
    (out / "sweep.csv").write_text(
        "Objective.aesthetic_weight,Annealing.draw_starts,rows,mean IoU\n"
        "0,@Normal(),1,0.5\n0.1,@Normal(),1,0.5\n"
    )
    headings = [column.heading for column in side_by_side.read_columns(out)]
    assert headings == [f"λ = {w}\nAnnealing.draw_starts = @Normal()" for w in ("0", "0.1")]

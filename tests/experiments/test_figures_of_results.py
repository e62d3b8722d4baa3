"""Fig. 7 to 11: boxes and overlaps, captions and their crops, methods and settings side by side."""

import json

import numpy as np
import pytest
from matplotlib import colors
from PIL import Image

from cagic_tf.batch import manifest
from cagic_tf.batch.records import Record
from experiments.errors import ExperimentError
from experiments.figures import annotators, captions, side_by_side
from tests.experiments import commands, drawn


def record(name, box, caption="a dog", iou=None, row_id=None):
    row = row_id or name, f"photos/{name}.png", caption
    if box is None:
        return Record(*row, "error", "no word is known")
    return Record(*row, "ok", box=box, iou=iou, checkpoints={"sat": "1"})


# Fig. 7.


def test_annotators_by_hand(tmp_path):
    crops = ((0, 0, 20, 20), (10, 0, 20, 20), (0, 0, 20, 20))
    Image.fromarray(drawn.PHOTO).save(tmp_path / "a.png")
    row = manifest.Row("a", "a.png", tmp_path / "a.png", "a dog", crops)
    figure = annotators.draw([row, row], [row], {"a": (0, 0, 20, 20)})
    photo, plot = figure.axes
    assert drawn.boxes_of(photo) == [*crops, (0, 0, 20, 20)]
    medians = [line for line in plot.lines if line.get_color() == "C1"]
    assert [list(line.get_ydata()) for line in medians] == [[pytest.approx(1 / 3)] * 2] * 2
    dots = [line.get_xydata() for line in plot.lines if len(line.get_xdata()) == 6][-1]
    np.testing.assert_allclose(dots, [(n, v) for n in (1, 2) for v in (1, 1 / 3, 1)])


def test_annotators_need_two_crops_and_known_rows(tmp_path):
    Image.fromarray(drawn.PHOTO).save(tmp_path / "a.png")
    path, output = tmp_path / "rows.jsonl", tmp_path / "new" / "figure.png"
    command = [f"--dataset={path}", f"--output={output}"]
    row = {"id": "a", "image": "a.png", "caption": "a dog", "crops": [[0, 0, 9, 9]]}
    path.write_text(json.dumps(row))
    assert "two or more crops" in commands.error_of(annotators, *command)
    path.write_text(json.dumps(row | {"crops": row["crops"] * 2}))
    assert "--rows has ['b']" in commands.error_of(annotators, *command, "--rows=b")
    found = commands.error_of(annotators, *command, "--results=nowhere")
    assert "cannot read the results nowhere/results.jsonl" in found
    assert not output.exists()
    commands.call(annotators, *command)
    assert output.exists() and commands.made_by(output.parent)["sources"] == {}
    commands.write_results(tmp_path / "fast.gin", record("a", [0, 0, 9, 9]))
    commands.call(annotators, *command, f"--results={tmp_path / 'fast.gin'}")
    found = commands.made_by(output.parent)
    assert list(found["sources"]) == ["fast.gin/results.jsonl"]
    assert found["checkpoints"] == {"sat": "1"}


# Fig. 8.


def test_captions_and_their_crops():
    boxes = {"a dog": (0, 0, 20, 10), "a cat": (40, 20, 40, 20), "a $5 bill": (10, 10, 30, 15)}
    whole, *crops = captions.draw(drawn.PHOTO, boxes).axes
    np.testing.assert_array_equal(drawn.shown(whole), drawn.PHOTO)
    assert drawn.boxes_of(whole) == list(boxes.values())
    for axes, (caption, (x, y, w, h)), mark in zip(crops, boxes.items(), "abc", strict=True):
        np.testing.assert_array_equal(drawn.shown(axes), drawn.PHOTO[y : y + h, x : x + w])
        assert axes.get_xlabel().replace("\n", " ") == f"({mark}) {caption}"
    edges = [patch.get_edgecolor() for patch in whole.patches]
    assert edges == [colors.to_rgba(colour) for colour in captions.COLOURS[:3]]
    assert crops[0].spines["left"].get_edgecolor() == edges[0]


def test_captions_from_results(tmp_path, monkeypatch):
    Image.fromarray(drawn.PHOTO).save(tmp_path / "a.png")
    dog = record("a", [0, 0, 9, 9], row_id="0")
    cat = record("a", [5, 5, 9, 9], "a cat", row_id="1")
    others = (
        record("b", [1, 1, 9, 9], "a lake", row_id="2"),
        record("a", None, "?", row_id="3"),
    )
    out, path = tmp_path / "out", tmp_path / "out" / "results.jsonl"
    commands.write_results(out, dog, cat, *others)
    found = captions.read_records(path, "a.png", None)
    assert found == {"a dog": dog, "a cat": cat}
    assert list(captions.read_records(path, "a.png", ["a cat"])) == ["a cat"]
    with pytest.raises(ExperimentError, match=r"no crop of a.png for \['a lake'\]"):
        captions.read_records(path, "a.png", ["a cat", "a lake"])
    monkeypatch.chdir(tmp_path)
    assert "--image needs --caption" in commands.error_of(captions, "--image=photo.jpg")
    found = commands.error_of(captions, "--image=nowhere.jpg", "--caption=a dog")
    assert "no photo at nowhere.jpg" in found and not (tmp_path / "outputs").exists()
    commands.call(captions, "--image=a.png", "--results=out", "--output=new/figure.png")
    found = commands.made_by(tmp_path / "new")
    assert list(found["files"]) == ["figure.png"] and found["checkpoints"] == {"sat": "1"}
    assert list(found["sources"]) == ["out/results.jsonl"]


# Fig. 9 to 11.


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "photos").mkdir()
    lines = []
    for name, crop in (("a", [10, 5, 30, 20]), ("b", [0, 0, 20, 10])):
        Image.fromarray(drawn.PHOTO).save(tmp_path / "photos" / f"{name}.png")
        line = {"id": name, "image": f"photos/{name}.png", "caption": "a dog", "crops": [crop]}
        lines.append(json.dumps(line))
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    return manifest.read(tmp_path / "rows.jsonl")


def test_methods_side_by_side(rows, tmp_path):
    out = tmp_path / "out"
    commands.write_results(
        out / "CN-SA",
        record("b", [0, 0, 40, 20], iou=0.25),
        record("a", [10.4, 5, 30, 20], iou=1.0),
    )
    commands.write_results(out / "whole", record("a", None))
    (out / "table.csv").write_text("method,rows\nwhole,0\nVPN,\nCN+SA,2\n")
    columns = side_by_side.read_columns(out)
    assert [column.heading for column in columns] == ["whole", "CN+SA"]
    axes = np.array(side_by_side.draw(rows, columns).axes).reshape(2, 3)
    assert [each.get_title() for each in axes[0]] == ["photo", "whole", "CN+SA"]
    for row, (photo, *_) in zip(rows, axes, strict=True):
        assert drawn.boxes_of(photo) == [row.crops[0]] and photo.get_xlabel() == "“a dog”"
        assert photo.patches[0].get_edgecolor() == colors.to_rgba("red")
        np.testing.assert_array_equal(drawn.shown(photo), drawn.PHOTO)
    np.testing.assert_array_equal(drawn.shown(axes[0, 2]), drawn.PHOTO[5:25, 10:40])
    np.testing.assert_array_equal(drawn.shown(axes[1, 2]), drawn.PHOTO[:20, :40])
    assert [each.get_xlabel() for each in axes[:, 2]] == ["IoU 1.00", "IoU 0.25"]
    assert [each.texts[0].get_text() for each in axes[:, 1]] == ["refused", "not run"]


def test_command_side_by_side(rows, tmp_path):
    out, output = tmp_path / "out", tmp_path / "new" / "figure.png"
    commands.write_results(out / "CN-SA", record("b", [0, 0, 40, 20], iou=0.25))
    commands.write_results(out / "whole", record("a", None))
    (out / "table.csv").write_text("method,rows\nwhole,0\nCN+SA,2\n")
    command = [f"--dataset={tmp_path / 'rows.jsonl'}", f"--output={output}"]
    command += [f"--results={out}", "--methods=CN+SA", "--rows=b"]
    commands.call(side_by_side, *command)
    assert list(commands.made_by(output.parent)["sources"]) == ["CN-SA/results.jsonl"]
    output.unlink()
    for given, message in (
        ("--methods=VPN", "--methods has ['VPN']; there are whole, CN+SA"),
        ("--rows=c", "--rows has ['c']; there are a, b"),
        ("--results=nowhere", "cannot read nowhere/table.csv, so write it by"),
    ):
        assert message in commands.error_of(side_by_side, *command, given)
    (tmp_path / "rows.jsonl").write_text('{"id": "b", "image": "photos/b.png", "caption": "a cat"}')
    found = commands.error_of(side_by_side, *command)
    assert "row 'b' is of the caption 'a dog', the data set's of 'a cat'" in found
    assert not output.exists()


def test_settings_of_a_sweep_side_by_side(tmp_path):
    out = tmp_path / "sweep"
    for weight in ("0", "0.1"):
        folder = f"Objective.aesthetic_weight-{weight}-Annealing.draw_starts-Normal"
        commands.write_results(out / folder, record("a", [0, 0, 9, 9]))
    (out / "table.csv").write_text(
        "Objective.aesthetic_weight,Annealing.draw_starts,rows,mean IoU\n"
        "0,@Normal(),1,0.5\n0.1,@Normal(),1,0.5\n"
    )
    headings = [column.heading for column in side_by_side.read_columns(out)]
    assert headings == [f"λ = {w}\nAnnealing.draw_starts = @Normal()" for w in ("0", "0.1")]

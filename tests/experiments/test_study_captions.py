"""Table 2's study: crops without their photos, and the CSV of what people say of them."""

import collections
import csv
import json

import numpy as np
import pytest
from PIL import Image

from cagic_tf.batch.records import Record
from experiments import table2
from experiments.studies import captions
from tests.experiments import commands
from tests.experiments import simulated_people as people
from tests.experiments.test_table2 import needs_scorers

COLOURS = {"CAGIC": (250, 0, 0), "GradCAM": (0, 0, 250)}
BOXES = {"CAGIC": [4, 6, 24, 18], "GradCAM": [40, 0, 24, 40]}
CAPTIONS = {"dog": "a brown dog runs on the grass", "men": "two men in red shirts"}
CAPTIONS |= {"clock": "a clock on a tall tower"}
SHA = {"lite0": "0" * 64}


@pytest.fixture
def rows(tmp_path):
    """Three photos, green but for two rectangles; each method's crop is one of these."""
    lines = []
    for name, caption in CAPTIONS.items():
        pixels = np.zeros((40, 64, 3), np.uint8)
        pixels[:] = 0, 200, 0
        for method, (x, y, w, h) in BOXES.items():
            pixels[y : y + h, x : x + w] = COLOURS[method]
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        lines.append({"id": name, "image": f"{name}.png", "caption": caption})
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def results(folder, box, **other):
    """A method's results of all rows; `other` has records that are not as they should be."""
    found = {
        name: Record(name, f"{name}.png", caption, "ok", box=box, checkpoints=SHA)
        for name, caption in CAPTIONS.items()
    }
    commands.write_results(folder, *(found | other).values())
    return folder


def given(rows):
    folders = {name: results(rows.parent / name, box) for name, box in BOXES.items()}
    return [f"--results={name}={folder}" for name, folder in folders.items()]


@pytest.fixture
def study(rows):
    folder = rows.parent / "captions"
    commands.call(captions, f"--manifest={rows}", f"--study={folder}", *given(rows))
    return folder


def read(study, answered, *flags):
    export = people.write_export(study.parent / "export.json", study, answered)
    commands.call(captions, f"--study={study}", f"--export={export}", *flags)
    return study / "results" / "captions.csv"


def lines_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_nothing_tells_the_method_or_the_photo(study):
    text = (study / "tasks.json").read_text() + (study / "project.json").read_text()
    for told in [*BOXES, *CAPTIONS, *CAPTIONS.values(), ".png"]:
        assert told not in text, told
    assert all(set(data) == {"study", "task", "image"} for data in people.tasks_of(study))
    assert json.loads((study / "project.json").read_text())["maximum_annotations"] == 4


def test_each_crop_is_shown_once_and_is_its_methods(study):
    known = people.key_of(study)
    pairs = [(task["id"], task["method"]) for task in known]
    assert sorted(pairs) == sorted((name, method) for name in CAPTIONS for method in BOXES)
    for task in known:
        with Image.open(study / "images" / f"{task['task']:04d}.jpg") as picture:
            pixels = np.asarray(picture)
        width, height = BOXES[task["method"]][2:]
        shown = 1000 / max(width, height)  # Times as large as it is: all fill the same place.
        assert pixels.shape[:2] == (height * shown, width * shown)
        assert np.abs(pixels - np.float64(COLOURS[task["method"]])).max() < 12
    assert commands.made_by(study)["checkpoints"] == SHA


def test_rounds_have_every_row_once_and_all_methods_alike():
    ids, methods = [f"row{at}" for at in range(12)], ["a", "b", "c"]
    order = captions.in_rounds(ids, methods, 7)
    assert len(set(order)) == len(order) == 36
    for start in (0, 12, 24):
        part = order[start : start + 12]
        assert {name for name, _ in part} == set(ids)
        assert set(collections.Counter(method for _, method in part).values()) == {4}
    assert order == captions.in_rounds(ids, methods, 7) != captions.in_rounds(ids, methods, 8)


def test_the_round_trip(study, rows, capsys):
    """Four people; of CAGIC's crops they say what was asked for, of GradCAM's something else."""
    answered = {}
    for task in people.key_of(study):
        said = CAPTIONS[task["id"]] if task["method"] == "CAGIC" else 'nothing,\n "at" all '
        answered[task["task"]] = [
            people.annotation(person, people.text(said)) for person in (5, 2, 3, 4)
        ]
    path = read(study, answered)
    found = lines_of(path)
    assert len(found) == 24 and list(found[0]) == ["method", "id", "caption", "annotator"]
    assert [line["annotator"] for line in found[:4]] == ["2", "3", "4", "5"]
    for line in found:
        wanted = CAPTIONS[line["id"]] if line["method"] == "CAGIC" else 'nothing, "at" all'
        assert line["caption"] == wanted
    made_by = commands.made_by(path.parent)
    assert list(made_by["files"]) == ["captions.csv"] and made_by["checkpoints"] == SHA
    printed = capsys.readouterr().out
    assert "24 captions of 6 crops by 4 people (2, 3, 4, 5); 4 were to be asked" in printed
    wanted = {name: [caption] for name, caption in CAPTIONS.items()}
    by_method = {one.method: one for one in table2.read_human(path, wanted)}
    assert {name: len(one.captions) for name, one in by_method.items()} == dict.fromkeys(BOXES, 12)
    assert all(one.without == 0 for one in by_method.values())


@needs_scorers
@pytest.mark.slow
def test_the_round_trip_to_table_2(study, rows):
    answered = {
        task["task"]: [
            people.annotation(person, people.text(CAPTIONS[task["id"]] if same else "no"))
            for person in (1, 2)
        ]
        for task in people.key_of(study)
        for same in [task["method"] == "CAGIC"]
    }
    path = read(study, answered)
    out = rows.parent / "table2"
    commands.call(table2, f"--manifest={rows}", f"--human_captions={path}", f"--output_dir={out}")
    found = {line["method"]: line for line in commands.table_of(out)}
    assert float(found["CAGIC"]["BLEU-4"]) == pytest.approx(1)
    assert float(found["CAGIC"]["CIDEr"]) == pytest.approx(10)
    assert float(found["GradCAM"]["BLEU-1"]) == pytest.approx(0)


def test_what_is_wrong_is_named(study, capsys):
    good = people.annotation(1, people.text("a dog"))
    answered = {task["task"]: [good] for task in people.key_of(study)}
    answered[1] = [people.annotation(1)]
    answered[2] = [people.annotation(1, people.text(" \n"))]
    answered[3] = [people.annotation(1, people.text("a dog", "a cat"))]
    answered[4] = [good, good]
    assert len(lines_of(read(study, answered))) == 2
    printed = capsys.readouterr().out
    whats = ("no caption", "an empty caption", "two captions", "answered twice")
    for task, what in zip(people.key_of(study), whats, strict=False):
        assert f"Annotator 1, {what}: {task['id']} ({task['method']}).\n" in printed


def test_a_text_that_is_no_list_and_a_file_without_captions(study):
    part = people.text() | {"value": {"text": "a dog"}}
    assert lines_of(read(study, {1: [people.annotation(1, part)]}))[0]["caption"] == "a dog"
    export = study.parent / "export.json"
    part["value"] = {"text": 3}
    people.write_export(export, study, {1: [people.annotation(1, part)]})
    said = commands.error_of(captions, f"--study={study}", f"--export={export}")
    assert "is no text" in said
    people.write_export(export, study, {1: [people.annotation(1)]})
    assert "has no caption" in commands.error_of(captions, f"--study={study}", f"--export={export}")


def test_rows_without_a_crop_are_left_out_for_all(rows, capsys):
    refused = Record("men", "men.png", CAPTIONS["men"], "error", "no word is known")
    first, second = given(rows)
    results(rows.parent / "GradCAM", BOXES["GradCAM"], men=refused)
    folder = rows.parent / "captions"
    commands.call(captions, f"--manifest={rows}", f"--study={folder}", first, second)
    assert {task["id"] for task in people.key_of(folder)} == {"dog", "clock"}
    assert "GradCAM has no crop of men: left out for all methods." in capsys.readouterr().out


def test_a_photo_that_is_gone(rows, tmp_path):
    (tmp_path / "men.png").unlink()
    study = tmp_path / "new"
    said = commands.error_of(captions, f"--manifest={rows}", f"--study={study}", *given(rows))
    assert "men.png" in said and not study.exists()


def test_wrong_results(rows, tmp_path):
    def said(*results_flags):
        study = tmp_path / "new"
        found = commands.error_of(
            captions, f"--manifest={rows}", f"--study={study}", *results_flags
        )
        assert not study.exists()
        return found

    first, _ = given(rows)
    folder = tmp_path / "CAGIC"
    assert "give --results=NAME=FOLDER for each method" in said()
    assert "NAME=FOLDER is needed" in said(f"--results={folder}")
    assert "rename it" in said(first, first)
    assert "cannot read" in said(f"--results=x={tmp_path / 'nowhere'}")
    results(folder, None)
    assert "has no box" in said(first)
    results(folder, BOXES["CAGIC"], dog=Record("dog", "dog.png", "a cat", "ok", box=[0, 0, 9, 9]))
    assert "row 'dog' has another caption" in said(first)
    commands.write_results(folder, Record("z", "z.png", "a cat", "ok", box=[0, 0, 9, 9]))
    assert "no row has a crop of each of the methods CAGIC" in said(first)

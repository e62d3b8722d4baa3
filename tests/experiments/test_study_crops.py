"""Sec. 4.1.1's study: what people are shown, and what becomes of the rectangles that they draw."""

import json

import numpy as np
import pytest
from PIL import Image

from cagic_tf.batch import manifest
from experiments.figures import annotators
from experiments.studies import crops
from experiments.tables import metrics
from tests.experiments import commands
from tests.experiments import simulated_people as people

SIZE = (40, 20)  # Of the photos of `dataset`.
LEFT, ACROSS = (0, 0, 20, 20), (10, 0, 20, 20)  # Their IoU is 1 / 3.


@pytest.fixture
def study(dataset):
    return make(dataset)


def make(rows, *flags):
    folder = rows.parent / "crops"
    commands.call(crops, f"--manifest={rows}", f"--study={folder}", *flags)
    return folder


def drawn(study, boxes, size=SIZE):
    """An export in which each of the people has drawn the same box, in pixels, in every row."""
    return {
        task["task"]: [
            people.annotation(person, people.rectangle_of(box, size))
            for person, box in boxes.items()
        ]
        for task in people.key_of(study)
    }


def read(study, answered, *flags):
    """Reads answers; returns the folder of the results."""
    export = people.write_export(study.parent / "export.json", study, answered)
    commands.call(crops, f"--study={study}", f"--export={export}", *flags)
    return study / "results"


def error(study, answered, *flags):
    export = people.write_export(study.parent / "export.json", study, answered)
    said = commands.error_of(crops, f"--study={study}", f"--export={export}", *flags)
    assert not (study / "results").exists()
    return said


def test_what_people_are_shown(study):
    shown = people.tasks_of(study)
    assert [data["task"] for data in shown] == [1, 2, 3]
    assert all(set(data) == {"study", "task", "caption", "image"} for data in shown)
    assert shown[0]["image"] == "/data/local-files/?d=crops/images/0001.jpg"
    known = people.key_of(study)
    assert {task["id"] for task in known} == {"left", "right", "middle"}
    for task in known:
        with Image.open(study / "images" / f"{task['task']:04d}.jpg") as picture:
            assert picture.size == (1000, 500) and not picture.getexif()
    project = json.loads((study / "project.json").read_text())
    assert not project["enable_empty_annotation"]
    assert project["maximum_annotations"] == 8 and "<Rectangle" in project["label_config"]
    assert commands.made_by(study)["files"].keys() >= {"study.json", "images/0003.jpg"}


def test_the_order_is_the_seeds(dataset):
    orders = []
    for seed in (0, 1, 2, 3):
        folder = dataset.parent / f"seed{seed}"
        commands.call(crops, f"--manifest={dataset}", f"--study={folder}", f"--seed={seed}")
        orders.append([task["id"] for task in people.key_of(folder)])
    assert len({tuple(order) for order in orders}) > 1


def test_the_same_command_goes_on_and_another_one_stops(study, dataset):
    kept, lost = study / "images" / "0001.jpg", study / "images" / "0002.jpg"
    before, when = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    make(dataset)
    assert lost.read_bytes() == before and kept.stat().st_mtime_ns == when
    key = (study / "study.json").read_bytes()
    said = commands.error_of(crops, f"--manifest={dataset}", f"--study={study}", "--seed=5")
    assert "holds another study" in said and (study / "study.json").read_bytes() == key


def test_a_study_that_was_not_finished_is_made_anew(dataset, tmp_path):
    """A photo of which pixels are missing is found when it is shown; its row is then left out."""
    pixels = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cut.jpg")
    whole = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    good = dataset.read_text()
    dataset.write_text(good + '{"id": "cut", "image": "cut.jpg", "caption": "a dog"}\n')
    folder = tmp_path / "crops"
    said = commands.error_of(crops, f"--manifest={dataset}", f"--study={folder}", "--seed=1")
    assert "cut.jpg" in said and not (folder / "tasks.json").exists()
    dataset.write_text(good)
    assert make(dataset) == folder
    names = ["left", "middle", "right"]
    photos = np.stack([pixels_of(dataset.parent / f"{name}.png") for name in names])
    for task in people.key_of(folder):
        with Image.open(folder / "images" / f"{task['task']:04d}.jpg") as picture:
            shown = np.float64(picture.resize(SIZE))
        nearest = np.abs(photos - shown).mean(axis=(1, 2, 3)).argmin()
        assert names[nearest] == task["id"]


def pixels_of(path):
    with Image.open(path) as picture:
        return np.asarray(picture, np.float64)


def test_the_round_trip(study, dataset, capsys):
    """Three people: two draw the same, the third's crops have an IoU of 1 / 3 with theirs."""
    out = read(study, drawn(study, {10: LEFT, 2: LEFT, 9: ACROSS}))
    rows = manifest.read(out / "manifest.jsonl")
    assert [row.id for row in rows] == ["left", "right", "middle"]  # As in the manifest.
    assert [row.crops for row in rows] == [(LEFT, ACROSS, LEFT)] * 3  # Of 2, 9 and 10.
    assert all(row.path.resolve() == dataset.parent / f"{row.id}.png" for row in rows)
    table = commands.table_of(out)
    found = {line["annotators"]: float(line["mean IoU"]) for line in table[:4]}
    third = pytest.approx(1 / 3)
    assert found == {
        "2 and 9": third,
        "2 and 10": 1,
        "9 and 10": third,
        "every two of 3": pytest.approx(5 / 9),
    }
    assert [line["without overlap"] for line in table] == ["0"] * 5
    assert table[0]["rows"] == "3" and table[3]["least IoU"].startswith("0.333")
    assert table[4]["annotators"] == "every two of 8 (the paper's Fig. 7)"
    text = (out / "table.md").read_text()
    assert "3 of 3 rows, with the crops of the annotators 2, 9, 10 in this order; 8 were" in text
    assert "An answer took 12 s (median)." in text and text.strip() in capsys.readouterr().out
    assert list(commands.made_by(out)["files"]) == ["table.md", "table.csv", "manifest.jsonl"]
    # The figure and the tables take it.
    assert annotators.draw(rows, rows[:1], {}).axes
    ids = [row.id for row in rows]
    measured = metrics.measure(dict.fromkeys(ids, LEFT), rows, dict.fromkeys(ids, SIZE))
    assert measured.std_over_annotators() == pytest.approx(np.std([1, 1 / 3, 1]))


def test_intervals_are_over_photos(study):
    answered = drawn(study, {1: LEFT, 2: LEFT})
    answered[1][1] = people.annotation(2, people.rectangle_of((20, 0, 20, 20), SIZE))
    line = commands.table_of(read(study, answered))[0]
    assert float(line["mean IoU"]) == pytest.approx(2 / 3) and line["without overlap"] == "1"
    assert float(line["95 % interval, low"]) < 2 / 3 < float(line["95 % interval, high"])


def test_one_person_has_no_agreement(study):
    out = read(study, drawn(study, {4: LEFT}))
    assert [row.crops for row in manifest.read(out / "manifest.jsonl")] == [(LEFT,)] * 3
    assert len(commands.table_of(out)) == 1


def test_boxes_are_in_the_photos_own_pixels(tmp_path):
    """Of a photo that is larger than what is shown, and of one that lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (3200, 1600), "red").save(tmp_path / "large.jpg")
    Image.new("RGB", (60, 40), "red").save(tmp_path / "turned.jpg", exif=exif)
    lines = [{"id": name, "image": f"{name}.jpg", "caption": "red"} for name in ("large", "turned")]
    lines[0]["people"] = [[1, 2, 30, 40]]
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    study = make(rows)
    sizes = {"large": (1600, 800), "turned": (667, 1000)}
    answered = {}
    for task in people.key_of(study):
        size = sizes[task["id"]]
        with Image.open(study / "images" / f"{task['task']:04d}.jpg") as picture:
            assert picture.size == size and not picture.getexif()
        part = people.rectangle(12.5, 25, 50, 50.02, size)
        answered[task["task"]] = [people.annotation(3, part)]
    large, turned = manifest.read(read(study, answered) / "manifest.jsonl")
    assert large.crops == ((400, 400, 1600, 800.32),) and large.people == ((1, 2, 30, 40),)
    assert turned.crops == ((5, 15, 20, 30.01),) and not turned.people


@pytest.mark.parametrize(
    "parts, what",
    [
        ([], "no rectangle"),
        ([people.rectangle(0, 0, 50, 50, SIZE)] * 2, "two rectangles"),
        ([people.rectangle(0, 0, 50, 1.9, SIZE)], "tiny"),
        ([people.rectangle(0, 0, 50, -3, SIZE)], "tiny"),
        ([people.rectangle(60, 0, 40.2, 50, SIZE)], "outside the photo"),
        ([people.rectangle(-0.2, 0, 50, 50, SIZE)], "outside the photo"),
        ([people.rectangle(0, 120, 50, 50, SIZE)], "outside the photo"),
        ([people.rectangle(0, 0, 50, 50, SIZE, rotation=3)], "rotated"),
        ([people.rectangle(0, 0, 50, 50, SIZE, image_rotation=90)], "rotated"),
        ([people.rectangle(0, 0, 50, 50, (20, 40))], "drawn on another picture"),
    ],
)
def test_what_is_wrong_is_named_and_its_row_left_out(study, parts, what):
    answered = drawn(study, {1: LEFT, 2: LEFT})
    answered[2][1] = people.annotation(2, *parts)
    name = people.key_of(study)[1]["id"]
    out = read(study, answered)
    left = [row.id for row in manifest.read(out / "manifest.jsonl")]
    assert name not in left and len(left) == 2
    text = (out / "table.md").read_text()
    assert f"\nAnnotator 2, {what}: {name}.\n" in text and "2 of 3 rows" in text


def test_a_rounding_beyond_the_edge_is_cut_off(study):
    answered = drawn(study, {1: LEFT})
    answered[1] = [people.annotation(1, people.rectangle(-0.05, 0, 50.05, 100.05, SIZE))]
    name = people.key_of(study)[0]["id"]
    rows = {row.id: row for row in manifest.read(read(study, answered) / "manifest.jsonl")}
    assert rows[name].crops == (LEFT,)


def test_skipped_and_answered_twice(study):
    answered = drawn(study, {1: LEFT, 2: LEFT})
    twice = people.annotation(1, people.rectangle_of(ACROSS, SIZE))
    answered[1].append(twice)
    answered[2][1] = people.annotation(2, skipped=True)
    first, second, third = (task["id"] for task in people.key_of(study))
    out = read(study, answered)
    assert [row.id for row in manifest.read(out / "manifest.jsonl")] == [third]
    text = (out / "table.md").read_text()
    assert f"Annotator 1, answered twice: {first}." in text
    assert f"Annotator 2, skipped: {second}." in text


def test_some_annotators(study):
    """The researcher, number 1, has tried one task out."""
    answered = drawn(study, {2: LEFT, 3: ACROSS})
    answered[1].append(people.annotation(1, people.rectangle_of(LEFT, SIZE)))
    out = read(study, answered, "--annotators=3,2")
    rows = manifest.read(out / "manifest.jsonl")
    assert [row.crops for row in rows] == [(LEFT, ACROSS)] * 3
    said = commands.error_of(
        crops, f"--study={study}", f"--export={study.parent / 'export.json'}", "--annotators=7"
    )
    assert "--annotators has 7" in said and "there are 1, 2, 3" in said


def test_people_as_objects_and_a_rectangle_without_a_time(study):
    answered = drawn(study, {1: LEFT})
    for made in answered.values():
        made[0]["completed_by"] = {"id": 1, "email": "me@example.org"}
        made[0].pop("lead_time")
    out = read(study, answered)
    assert "annotators 1 in" in (out / "table.md").read_text()
    assert "median" not in (out / "table.md").read_text()


def test_wrong_exports(study, dataset, tmp_path):
    good = drawn(study, {1: LEFT})
    assert "nobody has answered" in error(study, {})
    nobody = error(study, {1: [people.annotation(1)]})
    assert "no row of" in nobody and "of the annotators 1; --annotators takes some" in nobody
    many = drawn(study, dict.fromkeys(range(1, 10), LEFT))
    assert "9 people answered" in error(study, many) and "for 8" in error(study, many)
    good[1][0]["result"][0]["value"].pop("width")
    assert "a rectangle of the export is no such" in error(study, good)
    good[1][0]["result"] = "text"
    assert "no export of Label Studio as JSON" in error(study, good)
    path = tmp_path / "export.json"
    for content in ({}, [{"task": 1}], [1], [{"data": 3, "annotations": [1]}]):
        path.write_text(json.dumps(content))
        said = commands.error_of(crops, f"--study={study}", f"--export={path}")
        assert "no export of Label Studio as JSON" in said
    other = tmp_path / "other"
    commands.call(crops, f"--manifest={dataset}", f"--study={other}", "--seed=3")
    people.write_export(path, other, {})
    said = commands.error_of(crops, f"--study={study}", f"--export={path}")
    assert "another study" in said


def test_wrong_flags(study, dataset, tmp_path):
    assert "one of --manifest" in commands.error_of(crops, f"--study={study}")
    both = [f"--manifest={dataset}", "--export=export.json"]
    assert "one of --manifest" in commands.error_of(crops, *both)
    nowhere = f"--study={tmp_path / 'nowhere'}"
    assert "cannot read the manifest" in commands.error_of(crops, "--manifest=", nowhere)
    assert "cannot read" in commands.error_of(crops, nowhere, "--export=export.json")
    (study / "study.json").write_text("{}")
    said = commands.error_of(crops, f"--study={study}", "--export=export.json")
    assert "not what this command wrote" in said
    rows = tmp_path / "without.jsonl"
    rows.write_text('{"id": "a", "image": "left.png", "caption": " "}\n')
    said = commands.error_of(crops, f"--manifest={rows}", nowhere)
    assert "the row 'a' has no caption" in said and not (tmp_path / "nowhere").exists()
    rows.write_text('{"id": "a", "image": "gone.png", "caption": "a dog"}\n')
    commands.error_of(crops, f"--manifest={rows}", nowhere)
    assert not (tmp_path / "nowhere").exists()

"""Table 3's study: crops side by side, and the share of each method in what people choose."""

import collections
import json

import pytest
from PIL import Image

from cagic_tf.batch.records import Record
from experiments.studies import choices
from experiments.tables import agreement
from tests.experiments import commands
from tests.experiments import simulated_people as people

METHODS = ("CAGIC", "GradCAM", "MAttNet")
ALL = (*METHODS, "Original image")
PHOTOS = 8


@pytest.fixture
def study(tmp_path):
    """Eight photos and three methods, whose crops differ in their sizes; and the whole photo."""
    lines = []
    for at in range(PHOTOS):
        Image.new("RGB", (40, 20), (30 * at, 0, 0)).save(tmp_path / f"{at}.png")
        lines.append({"id": f"row{at}", "image": f"{at}.png", "caption": f"a dog {at}"})
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    flags = []
    for number, method in enumerate(METHODS, 1):
        box = [1, 2, 8 * number, 10]
        found = [
            Record(line["id"], line["image"], line["caption"], "ok", box=box) for line in lines
        ]
        commands.write_results(tmp_path / method, *found)
        flags.append(f"--results={method}={tmp_path / method}")
    folder = tmp_path / "choices"
    commands.call(choices, f"--manifest={rows}", f"--study={folder}", *flags)
    return folder


def chosen(task, method):
    return people.choice(task["order"].index(method) + 1)


def read(study, answered, *flags):
    export = people.write_export(study.parent / "export.json", study, answered)
    commands.call(choices, f"--study={study}", f"--export={export}", *flags)
    return study / "results"


def test_what_people_are_shown(study):
    # Small crops are not shown smaller.
    sizes = {"CAGIC": (800, 1000), "GradCAM": (1000, 625), "MAttNet": (1000, 417)}
    sizes["Original image"] = (1000, 500)
    for task, data in zip(people.key_of(study), people.tasks_of(study), strict=True):
        assert sorted(task["order"]) == sorted(ALL)
        assert data["caption"] == f"a dog {task['id'].removeprefix('row')}"
        for place, method in enumerate(task["order"], 1):
            name = f"{task['task']:04d}-{place}.jpg"
            assert data[f"picture{place}"] == f"/data/local-files/?d=choices/images/{name}"
            with Image.open(study / "images" / name) as picture:
                assert picture.size == sizes[method]
    text = (study / "tasks.json").read_text()
    assert not any(method in text for method in ALL)
    project = json.loads((study / "project.json").read_text())
    assert project["maximum_annotations"] == 13
    assert (
        "Select the crop described by the caption which looks the best" in (project["label_config"])
    )
    assert project["label_config"].count("<Image ") == project["label_config"].count("<Choice ")


def test_each_method_stands_alike_often_at_each_place():
    found = choices.orders(ALL, 40, 3)
    places = collections.Counter(
        (method, place) for order in found for place, method in enumerate(order)
    )
    assert set(places.values()) == {10} and len(places) == 16
    assert len({tuple(order) for order in found}) > 12  # Not four orders again and again.
    assert found == choices.orders(ALL, 40, 3) != choices.orders(ALL, 40, 4)
    assert len(choices.orders(ALL, 6, 0)) == 6


def test_the_round_trip(study, capsys):
    """Four people and eight rows: of a row's decisions 2, 1, 1 and 0 are each method's, always."""
    answered = {
        task["task"]: [
            people.annotation(person, chosen(task, method), seconds=9)
            for person, method in enumerate(("CAGIC", "CAGIC", "GradCAM", "MAttNet"), 2)
        ]
        for task in people.key_of(study)
    }
    out = read(study, answered)
    table = {line["method"]: line for line in commands.table_of(out)}
    counted = [(table[name]["chosen"], table[name]["share (%)"]) for name in ALL]
    assert counted == [("16", "50.0"), ("8", "25.0"), ("8", "25.0"), ("0", "0.0")]
    assert {table[name]["decisions"] for name in ALL} == {"32"}
    # All photos are alike, and people are not.
    assert table["CAGIC"]["95 % (photos), low"] == table["CAGIC"]["95 % (photos), high"] == "50.0"
    assert float(table["CAGIC"]["95 % (people), low"]) < 50
    # Exact: of 2 ** 8 ways to swap the methods, two are as extreme as this one.
    assert table["CAGIC"]["p (against CAGIC)"] == ""
    for name in ALL[1:]:
        assert float(table[name]["p (against CAGIC)"]) == pytest.approx(2 / 2**8)
    paper = [table[f"{name} (the paper's Table 3)"]["share (%)"] for name in reversed(ALL)]
    assert paper == ["21.04", "23.93", "25.51", "29.52"]
    text = (out / "table.md").read_text()
    assert "| CAGIC | 16 | 32 | 50.00 | 50.0 to 50.0 |" in text
    assert "32 decisions of 4 people (8 to 8 each) on 8 of 8 rows." in text
    # A pair of six is equal in each row.
    assert "chose the same crop of a row in 16.7% of 48 pairs" in text
    assert "An answer took 9 s (median)." in text and "more than 1000 decisions of 13" in text
    assert text.strip() in capsys.readouterr().out


def test_some_rows_of_each_person(study):
    """Two people have answered a row each, and one all of them; nothing is wrong with that."""
    known = people.key_of(study)
    answered = {task["task"]: [people.annotation(1, chosen(task, "CAGIC"))] for task in known}
    for person in (2, 3):
        answered[1].append(people.annotation(person, chosen(known[0], "MAttNet")))
    out = read(study, answered)
    text = (out / "table.md").read_text()
    assert "10 decisions of 3 people (1 to 8 each) on 8 of 8 rows." in text
    assert "in 33.3% of 3 pairs" in text and "Annotator" not in text
    table = {line["method"]: line for line in commands.table_of(out)}
    assert float(table["CAGIC"]["share (%)"]) == 80 and table["MAttNet"]["chosen"] == "2"


def test_places_are_counted(study):
    """Who presses 1 always chooses no method more often than others, and the table says so."""
    answered = {
        task["task"]: [people.annotation(1, people.choice(1))] for task in people.key_of(study)
    }
    out = read(study, answered)
    assert "1: 100%, 2: 0%, 3: 0%, 4: 0%." in (out / "table.md").read_text()
    shares = [line["share (%)"] for line in commands.table_of(out)[:4]]
    assert shares == ["25.0"] * 4
    assert "their agreement is not known" in (out / "table.md").read_text()


def test_one_decision(study):
    answered = {1: [people.annotation(1, chosen(people.key_of(study)[0], "CAGIC"))]}
    first, second, *_ = commands.table_of(read(study, answered))
    assert (first["share (%)"], first["95 % (photos), low"]) == ("100.0", "")
    assert (second["share (%)"], second["p (against CAGIC)"]) == ("0.0", "1.0")


def test_what_is_wrong_is_named(study):
    known = people.key_of(study)
    answered = {task["task"]: [people.annotation(1, people.choice(1))] for task in known}
    wrong = {
        "no choice": people.annotation(1),
        "two choices": people.annotation(1, people.choice(1, 2)),
        "a choice that was not offered": people.annotation(1, people.choice(5)),
        "skipped": people.annotation(1, skipped=True),
    }
    for number, annotation in enumerate(wrong.values(), 1):
        answered[number] = [annotation]
    text = (read(study, answered) / "table.md").read_text()
    for task, what in zip(known, wrong, strict=False):
        assert f"\nAnnotator 1, {what}: {task['id']}.\n" in text
    assert "4 decisions of 1 people" in text


def test_wrong_exports(study, tmp_path):
    export = people.write_export(tmp_path / "export.json", study, {1: [people.annotation(1)]})
    flags = f"--study={study}", f"--export={export}"
    assert "has no decision" in commands.error_of(choices, *flags)
    people.write_export(export, study, {1: [people.annotation(1, people.choice("left"))]})
    assert "a choice of the export is no such" in commands.error_of(choices, *flags)
    assert not (study / "results").exists()


def test_no_method_is_called_as_the_whole_photo(study, tmp_path):
    flags = f"--manifest={tmp_path / 'rows.jsonl'}", f"--study={tmp_path / 'new'}"
    said = commands.error_of(choices, *flags, f"--results=Original image={tmp_path / 'CAGIC'}")
    assert "rename it" in said and not (tmp_path / "new").exists()


def test_agreement_of_a_published_example():
    """Krippendorff's alpha of https://en.wikipedia.org/wiki/Krippendorff%27s_alpha: 0.691."""
    coders = ("*****34121133*3", "1*213343*******", "**21344*21133*4")
    questions = [[answer for answer in unit if answer != "*"] for unit in zip(*coders, strict=True)]
    found = agreement.nominal(questions)
    assert found.alpha == pytest.approx(0.691, abs=5e-4)


def test_agreement_at_its_ends():
    assert agreement.nominal([["a"], []]) is None
    assert agreement.nominal([["a", "a"], ["a", "a"]]) == (2, 1, None)
    assert agreement.nominal([["a", "a", "a"], ["b", "b"]]) == (4, 1, 1)
    # By hand: one of two pairs is equal; observed (0 + 2) / 4, expected 4 ** 2 - 9 - 1 over 12.
    assert agreement.nominal([["a", "a"], ["a", "b"]]) == (2, 0.5, pytest.approx(1 - 0.5 / 0.5))


def test_overlaps():
    crops = ((0, 0, 20, 20), (10, 0, 20, 20), (0, 0, 20, 20))
    assert agreement.overlaps(crops) == [pytest.approx(1 / 3), 1, pytest.approx(1 / 3)]

"""From methods to a table, with methods made up here: turns, going on, closed folders, figures."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cagic_tf.batch import manifest, output_folder
from cagic_tf.batch.records import Record
from cagic_tf.system import devices
from experiments.methods.named import Setup
from experiments.tables import comparison, made_by, metrics, table_files
from experiments.tables.method_runs import MethodRun

SIZE = (40, 20)


def method(name, crop):
    return MethodRun(name, lambda row, progress: crop(row), f"# {name}\n", {"sat": "1" * 64})


def refusing(row):
    raise ValueError("no word of the caption is known: zyzzyva")


@pytest.fixture
def rows(dataset):
    return manifest.read(dataset)


def test_methods_take_turns_and_go_on(rows, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(devices, "thread_count", lambda threads: threads or 12)
    seen = []

    def crop(row):
        seen.append(("one", row.id))
        return (0, 0, 20, 20)

    def other(row):
        seen.append(("two", row.id))
        if len(seen) == 4:
            raise KeyboardInterrupt
        return {"box": (0, 0, 40, 20), "seconds": 2.5}

    methods = [method("one", crop), method("two", other)]
    with pytest.raises(KeyboardInterrupt):
        comparison.run(methods, rows, tmp_path / "out")
    assert seen == [("one", "left"), ("two", "left"), ("one", "right"), ("two", "right")]
    capfd.readouterr()  # TensorFlow may have said something when it started.
    found = comparison.run(methods, rows, tmp_path / "out")
    assert seen[4:] == [("two", "right"), ("one", "middle"), ("two", "middle")]
    assert {name: list(records) for name, records in found.items()} == {
        "one": ["left", "right", "middle"],
        "two": ["left", "right", "middle"],
    }
    assert found["one"]["left"].iou == pytest.approx((1 + 0.5) / 2)
    assert found["two"]["right"].seconds == 2.5
    assert capfd.readouterr() == ("", "")  # No progress bar without a terminal.
    names = {"results.jsonl", "operative_config.gin", "provenance.json"}
    for run in methods:
        paths = [path for path in comparison.files_of([run], tmp_path / "out") if path.is_file()]
        assert {path.name for path in paths} == names
        found = json.loads((tmp_path / "out" / run.folder / "provenance.json").read_text())
        assert found["checkpoints"] == {"sat": "1" * 64} and found["threads"] == 12
        assert found["commit"] and "resumed_by" not in found


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_folders_are_closed(error, rows, tmp_path):
    def crop(row):
        if error:
            raise error
        return (0, 0, 20, 20)

    run = method("one", crop)
    try:
        comparison.run([run, method("two", crop)], rows, tmp_path)
    except KeyboardInterrupt:
        assert error
    for name in ("one", "two"):
        assert not (tmp_path / name / ".lock").exists()
        output_folder.OutputFolder(tmp_path / name, f"# {name}\n", pictures=False).close()


def test_a_folder_in_use_leaves_the_others_closed(rows, tmp_path):
    held = output_folder.OutputFolder(tmp_path / "two", "# two\n", pictures=False)
    methods = [method(name, refusing) for name in ("one", "two")]
    with pytest.raises(output_folder.OutputError, match="another run is writing"):
        comparison.run(methods, rows, tmp_path)
    output_folder.OutputFolder(tmp_path / "one", "# one\n", pictures=False).close()
    held.close()


def test_refused_rows_count_as_nothing_found(rows, tmp_path):
    networks = SimpleNamespace(checkpoints={"sat": "1" * 64})
    setup = Setup("rows.jsonl", rows, dict.fromkeys([row.id for row in rows], SIZE), networks)
    half = method("half", lambda row: refusing(row) if row.id == "middle" else row.crops[0])
    whole = method("whole", lambda row: (0, 0, 40, 20))
    none = method("none", refusing)
    found = comparison.run([half, whole, none], rows, tmp_path)
    frame, measured = comparison.figures(found, setup, "whole")
    half, whole, none = frame.to_dict("records")
    assert (half["rows"], half["refused"], none["rows"], none["refused"]) == (3, 1, 3, 3)
    assert half["mean IoU"] == pytest.approx((0.75 + 0.75 + 0) / 3)
    assert half["ground truth kept"] == pytest.approx(2 / 3)
    assert half["boundary displacement"] == pytest.approx((0.0625 + 0.0625 + 1) / 3)
    assert (none["mean IoU"], none["hit rate"], none["boundary displacement"]) == (0, 0, 1)
    assert [each["cut through"] for each in (half, whole, none)] == [1 / 3, 0, 1]
    assert "people cut through" not in frame
    assert np.isnan(none["seconds a photo"])
    # All rows of both: the differences of the three photos are 0.375, 0.375 and -0.375.
    column = comparison.p_column("whole")
    assert half[column] == metrics.compare(measured["half"], measured["whole"]).p == 1
    assert none[column] == pytest.approx(2 / 8) and np.isnan(whole[column])
    notes = comparison.notes(setup, found)
    assert comparison.REFUSED in notes and comparison.PEOPLE not in notes
    assert "half: 1 rows refused, the first: no word of the caption is known: zyzzyva" in notes
    assert comparison.checkpoints_of(setup, found) == {"sat": "1" * 64}


def test_people_that_are_cut_through_have_a_column(rows, tmp_path):
    networks = SimpleNamespace(checkpoints={})
    everybody = ((0, 0, 20, 20), (0, 0, 40, 20))
    rows = [dataclasses.replace(row, people=everybody) for row in rows[:2]] + rows[2:]
    setup = Setup("rows.jsonl", rows, dict.fromkeys([row.id for row in rows], SIZE), networks)
    left = method("left", lambda row: (0, 0, 20, 20))
    found = comparison.run([left, method("whole", lambda row: (0, 0, 40, 20))], rows, tmp_path)
    frame, _ = comparison.figures(found, setup, None)
    # The left half has one of the two whole, and half of the other.
    assert frame["people cut through"].tolist() == [2 / 4, 0]
    assert comparison.PEOPLE in comparison.notes(setup, found)
    assert "| people cut through |" in table_files.markdown(frame, comparison.METRICS)


def test_checkpoints_are_those_of_the_records_too():
    setup = Setup("d", [], {}, SimpleNamespace(checkpoints={"sat": "1"}))
    record = Record("a", "a.png", "a dog", "ok", checkpoints={"lexicon": "2"})
    assert comparison.checkpoints_of(setup, {"x": {"a": record}}) == {"sat": "1", "lexicon": "2"}


FORMATS = {"method": "", "mean IoU": ".3f", "95 % interval": ".2f", "rows": "d", "p": ".2g"}


def frame():
    low, high = table_files.interval_columns("95 % interval")
    first = {"method": "a|b", "mean IoU": 0.12345, low: 0.1, high: 0.2, "rows": 3}
    return pd.DataFrame([first, {"method": "c"}])


def test_markdown():
    lines = table_files.markdown(frame(), FORMATS).splitlines()
    assert [line.replace("-", "") for line in lines] == [
        "| method | mean IoU | 95 % interval | rows |",
        "|||||",
        "| a\\|b | 0.123 | 0.10 to 0.20 | 3 |",
        "| c |  |  |  |",
    ]
    assert set(lines[1]) == {"|", "-"}


def test_a_table_is_written_with_all_digits(tmp_path, capsys):
    (tmp_path / "other").write_text("x")
    note, source = "A note.", tmp_path / "other"
    table_files.write(tmp_path / "out", frame(), FORMATS, [note], {"sat": "1"}, sources=[source])
    assert (tmp_path / "out" / "table.csv").read_text() == (
        'method,mean IoU,"95 % interval, low","95 % interval, high",rows\n'
        "a|b,0.12345,0.1,0.2,3\n"
        "c,,,,\n"
    )
    text = (tmp_path / "out" / "table.md").read_text()
    assert text == table_files.markdown(frame(), FORMATS) + "\nA note.\n"
    assert capsys.readouterr().out == text + "\n"
    found = json.loads((tmp_path / "out" / made_by.NAME).read_text())
    assert found["checkpoints"] == {"sat": "1"} and list(found["files"]) == [
        "table.md",
        "table.csv",
    ]
    assert list(found["sources"].values()) == [made_by.digest(source)]
    assert table_files.read(tmp_path / "out" / "table.csv")["rows"].tolist() == ["3", ""]

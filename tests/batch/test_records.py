"""Lines of results: the same bytes for the same values, and one reader for all of them."""

import json

import pytest

from cagic_tf.batch import records

LINE = (  # As the program writes it.
    '{"id": "dog", "image": "d\u00f6g.png", "caption": "a dog", "status": "ok", "error": null, '
    '"box": [2, 1, 12, 9], "box_normalized": [0.1, 0.0625, 0.6, 0.625], "scale": 0.5, '
    '"center": [-0.25, 0.1], "loss": {"total": 1.5, "caption": 2.0, "aesthetic": -0.5}, '
    '"predicted_caption": "a dog <end>", "matched_words": {"captioner": ["dog"], "lexicon": {}, '
    '"read_as": {}}, "unknown_words": {"wug": ["bug", "rug"]}, "iou": 0.75, '
    '"crop_file": "dog_crop.png", "evaluations": 12, "seconds": 0.1, "seed": 7, '
    '"checkpoints": {"sat": "ab"}, "shape": "original", "candidates": [{"box": [2, 1, 12, 9], '
    '"crop_file": "dog_crop.png"}], "note": null, "photo": {"bytes": 5, "modified": 7, '
    '"sha256": "cd"}, "saved_as": {"quality": 95}}\n'
)

OK = '{"id": "b", "image": "", "status": "ok", %s}'


def test_a_line_comes_back_as_the_same_bytes(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text(LINE, encoding="utf-8")
    found = records.read(path)
    assert list(found) == ["dog"] and found["dog"].ok
    assert found["dog"].image == "d\u00f6g.png" and found["dog"].box == [2, 1, 12, 9]
    assert found["dog"].unknown_words == {"wug": ["bug", "rug"]}
    assert found["dog"].line() == LINE.encode()


def test_what_a_line_has_not_is_none(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text('{"id": "a", "image": "a.png", "status": "error", "error": "no luck"}\n')
    record = records.read(path)["a"]
    assert record == records.Record("a", "a.png", None, "error", "no luck") and not record.ok
    assert json.loads(record.line())["candidates"] is None


def test_of_lines_only_whole_ones_count_and_of_an_id_the_last(tmp_path):
    path = tmp_path / "results.jsonl"
    lines = [records.Record(name, "a.png", text, "ok").line() for name, text in ("ax", "by", "az")]
    path.write_bytes(b"".join(lines) + lines[0][:-1])
    found = records.read(path)
    assert {key: record.caption for key, record in found.items()} == {"a": "z", "b": "y"}
    path.write_bytes(b"")
    assert records.read(path) == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: no JSON object"),
        ("[1]", "line 2: an object with the texts id, image, status is needed"),
        ('{"id": 3, "image": "", "status": "ok"}', "line 2: an object with the texts"),
        ('{"id": "b", "image": "", "status": "ok", "iuo": 1}', "unknown keys ['iuo']; accepted"),
        ("[" * 100_000, "line 2: no JSON object"),
        (OK % '"box": "zzz"', 'line 2: box is "zzz"; a value of the type list[float] | None is'),
        (OK % '"box": [1, 2, 3]', "line 2: a box is [1, 2, 3]; four numbers are needed"),
        (OK % '"box": [1, 2, true, 4]', "line 2: box is [1, 2, true, 4]; a value of"),
        (OK % '"candidates": {}', "line 2: candidates is {}; a value of the type list[dict["),
        (OK % '"candidates": [[]]', "line 2: candidates is [[]]; a value of the type"),
        (OK % '"candidates": [{}]', "line 2: a box is []; four numbers are needed"),
        (OK % '"candidates": [{"box": "zzzz"}]', 'line 2: a box is "zzzz"; four numbers'),
        (OK % '"checkpoints": []', "line 2: checkpoints is []; a value of the type dict[str, str]"),
        (OK % '"loss": {"total": "low"}', 'line 2: loss is {"total": "low"}; a value of the type'),
        (OK % '"matched_words": "dog"', 'line 2: matched_words is "dog"; a value of the type'),
        (OK % '"unknown_words": {"wug": 3}', 'line 2: unknown_words is {"wug": 3}; a value of'),
        (OK % '"seconds": "3"', 'line 2: seconds is "3"; a value of the type float | None'),
        (OK % '"evaluations": 1.5', "line 2: evaluations is 1.5; a value of the type int | None"),
        ('{"id": "b", "image": "", "status": "zzz"}', 'status is "zzz"; "ok" or "error" is needed'),
    ],
)
def test_what_is_no_record_is_told_in_one_line(tmp_path, line, said):
    path = tmp_path / "results.jsonl"
    path.write_text(LINE + line + "\n", encoding="utf-8")
    with pytest.raises(records.RecordError) as caught:
        records.read(path)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(records.RecordError, match="cannot read the results .*No such file"):
        records.read(tmp_path / "results.jsonl")


def test_summary_counts_and_averages():
    found = [
        records.Record("a", "", "", "ok", iou=0.5, seconds=2.0),
        records.Record("b", "", "", "ok", iou=0.7, seconds=4.0),
        records.Record("c", "", "", "ok", seconds=3.0),
        records.Record("d", "", "", "error"),
    ]
    expected = "4 rows, 1 error, mean IoU 0.6000 (std 0.1000), 3.0 s a picture"
    assert records.summary(found) == expected
    assert records.summary(found[3:]) == "1 row, 1 error"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ([9.0], ", 9.0 s with the start-up"),
        ([9.0, 0.7], ", 0.7 s a picture"),
        ([9.0, 0.7, 0.8, 0.6], ", 0.7 s a picture"),
        ([9.0, 0.7, 8.0, 0.8, 0.6], ", 0.8 s a picture"),  # Of two workers.
    ],
)
def test_seconds_a_picture_are_without_the_start_up(seconds, said):
    found = [records.Record(str(each), "", "", "ok", seconds=each) for each in seconds]
    assert records.summary(found).endswith(f"errors{said}")


def test_what_is_no_text_becomes_a_question_mark():
    record = records.Record("a", "a.png", "", "error", "no photo at \udcff.png")
    assert json.loads(record.line())["error"] == "no photo at ?.png"

"""What is printed while rows are cropped: in a pipe, and on a terminal."""

import dataclasses
import io
import subprocess
import sys
from pathlib import Path

import pytest
import tqdm

from cagic_tf.batch import manifest, records, report
from cagic_tf.beyond import shapes

ROW = manifest.Row("a", "x/a.png", Path("/p/x/a.png"), "a dog", shape=shapes.parse("16:9"))
GOOD = records.Record(
    id="a",
    image="x/a.png",
    caption="a dog",
    status="ok",
    box=[1, 2, 3, 4],
    loss={"total": 1.23456, "caption": 2.0, "own term": -0.0},
    iou=0.5,
    predicted_caption="a cat",
    matched_words={
        "captioner": ["dog"],
        "read_as": {"dogs": "dog"},
        "lexicon": {"dog": ["a", "b", "c", "d", "e", "f", "g"]},
    },
    unknown_words={"qwxz": []},
    candidates=[
        {"box": [1, 2, 3, 4], "loss": {"total": 1.23456}},
        {"box": [5, 6, 7, 8], "loss": {"total": 2.5, "caption": 2.5}},
    ],
)
BAD = dataclasses.replace(GOOD, status="error", error="cannot read it")
LINES = """[1/2] x/a.png: a dog (16:9)
  a: box [1, 2, 3, 4], loss 1.235 (caption 2.000, own term 0.000), IoU 0.500
  or box [5, 6, 7, 8], loss 2.500 (caption 2.500)
  dogs is read as dog
  dog by its classes: a, b, c, d, e and 2 more
  not known: qwxz (nearest known: none)
  the captioner sees: a cat
"""


def test_each_result_is_below_its_heading_and_a_pipe_has_no_bar(capsys):
    with report.Report(2) as reporter:
        reporter.progress(0.5, "photo 1 of 2")
        reporter.result(1, ROW, GOOD)
        reporter.result(2, ROW, BAD)
    output = capsys.readouterr()
    error = "  error: a: cannot read it\n"
    assert output.out == LINES + "[2/2] x/a.png: a dog (16:9)\n" + error
    assert output.err == error


@pytest.mark.parametrize(
    ("shell", "times"), [('"$@" 2>&1', 1), ('"$@"', 1), ('"$@" 2>&1 | cat', 1)]
)
def test_a_log_has_each_result_once_and_no_bar(shell, times):
    code = """
from cagic_tf.batch import manifest, records, report
from cagic_tf.system import streams
streams.protect()
with report.Report(20) as reporter:
    for number in range(1, 21):
        reporter.progress(number - 0.5, f"photo {number} of 20")
        row = manifest.Row(f"{number}", "a.png", "a.png", "a dog")
        reporter.result(number, row, records.Record(row.id, "a.png", "a dog", "error", "no luck"))
"""
    command = ["sh", "-c", shell, "sh", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, timeout=600)
    expected = [f"[{n}/20] a.png: a dog\n  error: {n}: no luck\n" for n in range(1, 21)]
    assert done.stdout == "".join(expected).encode()
    assert done.stderr.count(b"no luck") == (0 if "2>&1" in shell else 20)
    assert b"\r" not in done.stdout + done.stderr and b"\x1b" not in done.stdout + done.stderr


def test_a_box_alone_is_a_result():
    """Rows of other methods know no losses."""
    record = records.Record("a", "a.png", "a dog", "ok", box=[1, 2, 3, 4])
    assert report.details(record)[0] == "a: box [1, 2, 3, 4]"
    record = dataclasses.replace(record, note="only picture 1 of the 2 in the file was cropped")
    assert report.details(record)[1] == "note: only picture 1 of the 2 in the file was cropped"


@pytest.mark.parametrize("caption", ["a secret", None])
def test_captions_can_stay_out(caption):
    row = dataclasses.replace(ROW, caption=caption)
    assert report.describe(row, show_caption=False) == "x/a.png (16:9)"


@pytest.mark.parametrize("shape", [None, shapes.ORIGINAL, shapes.FREE])
def test_a_shape_without_a_ratio_is_not_worth_a_word(shape):
    assert report.describe(dataclasses.replace(ROW, shape=shape)) == "x/a.png: a dog"


def test_captions_and_names_cannot_spoil_the_terminal(capsys):
    caption = "a\ndog\x1b[2J" + "g" * 42_000
    row = dataclasses.replace(ROW, image="\x1b]0;a.png", caption=caption)
    unknown = {f"q{at}": [] for at in range(10_000)}
    with report.Report(2) as reporter:
        reporter.result(1, row, dataclasses.replace(GOOD, unknown_words=unknown))
        reporter.result(2, row, dataclasses.replace(BAD, error="no photo: '\x1b[2J\udcff.png'"))
    output = capsys.readouterr()
    lines = output.out.splitlines()
    start = r"\x1b]0;a.png: a\ndog\x1b[2J"
    assert lines[0] == f"[1/2] {start}{'g' * 66}\u2026 (16:9)" and len(lines) == 9
    assert max(map(len, lines)) < 1010 and "\x1b" not in output.out
    assert output.err == r"  error: a: no photo: '\x1b[2J\udcff.png'" + "\n"


def test_one_bar_on_a_terminal_says_what_is_going_on(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal, drawn = Terminal(), tqdm.tqdm
    monkeypatch.setattr(
        report, "tqdm", lambda *args, **values: drawn(*args, **values, file=terminal, ncols=90)
    )
    monkeypatch.setattr(
        report.tqdm, "external_write_mode", drawn.external_write_mode, raising=False
    )
    with report.Report(2) as reporter:
        reporter.progress(0, "photo 1 of 2, a.png")
        reporter.progress(0.5, "photo 1 of 2, a.png: scale 1 of 2, lowest loss 1.5")
        reporter.result(1, ROW, GOOD)
        reporter.progress(1, "photo 2 of 2, a.png")
    shown = terminal.getvalue()
    assert "photo 1 of 2, a.png |" in shown and "0 %" in shown
    assert "photo 1 of 2, a.png: scale 1 of 2, lowest loss 1.5 |" in shown and "25 %" in shown
    assert "photo 2 of 2, a.png |" in shown and "50 %" in shown
    assert shown.count("\n") == 0  # One line all the time.
    assert shown.rsplit("\r", 2)[-1].strip() == ""  # It is gone in the end.
    assert capsys.readouterr().out == LINES

"""What a result says of how it was made: its command without this machine's folders, its files."""

import hashlib
import sys
from pathlib import Path

import pytest

from cagic_tf.system import provenance
from experiments.errors import ExperimentError
from experiments.tables import made_by

ROOT = Path(made_by.__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--dataset=/data/sets/rows.jsonl", "--dataset=rows.jsonl"),
        ("--output_dir=outputs/table1", "--output_dir=outputs/table1"),
        (f"--output_dir={ROOT}/experiments/results/x", "--output_dir=experiments/results/x"),
        ("--predictions=MAttNet=/tmp/boxes.jsonl", "--predictions=MAttNet=boxes.jsonl"),
        ("--methods=whole,/home/me/my.gin,grid", "--methods=whole,my.gin,grid"),
        ("--results=../elsewhere/out/", "--results=out"),
        ("--results=~/out", "--results=out"),
        ("--gin_param=Networks.scorer = '/data/vfn'", "--gin_param=Networks.scorer = 'vfn'"),
        ("--caption=black and/or white", "--caption=black and/or white"),
        ("--caption=black / white", "--caption=black / white"),
        ("cannot read /a/b c.png: damaged", "cannot read b c.png: damaged"),
    ],
)
def test_folders_of_the_machine_are_left_out(given, expected):
    assert made_by.shortened(given) == expected


def test_command(monkeypatch):
    typed = ["/usr/bin/python3.11", "-m", "experiments.sweep", "--binding=A.b=[1, 2]", "--x=/a/b"]
    monkeypatch.setattr(sys, "orig_argv", typed)
    expected = "python -m experiments.sweep '--binding=A.b=[1, 2]' --x=b"
    assert made_by.command() == expected


def test_what_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "experiments.table1"])
    monkeypatch.setattr(provenance, "commit", lambda: "b" * 40)
    (tmp_path / "picture.jpg").write_bytes(b"picture")
    source = tmp_path / "fast.gin" / "results.jsonl"
    source.parent.mkdir()
    source.write_bytes(b"rows")
    made_by.write(tmp_path, [tmp_path / "picture.jpg"], {"sat": "1" * 64}, [source])
    found = made_by.read(tmp_path)
    assert (found["command"], found["commit"]) == ("python -m experiments.table1", "b" * 40)
    assert found["files"] == {"picture.jpg": hashlib.sha256(b"picture").hexdigest()}
    assert found["sources"] == {"fast.gin/results.jsonl": hashlib.sha256(b"rows").hexdigest()}
    assert found["checkpoints"] == {"sat": "1" * 64} and found["versions"]["cagic_tf"]
    assert found["machine"]["cores"] >= 1


def test_a_folder_has_one_result(tmp_path):
    made_by.check_free(tmp_path, "a.png")
    (tmp_path / "a.png").touch()
    made_by.write(tmp_path, [tmp_path / "a.png"], {})
    made_by.check_free(tmp_path, "a.png")
    with pytest.raises(ExperimentError, match="holds another result"):
        made_by.check_free(tmp_path, "b.png")


def test_a_damaged_file(tmp_path):
    (tmp_path / made_by.NAME).write_text("{")
    with pytest.raises(ExperimentError, match="cannot read"):
        made_by.read(tmp_path)
    (tmp_path / made_by.NAME).write_text("[]")
    with pytest.raises(ExperimentError, match="not what a command of experiments wrote"):
        made_by.read(tmp_path)

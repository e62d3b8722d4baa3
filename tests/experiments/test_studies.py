"""The command of the studies, and that the page on them names its flags."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.studies import __main__ as studies
from experiments.studies import crops
from tests.experiments import commands
from tests.experiments import simulated_people as people

ROOT = Path(__file__).resolve().parents[2]


def test_without_a_study(capsys):
    for arguments, given in ((["studies"], "nothing"), (["studies", "tables"], "'tables'")):
        with pytest.raises(SystemExit) as error:
            studies.main(arguments)
        assert str(error.value) == (
            f"error: {given} is given; one of the studies crops, captions, choices has to come "
            "first"
        )
    studies.main(["studies", "--help"])
    assert "The studies are crops, captions, choices;" in capsys.readouterr().out


def run(*arguments):
    command = [sys.executable, "-m", "experiments.studies", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_whole_command(dataset, tmp_path):
    study = tmp_path / "study"
    made = run("crops", f"--manifest={dataset}", f"--study={study}")
    assert made.returncode == 0 and "3 tasks for 8 people, 3 pictures" in made.stdout
    said = (study / "made_by.json").read_text()
    assert "python -m experiments.studies crops --manifest=rows.jsonl" in said
    assert str(tmp_path) not in said
    wrong = run("crops", f"--study={study}", "--results=a=b")
    assert wrong.returncode and "Unknown command line flag 'results'" in wrong.stderr
    wrong = run("crops", f"--study={study}")
    assert wrong.returncode == 1 and "Traceback" not in wrong.stderr
    assert wrong.stderr.splitlines()[-1].startswith("error: one of --manifest")


@pytest.mark.parametrize("kind", studies.KINDS)
def test_every_flag_has_help_and_stands_on_the_page(kind):
    text = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    values = commands.flags_of(studies.KINDS[kind])
    assert all(values[name].help for name in values)
    lines = re.findall(rf"experiments\.studies {kind} ((?:.*\\\n)*.*)", text)
    used = {name for line in lines for name in re.findall(r"--(\w+)", line)}
    assert {"manifest", "export", "output_dir"} <= used <= set(values)
    own = {"annotators", "people", "seed", "study"}
    assert all(f"--{name}" in text for name in own) and own <= set(values)


def test_a_folder_with_other_files_is_left_alone(dataset, tmp_path):
    (tmp_path / "mine" / "images").mkdir(parents=True)
    (tmp_path / "mine" / "images" / "0001.jpg").write_bytes(b"a holiday")
    said = commands.error_of(crops, f"--manifest={dataset}", f"--study={tmp_path / 'mine'}")
    assert "has images and no study.json" in said
    assert [path.name for path in (tmp_path / "mine").rglob("*")] == ["images", "0001.jpg"]


def test_a_folder_behind_a_link(dataset, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "crops").symlink_to(tmp_path / "elsewhere")
    commands.call(crops, f"--manifest={dataset}", f"--study={tmp_path / 'crops'}")
    shown = people.tasks_of(tmp_path / "crops")
    assert shown[0]["image"] == "/data/local-files/?d=crops/images/0001.jpg"

"""Every committed result says how it was made, and is as its command wrote it."""

import hashlib
import json
import re
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parents[2] / "experiments" / "results"
MADE_BY, CONFIG, PROVENANCE = "made_by.json", "operative_config.gin", "provenance.json"
NEEDED = ("command", "commit", "versions", "machine", "checkpoints", "files")
SHA256, COMMIT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}")
FOLDER_OF_A_MACHINE = re.compile(r"(?:^|[\s=,'\"(\[])(?:~|\.\.)?/\w+/|/(?:home|root|Users|tmp)/")


def problems(results):
    """What is wrong with a folder of results, a text each."""
    found = [
        f"{path.name} has no folder of its own" for path in results.iterdir() if path.is_file()
    ]
    for folder in sorted(path for path in results.iterdir() if path.is_dir()):
        found += [f"{folder.name}: {problem}" for problem in _problems_of(folder)]
    return found


def _problems_of(folder):
    try:
        made_by = json.loads((folder / MADE_BY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return [f"no {MADE_BY}"]
    found = [f"{MADE_BY} has no {key}" for key in NEEDED if not made_by.get(key)]
    if found:
        return found
    if not made_by["command"].startswith("python -m experiments."):
        found.append(f"the command is {made_by['command']!r}")
    if not COMMIT.fullmatch(made_by["commit"]):
        found.append(f"the commit is {made_by['commit']!r}")
    if not all(SHA256.fullmatch(sha) for sha in made_by["checkpoints"].values()):
        found.append("a checkpoint has no SHA-256")
    if FOLDER_OF_A_MACHINE.search(json.dumps(made_by, ensure_ascii=False)):
        found.append(f"{MADE_BY} names a folder of a machine")
    return found + _problems_of_files(folder, made_by["files"])


def _problems_of_files(folder, listed):
    there = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and path != folder / MADE_BY
    }
    found = [f"{name} is not in {MADE_BY}" for name in sorted(set(there) - set(listed))]
    found += [f"{name} is missing" for name in sorted(set(listed) - set(there))]
    for name in sorted(set(listed) & set(there)):
        if hashlib.sha256(there[name].read_bytes()).hexdigest() != listed[name]:
            found.append(f"{name} is not as its command wrote it")
    rows = {name.removesuffix("results.jsonl") for name in listed if name.endswith("results.jsonl")}
    return found + [problem for name in sorted(rows) for problem in _problems_of_rows(folder, name)]


def _problems_of_rows(folder, name):
    """What is wrong with the rows in a folder of the result; "" is the result itself."""
    found = [
        f"{name}results.jsonl has no {file} beside it"
        for file in (CONFIG, PROVENANCE)
        if not (folder / name / file).is_file()
    ]
    if found:
        return found
    first = json.loads((folder / name / PROVENANCE).read_text(encoding="utf-8"))
    if first.get("rows_before"):
        found.append(f"{name}{PROVENANCE} knows nothing of {first['rows_before']} rows")
    commits = {run.get("commit", "unknown") for run in (first, *first.get("resumed_by", []))}
    found += [
        f"the rows of {name} are of the commit {commit!r}"
        for commit in sorted(commits)
        if not COMMIT.fullmatch(commit)
    ]
    if FOLDER_OF_A_MACHINE.search(json.dumps(first, ensure_ascii=False)):
        found.append(f"{name}{PROVENANCE} names a folder of a machine")
    return found


def test_results_say_how_they_were_made():
    assert problems(RESULTS) == []


GOOD = {
    "command": "python -m experiments.table1 --dataset=rows.jsonl",
    "commit": "a" * 40,
    "versions": {"cagic_tf": "0.1.0"},
    "machine": {"system": "Linux"},
    "checkpoints": {"sat": "1" * 64},
}


@pytest.fixture
def folder(tmp_path):
    """A result with which nothing is wrong."""
    made = tmp_path / "results" / "table"
    (made / "fast.gin").mkdir(parents=True)
    for name in ("table.md", "fast.gin/results.jsonl", "fast.gin/operative_config.gin"):
        (made / name).write_text(name)
    (made / "fast.gin" / PROVENANCE).write_text(json.dumps(GOOD))
    write(made)
    return made


def write(folder, **changes):
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MADE_BY
    }
    content = {key: value for key, value in (GOOD | {"files": files} | changes).items() if value}
    (folder / MADE_BY).write_text(json.dumps(content))


def test_a_good_folder_passes(folder):
    assert problems(folder.parent) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        *(({key: None}, f"table: {MADE_BY} has no {key}") for key in NEEDED),
        ({"command": "by hand"}, "table: the command is 'by hand'"),
        ({"commit": "a" * 40 + "+changes"}, f"table: the commit is '{'a' * 40}+changes'"),
        ({"commit": "unknown"}, "table: the commit is 'unknown'"),
        ({"checkpoints": {"sat": "1"}}, "table: a checkpoint has no SHA-256"),
        (
            {"command": "python -m experiments.table1 --dataset=/home/me/rows.jsonl"},
            f"table: {MADE_BY} names a folder of a machine",
        ),
    ],
)
def test_what_made_by_lacks_is_found(changes, problem, folder):
    write(folder, **changes)
    assert problems(folder.parent) == [problem]


def test_files_that_nothing_made_are_found(folder):
    (folder / "table.md").write_text("by hand")
    (folder / "picture.jpg").touch()
    (folder / "fast.gin" / "operative_config.gin").unlink()
    (folder.parent / "loose.csv").touch()
    (folder.parent / "another").mkdir()
    (folder.parent / "another" / "results.jsonl").touch()
    assert problems(folder.parent) == [
        "loose.csv has no folder of its own",
        f"another: no {MADE_BY}",
        f"table: picture.jpg is not in {MADE_BY}",
        "table: fast.gin/operative_config.gin is missing",
        "table: table.md is not as its command wrote it",
        f"table: fast.gin/results.jsonl has no {CONFIG} beside it",
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"commit": "unknown"}, "the rows of fast.gin/ are of the commit 'unknown'"),
        ({"commit": None}, "the rows of fast.gin/ are of the commit 'unknown'"),
        ({"resumed_by": [{}]}, "the rows of fast.gin/ are of the commit 'unknown'"),
        ({"rows_before": 7}, f"fast.gin/{PROVENANCE} knows nothing of 7 rows"),
        (
            {"command": "python -m experiments.table1 --dataset=/data/rows.jsonl"},
            f"fast.gin/{PROVENANCE} names a folder of a machine",
        ),
    ],
)
def test_what_the_rows_lack_is_found(changes, problem, folder):
    content = {key: value for key, value in (GOOD | changes).items() if value}
    (folder / "fast.gin" / PROVENANCE).write_text(json.dumps(content))
    write(folder)
    assert problems(folder.parent) == [f"table: {problem}"]

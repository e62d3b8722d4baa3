"""The commit that results name: this program's own, or none."""

import shutil
import subprocess

import pytest

from cagic_tf.system import provenance


def git(folder, *arguments):
    who = ["-c", "user.name=someone", "-c", "user.email=someone@example.com"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A repository with one commit, and this module's file in a folder of it, not added."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git(tmp_path, "init", "-q")
    (tmp_path / "theirs.txt").write_text("theirs")
    git(tmp_path, "add", "theirs.txt")
    git(tmp_path, "commit", "-qm", "theirs")
    file = tmp_path / "lib" / "provenance.py"
    file.parent.mkdir()
    file.write_text("ours")
    monkeypatch.setattr(provenance, "__file__", str(file))
    return file


def test_the_commit_of_a_repository_in_which_it_is_installed_is_not_its_own(source):
    assert provenance.commit.__wrapped__() == "unknown"


def test_its_own_commit_and_whether_files_differ_from_it(source):
    git(source.parent, "add", source.name)
    git(source.parent, "commit", "-qm", "ours")
    commit = git(source.parent, "rev-parse", "HEAD")
    assert provenance.commit.__wrapped__() == commit
    source.write_text("changed")
    assert provenance.commit.__wrapped__() == f"{commit}+changes"
    git(source.parent, "checkout", "-q", source.name)
    result = source.parents[1] / "experiments" / "results" / "table.md"
    result.parent.mkdir(parents=True)
    result.write_text("1")
    git(source.parents[1], "add", "experiments")
    git(source.parents[1], "commit", "-qm", "a result")
    result.write_text("2")
    assert "+changes" not in provenance.commit.__wrapped__()


def test_outside_of_git_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit.__wrapped__() == "unknown"

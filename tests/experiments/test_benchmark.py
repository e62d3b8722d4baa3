"""The benchmark's figures add up, and its files say how they were made."""

import importlib.util
import json

import pytest

from cagic_tf import config
from experiments import benchmark
from experiments.tables import networks
from tests.experiments import commands


def test_table():
    report = {"fast.gin": {"scales": 3, "parts": {"trunk": 1.23456, "scorer": 2}}, "b": {"c": 0.5}}
    assert benchmark.table(report, {"system": "Linux", "cores": 2}) == (
        "system: Linux, cores: 2\n\n"
        "**fast.gin**\n\n| | |\n|---|---|\n| scales | 3 |\n| parts | trunk 1.235, scorer 2 |\n\n"
        "**b**\n\n| | |\n|---|---|\n| c | 0.5 |\n"
    )


def test_without_pytorch_a_sentence_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    report = {"beside": benchmark.measure_pytorch()}
    assert "| left out | PyTorch is not installed; it is in the extra `port`. |" in benchmark.table(
        report, {"cores": 2}
    )


def test_pytorch_is_timed_in_turn_with_ours(monkeypatch):
    pytest.importorskip("torch", reason="torch, of the extra port, is not installed")
    monkeypatch.setattr(benchmark, "PHOTO", (160, 120))
    monkeypatch.setattr(benchmark, "BATCH", 2)
    results = {}

    def median_seconds(calls):
        for name, (function, argument) in calls.items():
            results[name] = [each.numpy() for each in function(argument)]
        return dict.fromkeys(calls, 0.5)

    monkeypatch.setattr(benchmark, "median_seconds", median_seconds)
    values = commands.flags_of(benchmark)
    values(["benchmark", "--threads=1"])
    monkeypatch.setattr(benchmark, "FLAGS", values)
    figures = benchmark.measure_pytorch()
    parts = "trunk", "trunk, PyTorch", "objective", "objective, PyTorch"
    assert figures == {"threads": 1} | dict.fromkeys(parts, 250)
    for part in ("trunk", "objective"):
        (ours, slope), (theirs, their_slope) = results[part], results[f"{part}, PyTorch"]
        assert ours == pytest.approx(theirs, rel=1e-4)
        assert slope.shape == (their_slope.shape if part == "objective" else (2, 224, 224, 3))


def test_an_unknown_file_is_one_line_and_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "measure_alone", None)
    arguments = f"--output_dir={tmp_path / 'out'}", "--gin_file=nowhere.gin"
    assert "nowhere.gin" in commands.error_of(benchmark, *arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_command_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "MEGAPIXELS", {"0.02": (160, 120)})
    monkeypatch.setattr(benchmark, "PHOTO", (160, 120))
    monkeypatch.setattr(benchmark, "BATCHES", (1, 2))
    monkeypatch.setattr(benchmark, "ROWS", 4)
    commands.call(
        benchmark,
        f"--output_dir={tmp_path / 'out'}",
        "--gin_file=fast.gin",
        "--repeats=1",
    )
    report = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert list(report) == [
        "fast.gin, 0.02 megapixels",
        "fast.gin, a smaller search, 4 rows",
        "fast.gin",
        "paper.gin and PyTorch, milliseconds a crop",
    ]
    alone, rows, fast, beside = report.values()
    assert 0 < alone["seconds of the photo, tracing in it"] < alone["seconds, start to end"]
    assert alone["peak MiB"] > 100
    assert rows["peak MiB after the first half"] <= rows["peak MiB after the second half"]
    # Of the smallest scale, six centres a side, so that neighbours overlap by half.
    assert fast["scales"] == 0 and fast["evaluations a photo"] == 6**2 + 3 * 5**2 + 1
    points = fast["points at nine scales"]
    assert 9 * 10 < points["computed"] < points["asked"]
    assert set(fast["milliseconds a crop by the batch"]) == {"1 crops", "2 crops"}
    assert all(value > 0 for value in fast["milliseconds a crop at K = 10"].values())
    assert set(beside) in (
        {"left out"},
        {"threads", "trunk", "trunk, PyTorch", "objective", "objective, PyTorch"},
    )
    made = commands.made_by(tmp_path / "out")
    assert set(made["files"]) == {"benchmark.json", "table.md"}
    used = config.load_cropper("fast.gin").loss.networks.checkpoints
    assert made["checkpoints"] == used and len(used) >= 4
    assert networks.note({"": used}) in (tmp_path / "out" / "table.md").read_text()
    assert "experiments.benchmark" in made["command"] and str(tmp_path) not in made["command"]

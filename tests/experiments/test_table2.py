import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cagic_tf.batch.records import Record
from experiments import table2
from experiments.tables import caption_scores
from tests.experiments import commands

CAPTIONS = {
    "a": "a brown dog runs on the grass",
    "b": "two men in red shirts",
    "c": "a clock on a tall tower",
}
SHA = {"lite0": "0" * 64, "sat": "1" * 64}
SCORES = [0.5, 0.4, 0.3, 0.2, 0.25, 0.45, 1.5]


def scorers_run():
    try:
        caption_scores.check()
    except caption_scores.ScorerError:
        return False
    return True


needs_scorers = pytest.mark.skipif(not scorers_run(), reason="pycocoevalcap and Java are needed")


@pytest.fixture
def asked(monkeypatch):
    """What was to be scored, in a list; the scorers themselves do not run."""
    calls = []

    def score(captions, references):
        calls.append((list(captions), [list(texts) for texts in references]))
        return dict(zip(caption_scores.METRICS, SCORES, strict=True))

    monkeypatch.setattr(caption_scores, "score", score)
    return calls


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [
        {"id": name, "image": f"{name}.jpg", "caption": text} for name, text in CAPTIONS.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def results(folder, **predicted):
    found = []
    for name, text in predicted.items():
        row = name, f"{name}.jpg", CAPTIONS.get(name, "something")
        if text is None:
            found.append(Record(*row, "error", "no word is known"))
        else:
            found.append(Record(*row, "ok", predicted_caption=text, checkpoints=SHA))
    commands.write_results(folder, *found)
    return folder


def people(tmp_path, *lines, head="method,id,caption"):
    path = tmp_path / "people.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def run(rows, human=None, found=()):
    """Runs the command; returns the folder that it wrote."""
    commands.call(table2, *arguments(rows, human, found))
    return rows.parent / "out" / "table2"


def arguments(rows, human, found):
    given = [f"--manifest={rows}", f"--output_dir={rows.parent / 'out' / 'table2'}"]
    given += [f"--human_captions={human}"] * bool(human)
    return given + [f"--results={name}" for name in found]


def error(rows, human=None, found=()):
    message = commands.error_of(table2, *arguments(rows, human, found))
    assert not (rows.parent / "out").exists()
    return message


def test_people_and_the_stand_in(capsys, tmp_path, rows, asked):
    human = people(
        tmp_path,
        "CAGIC,a,a dog on a lawn,no",
        'CAGIC,a,"a dog, running",',
        "other,b,men,",
        "CAGIC,b,two men,two men wearing red",
        head="method,id,caption,reference",
    )
    folder = results(tmp_path / "run", a="a dog", b=None, c="a big clock")
    out = run(rows, human, [f"CAGIC={folder}"])
    dog, men = [CAPTIONS["a"], "no"], [CAPTIONS["b"], "two men wearing red"]
    assert asked == [
        (["a dog on a lawn", "a dog, running", "two men"], [dog, dog, men]),
        (["men"], [men]),
        (["a dog", "a big clock"], [dog, [CAPTIONS["c"]]]),
    ]
    lines = commands.table_of(out)
    shown = ("method", "captions by", "crops", "captions")
    assert [tuple(line[name] for name in shown) for line in lines[:3]] == [
        ("CAGIC", "people", "2", "3"),
        ("other", "people", "1", "1"),
        ("CAGIC", table2.STAND_IN, "2", "2"),
    ]
    assert len(lines) == 6 and lines[0]["ROUGE-L"] == "0.45"
    assert lines[0]["METEOR"] == "0.25" and lines[0]["CIDEr"] == "1.5"
    made_by = commands.made_by(out)
    assert made_by["checkpoints"] == SHA
    assert list(made_by["sources"])[1] == "run/results.jsonl" and len(made_by["sources"]) == 2
    markdown = (out / "table.md").read_text()
    assert markdown.strip() in capsys.readouterr().out
    assert "| CAGIC | people | 2 | 3 | 0.5000 | 0.4000 | 0.3000 | 0.2000 | 0.2500 |" in markdown
    assert "Checkpoints (SHA-256): lite0 000000000000, sat 111111111111. 1 rows" in markdown
    assert "CAGIC, people: What made the crops is not recorded. 1 rows have no" in markdown
    assert "other, people: What made the crops is not recorded. 2 rows have no" in markdown
    assert "No figure above the paper's rows is the paper's" in markdown
    assert "stand in for people's" in markdown


def test_the_papers_figures(tmp_path, rows, asked):
    markdown = (run(rows, people(tmp_path, "x,a,a dog")) / "table.md").read_text()
    for line in [
        "GradCAM (the paper's Table 2) | people |  |  | 0.2728 | 0.1410 | 0.0874 | 0.0531 | 0.1182 "
        "| 0.2790 | 0.6973 |",
        "MAttNet (the paper's Table 2) | people |  |  | 0.1718 | 0.0937 | 0.0603 | 0.0355 | 0.1132 "
        "| 0.2947 | 0.7154 |",
        "CAGIC (the paper's Table 2) | people |  |  | 0.3424 | 0.1876 | 0.1017 | 0.0631 | 0.1702 "
        "| 0.2970 | 0.9054 |",
    ]:
        assert line in markdown
    assert "What made the crops is not recorded. 2 rows have no caption." in markdown
    assert "stand in for people's" not in markdown


def test_malformed_input(tmp_path, rows, asked):
    def of_people(*lines, **head):
        return error(rows, human=people(tmp_path, *lines, **head))

    assert "give --human_captions, --results or both" in error(rows)
    assert "lacks the columns ['caption']" in of_people("x,a", head="method,id")
    assert "line 3: the manifest has no row 'z'" in of_people("x,a,a dog", "x,z,a dog")
    assert "line 2: the caption is empty" in of_people("x,a, ")
    assert "no captions of crops" in of_people()
    assert "cannot read" in error(rows, human=tmp_path / "nowhere.csv")
    assert "cannot read the manifest" in error(tmp_path / "nowhere.jsonl")
    assert "NAME=DIR is needed" in error(rows, found=["x"])
    assert "cannot read" in error(rows, found=[f"x={tmp_path}"])
    folder = results(tmp_path / "run", a=None)
    assert "no predicted captions" in error(rows, found=[f"x={folder}"])
    results(folder, z="a dog")
    assert "no predicted captions" in error(rows, found=[f"x={folder}"])
    results(folder, a=3)
    assert "predicted_caption is 3" in error(rows, found=[f"x={folder}"])
    line = json.dumps({"id": "a", "status": "ok"})
    (folder / "results.jsonl").write_text(line + "\n")
    assert "line 1: an object with the texts" in error(rows, found=[f"x={folder}"])
    path = results(folder, a="a dog", b="two men") / "results.jsonl"
    path.write_text(path.read_text().replace("1" * 64, "2" * 64, 1))
    assert "2 different sets of checkpoints" in error(rows, found=[f"x={folder}"])
    path = results(folder, a="a dog") / "results.jsonl"
    path.write_text(path.read_text().replace(CAPTIONS["a"], "a cat"))
    assert "row 'a' has another caption" in error(rows, found=[f"x={folder}"])
    assert not asked


def test_without_java(tmp_path, rows, monkeypatch):
    pytest.importorskip("pycocoevalcap")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    human = people(tmp_path, "x,a,a dog")
    assert "need Java" in error(rows, human=human)
    false = shutil.which("false", path="/usr/bin:/bin")
    if false:  # A `java` that does not work, as macOS has one.
        (tmp_path / "bin" / "java").symlink_to(false)
        assert "need Java" in error(rows, human=human)


def test_without_the_scorers(tmp_path, rows, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocoevalcap", None)
    said = error(rows, human=people(tmp_path, "x,a,a dog"))
    assert "pip install 'cagic_tf[experiments]'" in said


@needs_scorers
@pytest.mark.slow
def test_scores_of_equal_captions():
    texts = list(CAPTIONS.values())
    written = [
        "A brown dog runs on the grass.",
        "Two men, in red shirts!",
        "a clock on a tall | tower",
    ]
    scores = caption_scores.score(written, [[text] for text in texts])
    assert scores == pytest.approx(dict.fromkeys(caption_scores.METRICS, 1.0) | {"CIDEr": 10})


@needs_scorers
@pytest.mark.slow
def test_scores_by_hand():
    # Words: 4 of 5 and 3 of 3 are in the references; pairs: "a dog", "dog runs" of 4 ("runs
    # fast" and "fast now" are not), "a tall", "tall tower" of 2. Lengths 8 and 4 + 3, so no
    # penalty for brevity.
    found = ["a dog runs fast now", "a tall tower"]
    wanted = [["fast a dog runs"], ["a tall tower"]]
    scores = caption_scores.score(found, wanted)
    assert scores["BLEU-1"] == pytest.approx(7 / 8)
    assert scores["BLEU-2"] == pytest.approx((7 / 8 * 4 / 6) ** 0.5)
    # Longest common subsequence 3: precision 3 / 5, recall 3 / 4, beta 1.2.
    precision, recall, beta = 3 / 5, 3 / 4, 1.2**2
    of_first = (1 + beta) * precision * recall / (recall + beta * precision)
    assert scores["ROUGE-L"] == pytest.approx((of_first + 1) / 2)


@needs_scorers
@pytest.mark.slow
def test_captions_without_a_word_score_nothing():
    scores = caption_scores.score(["...", ""], [["a dog"], ["a cat"]])
    assert scores == dict.fromkeys(caption_scores.METRICS, 0)


@needs_scorers
@pytest.mark.slow
def test_the_whole_command(tmp_path, rows):
    human = people(tmp_path, *(f'CAGIC,{name},"{text}"' for name, text in CAPTIONS.items()))
    folder = results(tmp_path / "run", a="a dog", b="a man in a shirt", c="a clock tower")
    command = [sys.executable, "-m", "experiments.table2", f"--manifest={rows}"]
    command += [f"--human_captions={human}", f"--results=CAGIC={folder}"]
    root = Path(__file__).resolve().parents[2]
    subprocess.run([*command, f"--output_dir={tmp_path / 'new'}"], cwd=root, check=True)
    same, other, *_ = (
        {name: float(row[name]) for name in caption_scores.METRICS}
        for row in commands.table_of(tmp_path / "new")
    )
    assert same["BLEU-4"] == pytest.approx(1) and same["CIDEr"] == pytest.approx(10)
    assert all(0 < other[name] < same[name] for name in caption_scores.METRICS)

"""Table 4 and sweeps: their rows, what is said of schedules, settings, one-line errors."""

import numpy as np
import pytest

from cagic_tf.batch import manifest
from experiments import sweep, table4
from experiments.errors import ExperimentError
from experiments.tables import metrics
from tests.experiments import commands


@pytest.mark.slow
def test_table4_has_its_rows_and_says_that_schedules_are_short(dataset, tmp_path, monkeypatch):
    annealed = ("Annealing.scale_factor = 0.4",)
    rows = [row._replace(short=annealed if row.name != "CN" else row.short) for row in table4.ROWS]
    monkeypatch.setattr(table4, "ROWS", rows)
    out = tmp_path / "out"
    commands.call(table4, f"--dataset={dataset}", f"--output_dir={out}")
    rows = commands.table_of(out)
    assert [(row["method"], row["the paper's"]) for row in rows] == [
        ("CN", "0.3338 ± 0.0693"),
        ("CN+SA", "0.3406 ± 0.0584"),
        ("CN+SA+MR", "0.3562 ± 0.0565"),
        ("CN+SA+MR+MS", "0.3816 ± 0.0615"),
        ("CAGIC (full)", "0.4160 ± 0.0129"),
    ]
    assert "Short schedules" in (out / "table.md").read_text(encoding="utf-8")
    full, blurless = (commands.records_of(out / name) for name in ("CAGIC-full", "CN-SA"))
    assert {record.scale for record in full} == {0.4}
    # Without aesthetics the total is the caption's loss; with it, a hundredth of the other is in.
    for record in blurless:
        assert record.loss["total"] == record.loss["caption"]
    for record in full:
        total = record.loss["caption"] + 0.01 * record.loss["aesthetic"]
        assert record.loss["total"] == pytest.approx(total, abs=1e-5)
    assert "Annealing.scale_factor = 0.4" in (out / "CN-SA" / "operative_config.gin").read_text()


@pytest.mark.slow
def test_sweep_of_two_settings(dataset, quick_gin, tmp_path):
    out = tmp_path / "out"
    command = [
        f"--dataset={dataset}",
        f"--output_dir={out}",
        f"--gin_file={quick_gin}",
        "--binding=Objective.aesthetic_weight=[0, 0.1]",
        "--binding=Annealing.draw_starts = [@Normal(), @Uniform()]",
    ]
    commands.call(sweep, *command)
    rows = commands.table_of(out)
    assert [list(row.values())[:3] for row in rows] == [
        [weight, start, "3"] for weight in ("0", "0.1") for start in ("@Normal()", "@Uniform()")
    ]
    folders = sorted(path.name for path in out.iterdir() if path.is_dir())
    assert folders == [
        f"Objective.aesthetic_weight-{weight}-Annealing.draw_starts-{start}"
        for weight in ("0", "0.1")
        for start in ("Normal", "Uniform")
    ]
    truths = {row.id: row.crops for row in manifest.read(dataset)}
    before = {folder: commands.records_of(out / folder) for folder in folders}
    for folder, row in zip(folders, rows, strict=True):
        losses = [record.loss["total"] for record in before[folder]]
        assert float(row["mean loss"]) == pytest.approx(np.mean(losses))
        pairs = [(one.box, crop) for one in before[folder] for crop in truths[one.id]]
        kept = [metrics.kept_fraction(*pair) for pair in pairs]
        cut = [metrics.is_cut_through(*pair) for pair in pairs]
        assert float(row["ground truth kept"]) == pytest.approx(np.mean(kept))
        assert float(row["cut through"]) == pytest.approx(np.mean(cut))
        assert "people cut through" not in row
    header = (out / "table.md").read_text(encoding="utf-8").splitlines()[0]
    assert "| hit rate | ground truth kept | cut through | mean loss |" in header
    commands.call(sweep, *command)
    assert {folder: commands.records_of(out / folder) for folder in folders} == before
    assert "'--binding=Objective.aesthetic_weight=[0, 0.1]'" in commands.made_by(out)["command"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "binding",
    [
        "Objective.pyramid=[(1,), (0.25, 0.5, 1)]",
        "Objective.blur_sigma=[0.0, 2.0]",
        "CoarseToFine.scan_scales=[(0.5,), (0.5, 0.6)]",
    ],
)
def test_settings_that_can_be_swept(binding, dataset, quick_gin, tmp_path):
    out = tmp_path / "out"
    command = [f"--gin_file={quick_gin}", f"--binding={binding}", f"--dataset={dataset}"]
    commands.call(sweep, f"--output_dir={out}", *command)
    assert [row["rows"] for row in commands.table_of(out)] == ["3", "3"]


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("Annealing.keep_restarts=[7]", "nothing reads Annealing.keep_restarts"),
        ("Nothing.at_all=[7]", "Nothing"),
        ("Objective.aesthetic_weight=0.1", "NAME.PARAMETER=[VALUE, ...] is needed"),
    ],
)
def test_sweep_refuses_what_nothing_reads(binding, message, dataset, tmp_path):
    out = tmp_path / "out"
    command = [f"--dataset={dataset}", f"--output_dir={out}", "--gin_file=ablations/cn.gin"]
    assert message in commands.error_of(sweep, *command, f"--binding={binding}")
    assert not out.exists()


def test_parse_binding():
    assert sweep.parse_binding("A.b=[0, 0.01,0.1]") == ("A.b", ["0", "0.01", "0.1"])
    nested = 'A.b = [(1, 2), [3, {"x": 4}], @C(), "d, (e", None,]'
    expected = ["(1, 2)", '[3, {"x": 4}]', "@C()", '"d, (e"', "None"]
    assert sweep.parse_binding(nested) == ("A.b", expected)
    for wrong in ("A.b", "A.b=", "A.b=[]", "A.b=[1,,2]", "A.b=1, 2", "b=[1]"):
        with pytest.raises(ExperimentError):
            sweep.parse_binding(wrong)


def test_long_names_of_folders_stay_apart():
    first, second = ({"A.b": "(" + "0.123, " * 30 + end + ")"} for end in ("1", "2"))
    names = [sweep.folder_name(chosen) for chosen in (first, second)]
    assert len(names[0]) == 80 and names[0][:70] == names[1][:70] and names[0] != names[1]

"""Tables 1 and 4 and sweeps: rows on disk, going on, figures by hand, text, one-line errors."""

import csv
import io
import json

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from PIL import Image

from cagic_tf.batch import output_folder
from experiments import sweep, table1, table4
from experiments.tables import comparison, entries

# A scan alone: tracing L-BFGS takes most of a search's time here.
QUICK_GIN = """
include "fast.gin"
CoarseToFine.scan_scales = (0.5,)
CoarseToFine.scan_centers = 2
CoarseToFine.refine_scales = ()
"""

for script in (table1, table4, sweep):
    # Flags that they share, with cagic_tf.run too; --binding is required by one alone.
    for name in ("dataset", "output_dir", "captioner", "scorer", "gin_file"):
        if name in flags.FLAGS:
            delattr(flags.FLAGS, name)
    script.define_flags()
flags.FLAGS["binding"].validators.clear()
if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])


def call(script, **values):
    with flagsaver.flagsaver(**values):
        comparison.main(script.main)([script.__name__])


def lines_of(folder):
    text = (folder / output_folder.RESULTS).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def table_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


@pytest.fixture
def dataset(tmp_path):
    """Three photos of 40 x 20 pixels; the truth is the left half, the right one, and the middle."""
    rows = []
    for name, x in (("left", 0), ("right", 20), ("middle", 10)):
        pixels = np.random.default_rng(x).integers(0, 256, (20, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        rows.append({"id": name, "image": f"{name}.png", "caption": "a dog"})
        rows[-1]["crops"] = [[x, 0, 20, 20], [x, 0, 20, 10]]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def quick_gin(tmp_path):
    path = tmp_path / "quick.gin"
    path.write_text(QUICK_GIN)
    return str(path)


def test_table1_of_blind_methods_by_hand(dataset, tmp_path):
    out = tmp_path / "out"
    boxes = tmp_path / "boxes.jsonl"
    found = [{"id": "left", "box": [0, 0, 20, 20]}, {"id": "right", "box": [0, 0, 9, 9]}]
    boxes.write_text("\n".join(map(json.dumps, found)))
    call(
        table1,
        dataset=str(dataset),
        output_dir=str(out),
        methods=["whole", "centre", "prior"],
        predictions=[f"MAttNet={boxes}"],
    )
    whole, centre, prior, mattnet, *rest = table_of(out / "table1.csv")
    assert whole["method"] == "whole" and whole["rows"] == "3"
    # The whole picture of 800 pixels with 400 and 200 of them.
    assert float(whole["mean IoU"]) == pytest.approx((0.5 + 0.25) / 2)
    assert float(whole["std over annotators"]) == pytest.approx(0.125)
    assert float(whole["std over images"]) == pytest.approx(0, abs=1e-9)
    # Its centre (20, 10) is on edges: of the left half and of all upper halves the far ones.
    assert float(whole["hit rate"]) == pytest.approx(2 / 6)
    assert float(whole["ground truth kept"]) == 1
    # The centre crop (10, 5, 20, 10) with each of left, right and middle, whole and upper half.
    overlaps = [100 / 500, 50 / 350, 100 / 500, 50 / 350, 200 / 400, 100 / 300]
    assert float(centre["mean IoU"]) == pytest.approx(np.mean(overlaps))
    # Left: the mean of the right and the middle, (15, 0, 20, 15); and so on.
    overlaps = [75 / 625, 50 / 450, 75 / 625, 50 / 450, 300 / 400, 200 / 300]
    assert float(prior["mean IoU"]) == pytest.approx(np.mean(overlaps))
    assert mattnet["rows"] == "2" and mattnet["the paper's"] == "MAttNet 0.3851 ± 0.2607"
    assert float(mattnet["mean IoU"]) == pytest.approx((1 + 0.5 + 0 + 0) / 4)
    assert whole["the paper's"] == "Original 0.2869 ± 0.0280" and centre["the paper's"] == ""
    assert [row["method"] for row in rest] == [
        *("A2-RL", "VPN", "Anchor", "GradCAM+A2-RL", "GradCAM+Anchor", "GradCAM+VPN"),
        *("GradCAM", "CAGIC"),
    ]
    (failed,) = [line for line in lines_of(out / "MAttNet") if line["status"] == "error"]
    assert failed["id"] == "middle"
    text = (out / "table1.md").read_text(encoding="utf-8")
    assert "| whole | 3 | 0.3750 | 0.375 to 0.375 | 0.0000 | 0.1250 |" in text
    assert "MAttNet: 1 rows failed, the first: " in text and "lite0 2e6abd895327" in text
    assert "p (against" not in text


def test_table1_with_networks_goes_on_where_it_stopped(dataset, quick_gin, tmp_path, monkeypatch):
    out = tmp_path / "out"
    values = {
        "dataset": str(dataset),
        "output_dir": str(out),
        "methods": ["whole", "grad_cam", quick_gin],
        "predictions": [],
    }
    call(table1, **values)
    folder = out / entries.Entry(quick_gin, None, "").folder
    files = {path.name for path in folder.iterdir()}
    assert files == {output_folder.RESULTS, output_folder.CONFIG}  # No pictures.
    before = lines_of(folder)
    assert [list(line) for line in before] == [
        ["id", "image", "caption", "status", "error", *output_folder.RESULT_KEYS]
    ] * 3
    assert all(line["loss"] and line["checkpoints"] for line in before)
    (line, *_) = lines_of(out / "whole")
    assert line["box"] == [0, 0, 40, 20] and line["iou"] == 0.375 and line["loss"] is None
    whole, cam, cagic, *_ = table_of(out / "table1.csv")
    (column,) = [name for name in whole if name.startswith("p (against")]
    assert cagic[column] == "" and 0 < float(cam[column]) <= 1
    table = table_of(out / "table1.csv")

    # Killed while it wrote the last row: that one is done again, the others are not.
    results = folder / output_folder.RESULTS
    lines = results.read_bytes().splitlines(keepends=True)
    results.write_bytes(b"".join(lines[:2]) + lines[2][:30])
    done = []
    fill = output_folder.OutputFolder.fill
    monkeypatch.setattr(
        output_folder.OutputFolder,
        "fill",
        lambda self, row, crop: done.append(row.id) or fill(self, row, crop),
    )
    call(table1, **values)
    assert done == ["middle"]
    after = lines_of(folder)
    assert after[:2] == before[:2]
    for line in (before[2], after[2]):
        line.pop("seconds")
    assert after[2] == before[2]
    without_seconds = [
        [{k: v for k, v in row.items() if k != "seconds a photo"} for row in rows]
        for rows in (table_of(out / "table1.csv"), table)
    ]
    assert without_seconds[0] == without_seconds[1]


def test_another_configuration_is_refused(dataset, quick_gin, tmp_path):
    out = tmp_path / "out"
    values = {"dataset": str(dataset), "output_dir": str(out), "methods": [quick_gin]}
    values["predictions"] = []
    call(table1, **values)
    with open(quick_gin, "a") as file:
        file.write("Cropper.seed = 5\n")
    with pytest.raises(SystemExit, match="error: .* holds results of another configuration"):
        call(table1, **values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"methods": ["nothing"]}, "unknown method 'nothing'; accepted are whole, centre"),
        ({"methods": ["whole", "whole"]}, "more than one method would write to whole"),
        ({"methods": ["nowhere.gin"]}, "nowhere.gin"),
        ({"predictions": ["boxes.jsonl"]}, "NAME=FILE is needed"),
        ({"predictions": ["A=nowhere.jsonl"]}, "cannot read the predictions nowhere.jsonl"),
        ({"dataset": "nowhere.jsonl"}, "cannot read the manifest nowhere.jsonl"),
        ({"captioner": "nowhere"}, "no readable checkpoint"),
        (
            {"methods": ["original.gin"]},
            "original.gin names the captioner 'original-sat', but all methods share one: "
            "give --captioner=original-sat",
        ),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(values, message, tmp_path):
    out = tmp_path / "out"
    given = {"output_dir": str(out), "methods": ["whole"], "predictions": [], **values}
    with pytest.raises(SystemExit) as error:
        call(table1, **given)
    assert str(error.value).startswith("error: ") and message in str(error.value)
    assert "\n" not in str(error.value) and not out.exists()


def test_rows_without_ground_truth_are_no_data_set(dataset, tmp_path):
    row = json.loads(dataset.read_text().splitlines()[0])
    del row["crops"]
    dataset.write_text(json.dumps(row))
    with pytest.raises(SystemExit, match="error: no row of .* has ground-truth crops"):
        call(table1, dataset=str(dataset), output_dir=str(tmp_path / "out"))


@pytest.mark.slow
def test_table4_has_its_rows_and_says_that_schedules_are_short(dataset, tmp_path, monkeypatch):
    annealed = ("Annealing.scale_factor = 0.4",)
    rows = [row._replace(short=annealed if row.name != "CN" else row.short) for row in table4.ROWS]
    monkeypatch.setattr(table4, "ROWS", rows)
    out = tmp_path / "out"
    call(table4, dataset=str(dataset), output_dir=str(out), full=False)
    rows = table_of(out / "table4.csv")
    assert [(row["method"], row["the paper's"]) for row in rows] == [
        ("CN", "0.3338 ± 0.0693"),
        ("CN+SA", "0.3406 ± 0.0584"),
        ("CN+SA+MR", "0.3562 ± 0.0565"),
        ("CN+SA+MR+MS", "0.3816 ± 0.0615"),
        ("CAGIC (full)", "0.4160 ± 0.0129"),
    ]
    assert "Short schedules" in (out / "table4.md").read_text(encoding="utf-8")
    full, blurless = lines_of(out / "CAGIC-full"), lines_of(out / "CN-SA")
    assert {line["scale"] for line in full} == {0.4}
    # Without aesthetics the total is the caption's loss; with it, a hundredth of the other is in.
    for line in blurless:
        assert line["loss"]["total"] == line["loss"]["caption"]
    for line in full:
        total = line["loss"]["caption"] + 0.01 * line["loss"]["aesthetic"]
        assert line["loss"]["total"] == pytest.approx(total, abs=1e-5)


def test_sweep_of_two_settings(dataset, quick_gin, tmp_path):
    out = tmp_path / "out"
    values = {
        "dataset": str(dataset),
        "output_dir": str(out),
        "gin_file": [quick_gin],
        "binding": [
            "Objective.aesthetic_weight=[0, 0.1]",
            "Annealing.draw_starts = [@Normal(), @Uniform()]",
        ],
    }
    call(sweep, **values)
    rows = table_of(out / "sweep.csv")
    assert [list(row.values())[:3] for row in rows] == [
        [weight, start, "3"] for weight in ("0", "0.1") for start in ("@Normal()", "@Uniform()")
    ]
    folders = sorted(path.name for path in out.iterdir() if path.is_dir())
    assert folders == [
        f"Objective.aesthetic_weight-{weight}-Annealing.draw_starts-{start}"
        for weight in ("0", "0.1")
        for start in ("Normal", "Uniform")
    ]
    for folder, row in zip(folders, rows, strict=True):
        losses = [line["loss"]["total"] for line in lines_of(out / folder)]
        assert float(row["mean loss"]) == pytest.approx(np.mean(losses))
    before = {folder: lines_of(out / folder) for folder in folders}
    call(sweep, **values)
    assert {folder: lines_of(out / folder) for folder in folders} == before


@pytest.mark.parametrize(
    "binding",
    [
        "Objective.pyramid=[(1,), (0.25, 0.5, 1)]",
        "Objective.blur_sigma=[0.0, 2.0]",
        "CoarseToFine.scan_scales=[(0.5,), (0.5, 0.6)]",
    ],
)
def test_settings_that_can_be_swept(binding, dataset, quick_gin, tmp_path):
    values = {"gin_file": [quick_gin], "binding": [binding], "dataset": str(dataset)}
    call(sweep, output_dir=str(tmp_path / "out"), **values)
    assert [row["rows"] for row in table_of(tmp_path / "out" / "sweep.csv")] == ["3", "3"]


def test_sweep_refuses_what_nothing_reads(dataset, tmp_path):
    for binding, message in (
        ("Annealing.keep_restarts=[7]", "nothing reads Annealing.keep_restarts"),
        ("Nothing.at_all=[7]", "Nothing"),
        ("Objective.aesthetic_weight=0.1", r"NAME.PARAMETER=\[VALUE, ...\] is needed"),
    ):
        with pytest.raises(SystemExit, match=f"error: .*{message}"):
            call(
                sweep,
                dataset=str(dataset),
                output_dir=str(tmp_path / "out"),
                gin_file=["ablations/cn.gin"],
                binding=[binding],
            )
    assert not (tmp_path / "out").exists()


def test_parse_binding():
    assert sweep.parse_binding("A.b=[0, 0.01,0.1]") == ("A.b", ["0", "0.01", "0.1"])
    nested = 'A.b = [(1, 2), [3, {"x": 4}], @C(), "d, (e", None,]'
    expected = ["(1, 2)", '[3, {"x": 4}]', "@C()", '"d, (e"', "None"]
    assert sweep.parse_binding(nested) == ("A.b", expected)
    for wrong in ("A.b", "A.b=", "A.b=[]", "A.b=[1,,2]", "A.b=1, 2", "b=[1]"):
        with pytest.raises(entries.EntryError):
            sweep.parse_binding(wrong)


def test_long_names_of_folders_stay_apart():
    first, second = ({"A.b": "(" + "0.123, " * 30 + end + ")"} for end in ("1", "2"))
    names = [sweep.folder_name(chosen) for chosen in (first, second)]
    assert len(names[0]) == 80 and names[0][:70] == names[1][:70] and names[0] != names[1]


def test_markdown_and_csv():
    columns = {"method": "", "mean IoU": ".3f", "95 % interval": ".2f", "rows": "d"}
    table = [
        {"method": "a|b", "mean IoU": 0.12345, "95 % interval": [0.1, 0.2], "rows": 3},
        {"method": "c", "95 % interval": None},
    ]
    assert comparison.markdown(table, columns) == (
        "| method | mean IoU | 95 % interval | rows |\n"
        "|---|---|---|---|\n"
        "| a\\|b | 0.123 | 0.10 to 0.20 | 3 |\n"
        "| c |  |  |  |\n"
    )
    assert comparison.as_csv(table, columns) == (
        'method,mean IoU,"95 % interval, low","95 % interval, high",rows\n'
        "a|b,0.12345,0.1,0.2,3\n"
        "c,,,,\n"
    )

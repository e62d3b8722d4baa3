"""Table 1: figures by hand, rows on the disk, going on, one-line errors."""

import json

import numpy as np
import pytest

from cagic_tf.batch import manifest, output_folder, records
from experiments import table1
from experiments.tables import made_by
from tests.experiments import commands


def test_blind_methods_by_hand(dataset, tmp_path):
    out, boxes = tmp_path / "out", tmp_path / "boxes.jsonl"
    found = [{"id": "left", "box": [0, 0, 20, 20]}, {"id": "right", "box": [0, 0, 9, 9]}]
    boxes.write_text("\n".join(map(json.dumps, found)))
    methods = "--methods=whole,centre,prior"
    predictions = f"--predictions=MAttNet={boxes}"
    commands.call(table1, f"--dataset={dataset}", f"--output_dir={out}", methods, predictions)
    whole, centre, prior, mattnet, *rest = commands.table_of(out)
    assert whole["method"] == "whole" and whole["rows"] == "3" and whole["refused"] == "0"
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
    # The file has no box for the middle, which counts as nothing found.
    assert (mattnet["rows"], mattnet["refused"]) == ("3", "1")
    assert mattnet["the paper's"] == "MAttNet 0.3851 ± 0.2607"
    assert float(mattnet["mean IoU"]) == pytest.approx((1 + 0.5 + 0 + 0 + 0 + 0) / 6)
    assert float(mattnet["hit rate"]) == pytest.approx(1 / 6)
    assert whole["the paper's"] == "Original 0.2869 ± 0.0280" and centre["the paper's"] == ""
    assert [row["method"] for row in rest] == [
        *("A2-RL", "VPN", "Anchor", "GradCAM+A2-RL", "GradCAM+Anchor", "GradCAM+VPN"),
        *("GradCAM", "CAGIC"),
    ]
    (failed,) = [record for record in commands.records_of(out / "MAttNet") if not record.ok]
    assert failed.id == "middle"
    text = (out / "table.md").read_text(encoding="utf-8")
    assert "| whole | 3 | 0 | 0.3750 | 0.375 to 0.375 | 0.0000 | 0.1250 |" in text
    assert "MAttNet: 1 rows refused, the first: boxes.jsonl has no box" in text
    assert "No method has checkpoints of ours." in text and "counts as IoU 0" in text
    assert "p (against" not in text and "fast.gin" not in text
    assert str(tmp_path) not in text and "Data set: rows.jsonl, 3 rows of 3 photos." in text


def test_the_result_says_how_it_was_made(dataset, tmp_path):
    out = tmp_path / "out"
    commands.call(table1, f"--dataset={dataset}", f"--output_dir={out}", "--methods=grad_cam")
    found = commands.made_by(out)
    here = "python -m experiments.table1 --dataset=rows.jsonl --output_dir=out --methods=grad_cam"
    assert found["command"] == here
    assert list(found["checkpoints"]) == ["lite0", "sat", "vfn"] and found["sources"] == {}
    files = ["table.md", "table.csv"]
    files += [f"grad_cam/{name}" for name in ("results.jsonl", "operative_config.gin")]
    assert list(found["files"]) == [*files, "grad_cam/provenance.json"]
    assert found["files"]["table.md"] == made_by.digest(out / "table.md")
    assert "Our checkpoints (SHA-256): lite0 2e6abd895327, sat " in (out / "table.md").read_text()
    settings = (out / "grad_cam" / output_folder.CONFIG).read_text()
    assert settings == "# GradCam(whole_mask=False, threshold=0.2)\n"
    rows = json.loads((out / "grad_cam" / output_folder.PROVENANCE).read_text())
    assert (rows["command"], rows["commit"]) == (here, found["commit"])
    assert rows["checkpoints"] == found["checkpoints"]
    for record in commands.records_of(out / "grad_cam"):
        assert record.checkpoints == found["checkpoints"] and record.seconds > 0


@pytest.mark.slow
def test_going_on_where_it_stopped(dataset, quick_gin, tmp_path, monkeypatch):
    out = tmp_path / "out"
    command = [f"--dataset={dataset}", f"--output_dir={out}"]
    command.append(f"--methods=whole,grad_cam,{quick_gin}")
    commands.call(table1, *command)
    folder = out / manifest.safe_name(quick_gin)
    files = {path.name for path in folder.iterdir()}
    names = {output_folder.RESULTS, output_folder.CONFIG, output_folder.PROVENANCE}
    assert files == names  # No pictures.
    before = commands.records_of(folder)
    lines = (folder / output_folder.RESULTS).read_text().splitlines()
    assert [tuple(json.loads(line)) for line in lines] == [records.FIELDS] * 3
    assert all(record.loss and record.checkpoints for record in before)
    (first, *_) = commands.records_of(out / "whole")
    assert first.box == [0, 0, 40, 20] and first.iou == 0.375 and first.loss is None
    assert (out / "whole" / output_folder.CONFIG).read_text() == "# Centre(scale=1.0)\n"
    whole, cam, cagic, *_ = table = commands.table_of(out)
    (column,) = [name for name in whole if name.startswith("p (against")]
    assert cagic[column] == "" and 0 < float(cam[column]) <= 1
    assert "lexicon" in commands.made_by(out)["checkpoints"]

    # Killed while it wrote the last row: that one is done again, the others are not.
    results = folder / output_folder.RESULTS
    whole_lines = results.read_bytes().splitlines(keepends=True)
    results.write_bytes(b"".join(whole_lines[:2]) + whole_lines[2][:30])
    done = []
    fill = output_folder.OutputFolder.fill
    monkeypatch.setattr(
        output_folder.OutputFolder,
        "fill",
        lambda self, row, crop: done.append(row.id) or fill(self, row, crop),
    )
    commands.call(table1, *command)
    assert done == ["middle"]
    after = commands.records_of(folder)
    assert after[:2] == before[:2]
    assert without_seconds(vars_of(after[2])) == without_seconds(vars_of(before[2]))
    again = commands.table_of(out)
    assert [without_seconds(row) for row in again] == [without_seconds(row) for row in table]


def vars_of(record):
    return {name: getattr(record, name) for name in records.FIELDS}


def without_seconds(row):
    return {name: value for name, value in row.items() if not name.startswith("seconds")}


@pytest.mark.slow
def test_another_configuration_is_refused(dataset, quick_gin, tmp_path):
    command = [f"--dataset={dataset}", f"--output_dir={tmp_path / 'out'}", f"--methods={quick_gin}"]
    commands.call(table1, *command)
    with open(quick_gin, "a") as file:
        file.write("Cropper.seed = 5\n")
    found = commands.error_of(table1, *command)
    assert "of another configuration: Cropper.seed was 0 and is 5 now" in found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods=nothing"], "unknown method 'nothing'; accepted are whole, centre"),
        (["--methods=whole,whole"], "more than one method would write to whole"),
        (["--methods=nowhere.gin"], "nowhere.gin"),
        (["--predictions=boxes.jsonl"], "NAME=FILE is needed"),
        (["--predictions=A=nowhere.jsonl"], "cannot read the predictions nowhere.jsonl"),
        (["--dataset=nowhere.jsonl"], "cannot read the manifest nowhere.jsonl"),
        (["--methods=grad_cam", "--captioner=nowhere"], "no readable checkpoint"),
        (["--device=gpu:99"], "no gpu:99"),
        (["--device=tpu"], "no device is named 'tpu'"),
        (
            ["--methods=paper.gin,original.gin"],
            "no checkpoint original-sat: get 289999.npy",
        ),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(arguments, message, tmp_path):
    out = tmp_path / "out"
    found = commands.error_of(table1, f"--output_dir={out}", "--methods=whole", *arguments)
    assert message in found and not out.exists()


def test_a_coarser_grid_looks_at_fewer_crops(dataset, tmp_path):
    out = tmp_path / "out"
    data = f"--dataset={dataset}"
    commands.call(table1, data, f"--output_dir={out}", "--methods=grid", "--grid_stride=2")
    # Two centres a side at every scale but 1.
    for record in commands.records_of(out / "grid"):
        assert record.evaluations == 15 * 4 + 1
    assert "stride=2.0" in (out / "grid" / output_folder.CONFIG).read_text()


def test_rows_without_ground_truth_are_no_data_set(dataset, tmp_path):
    row = json.loads(dataset.read_text().splitlines()[0])
    del row["crops"]
    dataset.write_text(json.dumps(row))
    found = commands.error_of(table1, f"--dataset={dataset}", f"--output_dir={tmp_path / 'out'}")
    assert "no row of" in found and "has ground-truth crops" in found


def test_by_default_the_papers_ten_methods_in_its_order():
    assert [table1.OURS[name] for name in table1.DEFAULT] == list(table1.PAPER)


def test_a_system_alone_and_on_grad_cams_crop(dataset, tmp_path):
    out, data = tmp_path / "out", f"--dataset={dataset}"
    methods = "--methods=grad_cam,a2rl,grad_cam+a2rl"
    bindings = ["--gin_param=Episodes.greedy = True", "--gin_param=Episodes.most_steps = 3"]
    commands.call(table1, data, f"--output_dir={out}", methods, *bindings)
    cam, alone, on_cam, *_ = commands.table_of(out)
    assert alone["the paper's"].startswith("A2-RL 0.2975")
    assert on_cam["the paper's"].startswith("GradCAM+A2-RL 0.3465")
    config = (out / "a2rl" / output_folder.CONFIG).read_text()
    assert "Episodes(seed=0, most_steps=3, greedy=True)" in config
    for whole, part in zip(
        commands.records_of(out / "grad_cam"),
        commands.records_of(out / "grad_cam-a2rl"),
        strict=True,
    ):
        assert list(part.checkpoints) == ["a2rl-lite0", "lite0", "sat", "vfn"]
        (x, y, w, h), (left, top, width, height) = part.box, whole.box
        assert left <= x and top <= y and x + w <= left + width and y + h <= top + height
    assert "are stand-ins" in (out / "table.md").read_text()


def test_released_networks_are_all_the_authors_own(dataset, tmp_path):
    out = tmp_path / "out"
    given = [f"--dataset={dataset}", f"--output_dir={out}", "--released"]
    found = commands.error_of(table1, *given, "--methods=whole,vpn")
    assert "no checkpoint" in found and "original-vpn: get VPN.index" in found
    found = commands.error_of(table1, *given, "--methods=grad_cam,paper_quick.gin")
    assert "no checkpoint original-sat: get" in found and not out.exists()


def test_the_papers_figure_stands_beside_its_own_method_alone():
    for name in ("paper.gin", "original.gin"):
        assert table1.paper_cell(name) == "CAGIC 0.4160 ± 0.0129"
    for name in ("fast.gin", "open_vocabulary.gin", "ablations/cn.gin", "vfn", "prior", "grid"):
        assert table1.paper_cell(name) is None
    assert table1.paper_cell("GAIC") == "Anchor 0.3325 ± 0.0236"
    missing = table1.rows_not_run(["whole", "grad_cam", "fast.gin"])
    assert "CAGIC" in list(missing["method"]) and "Original" not in list(missing["method"])
    assert list(table1.rows_not_run(["paper.gin"])["method"]) == [
        name for name in table1.PAPER if name != "CAGIC"
    ]
    assert "not the paper's method" in table1.FAST

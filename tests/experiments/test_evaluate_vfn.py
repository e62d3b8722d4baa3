"""What a score says of scale, and what the crop with the best score does to people."""

import shutil

import numpy as np
import pytest
from PIL import Image

from cagic_tf.beyond import coarse_to_fine
from cagic_tf.networks import bundle, checkpoints
from experiments import evaluate_vfn
from tests.experiments import commands, small_entities, small_flickr8k


def test_spread_by_hand():
    scales = np.array([0.4, 0.4, 0.8, 0.8])
    # The first photo's scores are scale alone, the second's have nothing of it.
    found = evaluate_vfn.spread(np.array([[1.0, 1, 3, 3], [0, 4, 0, 4]]), scales)
    assert found == pytest.approx(
        {"r with scale": 0.5, "sd in a photo": 1.5, "sd at one scale": 1.0}
    )
    (correlation,) = (
        evaluate_vfn.spread(np.array([[3.0, 3, 1, 1]]), scales)[name] for name in ["r with scale"]
    )
    assert correlation == pytest.approx(-1)


def test_cuts_by_hand():
    # Halves: a person on the left, whole in the first crop, cut by the second, outside the third.
    person = (0.0, 0.25, 0.3, 0.75)
    halves = [[-0.5, 0, 0.5], [-0.25, 0, 0.5], [0.5, 0, 0.5]]
    grid = np.array([*halves, *([0, 0, scale] for scale in (0.6, 0.7))])
    people = [[person], [person], [], [person]]
    scores = np.array([[9.0, 1, 2, 0, 0], [1, 9, 2, 0, 0], [9, 1, 2, 0, 0], [1, 2, 9, 0, 0]])
    found = evaluate_vfn.cuts(scores, grid, people)
    assert found["photos with people"] == 3
    assert found["cuts people, 0.5"] == pytest.approx(1 / 3)
    assert found["people whole, 0.5"] == pytest.approx(1 / 3)
    # The crops in the middle are the only ones of their scales.
    assert found["cuts people, 0.6"] == 1 and found["cuts people, 0.7"] == 1
    assert found["people whole, 0.6"] == 0
    any_crop = evaluate_vfn.cuts(None, grid, people)
    assert any_crop["cuts people, 0.5"] == pytest.approx(1 / 3)
    assert any_crop["people whole, 0.5"] == pytest.approx(1 / 3)
    assert any_crop["cuts people, 0.6"] == found["cuts people, 0.6"]


def test_every_scale_at_which_cuts_count_is_scanned():
    scanned = coarse_to_fine.scan_grid(evaluate_vfn.SCALES, evaluate_vfn.CENTERS)[:, 2]
    for scale in evaluate_vfn.CUT_SCALES:
        assert np.isclose(scanned, scale).sum() == 25


@pytest.mark.slow
def test_the_command_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate_vfn, "CENTERS", 2)
    data = small_flickr8k.write(tmp_path)
    boxes = small_entities.write(tmp_path / "entities")
    own = tmp_path / "own"
    own.mkdir()
    for name in ("2.png", "4.png", "8.png"):  # Of the test photos, 2 and 4.
        pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(own / name)
    folders = f"--data_dir={data}", f"--entities={boxes}", f"--photos={own}", "--split=test"
    copy = tmp_path / "copy"
    shutil.copytree(bundle.find("vfn"), copy)
    out = tmp_path / "out"
    commands.call(evaluate_vfn, *folders, f"--scorers=vfn,{copy}", f"--output_dir={out}")
    chance, *rows = commands.table_of(out)
    assert (chance["scorer"], chance["view"]) == ("(any crop)", "")
    assert [row["view"] for row in rows] == ["pyramid", "pyramid", "sharp", "sharp"]
    assert {row["photos"] for row in rows} == {row["photos with people"] for row in rows} == {"2"}
    for first, second in (rows[:2], rows[2:]):  # Two copies of one scorer.
        assert (first.pop("scorer"), second.pop("scorer")) == ("vfn", "copy")
        assert first == second and 0 <= float(first["cuts people, 0.6"]) <= 1
        assert float(first["sd in a photo"]) > 0 and -1 <= float(first["r with scale"]) <= 1
    assert set(commands.made_by(out)["checkpoints"]) == {"lite0", "sat", "vfn", "copy"}


def test_mistakes_are_one_line(tmp_path):
    data = small_flickr8k.write(tmp_path)
    boxes = small_entities.write(tmp_path / "entities")
    (tmp_path / "own").mkdir()
    folders = f"--data_dir={data}", f"--entities={boxes}", f"--photos={tmp_path / 'own'}"
    out = f"--output_dir={tmp_path / 'out'}"
    error = commands.error_of(evaluate_vfn, *folders, out, "--scorers=vfn")
    assert "has no annotated photo of --split=dev" in error
    loaded = checkpoints.load(bundle.find("vfn"))
    records = {"source": "", "command": "", "commit": "", "extra": {"bins": [1, 2, 4]}}
    records["extra"] |= {"trunk": "lite0", "trunk_sha256": "0" * 64}
    other = tmp_path / "other"
    checkpoints.save(other, "vfn", loaded.tensors, **records)
    error = commands.error_of(evaluate_vfn, *folders, out, f"--scorers=vfn,{other}")
    assert "are on different trunks" in error
    assert not (tmp_path / "out").exists()

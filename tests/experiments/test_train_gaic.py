"""GAIC's stand-in: how it is measured, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from cagic_tf.baselines.gaic import cropper
from cagic_tf.networks import checkpoints
from experiments import train_gaic
from experiments.training import agreement, grid_crops
from experiments.training.grid_crops import GridPhoto
from experiments.training.scored_boxes import ScoredBoxes
from tests.experiments import commands, own_sizes, small_flickr8k

WIDE, TALL = (256, 352), (384, 256)


def photo_of(name, looked_at):
    return GridPhoto(Path(name), looked_at, looked_at)


def told_of(photo, count, scores):
    numbers = grid_crops.drawn(photo, count, 1)
    boxes = grid_crops.pixel_boxes(photo, photo.size[1], photo.size[0])[numbers]
    return ScoredBoxes(boxes, np.asarray(scores)[numbers])


@pytest.fixture
def flags(monkeypatch):
    """The script's flags as they are if only folders are given."""
    values = commands.flags_of(train_gaic)
    folders = "--data_dir=D", "--entities=E", "--work_dir=W", "--output=O"
    values(["train_gaic", *folders])
    monkeypatch.setattr(train_gaic, "FLAGS", values)


def test_mean_scores_are_by_size_and_counted_from_the_photos_mean(flags):
    photos = [photo_of("a", WIDE), photo_of("b", TALL), photo_of("c", WIDE)]
    scores = np.arange(87.0), np.arange(83.0) ** 2, np.arange(87.0) + 40
    told = [told_of(*each) for each in zip(photos, (90, 90, 10), scores, strict=True)]
    found = train_gaic.mean_scores(photos, told)
    assert found[WIDE].shape == (87,) and found[TALL].shape == (83,)
    assert found[TALL] == pytest.approx(scores[1] - scores[1].mean())
    drawn = grid_crops.drawn(photos[2], 10, 1)
    whole = scores[0] - scores[0].mean()
    expected = whole.copy()
    expected[drawn] = (whole[drawn] + drawn - drawn.mean()) / 2
    assert found[WIDE] == pytest.approx(expected)


def test_figures():
    photos, random = [photo_of("a", WIDE), photo_of("b", TALL)], np.random.default_rng(0)
    every, student, others = [], [], []
    for photo, count in zip(photos, (87, 83), strict=True):
        scores = random.normal(size=count)
        every.append(told_of(photo, 90, scores))
        student.append(scores + 7)
        others.append(told_of(photo, 90, -scores))
    found = train_gaic.measure(student, {WIDE: student[0]}, photos, every, others)

    def correlation(who=""):
        return found[f"{agreement.CORRELATION}{who} (2 photos)"]

    assert correlation() == pytest.approx(1)
    assert correlation(", mean scores of the crops") == pytest.approx(0.5)
    assert correlation(", the teacher of the mirrored photo") == pytest.approx(-1)
    assert correlation(", with the mean of both") == 0  # It is 0 everywhere.
    assert abs(correlation(", the area alone")) < 0.3
    largest = np.mean([each.scores[np.argmax(each.boxes[:, 2:].prod(axis=1))] for each in every])
    assert found["teacher's score of the largest crop (2 photos)"] == pytest.approx(largest)


@pytest.mark.slow
def test_the_command_itself(tmp_path):
    train, dev, test = (small_flickr8k.SPLITS[split] for split in ("train", "dev", "test"))
    data, entities = own_sizes.write(tmp_path, [train[0], *dev, test[0]])
    folders = (
        f"--data_dir={data}",
        f"--entities={entities}",
        f"--work_dir={tmp_path}/work",
        f"--output={tmp_path}/out",
    )
    settings = "--epochs=2", "--batch=2", "--boxes=3", "--sides=224,288"
    commands.call(train_gaic, *folders, *settings)
    system = cropper.load(tmp_path / "out")
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    found = system.boxes(photo)
    assert len(found) == 87 and found[0].score > found[-1].score
    checkpoint = checkpoints.load(tmp_path / "out", "gaic")
    manifest = checkpoint.manifest
    assert "stand-in" in manifest["source"] and str(tmp_path) not in json.dumps(manifest)
    assert all(setting in manifest["command"].split() for setting in settings)
    assert manifest["views"] == {"sides": [224, 288], "spread": 0.15}
    assert "rest/kernel" in manifest["tensors"]
    expected = {f"{split}, {agreement.CORRELATION} (1 photos)" for split in ("dev", "test")}
    assert expected <= set(manifest["metrics"])
    # What is cached is used again, to the same weights.
    cached = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.npy")}
    commands.call(train_gaic, *folders, *settings)
    again = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.npy")}
    assert again == cached
    assert checkpoints.load(tmp_path / "out", "gaic").sha256 == checkpoint.sha256


def test_mistakes_are_one_line(tmp_path):
    data, entities = own_sizes.write(tmp_path, [])
    output = f"--work_dir={tmp_path}/work", f"--output={tmp_path}/out"
    folders = f"--data_dir={data}", f"--entities={entities}"
    message = commands.error_of(train_gaic, *folders, *output)
    assert "images has no photo of" in message
    message = commands.error_of(train_gaic, "--data_dir=nowhere", folders[1], *output)
    assert "No such file" in message
    assert not (tmp_path / "out").exists()

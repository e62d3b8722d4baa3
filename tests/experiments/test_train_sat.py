"""Training a captioner on files in COCO's format: the loss falls, and a stopped run goes on."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cagic_tf.networks import bundle, checkpoints, sat_sizes
from experiments import train_sat
from experiments.data import photo_sets
from experiments.training import captioner_training
from tests.experiments import commands, small_entities, small_flickr8k

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


@pytest.fixture
def coco(tmp_path):
    """Plain pictures, two captions each, as COCO writes them."""
    (tmp_path / "train2014").mkdir()
    images, annotations = [], []
    for number in range(42):
        name, (colour, rgb) = f"{number:06d}.png", list(COLOURS.items())[number % 3]
        Image.new("RGB", (60, 40), rgb).save(tmp_path / "train2014" / name)
        images.append({"id": 100 + number, "file_name": name})
        for text in (f"A {colour} wall.", f"the wall is {colour}"):
            annotations.append({"image_id": 100 + number, "id": number, "caption": text})
    content = {"images": images, "annotations": annotations}
    (tmp_path / "captions_train2014.json").write_text(json.dumps(content))
    return tmp_path


def test_coco_split(coco):
    files = coco / "captions_train2014.json", coco / "train2014"
    dev, train = (photo_sets.coco_split(*files, split) for split in ("dev", "train"))
    assert dev.names == ["000000.png", "000020.png", "000040.png"]
    assert len(train.names) == 39 and not set(train.names) & set(dev.names)
    assert train.captions[0] == ["A green wall.", "the wall is green"]
    picture = train.read("000001.png")
    assert picture.shape == (224, 224, 3) and picture.dtype == np.uint8
    assert (picture == COLOURS["green"]).all()


@pytest.mark.parametrize("content", ["", "[]", '{"images": []}', '{"images": [1]}'])
def test_captions_file_that_is_none(content, tmp_path):
    (tmp_path / "captions.json").write_text(content)
    with pytest.raises(photo_sets.DataError, match="no COCO captions file") as caught:
        photo_sets.coco_split(tmp_path / "captions.json", tmp_path, "train")
    assert "\n" not in str(caught.value)


def run(folder, *arguments, script="train_sat", output="out"):
    return subprocess.run(
        [
            *(sys.executable, "-m", f"experiments.{script}", "--views=1", "--batch=16"),
            *(f"--captions={folder}/captions_train2014.json", f"--data_dir={folder}/train2014"),
            *(f"--work_dir={folder}/work", f"--output={folder}/{output}", *arguments),
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_loss_falls_and_a_stopped_run_goes_on(coco):
    pytest.importorskip("pycocoevalcap")
    for epochs in (1, 3):
        done = run(coco, f"--epochs={epochs}", "--learning_rate=3e-3")
        assert done.returncode == 0, done.stderr
        log = json.loads((coco / "work" / "out_log.json").read_text())
        assert [entry["epoch"] for entry in log] == list(range(1, epochs + 1))
        if epochs == 1:
            first = log
    assert log[:1] == first
    losses = [entry["training loss"] for entry in log]
    assert losses[0] > losses[1] > losses[2]
    head = checkpoints.load(coco / "out", "sat")
    assert set(head.manifest["vocabulary"]) == {
        *("<start>", "a", "the", "wall", "is", "red", "green", "blue", ".")
    }
    assert "--trunk=lite0 --captions=captions_train2014.json" in head.manifest["command"]
    assert str(coco) not in json.dumps(head.manifest)
    sizes = sat_sizes.Sizes(9, 49, 1280, 256, 512, 256, 256, 512)
    assert {name: value.shape for name, value in head.tensors.items()} == sat_sizes.shapes(sizes)
    assert bundle.load_trunk(coco / "out", head).kind == "lite0"

    tuned = {"script": "finetune_sat", "output": "tuned"}
    for epochs in (1, 2):
        arguments = f"--init={coco / 'out'}", f"--epochs={epochs}", "--samples=2"
        done = run(coco, *arguments, "--learning_rate=1e-3", **tuned)
        assert done.returncode == 0, done.stderr
        log = json.loads((coco / "work" / "tuned_log.json").read_text())
        assert [entry["epoch"] for entry in log] == list(range(1, epochs + 1))
    assert np.isfinite([entry["training loss"] for entry in log]).all()
    after = checkpoints.load(coco / "tuned", "sat")
    assert after.manifest["command"].startswith(head.manifest["command"] + " && ")
    assert "--samples=2" in after.manifest["command"] and "--init=out" in after.manifest["command"]
    assert str(coco) not in json.dumps(after.manifest)
    assert any((after.tensors[name] != value).any() for name, value in head.tensors.items())

    done = run(coco, f"--init={coco / 'out'}", "--batch=100", "--epochs=3", **tuned)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: 39 photos are fewer than --batch=100"


@pytest.mark.parametrize(
    ("argument", "message"),
    [("--trunk=nowhere", "no readable checkpoint"), ("--captions=/nowhere", "No such file")],
)
def test_mistakes_are_one_line(argument, message, coco):
    given = f"--captions={coco}/captions_train2014.json", f"--data_dir={coco}/train2014"
    folders = f"--work_dir={coco}/work", f"--output={coco}/out"
    assert message in commands.error_of(train_sat, *given, *folders, argument)
    assert not (coco / "out").exists()


@pytest.fixture
def described(tmp_path):
    """Folders in Flickr8k's format and in Flickr30k Entities'."""
    for name in ("photos", "entities"):
        (tmp_path / name).mkdir()
    photos = small_flickr8k.write(tmp_path / "photos")
    lines = [f"{name}\tA man walks a dog\n" for name in small_flickr8k.NAMES for _ in range(5)]
    (photos / "captions.tsv").write_text("".join(lines))
    return photos, small_entities.write(tmp_path / "entities")


def test_another_seed_finds_the_boxes_of_the_cached_crops(described, tmp_path, monkeypatch):
    photos, entities = described
    trunk, found = bundle.build_trunk(checkpoints.load(bundle.find("lite0"))), []
    for seed in (1, 7):
        given = f"--data_dir={photos}", f"--entities={entities}", f"--work_dir={tmp_path}/work"
        values = commands.flags_of(train_sat)
        values(["train_sat", *given, f"--output={tmp_path}/out", f"--seed={seed}"])
        monkeypatch.setattr(captioner_training, "FLAGS", values)
        split = captioner_training.read_split("train")
        found.append(captioner_training.described_regions(split, "train", trunk))
    first, again = found
    assert any(len(photo.texts) for photo in first.photos)
    for one, other in zip(first.photos, again.photos, strict=True):
        np.testing.assert_array_equal(one.theta, other.theta)
        np.testing.assert_array_equal(one.iou, other.iou)


@pytest.mark.slow
def test_described_regions_are_learnt_beside_photos(described, tmp_path):
    pytest.importorskip("pycocoevalcap")
    photos, entities = described

    def train(script, output, *arguments):
        given = f"--data_dir={photos}", f"--entities={entities}", f"--work_dir={tmp_path}/work"
        done = subprocess.run(
            [
                *(sys.executable, "-m", f"experiments.{script}", *given, "--views=1", "--epochs=1"),
                *(f"--output={tmp_path}/{output}", "--batch=2", *arguments),
            ],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return checkpoints.load(tmp_path / output, "sat")

    first = train("train_sat", "first", "--attention=xu", "--min_count=1", "--preload")
    log = json.loads((tmp_path / "work" / "first_log.json").read_text())
    assert 0 < log[0]["IoU of the region's crop"] < 1
    sizes = {**train_sat.SMALL["xu"], "looks_around": True}
    sizes = sat_sizes.Sizes(len(first.manifest["vocabulary"]), 49, 1280, **sizes)
    assert {name: value.shape for name, value in first.tensors.items()} == sat_sizes.shapes(sizes)
    command = first.manifest["command"]
    assert "--entities=ENTITIES --attention=xu" in command and "--batch=2" in command
    second = train("finetune_sat", "second", f"--init={tmp_path}/first", "--region_photos=2")
    assert second.manifest["command"].startswith(command + " && ")
    assert "--region_photos=2" in second.manifest["command"]
    assert str(tmp_path) not in json.dumps(second.manifest)
    assert any((second.tensors[name] != value).any() for name, value in first.tensors.items())

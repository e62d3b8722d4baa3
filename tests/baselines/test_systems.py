"""The systems by name, and the command that crops a photo with one."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from cagic_tf.baselines import __main__ as command
from cagic_tf.baselines import systems
from cagic_tf.baselines.mattnet.detector import results_file
from cagic_tf.baselines.scored_box import ScoredBox
from cagic_tf.networks import checkpoints
from cagic_tf.system import devices


@pytest.mark.parametrize("name", systems.NAMES)
def test_each_system_has_a_stand_in(name, photo):
    system = systems.load(name)
    pixels = np.asarray(Image.open(photo))
    found = system.boxes(pixels, "a dog", photo)
    assert found == system.boxes(pixels, "a dog", photo) != []
    for (x, y, w, h), _ in found:
        assert min(x, y) >= 0 and min(w, h) > 0 and x + w <= 80.001 and y + h <= 60.001
    assert list(system.checkpoints) == [f"{name}-lite0", "lite0"]
    manifest = checkpoints.load(systems.folder(name)).manifest
    assert "stand-in" in manifest["source"]


def test_detections_of_a_file_take_the_place_of_the_detectors(photo, tmp_path):
    path = tmp_path / "found.json"
    things = [
        ("photo.png", [9, 5, 36, 20]),
        ("photo.png", [50, 5, 9, 9]),
        ("other.png", [0, 0, 5, 5]),
    ]
    path.write_text(
        json.dumps(
            [
                {"image_id": file, "category_id": 1, "bbox": box, "score": 0.9}
                for file, box in things
            ]
        )
    )
    system = systems.load("mattnet", detections=path)
    found = system.boxes(np.asarray(Image.open(photo)), "a dog", photo)
    assert sorted(each.box for each in found) == [(9, 5, 36, 20), (50, 5, 9, 9)]
    assert (
        system.settings
        == f"detections with SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    )
    with pytest.raises(results_file.ResultsFileError, match="no detections of"):
        system.boxes(np.asarray(Image.open(photo)), "a dog", tmp_path / "third.png")


def test_distinct_boxes_by_hand():
    boxes = [ScoredBox(box, score) for box, score in (((0, 0, 10, 10), 3), ((0, 0, 10, 5), 2.5))]
    boxes += [ScoredBox((1, 0, 10, 10), 2), ScoredBox((20, 0, 10, 10), 1)]
    # IoU with the first: 0.5 is not above the limit, 90 of 110 is.
    assert systems.distinct(boxes, 5) == [boxes[0], boxes[1], boxes[3]]
    assert systems.distinct(boxes, 2) == boxes[:2] and systems.distinct([], 2) == []


def test_pixels_by_hand():
    assert systems.pixels((10.4, 20.6, 30.2, 15.3), 80, 60) == (10, 21, 31, 15)
    assert systems.pixels((-5, -5, 200, 200), 80, 60) == (0, 0, 80, 60)
    assert systems.pixels((80, 60, 0, 0), 80, 60) == (79, 59, 1, 1)


@pytest.mark.parametrize("name", systems.NAMES)
def test_what_to_get_where_the_released_weights_are_missing(name, tmp_path):
    with pytest.raises(checkpoints.CheckpointError) as caught:
        systems.load(name, tmp_path / "none")
    assert systems.folder(name, released=True).name == f"original-{name}"
    message = str(caught.value)
    assert "https://github.com/" in message and "python -m cagic_tf.port " in message
    assert "\n" not in message


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def loaded(monkeypatch):
    """Puts a system in the place of all, and keeps what it is asked for."""
    asked = []

    def load(name, directory, episodes, released, detections):
        asked.append((name, directory, episodes))

        def boxes(photo, phrase, file):
            asked.append((photo.shape, phrase, file))
            return [ScoredBox((10, 20, 30, 15), 0.75), ScoredBox((50, 0, 20, 20), 0.5)]

        return systems.System(boxes, {"a": "12"}, "some settings")

    monkeypatch.setattr(systems, "load", load)
    monkeypatch.setattr(devices, "prepare", lambda: None)  # It lasts as long as the process.
    return asked


def test_crops_and_a_record_are_written(photo, loaded, tmp_path, capsys):
    out = tmp_path / "out"
    assert command.main(["mattnet", str(photo), "a dog", f"--output_dir={out}"]) == 0
    assert [each[0] for each in loaded] == ["mattnet", (60, 80, 3)]
    assert loaded[1][1:] == ("a dog", photo)
    first = np.asarray(Image.open(out / "photo_mattnet_1.png"))
    np.testing.assert_array_equal(first, np.asarray(Image.open(photo))[20:35, 10:40])
    record = json.loads((out / "photo_mattnet.json").read_text())
    assert record["crops"][1] == {
        "file": "photo_mattnet_2.png",
        "box": [50, 0, 20, 20],
        "score": 0.5,
    }
    assert (record["phrase"], record["checkpoints"]) == ("a dog", {"a": "12"})
    assert capsys.readouterr().out.splitlines()[0].endswith("1.png: 30 x 15 pixels, score 0.75")


def test_settings_of_a2rl(photo, loaded, tmp_path):
    given = ["--seed=7", "--most_steps=9", "--greedy", "--count=1", f"--output_dir={tmp_path}"]
    assert command.main(["a2rl", str(photo), *given]) == 0
    episodes = loaded[0][2]
    assert (episodes.seed, episodes.most_steps, episodes.greedy) == (7, 9, True)
    assert not (tmp_path / "photo_a2rl_2.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vpn", "PHOTO", "a dog"], "others take none"),
        (["mattnet", "PHOTO"], "mattnet needs a phrase"),
        (["vpn", "PHOTO", "--count=0"], "1 or more is needed"),
        (["gaic", "PHOTO", "--greedy"], "are a2rl's"),
        (["gaic", "PHOTO", "--detections=a.json"], "are mattnet's"),
        (["vpn", "PHOTO", "--released", "--checkpoint=a"], "leave one out"),
    ],
)
def test_wrong_commands(arguments, message, photo, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main([str(photo) if each == "PHOTO" else each for each in arguments])
    assert caught.value.code == 2 and message in capsys.readouterr().err


def test_mistakes_are_one_line(tmp_path, photo, loaded, capsys):
    assert command.main(["vpn", str(tmp_path / "none.jpg")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert command.main(["a2rl", str(photo), "--most_steps=0"]) == 1
    error = capsys.readouterr().err
    assert "Episodes.most_steps" in error and error.count("\n") == 1

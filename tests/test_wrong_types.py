"""Wrong types are answered in our words, one line, and never with what a file holds."""

import io
import re

import numpy as np
import pytest

import cagic_tf
from cagic_tf import config
from cagic_tf.photos import reading
from tests import odd_files
from tests.odd_files import RGB

SECRET = "secret content"


@pytest.fixture(scope="module")
def cropper():
    return cagic_tf.load_cropper("fast.gin")


def said(call):
    with pytest.raises((ValueError, reading.ImageError, config.ConfigError)) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and SECRET not in message and len(message) < 300
    return message


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"shape": (16, 9)}, "the shape is (16, 9); a text such as '16:9' is needed"),
        ({"shape": 1.5}, "the shape is 1.5; a text"),
        ({"shape": ["16:9"]}, "the shape is a list"),
        ({"shape": b"1:1"}, "the shape is 3 bytes"),
        ({"caption": ["a", "dog"]}, "the caption is a list; a text is needed, or None"),
        ({"caption": b"a dog"}, "the caption is 5 bytes"),
        ({"caption": 5}, "the caption is 5"),
        ({"seed": "1"}, "the seed is '1'; a whole number of 32 bits is needed"),
        ({"seed": True}, "the seed is True"),
        ({"progress": 5}, "progress is 5; a function is needed"),
        ({"smallest_side": "600"}, "smallest_side is '600'; pixels are needed, or 0"),
        ({"smallest_side": 1.5}, "smallest_side is 1.5"),
        ({"smallest_side": None}, "smallest_side is None"),
        ({"candidate_count": "3"}, "candidate_count is '3'; at least 1 is needed"),
        ({"candidate_count": 2.0}, "candidate_count is 2.0"),
        ({"image": SECRET.encode()}, "cannot read bytes as a photo: a path, a PIL image"),
        ({"image": io.BytesIO(SECRET.encode())}, "cannot read BytesIO as a photo"),
        ({"image": SECRET * 999}, "a text of 13986 characters is no path of a photo"),
        ({"image": f"{SECRET}\0"}, "a text of 15 characters is no path"),
        ({"image": [SECRET]}, "cannot read list as a photo"),
        ({"image": None}, "cannot read NoneType as a photo"),
        ({"image": np.array([[SECRET]])}, "an array of <U14 is no photo"),
        ({"image": np.array([[SECRET.encode()]])}, "an array of |S14 is no photo"),
    ],
)
def test_crop(cropper, given, expected):
    values = {"image": RGB, "caption": "a dog"} | given
    assert expected in said(lambda: cropper.crop(**values))


@pytest.mark.parametrize("gin_file", ["fast.gin", "paper.gin"])
def test_a_caption_that_says_nothing(gin_file):
    made = cagic_tf.load_cropper(gin_file)
    assert "'the' has words such as 'a' and 'the' alone" in said(lambda: made.crop(RGB, "the"))
    assert "no word of the caption is known: zyzzyva" in said(lambda: made.crop(RGB, "a zyzzyva"))


def test_the_home_folder(cropper, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir("/")
    (tmp_path / "a.png").write_bytes(odd_files.encoded(RGB, "PNG"))
    (tmp_path / "my.gin").write_text("include 'fast.gin'\nCropper.seed = 7\n")
    result = cropper.crop("~/a.png", "a dog")
    result.save("~/crop.png")
    x, y, w, h = result.box
    cut = odd_files.PIXELS[y : y + h, x : x + w]
    np.testing.assert_array_equal(reading.read(tmp_path / "crop.png"), cut)
    assert "would replace its own photo" in said(lambda: result.save("~/a.png"))
    made = cagic_tf.load_cropper("~/my.gin", networks=cropper.loss.networks)
    assert made.seed == 7


def test_save(cropper, tmp_path):
    result = cropper.crop(RGB, "a dog")
    path = tmp_path / "crop.jpg"
    for given, expected in (
        ({"quality": 1000}, "the quality is 1000; 1 to 100 is accepted"),
        ({"quality": "95"}, "the quality is '95'; 1 to 100 is accepted"),
        ({"quality": 95.5}, "the quality is 95.5"),
        ({"candidate": "1"}, "the candidate is '1'"),
        ({"strip_metadata": "no"}, "strip_metadata is 'no'; True or False is needed"),
        ({"path": str(path).encode()}, f"the file is {len(str(path))} bytes; a path is needed"),
        ({"path": None}, "the file is None; a path is needed"),
        ({"path": io.BytesIO()}, "the file is a BytesIO; a path is needed"),
    ):
        assert expected in said(lambda given=given: result.save(**({"path": path} | given)))
    assert list(tmp_path.iterdir()) == []
    result.save(path, quality=np.int64(90), strip_metadata=np.bool_(True), candidate=np.int64(0))
    assert path.exists()


@pytest.mark.parametrize(
    ("files", "given", "expected"),
    [
        ([["fast.gin"]], {}, "a gin file is a list; give names or paths"),
        ([5], {}, "a gin file is 5"),
        ([b"fast.gin"], {}, "a gin file is 8 bytes"),
        (["fast.gin"], {"bindings": "Cropper.seed = 7"}, "bindings is 'Cropper.seed = 7'; a list"),
        (["fast.gin"], {"bindings": [5]}, "a binding is 5; a text such as"),
        (["fast.gin"], {"networks": "sat"}, "networks is 'sat'; Networks() is needed"),
    ],
)
def test_load_cropper(files, given, expected):
    assert expected in said(lambda: cagic_tf.load_cropper(*files, **given))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_side": "1024"}, "Cropper.max_side is '1024'; pixels are needed, or 0"),
        ({"max_side": 10.5}, "Cropper.max_side is 10.5"),
        ({"search": "annealing"}, "Cropper.search is 'annealing'; a search such as @Annealing()"),
        ({"networks": "sat"}, "Cropper.networks is 'sat'; Networks() is needed"),
        ({"objective": "caption"}, "Cropper.objective is 'caption'; Objective() is needed"),
    ],
)
def test_cropper(given, expected):
    assert expected in said(lambda: cagic_tf.Cropper(**given))


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        ("HighestExpectedUtility.wholeness = 'much'", "HighestExpectedUtility.wholeness is 'much'"),
        ("HighestExpectedUtility.agreement = None", "agreement is None; it has to be a finite"),
        ("HighestExpectedUtility.agreement = 1e400", "agreement is inf; it has to be a finite"),
        ("HighestExpectedUtility.box_temperature = (1, 2)", "box_temperature is (1, 2); it has to"),
        ("HighestExpectedUtility.temperature = True", "temperature is True; it has to be a finite"),
        ("HighestExpectedUtility.temperature = 0", "temperature is 0; it has to be positive"),
        ("HighestExpectedUtility.scale_spread = -1", "scale_spread is -1; it cannot be negative"),
        ("CoarseToFine.pick = 3", "CoarseToFine.pick is 3; a rule such as @HighestExpectedIoU()"),
        ("CoarseToFine.pick = None", "CoarseToFine.pick is None; a rule such as"),
        # Without its () gin hands over the class: it would be called with a scan, at each photo.
        ("CoarseToFine.pick = @HighestExpectedUtility", "is a type; a rule such as"),
        ("Networks.grounder = 3", "a checkpoint is 3; its name or path is needed"),
    ],
)
def test_settings_of_a_pick(binding, expected):
    assert expected in said(lambda: cagic_tf.load_cropper("fast.gin", bindings=[binding]))


def test_crop_image():
    message = said(lambda: cagic_tf.crop_image(RGB, "a dog", "fast.gin"))
    assert re.search("the cropper is 'fast.gin'; one of load_cropper is needed", message)

"""A photo and a caption without flags, and patterns that a shell has made photos of."""

import pytest
from absl import flags
from absl.testing import flagsaver

from cagic_tf.batch import command_flags, positional

FLAGS = flags.FLAGS
if not FLAGS.is_parsed():
    FLAGS(["test"])


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch):
    """Photos p1.jpg, p2.jpg and d/[1].jpg in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    for name in ("p1.jpg", "p2.jpg", "d/[1].jpg"):
        (tmp_path / name).write_bytes(b"")
    with flagsaver.flagsaver():
        yield


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["p1.jpg", "a dog"], {"image": "p1.jpg", "caption": "a dog"}),
        (["none.jpg", "a dog"], {"image": "none.jpg", "caption": "a dog"}),
        (["p*.jpg", "a dog"], {"images": "p*.jpg", "caption": "a dog"}),
        (["d/[1].jpg", "a dog"], {"image": "d/[1].jpg", "caption": "a dog"}),
        (["d", "a dog"], {"images": "d", "caption": "a dog"}),
        (["p1.jpg"], {"image": "p1.jpg", "caption": None}),
        (["p1.jpg", "d"], {"image": "p1.jpg", "caption": "d"}),
        (["p1.jpg", ""], {"image": "p1.jpg", "caption": ""}),
        ([], {"image": None, "images": None, "caption": None}),
    ],
)
def test_photo_and_caption(arguments, expected):
    assert positional.take(arguments) == ""
    assert {name: FLAGS[name].value for name in expected} == expected


def test_a_caption_beside_a_flag_for_the_photo():
    FLAGS.image = "p1.jpg"
    assert positional.take(["a dog"]) == "" and FLAGS.caption == "a dog"
    assert "--caption is given" in positional.take(["a cat"])


@pytest.mark.parametrize(
    ("flag", "arguments"),
    [
        (None, ["p1.jpg", "p2.jpg", "a dog"]),
        (None, ["p1.jpg", "p2.jpg"]),
        ("images", ["p2.jpg"]),
        ("image", ["p2.jpg", "a dog"]),
    ],
)
def test_a_pattern_without_quotes_is_answered_with_it(flag, arguments):
    if flag:
        FLAGS[flag].value = "p1.jpg"
    assert positional.take(arguments).endswith("put it in quotes: --images='p*.jpg'")


def test_a_caption_without_quotes():
    message = positional.take(["p1.jpg", "a", "dog"])
    assert message.endswith('is in quotes: cagic photo.jpg "a dog on the grass"')


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"aspect_ratio": "16x9"}, ["16:9"]),
        ({"aspect_ratio": "16X9, 4 : 5,3/2"}, ["16:9", "4:5", "3:2"]),
        ({"aspect_ratio": "Original"}, ["original"]),
        ({"size": "1200X628"}, ["1200x628"]),
        ({"size": "1200 x 628,50\u00d750"}, ["1200x628", "50x50"]),
    ],
)
def test_shapes_as_people_write_them(values, names):
    with flagsaver.flagsaver(**values, image="p1.jpg", caption="a"):
        assert command_flags.problem() == ""
        assert [row.shape.name for row in command_flags.rows(None)] == names


@pytest.mark.parametrize(
    ("given", "kind"), [("jpg", "jpeg"), ("JPEG", "jpeg"), ("JPG", "jpeg"), ("Png", "png")]
)
def test_formats_as_people_write_them(given, kind):
    with flagsaver.flagsaver():
        FLAGS["format"].parse(given)
        assert command_flags.save_options().choice == kind

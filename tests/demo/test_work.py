"""What the page does, without a page: photos, crops, files and errors are the command's."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from cagic_tf.batch import records
from cagic_tf.demo import work
from cagic_tf.demo.visits import Visits
from cagic_tf.photos import crop_files, reading
from tests.demo import stand_in
from tests.demo.test_visits import files_below, of_address

WISH = work.Wish("fast.gin", "a dog", candidate_count=3)
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.fixture
def visit(tmp_path):
    return Visits(tmp_path / "root").of("one")


@pytest.fixture
def photo(tmp_path, visit):
    path = tmp_path / "my dog.png"
    Image.fromarray(PIXELS).save(path)
    assert work.take(visit, path) == (60, 40)
    return path


def crop(visit, wish=WISH):
    *updates, found = work.crop(stand_in.StandIns(), visit, wish)
    return updates, found


def content(found, name):
    return of_address(found.files[name]).read_bytes()


def test_a_crop_comes_in_the_photos_own_pixels_and_format(visit, photo):
    updates, found = crop(visit)
    assert [(each.done, each.total) for each in updates] == [(1, 3), (2, 3), (3, 3)]
    # At the centres -0.1, -0.3 and -0.5, both ways.
    assert [each.loss for each in updates] == pytest.approx([0.899, 0.697, 0.495])
    assert updates[0].left is None and updates[1].left >= 0 and updates[2].left == 0
    name = found.fields["crop_file"]
    assert name == "my-dog-a-dog_crop.png" and found.fields["box"] == [0, 0, 30, 20]
    with Image.open(io.BytesIO(content(found, name))) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), PIXELS[:20, :30])
    for each in found.fields["candidates"][1:]:
        x, y, w, h = each["box"]
        with Image.open(io.BytesIO(content(found, each["crop_file"]))) as image:
            np.testing.assert_array_equal(np.asarray(image), PIXELS[y : y + h, x : x + w])


def test_the_json_is_a_line_of_the_commands_results(visit, photo, tmp_path):
    _, found = crop(visit)
    path = tmp_path / "results.jsonl"
    path.write_bytes(of_address(found.json).read_bytes())
    (record,) = records.read(path).values()
    assert record.ok and record.image == "my dog.png" and record.caption == "a dog"
    assert record.box == [0, 0, 30, 20] and record.loss["total"] == pytest.approx(0.495)
    assert len(record.candidates) == 3 and record.seed == 0 and record.shape == "free"
    assert str(tmp_path) not in path.read_text(encoding="utf-8")


def test_what_browsers_do_not_show_is_shown_all_the_same(visit, tmp_path):
    grey = (np.arange(2400, dtype=np.uint16) * 27).reshape(40, 60)
    Image.fromarray(grey).save(tmp_path / "grey.tif")
    work.take(visit, tmp_path / "grey.tif")
    _, found = crop(visit)
    name = found.fields["crop_file"]
    with Image.open(io.BytesIO(content(found, name))) as image:
        assert image.format == "TIFF"
        np.testing.assert_array_equal(np.asarray(image), grey[:20, :30])
    for data in (content(found, work.view_name(name)), of_address(visit.view).read_bytes()):
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "JPEG"


def test_the_view_is_upright_and_not_too_large(visit, tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # To be turned by a quarter.
    Image.new("RGB", (2000, 1000)).save(tmp_path / "turned.jpg", exif=exif)
    assert work.take(visit, tmp_path / "turned.jpg") == (1000, 2000)
    with Image.open(of_address(visit.view)) as image:
        assert image.size == (800, 1600)


def test_shapes_and_sizes_are_the_commands(visit, photo):
    _, found = crop(visit, work.Wish("fast.gin", "a dog", " 20 x 10 "))
    name = found.fields["crop_file"]
    assert name == "my-dog-a-dog-20x10_crop.png" and found.fields["shape"] == "20x10"
    with Image.open(io.BytesIO(content(found, name))) as image:
        assert image.size == (20, 10)
    whole = crop_files.cut(photo, tuple(found.fields["box"]), size=(20, 10))
    assert content(found, name) == whole


def test_without_a_caption_and_of_any_seed(visit, photo):
    _, found = crop(visit, work.Wish("paper.gin", None, seed=7))
    assert found.fields["caption"] is None and found.fields["seed"] == 7
    assert found.fields["crop_file"] == "my-dog_crop.png"


@pytest.mark.parametrize(
    "wish, sentence",
    [
        (
            work.Wish("fast.gin", ""),
            "The caption '' has no words; write what the crop should show.",
        ),
        (work.Wish("fast.gin", "crash"), "RuntimeError: out of memory."),
        (
            work.Wish("fast.gin", "a dog", "wide"),
            "The shape is 'wide'; original, free, a ratio such as 16:9 (at most 100:1) or a "
            "size in pixels such as 1200x628 is needed.",
        ),
    ],
)
def test_what_cannot_be_cropped_is_a_sentence(visit, photo, wish, sentence):
    assert crop(visit, wish)[1] == work.Failed(sentence)


def test_a_photo_that_cannot_be_read_is_a_sentence_and_is_not_kept(visit, photo, tmp_path):
    (tmp_path / "a cat.jpg").write_bytes(b"no photo")
    with pytest.raises(reading.ImageError, match=r"^Cannot read a cat\.jpg as a photo: .*\.$"):
        work.take(visit, tmp_path / "a cat.jpg")
    assert crop(visit)[1] == work.Failed(work.NO_PHOTO)
    assert files_below(tmp_path / "root") == []


def test_a_photo_that_is_gone_is_a_sentence(visit, photo, tmp_path):
    with pytest.raises(reading.ImageError, match="Choose it again"):
        work.take(visit, tmp_path / "gone.jpg")
    assert isinstance(work.score(stand_in.StandIns(), visit, WISH, [(0, 0, 1, 1)]), work.Failed)


@pytest.mark.parametrize("how", ["stop", "begin", "close"])
def test_a_crop_can_be_stopped_between_scales(visit, photo, tmp_path, how):
    events = work.crop(stand_in.StandIns(), visit, work.Wish("fast.gin", "a slow dog"))
    assert next(events).done == 1
    getattr(visit, how)()
    *_, last = events
    assert last == work.Failed(work.STOPPED)
    assert not any("crop" in name for name in files_below(tmp_path / "root"))


def test_boxes_are_scored_as_they_are(visit, photo):
    boxes = [(0, 0, 30, 20), (15, 20, 45, 10)]
    first, second = work.score(stand_in.StandIns(), visit, WISH, boxes)
    assert first.box == boxes[0] and first.loss["total"] == pytest.approx(1 - 0.5 - 0.005)
    # The centre is 37.5 of 60 pixels across and 25 of 40 down.
    assert second.box == boxes[1] and second.loss["total"] == pytest.approx(1 + 0.25 + 0.0025)


@pytest.mark.parametrize("box", [(0, 0, 61, 1), (), None, "a box", (0, 0, 1e3, 1)])
def test_boxes_that_are_none_are_a_sentence(visit, photo, box):
    failed = work.score(stand_in.StandIns(), visit, WISH, [box])
    assert failed.message.startswith("The box is ") and "60 x 40" in failed.message


def test_what_was_measured_is_the_methods_own_time(visit, photo):
    croppers = stand_in.StandIns()
    list(work.crop(croppers, visit, work.Wish("paper.gin", "a dog")))
    assert croppers.labels() == {
        "paper.gin": "The paper's method (took 0.2 seconds on this machine)"
    } | {"fast.gin": "Fast (not timed yet)"}


def test_the_json_has_no_infinite_numbers(visit, photo):
    _, found = crop(visit)
    json.loads(of_address(found.json).read_text(encoding="utf-8"), parse_constant=pytest.fail)

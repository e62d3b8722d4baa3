"""Objects from a file in COCO's results format, and mistakes in it."""

import json
from pathlib import Path

import numpy as np
import pytest

from cagic_tf.baselines.mattnet.detections import Detections
from cagic_tf.baselines.mattnet.detector import results_file

PHOTO = np.zeros((60, 80, 3), np.uint8)


class Describer:
    """Stands in for the detector: remembers what it is to describe."""

    def describe(self, photo, boxes, categories):
        assert photo is PHOTO and boxes.dtype == np.float64
        return Detections(boxes, categories, np.zeros((len(boxes), 7, 7, 2)), None)


def entry(image_id=42, category_id=1, bbox=(1.5, 2, 30, 40), score=0.9, **more):
    found = {"image_id": image_id, "category_id": category_id, "bbox": bbox, "score": score}
    return {key: value for key, value in (found | more).items() if value is not None}


def opened(path, entries):
    path.write_text(json.dumps(entries), encoding="utf-8")
    return results_file.ResultsFile(path, Describer())


def test_a_photos_objects_in_the_files_order(tmp_path):
    file = opened(
        tmp_path / "found.json",
        [
            entry(category_id=18, score=0.7, segmentation=[]),
            entry(image_id=7),
            entry(category_id=90, bbox=[70, 50, 20.25, 20], score=1),
            entry(score=0.6499),
        ],
    )
    found = file.detect(PHOTO, 42)
    np.testing.assert_array_equal(found.boxes, [[1.5, 2, 30, 40], [70, 50, 20.25, 20]])
    assert found.categories.tolist() == [18, 90] and found.pool5.shape == (2, 7, 7, 2)


def test_the_threshold_is_lowered_for_one_photo_alone(tmp_path):
    file = opened(
        tmp_path / "found.json",
        [
            entry(image_id=1, category_id=3, score=0.46),
            entry(image_id=1, score=0.44),
            entry(image_id=2, score=0.65),
            entry(image_id=2, score=0.64),
            entry(image_id=3, score=0),
        ],
    )
    assert file.detect(PHOTO, 1).categories.tolist() == [3]
    assert len(file.detect(PHOTO, 2).boxes) == len(file.detect(PHOTO, 3).boxes) == 1


@pytest.mark.parametrize(
    ("image_id", "image"),
    [
        (42, 42),
        (42, "COCO_val2014_000000000042.jpg"),
        (42, "photos/000000000042.jpg"),
        (42, Path("42.png")),
        ("dog.jpg", "photos/dog.jpg"),
        ("dog", "photos/dog.jpg"),
        ("photos/dog.jpg", "photos/dog.jpg"),
        ("COCO_val2014_000000000042.jpg", Path("a/COCO_val2014_000000000042.jpg")),
        ("42", "42.jpg"),
    ],
)
def test_a_photo_is_found_by_number_or_name(image_id, image, tmp_path):
    file = opened(tmp_path / "found.json", [entry(image_id=image_id), entry(image_id=5)])
    assert len(file.detect(PHOTO, image).boxes) == 1


@pytest.mark.parametrize(
    "image", [43, "dog.jpg", "photo42.jpg", "photos/cat.jpg", "COCO_val2014_000000000043.jpg"]
)
def test_a_photo_that_is_not_there_is_one_line(image, tmp_path):
    file = opened(tmp_path / "found.json", [entry(), entry("b/cat.jpg"), entry("cat.png")])
    with pytest.raises(results_file.ResultsFileError, match="has no detections of") as caught:
        file.detect(PHOTO, image)
    assert repr(image) in str(caught.value) and "42, 'b/cat.jpg'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_list_has_no_photo(tmp_path):
    with pytest.raises(results_file.ResultsFileError, match="it is empty"):
        opened(tmp_path / "found.json", []).find(1)


@pytest.mark.parametrize("bbox", [[80, 0, 5, 5], [0, 60, 5, 5], [-9, 5, 9, 9], [0, -5, 9, 5]])
def test_boxes_of_another_photo_are_one_line(bbox, tmp_path):
    file = opened(tmp_path / "found.json", [entry(), entry(bbox=bbox)])
    with pytest.raises(results_file.ResultsFileError, match="outside of 42, .* 80 x 60 pixels"):
        file.detect(PHOTO, 42)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": None}, "it has no image_id"),
        ({"bbox": None}, "it has no bbox"),
        ({"score": None}, "it has no score"),
        ({"category_id": None}, "it has no category_id"),
        ({"image_id": 4.5}, "image_id 4.5 is neither"),
        ({"image_id": True}, "image_id true is neither"),
        ({"image_id": ""}, 'image_id "" is neither'),
        ({"category_id": "dog"}, 'category_id "dog" is no whole number'),
        ({"category_id": 2**80}, "is no whole number"),
        ({"bbox": [1, 2, 3]}, r"bbox \[1, 2, 3\] is not four numbers"),
        ({"bbox": [1, 2, 3, "4"]}, "is not four numbers"),
        ({"bbox": [1, 2, 3, float("nan")]}, "is not four numbers"),
        ({"bbox": [1, 2, float("inf"), 4]}, "is not four numbers"),
        ({"bbox": {"x": 1}}, "is not four numbers"),
        ({"bbox": [10, 10, 0, 5]}, "has no inside"),
        ({"bbox": [10, 10, 5, -1]}, "has no inside"),
        ({"score": 1.5}, "score 1.5 is no number from 0 to 1"),
        ({"score": "high"}, 'score "high" is no number'),
        ({"score": float("nan")}, "score NaN is no number"),
        ({"bbox": list(range(100))}, r"bbox \[0, 1, .*\.\.\. is not four numbers"),
    ],
)
def test_a_wrong_entry_is_one_line(change, message, tmp_path):
    with pytest.raises(results_file.ResultsFileError, match=message) as caught:
        opened(tmp_path / "found.json", [entry(), entry(**change)])
    text = str(caught.value)
    assert "found.json, detection 2: " in text and "expected is COCO's results format" in text
    assert "\n" not in text and len(text) < 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON"),
        (b"[{]", "is no JSON"),
        (b"\xff\xfe[]", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"annotations": []}', "is no list of detections"),
        (b"[3]", "detection 1: 3 is no object"),
    ],
)
def test_other_files_are_one_line(content, message, tmp_path):
    (tmp_path / "found.json").write_bytes(content)
    with pytest.raises(results_file.ResultsFileError, match=message) as caught:
        results_file.ResultsFile(tmp_path / "found.json", Describer())
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        results_file.ResultsFile(tmp_path / "none.json", Describer())

"""`CropResult`: files, pictures and dictionaries."""

import json

import numpy as np
import pytest
from PIL import Image

from cagic_tf import results
from cagic_tf.batch import records
from cagic_tf.method.search import Losses, Path, Step
from cagic_tf.photos import reading
from tests import odd_files

BEST = results.Candidate((7, 5, 40, 30), (0.1, 0.1, 0.7, 0.8), (0, 0), 0.6, {"total": 1.0}, "a dog")
OTHER = results.Candidate((0, 0, 20, 15), (0, 0, 0.3, 0.4), (-1, -1), 0.3, {"total": 2.0}, "a cat")


def made(source, **changes):
    step = Step(0.6, np.zeros(2), Losses(1), *(np.zeros(1),) * 4, 1)
    fields = {
        "matched_words": {"captioner": ["dog"], "lexicon": {}},
        "unknown_words": {"dogg": ("dog",)},
        "evaluations": 5,
        "seconds": 0.5,
        "seed": 3,
        "checkpoints": {"sat": "00"},
        "photo": reading.read(source),
        "path": Path(np.array([0, 0, 0.6]), 1.0, [step], 5),
        "candidates": (BEST, OTHER),
        "source": source,
    }
    return results.CropResult(**vars(BEST), **(fields | changes))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(odd_files.encoded(odd_files.RGB, "JPEG", exif=odd_files.exif(Artist="me")))
    return path


def test_to_dict_is_a_line_of_the_results(photo):
    found = made(photo).to_dict()
    assert json.loads(json.dumps(found)) == found
    # A line has these besides: they are the row's, not the crop's.
    own = {"iou", "crop_file", "note", "photo", "saved_as"}
    assert set(found) == set(records.FIELDS[5:]) - own
    assert found["box"] == [7, 5, 40, 30] and found["unknown_words"] == {"dogg": ["dog"]}
    assert [each["box"] for each in found["candidates"]] == [[7, 5, 40, 30], [0, 0, 20, 15]]
    assert found["candidates"][1]["loss"] == {"total": 2.0} and found["shape"] == "original"


@pytest.mark.parametrize("ending", [".jpg", ".JPEG", ".png", ".webp", ".tif", ".tiff", ".bmp"])
def test_save(photo, tmp_path, ending):
    result = made(photo)
    result.save(tmp_path / f"crop{ending}")
    with Image.open(tmp_path / f"crop{ending}") as crop:
        assert crop.size == (40, 30)
        difference = np.asarray(crop.convert("RGB")).astype(int) - result.crop
        assert np.abs(difference).mean() < 9
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"crop{ending}", "photo.jpg"]


def test_save_metadata_candidates_sizes_and_arrays(photo, tmp_path):
    target = tmp_path / "crop.jpg"
    made(photo).save(target)
    assert b"me" in Image.open(target).info["exif"]
    made(photo).save(target, strip_metadata=True)
    assert "exif" not in Image.open(target).info
    made(photo).save(target, candidate=1)
    assert Image.open(target).size == (20, 15)
    made(photo, shape="80x60", size=(80, 60)).save(target)
    assert Image.open(target).size == (80, 60)
    made(photo, shape="a name of their own", size=(60, 20)).save(target)  # A custom `Shape`.
    assert Image.open(target).size == (60, 20)
    pixels = reading.read(photo)
    made(pixels).save(tmp_path / "crop.png")
    np.testing.assert_array_equal(Image.open(tmp_path / "crop.png"), pixels[5:35, 7:47])


def test_save_refuses(photo, tmp_path):
    before = photo.read_bytes()
    with pytest.raises(ValueError, match="would replace its own photo"):
        made(photo).save(photo)
    with Image.open(photo) as opened, pytest.raises(ValueError, match="its own photo"):
        made(opened).save(photo)
    with pytest.raises(ValueError, match="'crop.txt': its ending must be one of .jpg"):
        made(photo).save(tmp_path / "crop.txt")
    for quality in (0, -1, 101, 500):
        with pytest.raises(ValueError, match=f"the quality is {quality}; 1 to 100 is accepted"):
            made(photo).save(tmp_path / "crop.jpg", quality=quality)
    for candidate in (-1, 2):
        with pytest.raises(ValueError, match=f"no candidate {candidate}; 0 to 1 are there"):
            made(photo).save(tmp_path / "crop.jpg", candidate=candidate)
    with pytest.raises(ValueError, match="no candidate 1; 0 to 0 are there"):
        made(photo, candidates=()).save(tmp_path / "crop.jpg", candidate=1)
    with pytest.raises(OSError):
        made(photo).save(tmp_path / "nowhere" / "crop.png")
    assert photo.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_overlay(photo):
    result = made(photo)
    picture = np.asarray(result.overlay())
    assert picture.shape == result.photo.shape
    assert (picture[5, 7:47] == 255).all()  # The crop's upper edge is white.
    np.testing.assert_array_equal(picture[-1, -1], result.photo[-1, -1] // 2)  # Darkened.

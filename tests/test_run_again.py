"""A second run on a finished folder: crops in another style, missing crops, replaced photos."""

import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from cagic_tf import run
from cagic_tf.batch import output_folder
from tests import fake_cropper, odd_files
from tests.fake_cropper import call, lines_of, three_photos


@pytest.fixture
def cropper(monkeypatch):
    return fake_cropper.install(monkeypatch)


def one_photo(tmp_path):
    """A photo with a secret in its EXIF, and what crops it."""
    exif = odd_files.exif(ImageDescription="a secret")
    (tmp_path / "a.jpg").write_bytes(odd_files.encoded(odd_files.RGB, "JPEG", exif=exif))
    return {"image": str(tmp_path / "a.jpg"), "caption": "x", "output_dir": str(tmp_path / "o")}


def names_of(directory):
    return {path.name for path in directory.iterdir()}


STYLES = [
    ({"strip_metadata": True}, "strip_metadata was False and is True now", "a-x_crop.jpg", "JPEG"),
    ({"format": "webp"}, "choice was same and is webp now", "a-x_crop.webp", "WEBP"),
    ({"quality": 10}, "quality was 95 and is 10 now", "a-x_crop.jpg", "JPEG"),
    ({"name": "{id}.best"}, "name was {id}_crop and is {id}.best now", "a-x.best.jpg", "JPEG"),
]


@pytest.mark.parametrize(("style", "said", "name", "kind"), STYLES)
def test_another_style_is_that_of_a_fresh_run_without_a_search(
    cropper, tmp_path, capsys, style, said, name, kind
):
    values, out = one_photo(tmp_path), tmp_path / "o"
    assert call(**values) == run.EXIT_OK
    assert b"a secret" in (out / "a-x_crop.jpg").read_bytes()
    assert call(**values | {"output_dir": str(tmp_path / "fresh")}, **style) == run.EXIT_OK
    calls = len(cropper.calls)
    capsys.readouterr()
    assert call(**values, **style) == run.EXIT_OK
    assert len(cropper.calls) == calls
    said_now = capsys.readouterr().out
    assert f"written again from known boxes, crops of 1 row: a-x: {said}" in said_now
    assert names_of(out) == names_of(tmp_path / "fresh")  # No crop of the old name is left.
    assert (out / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()
    with Image.open(out / name) as crop:
        assert (crop.format, crop.size) == (kind, (30, 20))
    assert lines_of(out) == lines_of(tmp_path / "fresh")
    if "strip_metadata" in style:
        assert b"a secret" not in (out / name).read_bytes()
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert call(**values, **style) == run.EXIT_OK  # Once more: nothing is left to do.
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert "written again" not in capsys.readouterr().out


def test_all_candidates_are_written_again_and_a_missing_one_brings_back_all(cropper, tmp_path):
    values, out = one_photo(tmp_path), tmp_path / "o"
    assert call(**values, candidates=3) == run.EXIT_OK
    first = [each["crop_file"] for each in lines_of(out)[0]["candidates"]]
    assert first == ["a-x_crop.jpg", "a-x_crop-2.jpg"]
    assert call(**values, candidates=3, format="png") == run.EXIT_OK
    second = [each["crop_file"] for each in lines_of(out)[0]["candidates"]]
    assert second == ["a-x_crop.png", "a-x_crop-2.png"]
    assert {name for name in names_of(out) if "_crop" in name} == set(second)
    with Image.open(tmp_path / "a.jpg") as photo, Image.open(out / second[1]) as crop:
        np.testing.assert_array_equal(crop, np.asarray(photo)[:20, 1:31])
    (out / second[1]).unlink()
    assert call(**values, candidates=3, format="png") == run.EXIT_OK
    assert (out / second[1]).exists() and len(cropper.calls) == 1


def test_a_missing_crop_comes_back_as_it_was(cropper, tmp_path, capsys):
    values, out = three_photos(tmp_path), tmp_path / "out"
    assert call(**values) == run.EXIT_OK
    results, crop = (out / output_folder.RESULTS).read_bytes(), (out / "b_crop.png").read_bytes()
    (out / "b_crop.png").unlink()
    capsys.readouterr()
    assert call(**values) == run.EXIT_OK
    assert "crops of 1 row: b: b_crop.png is missing" in capsys.readouterr().out
    assert (out / "b_crop.png").read_bytes() == crop and len(cropper.calls) == 3
    assert (out / output_folder.RESULTS).read_bytes() == results  # In its place, once.


def test_a_replaced_photo_is_cropped_again_and_a_copied_one_is_not(cropper, tmp_path, capsys):
    values, out = three_photos(tmp_path), tmp_path / "out"
    assert call(**values) == run.EXIT_OK
    os.utime(tmp_path / "a.png", ns=(5, 5))  # As a copy has it: another time, the same content.
    assert call(**values) == run.EXIT_OK and len(cropper.calls) == 3
    assert "photos were replaced" not in capsys.readouterr().out
    photo = np.random.default_rng(5).integers(0, 256, (24, 40, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "b.png")
    assert call(**values) == run.EXIT_OK and len(cropper.calls) == 4
    assert "cropped again since photos were replaced, 1 row: b: it had" in capsys.readouterr().out
    with Image.open(out / "b_crop.png") as crop:
        np.testing.assert_array_equal(crop, photo[:12, :20])
    lines = lines_of(out)
    assert [line["id"] for line in lines] == ["a", "b", "c"]
    assert lines[1]["box"] == [0, 0, 20, 12]
    content = (tmp_path / "b.png").read_bytes()
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert facts.items() <= lines[1]["photo"].items()


def test_a_photo_of_the_same_length_is_told_by_its_content(cropper, tmp_path, capsys):
    values = {"image": str(tmp_path / "a.bmp"), "caption": "x", "output_dir": str(tmp_path / "o")}
    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.bmp")
    assert call(**values) == run.EXIT_OK
    Image.new("RGB", (30, 20), "blue").save(tmp_path / "a.bmp")
    os.utime(tmp_path / "a.bmp", ns=(5, 5))
    assert call(**values, strip_metadata=True) == run.EXIT_OK and len(cropper.calls) == 2
    assert "a-x: its content is another" in capsys.readouterr().out
    with Image.open(tmp_path / "o" / "a-x_crop.bmp") as crop:
        assert crop.getpixel((0, 0)) == (0, 0, 255)


def test_what_cannot_be_written_again_is_an_error_of_this_run_alone(cropper, tmp_path, capsys):
    values, out = three_photos(tmp_path), tmp_path / "out"
    manifest = tmp_path / "rows.csv"
    manifest.write_text("id,image,caption\na,a.png,x\nb,b.png,x\n")
    values = {"manifest": str(manifest), "output_dir": str(out)}
    assert call(**values) == run.EXIT_OK
    before, photo = lines_of(out), (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").unlink()
    assert call(**values) == run.EXIT_OK  # Its crop is there, as it was asked for.
    assert call(**values, format="webp") == run.EXIT_SOME_FAILED
    assert "no photo at" in capsys.readouterr().err
    assert lines_of(out)[1] == before[1] and (out / "b_crop.png").exists()
    assert not (out / "a_crop.png").exists() and (out / "a_crop.webp").exists()
    (tmp_path / "b.png").write_bytes(b"broken")  # Replaced by what is no photo.
    assert call(**values, format="webp") == run.EXIT_SOME_FAILED
    assert lines_of(out)[1] == before[1] and (out / "b_crop.png").exists()
    (tmp_path / "b.png").write_bytes(photo)
    assert call(**values, format="webp") == run.EXIT_OK
    assert names_of(out) >= {"a_crop.webp", "b_crop.webp"} and len(cropper.calls) == 2


def test_files_of_others_stay_when_crops_get_other_names(cropper, tmp_path, capsys):
    values, out = one_photo(tmp_path), tmp_path / "o"
    assert call(**values) == run.EXIT_OK
    (out / "a-x_crop.webp").write_bytes(b"mine")
    assert call(**values, format="webp") == run.EXIT_NOTHING
    assert "is not of this run" in capsys.readouterr().err
    assert (out / "a-x_crop.webp").read_bytes() == b"mine" and (out / "a-x_crop.jpg").exists()
    assert call(**values, format="webp", overwrite=True) == run.EXIT_OK
    assert (out / "a-x_crop.webp").read_bytes()[8:12] == b"WEBP"
    assert not (out / "a-x_crop.jpg").exists()

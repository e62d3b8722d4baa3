"""The command where the search may choose the shape, and where it may not."""

import pytest
from PIL import Image

import cagic_tf
from cagic_tf import config, run
from cagic_tf.batch import output_folder
from cagic_tf.beyond import shapes
from cagic_tf.photos import drawing
from tests import fake_cropper, seeded
from tests.fake_cropper import call, lines_of, three_photos


@pytest.fixture
def cropper(monkeypatch):
    """One that takes no time, and chooses shapes as fast.gin does."""
    made = fake_cropper.install(monkeypatch)
    made.shape = shapes.FREE
    return made


def one(tmp_path):
    Image.new("RGB", (60, 40), (90, 60, 30)).save(tmp_path / "a.png")
    return {"image": str(tmp_path / "a.png"), "caption": "x", "output_dir": str(tmp_path / "out")}


def refused(capsys):
    """The one line that the command has said."""
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def test_rows_without_a_shape_have_the_croppers_own(cropper, tmp_path):
    values, out = three_photos(tmp_path), tmp_path / "out"
    assert call(**values) == run.EXIT_OK
    lines = lines_of(out)
    assert len(lines) == 3 and {line["shape"] for line in lines} == {"free"}
    assert not any("free" in line["id"] for line in lines)  # Ids say what was asked for alone.
    results = (out / output_folder.RESULTS).read_bytes()
    assert call(**values) == run.EXIT_OK and len(cropper.calls) == 3  # Nothing new.
    assert (out / output_folder.RESULTS).read_bytes() == results


def test_of_a_cropper_that_keeps_the_shape_rows_are_original(cropper, tmp_path):
    cropper.shape = shapes.ORIGINAL
    assert call(**one(tmp_path)) == run.EXIT_OK
    assert [line["shape"] for line in lines_of(tmp_path / "out")] == ["original"]


@pytest.mark.parametrize("size", [None, "20x10"])
def test_a_row_that_fails_has_its_shape_too(cropper, tmp_path, size):
    values = {**one(tmp_path), "caption": "crash", "size": size}
    assert call(**values) == run.EXIT_NOTHING
    (line,) = lines_of(tmp_path / "out")
    assert (line["status"], line["shape"]) == ("error", size or "free")


@pytest.mark.parametrize(
    ("first", "second"), [("original", None), (None, "original"), ("original", "original")]
)
def test_of_one_id_there_is_one_shape(cropper, tmp_path, capsys, first, second):
    values = three_photos(tmp_path)
    assert call(**values, aspect_ratio=first) == run.EXIT_OK
    before = (tmp_path / "out" / output_folder.RESULTS).read_bytes()
    capsys.readouterr()
    found = call(**values, aspect_ratio=second)
    assert (tmp_path / "out" / output_folder.RESULTS).read_bytes() == before
    if first == second:
        assert found == run.EXIT_OK
    else:
        assert found == run.EXIT_NOTHING and "choose another --output_dir" in refused(capsys)


def test_each_shape_that_is_asked_for_has_its_own_row(cropper, tmp_path):
    values, out = one(tmp_path), tmp_path / "out"
    assert call(**values, aspect_ratio="Free, original,1:1") == run.EXIT_OK
    found = {line["id"]: (line["shape"], line["crop_file"]) for line in lines_of(out)}
    assert found == {
        "a-x-free": ("free", "a-x-free_crop.png"),
        "a-x": ("original", "a-x_crop.png"),
        "a-x-1x1": ("1:1", "a-x-1x1_crop.png"),
    }
    assert all((out / name).exists() for _, name in found.values())


@pytest.mark.parametrize("given", ["free", "original,free", "1:1,FREE"])
def test_a_free_shape_that_nobody_chooses_is_a_line(cropper, tmp_path, capsys, given):
    cropper.shape = shapes.ORIGINAL
    assert call(**one(tmp_path), aspect_ratio=given) == run.EXIT_NOTHING == 1
    assert shapes.KEEPS_SHAPE in refused(capsys)
    assert cropper.calls == [] and not (tmp_path / "out").exists()


def test_the_papers_method_chooses_no_shape(tmp_path, capsys):
    values = {**one(tmp_path), "gin_file": ["paper.gin"], "aspect_ratio": "free"}
    assert call(**values) == run.EXIT_NOTHING
    assert shapes.KEEPS_SHAPE in refused(capsys)
    assert not (tmp_path / "out").exists()


def test_fast_gin_says_that_it_chose(tmp_path, monkeypatch):
    """With networks: what the line says is where the crop was cut."""
    seeded.write_grounder(tmp_path / "own")
    made = cagic_tf.load_cropper(
        "fast.gin",
        bindings=[
            f"Networks.grounder = '{tmp_path}/own'",
            "CoarseToFine.scan_scales = (0.6,)",
            "CoarseToFine.scan_centers = 1",
        ],
    )
    monkeypatch.setattr(config, "load_cropper", lambda *_, **__: made)
    monkeypatch.setattr(drawing, "has_matplotlib", lambda: False)
    assert call(**{**one(tmp_path), "caption": "a man"}) == run.EXIT_OK
    (line,) = lines_of(tmp_path / "out")
    assert line["shape"] == "free" and line["id"] == "a-a-man"
    with Image.open(tmp_path / "out" / line["crop_file"]) as crop:
        assert list(crop.size) == line["box"][2:]

"""What the command takes of real folders, with a cropper that takes no time."""

import pytest
from PIL import Image

from cagic_tf import run
from tests import fake_cropper, odd_files
from tests.fake_cropper import call, lines_of


@pytest.fixture
def cropper(monkeypatch):
    return fake_cropper.install(monkeypatch)


def fill(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(odd_files.encoded(odd_files.RGB, "PNG"))


def test_a_folder_with_other_files_ends_well(cropper, tmp_path, capsys):
    fill(tmp_path / "photos" / "a.png", tmp_path / "photos" / "b.png")
    for name in ("Thumbs.db", "a.json", "a.xmp", "clip.mp4", "a.npz"):
        (tmp_path / "photos" / name).write_bytes(b"\0\1\2\3")
    (tmp_path / "photos" / "a.txt").write_text("a dog")
    (tmp_path / "photos" / "b.TXT").write_text("a cat")
    values = {"images": str(tmp_path / "photos" / "*"), "captions_from": "sidecar"}
    assert call(**values, output_dir=str(tmp_path / "out")) == run.EXIT_OK
    assert cropper.calls == ["a dog", "a cat"]
    printed = capsys.readouterr().out
    assert printed.count("left out") == 1 and "2 rows, 0 errors" in printed
    assert "left out 5 files not read as photos: 1 .db, 1 .json, 1 .npz, 1 .xmp, 1 .mp4" in printed


def test_single_photos_of_one_name_share_a_folder(cropper, tmp_path):
    long = "a dog " * 20
    given = [(f"{folder}/a.png", "x") for folder in ("one", "two")]
    given += [("one/a.png", long + "left"), ("one/a.png", long + "right"), ("one/Zürich.png", "x")]
    given += [("one/写真.png", "x"), ("one/猫.png", "x"), ("one/🐶.png", "x"), ("one/🐱.png", "x")]
    out = tmp_path / "out"
    fill(*(tmp_path / image for image, _ in given))

    def crop_all():
        for image, caption in given:
            values = {"image": str(tmp_path / image), "caption": caption}
            assert call(**values, output_dir=str(out)) == run.EXIT_OK

    crop_all()
    lines = lines_of(out)
    assert [(line["image"], line["caption"]) for line in lines] == [
        (str(tmp_path / image), caption) for image, caption in given
    ]
    ids = [line["id"] for line in lines]
    assert len(set(ids)) == len(given) and ids[0] == "a-x" and ids[1].startswith("a-x-")
    assert ids[4:7] == ["Zürich-x", "写真-x", "猫-x"]
    for line in lines:
        with Image.open(out / line["crop_file"]) as crop:
            assert crop.size == (30, 20)
    crop_all()  # Nothing new.
    assert lines_of(out) == lines and len(cropper.calls) == len(given)


def test_one_relative_path_from_two_folders(cropper, tmp_path, monkeypatch):
    """Each photo has an id of its own; one that was moved with its results goes on with its id."""
    for folder, colour in (("one", "red"), ("two", "blue")):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (60, 40), colour).save(tmp_path / folder / "a.png")

    def crop(folder):
        monkeypatch.chdir(tmp_path / folder)
        assert call(image="a.png", caption="x", output_dir=str(tmp_path / "out")) == run.EXIT_OK

    for folder in ("one", "two", "one", "two"):
        crop(folder)
    lines = lines_of(tmp_path / "out")
    assert len(cropper.calls) == len(lines) == 2
    for line, colour in zip(lines, ((255, 0, 0), (0, 0, 255)), strict=True):
        with Image.open(tmp_path / "out" / line["crop_file"]) as crop_of:
            assert crop_of.getpixel((0, 0)) == colour
    (tmp_path / "one").rename(tmp_path / "moved")
    crop("moved")
    assert lines_of(tmp_path / "out") == lines
    Image.new("RGB", (60, 40), "green").save(tmp_path / "two" / "a.png")  # Replaced, not another.
    crop("two")
    assert [line["id"] for line in lines_of(tmp_path / "out")] == [line["id"] for line in lines]


def test_a_folder_stands_for_its_photos(cropper, tmp_path):
    fill(tmp_path / "[1] *" / "a.png", tmp_path / "[1] *" / "below" / "b.png")
    values = {"images": str(tmp_path / "[1] *"), "caption": "x"}
    assert call(**values, output_dir=str(tmp_path / "out")) == run.EXIT_OK
    assert [line["id"] for line in lines_of(tmp_path / "out")] == ["a"]


def test_no_home_folder_of_that_name(cropper, tmp_path, capsys):
    values = {"image": "~nobody-here/a.png", "caption": "x"}
    assert call(**values, output_dir=str(tmp_path / "out")) == run.EXIT_NOTHING
    assert capsys.readouterr().err == "error: no photo at ~nobody-here/a.png\n"


def test_an_error_of_another_caption_is_replaced(cropper, tmp_path):
    fill(tmp_path / "a.png")
    values = {"image": str(tmp_path / "a.png"), "output_dir": str(tmp_path / "out")}
    assert call(**values, caption="crash") == run.EXIT_NOTHING
    assert call(**values, caption="crash!") == run.EXIT_OK  # Its id is the same.
    assert [line["id"] for line in lines_of(tmp_path / "out")] == ["a-crash"]


@pytest.mark.parametrize("flag", ["image", "images", "manifest"])
def test_the_home_folder(cropper, tmp_path, monkeypatch, flag):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    fill(tmp_path / "home" / "a.png")
    (tmp_path / "home" / "rows.jsonl").write_text('{"image": "~/a.png", "caption": "x"}')
    values = {"image": {"image": "~/a.png", "caption": "x"}}
    values |= {"images": {"images": "~/*.png", "caption": "x"}}
    values |= {"manifest": {"manifest": "~/rows.jsonl"}}
    assert call(**values[flag], output_dir="~/out") == run.EXIT_OK
    (line,) = lines_of(tmp_path / "home" / "out")
    assert (tmp_path / "home" / "out" / line["crop_file"]).exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []

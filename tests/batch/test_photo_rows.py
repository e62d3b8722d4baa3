import os

import pytest

from cagic_tf.batch import manifest, photo_rows
from tests import odd_files
from tests.odd_files import RGB, encoded


def fill(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(RGB, "PNG"))


def test_one_caption_for_all_in_the_order_of_paths(tmp_path):
    fill(tmp_path, "b.png", "a b.jpg", "sub/c.png", "sub/sub/d.png")
    rows = photo_rows.from_pattern(str(tmp_path / "*"), "a dog")
    assert [(row.id, row.path, row.caption, row.problem) for row in rows] == [
        ("a-b", tmp_path / "a b.jpg", "a dog", ""),
        ("b", tmp_path / "b.png", "a dog", ""),
    ]
    assert [row.image for row in rows] == [str(row.path) for row in rows]
    rows = photo_rows.from_pattern(str(tmp_path / "**" / "*.png"), "a dog")
    assert [row.id for row in rows] == ["b", "sub-c", "sub-sub-d"]


def test_ids_are_unique_and_stay(tmp_path):
    fill(tmp_path, "a.png", "a.jpg", "写真.jpg", "猫.jpg", "x.jpg")
    pattern = str(tmp_path / "*")
    first = {row.image: row.id for row in photo_rows.from_pattern(pattern, "a dog")}
    assert len(set(first.values())) == 5
    assert all(name == manifest.safe_name(name) for name in first.values())
    assert first[str(tmp_path / "x.jpg")] == "x"
    fill(tmp_path, "0.jpg", "犬.jpg")
    again = {row.image: row.id for row in photo_rows.from_pattern(pattern, "a dog")}
    assert first.items() <= again.items()


def test_sidecars(tmp_path):
    fill(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")
    (tmp_path / "a.txt").write_text("\ufeffa dog\non grass\n", encoding="utf-8")
    (tmp_path / "b.jpg.txt").write_text("café", encoding="utf-8")
    (tmp_path / "c.txt").write_text(" \n")
    (tmp_path / "d.txt").write_bytes(b"caf\xe9")
    rows = photo_rows.from_pattern(str(tmp_path / "*"), None, "sidecar")
    assert [row.id for row in rows] == ["a", "b", "c", "d", "e"]
    assert [row.caption for row in rows] == ["a dog on grass", "café", "", "", ""]
    assert [bool(row.problem) for row in rows] == [False, False, True, True, True]
    assert "cannot read the caption" in rows[3].problem
    assert f"no caption for {tmp_path / 'e.jpg'}" in rows[4].problem and "e.txt" in rows[4].problem
    assert not any("\n" in row.problem for row in rows)


def test_captions_in_photos(tmp_path):
    exif = odd_files.exif(ImageDescription="a dog")
    (tmp_path / "a.jpg").write_bytes(encoded(RGB, "JPEG", exif=exif))
    fill(tmp_path, "b.jpg")
    (tmp_path / "c.jpg").write_bytes(b"broken")
    rows = photo_rows.from_pattern(str(tmp_path / "*.jpg"), None, "photo")
    assert [row.caption for row in rows] == ["a dog", "", ""]
    assert "no caption for" in rows[1].problem and "EXIF" in rows[1].problem
    assert "cannot read" in rows[2].problem


def test_the_output_folder_is_left_out(tmp_path):
    fill(tmp_path, "a.png", "out/a_crop.png", "out/deep/b.png")
    rows = photo_rows.from_pattern(str(tmp_path / "**/*.png"), "x", output_dir=tmp_path / "out")
    assert [row.id for row in rows] == ["a"]
    with pytest.raises(manifest.ManifestError, match="output folder are left out"):
        photo_rows.from_pattern(str(tmp_path / "*.png"), "x", output_dir=tmp_path)


def test_no_photo(tmp_path):
    with pytest.raises(manifest.ManifestError, match="no photo matches"):
        photo_rows.from_pattern(str(tmp_path / "*.jpg"), "x")
    with pytest.raises(manifest.ManifestError, match=r"photos/\*"):
        photo_rows.from_pattern(str(tmp_path), "x")


def test_names_with_brackets_and_bytes_that_are_no_text(tmp_path):
    fill(tmp_path, "a[1].png")
    (row,) = photo_rows.from_pattern(str(tmp_path / "a[1].png"), "x")
    assert (row.id, row.path) == ("a-1", tmp_path / "a[1].png")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    try:
        with open(odd, "wb") as file:
            file.write(encoded(RGB, "PNG"))
    except OSError:
        pytest.skip("this file system has no such names")
    row = photo_rows.from_pattern(str(tmp_path / "caf*"), "x")[0]
    assert row.image.encode() and row.path.exists() and row.id == "caf"

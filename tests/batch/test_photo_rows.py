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
    (tmp_path / "d.txt").write_bytes("собака".encode("cp1251"))
    rows = photo_rows.from_pattern(str(tmp_path / "*"), None, "sidecar")
    assert [row.id for row in rows] == ["a", "b", "c", "d", "e"]
    assert [row.caption for row in rows] == ["a dog on grass", "café", "", "", ""]
    assert [bool(row.problem) for row in rows] == [False, False, True, True, True]
    assert "cannot read the caption" in rows[3].problem and "in d.txt" in rows[3].problem
    assert "encoding is not known (UTF-8, UTF-16 and Windows-1252 are read)" in rows[3].problem
    assert f"no caption for {tmp_path / 'e.jpg'}" in rows[4].problem and "e.txt" in rows[4].problem
    assert not any("\n" in row.problem for row in rows)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", "\ufeffa café dog".encode("utf-16-le")),
        ("a.txt", "\ufeffa café dog".encode("utf-16-be")),
        ("a.txt", "a café dog".encode("utf-16-le")),
        ("a.txt", "a café dog".encode("utf-16-be")),
        ("a.txt", "a café dog".encode("utf-32")),
        ("a.txt", "a café dog\r\n".encode("cp1252")),
        ("a.TXT", "a café dog".encode()),
        ("a.jpg.TXT", "a café dog".encode()),
        ("a.caption", "a café dog".encode()),
    ],
)
def test_sidecars_of_other_programs(tmp_path, name, data):
    fill(tmp_path, "a.jpg")
    (tmp_path / name).write_bytes(data)
    said = []
    (row,) = photo_rows.from_pattern(str(tmp_path / "*"), None, "sidecar", say=said.append)
    assert (row.path.name, row.caption, row.problem) == ("a.jpg", "a café dog", "")
    assert said == []


def test_of_two_sidecars_the_first_that_says_something_counts(tmp_path):
    fill(tmp_path, "a.jpg", "b.jpg")
    for name, written in {
        "a.txt": "one",
        "a.jpg.txt": "two",
        "b.txt": "",
        "b.jpg.txt": "3",
    }.items():
        (tmp_path / name).write_text(written)
    rows = photo_rows.from_pattern(str(tmp_path / "*"), None, "sidecar")
    assert [row.caption for row in rows] == ["one", "3"]


def test_files_that_are_no_photos_are_left_out_and_counted(tmp_path):
    fill(tmp_path, "a.jpg", "without_an_ending", "b.upload", "d.JPG", "deep/e.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"")
    (tmp_path / "photo.HEIC").write_bytes(b"perhaps")
    for name in ("Thumbs.db", "a.json", "b.json", "a.xmp", "c.mp4", "a.npz", "README", "z.txt"):
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypmp42")
    (tmp_path / "a.txt").write_text("a dog")
    said = []
    rows = photo_rows.from_pattern(str(tmp_path / "*"), None, "sidecar", say=said.append)
    names = ["a.jpg", "b.upload", "broken.jpg", "d.JPG", "photo.HEIC", "without_an_ending"]
    assert [row.path.name for row in rows] == names
    (line,) = said
    assert line.startswith("left out 8 files not read as photos: 2 .json, 1 without an ending")
    assert line.endswith("1 other") and "1 .db" in line
    photo_rows.from_pattern(str(tmp_path / "*.jpg"), None, "sidecar", say=said.append)
    assert len(said) == 1  # There was nothing.


def test_endings_in_capitals(tmp_path):
    fill(tmp_path, "a.jpg", "b.JPG", "c.Jpg", "d.png", "sub/e.JPG", "JPG")
    for pattern in ("*.jpg", "*.JPG"):
        rows = photo_rows.from_pattern(str(tmp_path / pattern), "x")
        assert [row.path.name for row in rows] == ["a.jpg", "b.JPG", "c.Jpg"]
    rows = photo_rows.from_pattern(str(tmp_path / "**/?.jpg"), "x")
    assert [row.id for row in rows] == ["a", "b", "c", "sub-e"]
    rows = photo_rows.from_pattern(str(tmp_path / "[ab].*"), "x")
    assert [row.id for row in rows] == ["a", "b"]


def test_what_a_mac_keeps_beside_a_photo_is_none(tmp_path):
    fill(tmp_path, "a.jpg", "._b.jpg")
    (tmp_path / "._a.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    rows = photo_rows.from_pattern(str(tmp_path / ".*"), "x")
    assert [row.path.name for row in rows] == ["._b.jpg"]
    (tmp_path / "._b.jpg").unlink()
    with pytest.raises(manifest.ManifestError, match="matches 1 file not read as photos: 1 .jpg"):
        photo_rows.from_pattern(str(tmp_path / ".*"), "x")


def test_a_link_to_a_folder_above_gives_each_photo_once(tmp_path):
    fill(tmp_path, "photos/a.jpg", "photos/sub/b.jpg", "others/c.jpg", ".hidden/d.jpg")
    for link, target in {"up": "..", "sub/round": "..", "sub/self": ".", "here": "."}.items():
        (tmp_path / "photos" / link).symlink_to(target, target_is_directory=True)
    for link, target in {"1st": "sub", "2nd": "sub", "sub/c": "../../others"}.items():
        (tmp_path / "photos" / link).symlink_to(target, target_is_directory=True)
    (tmp_path / "photos" / "1st.jpg").symlink_to("a.jpg")
    for pattern in ("photos/**/*.jpg", "photos/**", "pho*/**/*.jpg", "photos/**/**/*.jpg"):
        rows = photo_rows.from_pattern(str(tmp_path / pattern), "x")
        found = [row.path.relative_to(tmp_path / "photos").as_posix() for row in rows]
        assert found == ["1st.jpg", "a.jpg", "sub/b.jpg", "sub/c/c.jpg"], pattern
    rows = photo_rows.from_pattern(str(tmp_path / "photos/*/*.jpg"), "x")
    assert [row.path.parent.name for row in rows if row.path.name == "b.jpg"] == ["sub"]
    rows = photo_rows.from_pattern(str(tmp_path / "photos/1st/*.jpg"), "x")  # Asked for.
    assert [row.image for row in rows] == [str(tmp_path / "photos/1st/b.jpg")]


def test_folders_with_brackets_and_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path, "trip [2024]/a.jpg", "trip [2024]/sub/b.jpg")
    for pattern in (str(tmp_path / "trip [2024]/**/*.jpg"), "~/trip [2024]/**/*.jpg"):
        rows = photo_rows.from_pattern(pattern, "x")
        assert [(row.id, row.path) for row in rows] == [
            ("a", tmp_path / "trip [2024]/a.jpg"),
            ("sub-b", tmp_path / "trip [2024]/sub/b.jpg"),
        ]
    monkeypatch.chdir(tmp_path / "trip [2024]")
    assert [row.image for row in photo_rows.from_pattern("**/*.jpg", "x")] == ["a.jpg", "sub/b.jpg"]


def test_names_of_other_scripts_stay_readable(tmp_path):
    fill(
        tmp_path, "Zürich.jpg", "Zu\u0308rich.jpg", "写真.jpg", "हिन्दी फ़ोटो.jpg", "🐶.jpg", "🐱.jpg"
    )
    ids = [row.id for row in photo_rows.from_pattern(str(tmp_path / "*"), "x")]
    assert len(set(ids)) == 6 and {"写真", manifest.safe_name("हिन्दी-फ़ोटो")} <= set(ids)
    assert sum(name.startswith("Zürich-") for name in ids) == 2  # Two files on Linux.
    assert sum(name.startswith("row-") for name in ids) == 2


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

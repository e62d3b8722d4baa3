import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cagic_tf.batch import manifest


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "photos.jsonl"
    path.write_text(text, encoding=encoding, newline="")
    return path


def line(**entry):
    return json.dumps({"image": "a.jpg", "caption": "a dog", **entry}) + "\n"


def error(path):
    with pytest.raises(manifest.ManifestError) as caught:
        manifest.read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_rows(tmp_path):
    text = (
        '{"image": "a.jpg", "caption": "A dog."}\n'
        "\n"
        '{"id": "second row", "image": "sub/b.png", "caption": "é", "crops": [[1, 2, 3, 4.5]]}\n'
        f'{{"id": 7, "image": "{Path("/elsewhere/c d.jpg").as_posix()}", "caption": ""}}'
    )
    assert manifest.read(write(tmp_path, text)) == [
        manifest.Row("0001-a", "a.jpg", tmp_path / "a.jpg", "A dog."),
        manifest.Row(
            "second-row", "sub/b.png", tmp_path / "sub" / "b.png", "é", ((1.0, 2.0, 3.0, 4.5),)
        ),
        manifest.Row("7", "/elsewhere/c d.jpg", Path("/elsewhere/c d.jpg"), ""),
    ]


def test_default_id_names_line_and_photo(tmp_path):
    rows = manifest.read(write(tmp_path, "\n" + line(image="x/my photo.jpg") + line()))
    assert [row.id for row in rows] == ["0002-my-photo", "0003-a"]


def test_windows_line_ends(tmp_path):
    rows = manifest.read(write(tmp_path, line().replace("\n", "\r\n") * 2))
    assert [row.id for row in rows] == ["0001-a", "0002-a"]


@pytest.mark.parametrize("character", ["\u2028", "\u0085", "\u000b", "\u00a0"])
@pytest.mark.parametrize("escape", [True, False])
def test_caption_with_unusual_white_space(tmp_path, character, escape):
    entry = {"image": "a.jpg", "caption": f"a{character}dog"}
    text = json.dumps(entry, ensure_ascii=escape)  # JSON escapes only what is below U+0020.
    (row,) = manifest.read(write(tmp_path, text))
    assert row.caption == entry["caption"]


@pytest.mark.parametrize("crops", [None, []])
def test_no_crops(tmp_path, crops):
    assert manifest.read(write(tmp_path, line(crops=crops)))[0].crops == ()


def test_several_crops(tmp_path):
    rows = manifest.read(write(tmp_path, line(crops=[[0, 0, 1, 1], [5.5, 6, 7, 8]])))
    assert rows[0].crops == ((0, 0, 1, 1), (5.5, 6, 7, 8))


def test_people(tmp_path):
    boxes = [[0, 0, 1, 1], [5.5, 6, 7, 8]]
    rows = manifest.read(write(tmp_path, line(people=boxes) + line(people=None) + line()))
    assert [row.people for row in rows] == [((0, 0, 1, 1), (5.5, 6, 7, 8)), (), ()]
    assert all(row.crops == () for row in rows)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("no json", "no JSON object"),
        ('{"image": "a.jpg", "caption": "a dog"', "no JSON object"),
        ('{"image": "a.jpg", "caption": "a dog"} {}', "no JSON object"),
        ("[]", '"image" and "caption"'),
        ("null", '"image" and "caption"'),
        ('"text"', '"image" and "caption"'),
        ("{}", '"image" and "caption"'),
        ('{"image": "a.jpg"}', '"image" and "caption"'),
        ('{"caption": "a dog"}', '"image" and "caption"'),
        (line(caption=None), '"image" and "caption"'),
        (line(image=5), '"image" and "caption"'),
        (line(image=["a.jpg"]), '"image" and "caption"'),
        (line(text="a dog", boxes=[]), "unknown keys ['boxes', 'text']"),
        (line(id=1.5), "1.5"),
        (line(id=["a"]), "['a']"),
        (line(id=True), "True"),
        (line(crops=5), "crops are 5"),
        (line(crops="box"), 'crops are "box"'),
        (line(crops=["1234"]), "crops are"),
        (line(crops={"x": 1}), "crops are"),
        (line(crops=[1, 2, 3, 4]), "crops are [1, 2, 3, 4]"),
        (line(crops=[[1, 2, 3]]), "crops are [[1, 2, 3]]"),
        (line(crops=[[1, 2, 3, 4, 5]]), "crops are"),
        (line(crops=[[1, 2, 3, "wide"]]), "crops are"),
        (line(crops=[[1, 2, 3, None]]), "crops are"),
        (line(crops=[[1, 2, 0, 4]]), "1 or more"),
        (line(crops=[[1, 2, 3, -4]]), "1 or more"),
        (line(crops=[[1, 2, 3, 4], [1, 2, 3, 0]]), "1 or more"),
        (line(crops=[[0, 0, float("nan"), 4]]), "crops are"),
        (line(crops=[[float("nan"), 0, 3, 4]]), "crops are"),
        (line(crops=[[0, 0, float("inf"), 4]]), "crops are"),
        (line(people="everybody"), 'people are "everybody"'),
        (line(people=[[1, 2, 3, 0]]), "people are [[1, 2, 3, 0]]"),
    ],
)
def test_bad_line(tmp_path, bad, said):
    path = write(tmp_path, line() + "\n" + bad.rstrip("\n") + "\n" + line())
    message = error(path)
    assert f"{path}, line 3:" in message
    assert said in message


@pytest.mark.parametrize(
    ("first", "second", "name"), [("x", "x", "'x'"), ("a b", "a-b", "'a-b'"), (7, "7", "'7'")]
)
def test_id_that_occurs_twice(tmp_path, first, second, name):
    message = error(write(tmp_path, line(id=first) + line() + line(id=second)))
    assert name in message and "twice" in message
    assert "line 3" in message


@pytest.mark.parametrize("text", ["", "\n", "  \n\t\n"])
def test_no_rows(tmp_path, text):
    assert "no rows" in error(write(tmp_path, text))


def test_missing_file(tmp_path):
    error(tmp_path / "nowhere.jsonl")


def test_folder(tmp_path):
    error(tmp_path)


def test_other_encoding(tmp_path):
    error(write(tmp_path, line(), encoding="utf-16"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dog", "a-dog"),
        ("  A_dog.2 ", "A_dog.2"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "row"),
        ("", "row"),
        ("é/ü", "é-ü"),
        ("dog, é cat", "dog-é-cat"),
        ("x" * 100, "x" * 80),
        ("x" * 79 + " y", "x" * 79),
        ("写" * 80, "写" * 40),
        ("Zu\u0308rich", "Zürich"),
        ("ไม้ไผ่ 2", "ไม้ไผ่-2"),
        ("a - b--c", "a---b--c"),
        ("\udce9 \ufffd", "row"),
        ("-rf", "rf"),
    ],
)
def test_safe_name(text, expected):
    assert manifest.safe_name(text) == expected == manifest.safe_name(expected)


def test_names_in_a_locale_of_few_letters():
    """Files cannot be named with others there; the command line is read as UTF-8."""
    code = (
        "import sys; from cagic_tf.batch import manifest; "
        "print(ascii(manifest.safe_name('Zürich')), ascii(manifest.printable(sys.argv[1])))"
    )
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code.replace("ü", "\\xfc"), "café".encode()],
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "'Z-rich' 'caf\\xe9'\n", done.stderr


def test_single():
    (row,) = manifest.single("folder/my photo.jpg", "A dog!")
    assert row == manifest.Row(
        "my-photo-A-dog", "folder/my photo.jpg", Path("folder/my photo.jpg"), "A dog!"
    )


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (row,) = manifest.single("~/a.jpg", "x")
    assert (row.id, row.image, row.path) == ("a-x", "~/a.jpg", tmp_path / "a.jpg")
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", line(image="~/a.jpg") + line(image="~x.jpg") + line(image="./~/b"))
    rows = manifest.read(Path("~/sub/photos.jsonl"))
    assert [row.path for row in rows] == [
        tmp_path / "a.jpg",
        tmp_path / "sub" / "~x.jpg",
        tmp_path / "sub" / "~" / "b",
    ]
    assert rows[0].image == "~/a.jpg"


def test_told_apart():
    # The first digits of SHA-256's own test vector: "a" gives ca978112ca1bbdca...
    assert manifest.told_apart("写" * 40, b"a") == "写" * 40 + "-ca978112"
    assert manifest.told_apart("dog", b"a") == "dog-ca978112" != manifest.told_apart("dog", b"b")
    assert manifest.told_apart("x" * 80, b"a") == "x" * 71 + "-ca978112"


def test_captions_that_are_not_needed(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"image": "a.jpg"}\n{"id": 2, "image": "b", "caption": "c"}')
    (tmp_path / "a.csv").write_text("image,id\na.jpg,0001-a\nb,2\n")
    for name in ("a.jsonl", "a.csv"):
        assert manifest.read(tmp_path / name, with_captions=False) == [
            manifest.Row("0001-a", "a.jpg", tmp_path / "a.jpg", None),
            manifest.Row("2", "b", tmp_path / "b", None),
        ]
        with pytest.raises(manifest.ManifestError, match='the texts "image" and "caption"'):
            manifest.read(tmp_path / name)


@pytest.mark.parametrize(
    "bad",
    ["[" * 100_000, line(crops=[[0, 0, 10**400, 5]]), '{"image": "a", "caption": "\\ud800"}']
    + ['{"image": "a\\u0000", "caption": "b"}', '{"id": ' + "9" * 5000 + "}"],
)
def test_lines_that_break_careless_readers(tmp_path, bad):
    assert len(error(write(tmp_path, bad))) < 1000


def test_shards_split_all_rows():
    rows = manifest.single("a.jpg", "x") * 10
    rows = [manifest.Row(str(n), "a", Path("a"), "x") for n in range(len(rows))]
    parts = [manifest.shard(rows, f"{part}/3") for part in (1, 2, 3)]
    assert [[row.id for row in part] for part in parts] == [
        ["0", "3", "6", "9"],
        ["1", "4", "7"],
        ["2", "5", "8"],
    ]
    assert manifest.shard(rows, "1/1") == rows and manifest.shard(rows, "11/11") == []


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1", "1/0", "-1/3", "1/3/5", "a/b", "1.5/2"])
def test_bad_shard(text):
    with pytest.raises(manifest.ManifestError, match="i/n"):
        manifest.shard([], text)

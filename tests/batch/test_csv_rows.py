"""Manifests that are CSV files, as spreadsheets write them."""

import pytest

from cagic_tf.batch import manifest


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_csv_of_a_spreadsheet(tmp_path, encoding):
    path = tmp_path / "photos.csv"
    text = (
        " Image ,Caption,Notes, id,,\r\n"
        '\ta.jpg , "a café, outside",mine,x,,\r\n'
        "b.jpg,a dog\r\n"
        "c.jpg ,a cat,,,,,,\r\n"
        ",,,,,\r\n"
        " ,\r\n"
        ",\r\n"
    )
    path.write_bytes(text.encode(encoding))
    assert manifest.read(path) == [
        manifest.Row("x", "a.jpg", tmp_path / "a.jpg", "a café, outside"),
        manifest.Row("0003-b", "b.jpg", tmp_path / "b.jpg", "a dog"),
        manifest.Row("0004-c", "c.jpg", tmp_path / "c.jpg", "a cat"),
    ]
    (tmp_path / "c.jpg ").write_bytes(b"")
    assert manifest.read(path)[2].path == tmp_path / "c.jpg "


@pytest.mark.parametrize("separator", ",;\t")
def test_other_separators_and_spaces_behind_quotes(tmp_path, separator):
    path = tmp_path / "photos.csv"
    lines = ['"image" ', '"caption"  '], ["a.jpg", '"a dog, a cat; ""x"" , y"  '], ["", ""]
    path.write_text("\n".join(separator.join(cells) for cells in lines))
    (row,) = manifest.read(path)
    assert (row.image, row.caption) == ("a.jpg", 'a dog, a cat; "x" , y')


def test_csv(tmp_path):
    path = tmp_path / "photos.CSV"
    path.write_text(
        "\ufeffcaption,image,crops,id\r\n"
        'a dog,a.jpg,"[[1, 2, 3, 4.5]]",\r\n'
        "\r\n"
        '"two, ""words""\nand a line",sub/b.png,,x y\r\n'
        ",c.jpg,[],7\r\n",
        encoding="utf-8",
        newline="",
    )
    assert manifest.read(path) == [
        manifest.Row("0002-a", "a.jpg", tmp_path / "a.jpg", "a dog", ((1, 2, 3, 4.5),)),
        manifest.Row("x-y", "sub/b.png", tmp_path / "sub/b.png", 'two, "words"\nand a line'),
        manifest.Row("7", "c.jpg", tmp_path / "c.jpg", ""),
    ]


def test_people_in_csv(tmp_path):
    path = tmp_path / "photos.csv"
    path.write_text('image,caption,people,crops\na.jpg,a,"[[1, 2, 3, 4]]","[[5, 6, 7, 8]]"\n')
    (row,) = manifest.read(path)
    assert (row.people, row.crops) == (((1, 2, 3, 4),), ((5, 6, 7, 8),))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the columns are []"),
        ("image|caption\na|b\n", "with commas, semicolons or tabs between"),
        ("image;caption\na.jpg\n", "line 2: 2 cells"),
        ("image,text\na,b\n", "accepted are"),
        ("image\na\n", "needed"),
        ("image,caption\n", "no rows"),
        ("image,caption\na.jpg\n", "line 2: 2 cells"),
        ("image,caption\na.jpg,a dog,more\n", "line 2: 2 cells"),
        ("image,caption\n,a dog\n", 'line 2: an object with the texts "image"'),
        ('image,caption\na.jpg,"a dog\n', "after line 1: unexpected end"),
        ("image,caption,crops\na.jpg,a dog,box\n", "line 2: crops are no JSON"),
        ('image,caption,crops\na.jpg,a dog,"[[1, 2]]"\n', "crops are [[1, 2]]"),
        ("image,caption,people\na.jpg,a dog,box\n", "line 2: people are no JSON"),
        ("image,caption,id\na.jpg,b,x\nc.jpg,d,x\n", "line 3: the id 'x' is line 2's"),
        ("image,caption,\na.jpg,a brown, big dog\n", "line 2: 2 cells"),
        ("image,caption, Image\na.jpg,a dog,b.jpg\n", "the column 'image' is there 2 times"),
        (",,\n \n", "the columns are []"),
    ],
)
def test_bad_csv(tmp_path, text, said):
    path = tmp_path / "photos.csv"
    path.write_text(text, newline="")
    with pytest.raises(manifest.ManifestError) as caught:
        manifest.read(path)
    assert said in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)

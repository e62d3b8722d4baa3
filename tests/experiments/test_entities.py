"""Flickr30k Entities, from files in the official form that are made here."""

import json

import pytest

from experiments import datasets
from experiments.data import entities
from experiments.data.annotations import DataError
from tests.experiments import commands, manifests
from tests.experiments.manifests import HEIGHT, WIDTH, error, object_of, run, write_entities

SENTENCES = """\
[/EN#11/people Two men] in [/EN#12/clothing red hats] stand in [/EN#13/scene a street] .
[/EN#0/notvisual It] is [/EN#14/other a long bench] near [/EN#15/people/clothing a man in a suit] .
[/EN#19/people He] watches [/EN#11/people two men] .
[/EN#11/people Men] and [/EN#14/other a bench] : [/EN#18/other a baby stroller] is not there .
[/EN#16/animals A dog] chases [/EN#17/animals a black dog] past [/EN#18/other a baby stroller]
""".splitlines()
# Of a file whose size is twice that of the photo at hand.
OBJECTS = (
    object_of(["11"], 1, 1, 40, 50),
    object_of(["11"], 61, 1, 80, 100),
    object_of(["12"], 11, 1, 20, 10),  # 0.5 % of the photo.
    object_of(["13"]),
    object_of(["14", "15", "19"], 101, 51, 200, 100),
    object_of(["16"], 1, 51, 100, 100),
    object_of(["17"], 1, 51, 60, 100),
    object_of(["18"], 81, 51, 111, 70),
)


@pytest.fixture
def release(tmp_path):
    """The folder with three photos, of which the last is not in `photos`."""
    folder = tmp_path / "entities"
    write_entities(folder, "1", SENTENCES, OBJECTS, (2 * WIDTH, 2 * HEIGHT))
    untyped = ["[/EN#1/other A child] on [/EN#2/other a swing] ."]
    boxes = [object_of(["1"], 2, 1, 100, 50), object_of(["2"], 0, 1, 200, 40)]
    write_entities(folder, "2", untyped, boxes, (300, 100))
    return write_entities(folder, "7", untyped, boxes, (300, 100))


@pytest.fixture
def split(tmp_path):
    """Photos with and without `.jpg`, one twice, one without annotations."""
    return manifests.write(tmp_path / "split.txt", "1\n2.jpg\n\n7\n1.jpg\n9\n")


def test_phrases(capsys, photos, release, split):
    given = {"annotations": release, "names": split, "rows": "phrases"}
    status, rows, printed = run(capsys, photos, "entities", **given)
    assert status == 0 and "9 rows, 2 photos, 9 crops" in printed
    assert "left out: 2 rows whose photo is not in --images" in printed
    # Not "red hats", too small, "a street", without a box, "He", which says nothing, and "A dog",
    # of which there are two.
    assert [(row.id, row.caption, row.crops) for row in rows] == [
        ("1-phrase-1", "Two men", ((0, 0, 40, 50),)),
        ("1-phrase-2", "a long bench", ((50, 25, 50, 25),)),
        ("1-phrase-3", "a man in a suit", ((50, 25, 50, 25),)),
        ("1-phrase-4", "Men", ((0, 0, 40, 50),)),
        ("1-phrase-5", "a bench", ((50, 25, 50, 25),)),
        ("1-phrase-6", "a baby stroller", ((40, 25, 15.5, 10),)),
        ("1-phrase-7", "a black dog", ((0, 25, 30, 25),)),
        ("2-phrase-1", "A child", ((0.33, 0, 33, 25),)),
        ("2-phrase-2", "a swing", ((0, 0, 66.67, 20),)),
    ]
    assert rows[0].image == "../photos/1.jpg" and rows[0].path.is_file()
    # Everybody's own box once, though "He" and "a man in a suit" share one; no stroller.
    everybody = ((0, 0, 20, 25), (30, 0, 10, 50), (50, 25, 50, 25))
    assert all(row.people == everybody for row in rows[:7])
    assert all(row.people == ((0.33, 0, 33, 25),) for row in rows[7:])


def test_parts_of_sentences(capsys, photos, release, split):
    given = {"annotations": release, "names": split, "rows": "parts"}
    _, rows, printed = run(capsys, photos, "entities", **given)
    assert "left out: 1 rows whose photo is not in --images" in printed
    # Not "Men and a bench", the whole photo.
    assert [(row.id, row.caption, row.crops) for row in rows] == [
        ("1-part-1", "Two men in red hats", ((0, 0, 40, 50),)),
        ("1-part-2", "a long bench near a man in a suit", ((50, 25, 50, 25),)),
        ("1-part-3", "a bench : a baby stroller", ((40, 25, 60, 25),)),
        ("1-part-4", "A dog chases a black dog", ((0, 25, 50, 25),)),
        ("1-part-5", "A dog chases a black dog past a baby stroller", ((0, 25, 55.5, 25),)),
        ("1-part-6", "a black dog past a baby stroller", ((0, 25, 55.5, 25),)),
        ("2-part-1", "A child on a swing", ((0, 0, 66.67, 25),)),
    ]


def test_a_photo_without_people_has_none_in_its_rows(capsys, photos, tmp_path, split):
    sentence = "[/EN#1/animals A dog] runs ."
    release = write_entities(tmp_path / "e", "1", [sentence], [object_of(["1"], 1, 1, 50, 50)])
    run(capsys, photos, "entities", annotations=release, names=split, rows="phrases")
    text = (tmp_path / "out" / "manifest.jsonl").read_text()
    assert json.loads(text) == {
        **{"id": "1-phrase-1", "image": "../photos/1.jpg", "caption": "A dog"},
        "crops": [[0, 0, 50, 50]],
    }


def test_sizes_that_a_description_may_have(tmp_path):
    sentence = "[/EN#1/other a cup] [/EN#2/other a dog] [/EN#3/other a car] [/EN#4/other a hat]"
    # 3 % of 100 x 50 pixels, 2.8 %, 60 %, 62 %.
    boxes = [(1, 1, 15, 10), (1, 1, 14, 10), (1, 1, 60, 50), (1, 1, 62, 50)]
    objects = [object_of([at], *box) for at, box in enumerate(boxes, 1)]
    (photo,) = entities.read(write_entities(tmp_path, "1", [sentence], objects), ["1_a.jpg"])
    assert photo.id == "1" and photo.name == "1_a.jpg" and photo.size == (WIDTH, HEIGHT)
    assert [found.text for found in entities.phrases(photo)] == ["a cup", "a car"]


def test_words_tell_people_from_things_only_where_no_type_does(tmp_path):
    objects = [object_of([at], at, 1, 50, 50) for at in (1, 2)]
    found = {}
    for kind in ("other", "animals"):
        sentence = f"[/EN#1/other A fan] cools [/EN#2/{kind} a dog] ."
        folder = write_entities(tmp_path / kind, "1", [sentence], objects)
        (photo,) = entities.read(folder, ["1.jpg"])
        found[kind] = entities.people(photo)
    assert found == {"other": [(0, 0, 0.5, 1)], "animals": []}


def test_a_tagged_line():
    line = (
        "  On [/EN#3/scene/other the beach] , [/EN#14/people a lady] walks [/EN#2/animals dogs] ."
    )
    found = entities.read_sentence(line)
    assert found.text == "On the beach , a lady walks dogs ."
    assert [(each.text, each.number, each.types) for each in found.phrases] == [
        ("the beach", "3", ("scene", "other")),
        ("a lady", "14", ("people",)),
        ("dogs", "2", ("animals",)),
    ]
    assert all(found.text[each.start : each.stop] == each.text for each in found.phrases)
    assert entities.read_sentence("No tag .") == ("No tag .", ())


def test_boxes_of_a_file(tmp_path):
    objects = [
        object_of(["5", "6"], 11, 6, 30, 20),
        object_of(["5"], 0, 1, 120, 50),  # Beyond the photo.
        object_of(["7"]),
    ]
    write_entities(tmp_path, "1", ["A photo ."], objects)
    size, boxes = entities.read_boxes(tmp_path / "Annotations" / "1.xml")
    assert size == (WIDTH, HEIGHT)
    assert boxes == {"5": ((0.1, 0.1, 0.3, 0.4), (0, 0, 1, 1)), "6": ((0.1, 0.1, 0.3, 0.4),)}


@pytest.mark.parametrize(
    ("replaced", "by"),
    [
        ("</annotation>", ""),
        ("<size>", "<no>"),
        ("<xmax>40</xmax>", ""),
        ("<xmax>40</xmax>", "<xmax>wide</xmax>"),
        ("<width>200</width>", "<width>0</width>"),
        ("<height>100</height>", ""),
    ],
)
def test_malformed_boxes(capsys, photos, release, split, replaced, by):
    path = release / "Annotations" / "1.xml"
    text = path.read_text()
    assert replaced in text
    path.write_text(text.replace(replaced, by))
    given = {"annotations": release, "names": split, "rows": "parts"}
    assert f"{path} is no annotation" in error(capsys, photos, "entities", **given)


def test_mistakes_of_the_user(capsys, photos, release, split, tmp_path):
    given = {"annotations": release, "names": split, "rows": "phrases"}
    for missing in ("names", "rows"):
        said = error(capsys, photos, "entities", **given | {missing: None})
        assert f"--{missing} goes with the kind entities" in said
    said = error(capsys, photos, "visual_genome", **given)
    assert "--names goes with the kind entities, and only with it" in said
    said = error(capsys, photos, "entities", **given | {"annotations": tmp_path})
    assert f"{tmp_path} has no folder Sentences: it is no Flickr30k Entities" in said
    said = error(capsys, photos, "entities", **given | {"names": tmp_path / "none.txt"})
    assert f"cannot read the names of photos in {tmp_path / 'none.txt'}" in said
    others = manifests.write(tmp_path / "others.txt", "55.jpg\n")
    said = error(capsys, photos, "entities", **given | {"names": others})
    assert f"annotations of no photo that {others} names" in said
    (release / "Sentences" / "1.txt").write_bytes(b"\xff")
    said = error(capsys, photos, "entities", **given)
    assert f"cannot read {release / 'Sentences' / '1.txt'}" in said


def test_flags_take_the_kinds_of_rows():
    assert commands.flags_of(datasets)["rows"].parser.enum_values == ["phrases", "parts"]


def test_no_folder_of_annotations(tmp_path):
    with pytest.raises(DataError, match="no folder Sentences"):
        list(entities.read(tmp_path, ["1.jpg"]))

"""Each kind of data set, from files in its official form that the tests make."""

import json
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cagic_tf.batch import manifest
from experiments import datasets
from experiments.data import annotations, coco_boxes

WIDTH, HEIGHT = 100, 50


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("1.jpg", "2.jpg", "COCO_train2014_000000000003.jpg"):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / name)
    return folder


def write(path, content):
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def run(capsys, photos, kind, **given):
    """Exit status, rows and what was printed."""
    output = photos.parent / "out" / "manifest.jsonl"
    defaults = dict.fromkeys(("annotations", "refs", "split", "count")) | {"seed": 0}
    given = defaults | {"images": [str(photos)], "output": str(output)} | given
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "FLAGS", types.SimpleNamespace(**given))
        status = datasets.main(["datasets", kind])
    rows = manifest.read(output) if status == 0 else None
    printed = capsys.readouterr()
    return status, rows, printed.out if status == 0 else printed.err


def error(capsys, photos, kind, **given):
    status, _, printed = run(capsys, photos, kind, **given)
    assert status == 1 and not (photos.parent / "out").exists()
    before, _, last = printed.rstrip("\n").rpartition("\n")
    assert last.startswith("error: ")
    assert not before or before.startswith("\rrows: ")  # A progress bar.
    return last


# The paper's form.

HEADER = "image,caption,annotator,x,y,w,h\n"


def paper_lines(*lines):
    return HEADER + "".join(line + "\n" for line in lines)


def test_paper(capsys, photos, tmp_path):
    people = "bdacfehg"  # Not in order, and not in the same order in both photos.
    lines = [f'1.jpg,"a cup, and a lamp",{name},{ord(name) - 97},2,30,20' for name in people]
    lines += [f"2.jpg,two dogs,{name},10,20,{30 + ord(name) - 97},10.5" for name in people[::-1]]
    path = write(tmp_path / "crops.csv", paper_lines(*lines))
    status, rows, printed = run(capsys, photos, "paper", annotations=path)
    assert status == 0 and "2 rows, 2 photos, 16 crops" in printed and "left out" not in printed
    assert [row.caption for row in rows] == ["a cup, and a lamp", "two dogs"]
    assert rows[0].crops == tuple((float(at), 2, 30, 20) for at in range(8))
    assert rows[1].crops == tuple((10, 20, 30 + at, 10.5) for at in range(8))
    assert [row.id for row in rows] == ["0001-1", "0002-2"]
    assert rows[0].image == "../photos/1.jpg" and rows[0].path.is_file()


def test_paper_with_two_captions_of_a_photo(capsys, photos, tmp_path):
    lines = paper_lines("1.jpg,a dog,x,0,0,5,5", "1.jpg,a cat,x,9,9,5,5")
    path = write(tmp_path / "crops.csv", lines)
    _, rows, printed = run(capsys, photos, "paper", annotations=path)
    assert [(row.caption, row.crops) for row in rows] == [
        ("a dog", ((0, 0, 5, 5),)),
        ("a cat", ((9, 9, 5, 5),)),
    ]
    assert "2 rows, 1 photos, 2 crops" in printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,caption,x,y,w\n1.jpg,a,1,2,3\n", "lacks the columns ['annotator', 'h']"),
        (paper_lines("1.jpg,a dog,1,0,0,x,5"), "line 2: x,y,w,h are 0,0,x,5"),
        (paper_lines("1.jpg,a dog,1,0,0,5,5", "2.jpg,a dog,1,0,0,5"), "line 3: x,y,w,h are 0,0,5,"),
        (paper_lines("1.jpg,a dog,1,0,0,0.5,5"), "w and h of 1 or more"),
        (paper_lines("1.jpg,a dog,1,0,nan,5,5"), "line 2"),
        (paper_lines(*["1.jpg,a dog,1,0,0,5,5"] * 2), "annotator '1' has a crop of 1.jpg already"),
        (
            paper_lines("1.jpg,a dog,1,0,0,5,5", "1.jpg,a dog,2,0,0,5,5", "2.jpg,a,2,0,0,5,5"),
            "no crop of 2.jpg ('a') by annotator '1'",
        ),
        (HEADER, "the data set is empty"),
        (HEADER + '1.jpg,"a dog,1,0,0,5,5\n', "no CSV file"),
    ],
)  # fmt: skip
def test_paper_malformed(capsys, photos, tmp_path, text, message):
    path = write(tmp_path / "crops.csv", text)
    assert message in error(capsys, photos, "paper", annotations=path)


# COCO's objects.


def instances(*boxes, images=None):
    """COCO's form; boxes are (image, category, bbox, crowd)."""
    names = {1: "1.jpg", 2: "2.jpg", 3: "COCO_train2014_000000000003.jpg"}
    images = images or [
        {"id": at, "file_name": name, "width": WIDTH, "height": HEIGHT}
        for at, name in names.items()
    ]
    categories = [{"id": 7, "name": "dog"}, {"id": 9, "name": "apple"}, {"id": 4, "name": "skis"}]
    found = [
        {"id": 50 + at, "image_id": image, "category_id": category, "bbox": bbox, "iscrowd": crowd}
        for at, (image, category, bbox, crowd) in enumerate(boxes)
    ]
    return {"images": images, "annotations": found, "categories": categories}


def test_coco_objects(capsys, photos, tmp_path):
    content = instances(
        (1, 7, [10, 10, 30, 20], 0),  # 12 %.
        (1, 9, [0, 0, 10, 14.9], 0),  # 2.98 %.
        (1, 4, [0, 0, 15, 10], 0),  # 3 %.
        (2, 7, [0, 0, 20, 20], 0),  # Two dogs.
        (2, 7, [50, 0, 20, 20], 0),
        (2, 9, [-10, 0, 70, 50], 0),  # 60 of 100 pixels across are left: 60 %.
        (3, 9, [-10, -5, 60, 55], 0),  # 50 of 100 across: 50 %.
        (3, 7, [0, 0, 50, 20], 0),  # One dog and a crowd of dogs.
        (3, 7, [0, 0, 50, 20], 1),
        (3, 4, [0, 0, 50, 20], 1),  # A crowd alone.
    )
    path = write(tmp_path / "instances.json", content)
    status, rows, printed = run(capsys, photos, "coco_objects", annotations=path)
    assert status == 0 and "3 rows, 2 photos, 3 crops" in printed
    assert [(row.id, row.caption, row.crops) for row in rows] == [
        ("1-skis", "a pair of skis", ((0, 0, 15, 10),)),
        ("1-dog", "a dog", ((10, 10, 30, 20),)),
        ("COCO_train2014_000000000003-apple", "an apple", ((0, 0, 50, 50),)),
    ]


def test_photos_that_are_missing_or_of_another_size(capsys, photos, tmp_path):
    images = [
        {"id": 1, "file_name": "1.jpg", "width": WIDTH, "height": HEIGHT},
        {"id": 2, "file_name": "2.jpg", "width": WIDTH + 1, "height": HEIGHT},
        {"id": 3, "file_name": "3.jpg", "width": WIDTH, "height": HEIGHT},
        {"id": 4, "file_name": "4.jpg", "width": WIDTH, "height": HEIGHT},
    ]
    write(photos / "4.jpg", "no photo")
    content = instances(*[(at, 7, [0, 0, 30, 30], 0) for at in (1, 2, 3, 4)], images=images)
    path = write(tmp_path / "instances.json", content)
    _, rows, printed = run(capsys, photos, "coco_objects", annotations=path)
    assert [row.id for row in rows] == ["1-dog"]
    assert "1 rows whose photo has another size than the annotations say" in printed
    assert "1 rows whose photo is not in --images" in printed
    assert "1 rows whose photo cannot be read" in printed


@pytest.mark.parametrize(
    "content",
    [
        "{",
        [],
        {"images": []},
        instances((8, 7, [0, 0, 30, 30], 0)),  # No such image.
        instances((1, 8, [0, 0, 30, 30], 0)),  # No such category.
        instances((1, 7, [0, 0, 30], 0)),
        instances((1, 7, [0, 0, 30, float("nan")], 0)),
        instances((1, 7, [0, 0, 30, "wide"], 0)),
    ],
)
def test_coco_objects_malformed(capsys, photos, tmp_path, content):
    path = write(tmp_path / "instances.json", content)
    assert str(path) in error(capsys, photos, "coco_objects", annotations=path)


def test_every_coco_category_with_an_a():
    named = {"airplane", "apple", "elephant", "orange", "oven", "umbrella"}
    assert all(coco_boxes.query(name) == f"an {name}" for name in named)
    assert coco_boxes.query("hair drier") == "a hair drier"
    assert coco_boxes.query("scissors") == "a pair of scissors"


# RefCOCO.


def refs():
    """The fields of the official refs(unc).p."""

    def sentences(*pairs):
        return [
            {"sent_id": number, "sent": text, "raw": text.upper(), "tokens": text.split()}
            for number, text in pairs
        ]

    name = "COCO_train2014_000000000003"
    common = {"file_name": f"{name}_1.jpg", "category_id": 7, "image_id": 3}
    return [
        {**common, "ref_id": 0, "ann_id": 50, "split": "testA", "sent_ids": [5, 6],
         "sentences": sentences((5, "left dog"), (6, "the small one"))},
        {**common, "ref_id": 1, "ann_id": 51, "split": "train", "sent_ids": [7],
         "sentences": sentences((7, "dog on the right"))},
        {**common, "ref_id": 2, "ann_id": 52, "split": "testA", "sent_ids": [8],
         "sentences": sentences((8, "nothing"))},
    ]  # fmt: skip


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_refcoco(capsys, photos, tmp_path, protocol):
    (tmp_path / "refs(unc).p").write_bytes(pickle.dumps(refs(), protocol))
    boxes = instances(
        (3, 7, [1.5, 2, 30, 20], 0), (3, 7, [60, 2, 60, 20], 0), (3, 7, [100, 0, 9, 9], 0)
    )
    given = {
        "annotations": write(tmp_path / "instances.json", boxes),
        "refs": tmp_path / "refs(unc).p",
    }
    _, rows, printed = run(capsys, photos, "refcoco", **given, split="testA")
    assert [(row.id, row.caption, row.crops) for row in rows] == [
        ("3-5", "left dog", ((1.5, 2, 30, 20),)),
        ("3-6", "the small one", ((1.5, 2, 30, 20),)),
    ]
    assert rows[0].path.name == "COCO_train2014_000000000003.jpg"
    assert "left out: 1 boxes beyond the photo or below one pixel" in printed
    _, rows, _ = run(capsys, photos, "refcoco", **given, split="train")
    assert [(row.id, row.crops) for row in rows] == [("3-7", ((60, 2, 40, 20),))]


def test_refcoco_malformed(capsys, photos, tmp_path):
    given = {
        "annotations": write(tmp_path / "instances.json", instances((3, 7, [1, 2, 30, 20], 0))),
        "refs": tmp_path / "refs.p",
    }
    given["refs"].write_bytes(pickle.dumps(refs()[:1]))
    said = error(capsys, photos, "refcoco", **given, split="val")
    assert "no split 'val'; it has ['testA']" in said
    assert "--split goes with" in error(capsys, photos, "refcoco", **given)
    assert "--refs goes with" in error(capsys, photos, "coco_objects", **given, split="val")
    given["refs"].write_bytes(pickle.dumps(refs()))  # Their boxes 51 and 52 are not there.
    assert "no RefCOCO file that fits" in error(capsys, photos, "refcoco", **given, split="train")
    for content in ({"a": 1}, [1], [{"split": 3}]):
        given["refs"].write_bytes(pickle.dumps(content))
        assert "refs.p" in error(capsys, photos, "refcoco", **given, split="3")


def test_plain_pickle_of_python_2(tmp_path):
    """Protocol 0 as Python 2 wrote it: byte strings, here in UTF-8."""
    data = b"(lp0\n(dp1\nS'raw'\np2\nS'a caf\\xc3\\xa9'\np3\nsS'id'\np4\nI7\nsa."
    (tmp_path / "old.p").write_bytes(data)
    assert coco_boxes.read_pickle(tmp_path / "old.p") == [{"raw": "a café", "id": 7}]


class Evil:
    def __init__(self, call):
        self._call = call

    def __reduce__(self):
        return self._call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_malicious_pickle(capsys, photos, tmp_path, protocol):
    marker = tmp_path / "owned"
    content = refs()
    content[0]["split"] = Evil((os.mkdir, (str(marker),)))
    given = {
        "annotations": write(tmp_path / "instances.json", instances((3, 7, [1, 2, 30, 20], 0))),
        "refs": tmp_path / "refs.p",
    }
    given["refs"].write_bytes(pickle.dumps(content, protocol))
    said = error(capsys, photos, "refcoco", **given, split="testA")
    assert "no pickle of plain data: it names " in said and "mkdir" in said
    assert not marker.exists()
    pickle.loads(given["refs"].read_bytes())  # It would have worked.
    assert marker.exists()


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Evil((eval, ("1 + 1",)))),
        pickle.dumps(np.float64(1)),  # Numbers, but of a class.
        pickle.dumps({"a": complex(1, 2)}),
        b"(S'touch owned'\nios\nsystem\n.",  # INST.
        b"(cos\nsystem\nS'touch owned'\no.",  # OBJ.
        b"\x80\x02\x82\x01.",  # EXT1.
        b"Pname\n.",  # PERSID.
        b"}}(S'__class__'\nS'x'\nub.",
        pickle.dumps(refs())[:-10],
        b"",
        b"plain text",
    ],
)  # fmt: skip
def test_pickles_that_are_refused(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "refs.p").write_bytes(data)
    with pytest.raises(annotations.DataError, match="no pickle of plain data") as caught:
        coco_boxes.read_pickle(tmp_path / "refs.p")
    assert "\n" not in str(caught.value) and not (tmp_path / "owned").exists()


# Visual Genome.


def regions(*boxes, image=1):
    return {
        "id": image,
        "regions": [
            {"region_id": 100 * image + at, "image_id": image, "phrase": phrase,
             "x": x, "y": y, "width": w, "height": h}
            for at, (phrase, x, y, w, h) in enumerate(boxes)
        ],
    }  # fmt: skip


def test_visual_genome(capsys, photos, tmp_path):
    other = tmp_path / "VG_100K_2"
    other.mkdir()
    (photos / "2.jpg").rename(other / "2.jpg")
    content = [
        regions(("a red sky", -5, -5, 60, 30), (" ", 0, 0, 5, 5), ("a cup", 90, 0, 10, 0)),
        regions(("the clock.", 10, 20, 30, 40), image=2),
        regions(("lost", 10, 20, 30, 40), image=77),
    ]
    path = write(tmp_path / "region_descriptions.json", content)
    folders = [str(photos), str(other)]
    _, rows, printed = run(capsys, photos, "visual_genome", annotations=path, images=folders)
    assert [(row.id, row.caption, row.crops) for row in rows] == [
        ("1-100", "a red sky", ((0, 0, 55, 25),)),
        ("2-200", "the clock.", ((10, 20, 30, 30),)),
    ]
    assert rows[1].image == "../VG_100K_2/2.jpg" and rows[1].path.is_file()
    for reason in ("1 rows without a caption", "1 rows whose photo is not", "1 boxes beyond"):
        assert reason in printed


def test_count_draws_the_same_rows_in_order(capsys, photos, tmp_path):
    boxes = [(f"phrase {at}", at, 0, 10, 10) for at in range(90)]
    boxes += [(f"outside {at}", 200, 0, 10, 10) for at in range(90)]
    path = write(tmp_path / "regions.json", [regions(*boxes)])
    drawn = [
        [row.caption for row in run(capsys, photos, "visual_genome", **given)[1]]
        for given in [{"annotations": path, "count": 20, "seed": seed} for seed in (0, 0, 1)]
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    numbers = [int(caption.split()[1]) for caption in drawn[0]]
    assert len(numbers) == 20 and numbers == sorted(numbers) and max(numbers) > 40
    _, rows, _ = run(capsys, photos, "visual_genome", annotations=path, count=1000)
    assert len(rows) == 90  # All that there are.


@pytest.mark.parametrize("content", ["", {"regions": []}, [{"id": 1}], [{"regions": [{"x": 1}]}]])
def test_visual_genome_malformed(capsys, photos, tmp_path, content):
    path = write(tmp_path / "regions.json", content)
    assert str(path) in error(capsys, photos, "visual_genome", annotations=path)


# What all kinds share.


def test_errors_of_the_command(capsys, photos, tmp_path):
    path = write(tmp_path / "regions.json", [regions(("a cup", 0, 0, 9, 9))])
    nowhere = tmp_path / "nowhere"
    assert "no data set of the kind 'flickr'" in error(capsys, photos, "flickr", annotations=path)
    assert "cannot read" in error(capsys, photos, "visual_genome", annotations=nowhere)
    said = error(capsys, photos, "visual_genome", annotations=path, images=[str(nowhere)])
    assert f"--images={nowhere} is no folder" in said
    twice = write(tmp_path / "twice.json", [regions(("a cup", 0, 0, 9, 9))] * 2)
    said = error(capsys, photos, "visual_genome", annotations=twice)
    assert "the id '1-100' occurs 2 times" in said
    (tmp_path / "file").touch()
    said = error(capsys, photos, "visual_genome", annotations=path, output=tmp_path / "file" / "m")
    assert "cannot write" in said


def test_the_command_itself(photos, tmp_path):
    path = write(tmp_path / "regions.json", [regions(*[("a cup", 0, 0, 9, 9)] * 3)])
    command = [sys.executable, "-m", "experiments.datasets", f"--annotations={path}"]
    command += [f"--images={photos}", f"--output={tmp_path / 'm.jsonl'}", "--count=2"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([*command, "visual_genome"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0 and "m.jsonl: 2 rows, 1 photos, 2 crops" in done.stdout
    assert len(manifest.read(tmp_path / "m.jsonl")) == 2
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "error: one kind of data set is needed: paper, coco_objects, refcoco, visual_genome"
    )


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 4)),
        ((0.1, 0.2, 0.3 + 1, 1.1), (0.1, 0.2, 0.3 + 1, 1.1)),  # As it is, to the last bit.
        ((-5, -10, 20, 20), (0, 0, 15, 10)),
        ((90, 40, 20, 20), (90, 40, 10, 10)),
        ((-10, -10, 200, 200), (0, 0, 100, 50)),
        ((99, 0, 5, 5), (99, 0, 1, 5)),
        ((99.5, 0, 5, 5), None),
        ((100, 0, 5, 5), None),
        ((-5, 0, 5, 5), None),
        ((0, 0, 5, 0.9), None),
        ((10, 10, -5, 5), None),
    ],
)
def test_clip(box, expected):
    assert annotations.clip(box, (WIDTH, HEIGHT)) == expected

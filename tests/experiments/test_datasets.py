"""Each kind of data set, from files in its official form that the tests make."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cagic_tf.batch import manifest
from cagic_tf.system import startup
from experiments.data import annotations, coco_boxes
from tests.experiments.manifests import HEIGHT, WIDTH, error, instances, run, write

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


@pytest.mark.slow
def test_the_command_itself(photos, tmp_path):
    path = write(tmp_path / "regions.json", [regions(*[("a cup", 0, 0, 9, 9)] * 3)])
    command = [sys.executable, "-m", "experiments.datasets", f"--annotations={path}"]
    command += [f"--images={photos}", f"--output={tmp_path / 'm.jsonl'}", "--count=2"]
    # As users have it: the tests' own level lets some of TensorFlow's lines through.
    environment = {key: value for key, value in os.environ.items() if key != startup.LEVEL}
    how = {"cwd": Path(__file__).resolve().parents[2], "env": environment}
    how |= {"capture_output": True, "text": True}
    done = subprocess.run([*command, "visual_genome"], **how)
    assert done.returncode == 0 and "m.jsonl: 2 rows, 1 photos, 2 crops" in done.stdout
    assert len(manifest.read(tmp_path / "m.jsonl")) == 2
    done = subprocess.run(command, **how)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "error: one kind of data set is needed: paper, coco_objects, refcoco, visual_genome, "
        "entities"
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

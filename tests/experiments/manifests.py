"""Makes manifests of data sets in the tests' process, from files in their official form."""

import json
import types

import pytest

from cagic_tf.batch import manifest
from experiments import datasets

WIDTH, HEIGHT = 100, 50


def write(path, content):
    """Writes text, or what becomes JSON; returns the path."""
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def run(capsys, photos, kind, **given):
    """Exit status, rows and what was printed."""
    output = photos.parent / "out" / "manifest.jsonl"
    empty = ("annotations", "refs", "split", "names", "rows", "count")
    defaults = dict.fromkeys(empty) | {"seed": 0}
    given = defaults | {"images": [str(photos)], "output": str(output)} | given
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "FLAGS", types.SimpleNamespace(**given))
        status = datasets.main(["datasets", kind])
    rows = manifest.read(output) if status == 0 else None
    printed = capsys.readouterr()
    return status, rows, printed.out if status == 0 else printed.err


def error(capsys, photos, kind, **given):
    """The one line with which the command ends."""
    status, _, printed = run(capsys, photos, kind, **given)
    assert status == 1 and not (photos.parent / "out").exists()
    assert printed.startswith("error: ") and printed.count("\n") == 1
    return printed.rstrip("\n")


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


def object_of(names, *box):
    """An object of an XML file: `(xmin, ymin, xmax, ymax)`, or one that has no box."""
    named = "".join(f"<name>{name}</name>" for name in names)
    if box:
        ends = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        place = f"<bndbox>{''.join(f'<{end}>{at}</{end}>' for end, at in ends)}</bndbox>"
    else:
        place = "<scene>1</scene><nobndbox>1</nobndbox>"
    return f"<object>{named}{place}</object>"


def write_entities(folder, identity, sentences, objects, size=(WIDTH, HEIGHT)):
    """Writes the two files of a photo in a folder of Flickr30k Entities."""
    for name in ("Sentences", "Annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write(folder / "Sentences" / f"{identity}.txt", "".join(f"{line}\n" for line in sentences))
    width, height = size
    write(
        folder / "Annotations" / f"{identity}.xml",
        f"<annotation><filename>{identity}.jpg</filename><size><width>{width}</width>"
        f"<height>{height}</height><depth>3</depth></size>{''.join(objects)}</annotation>",
    )
    return folder

"""Phrases with boxes from COCO's `instances` files: single objects, and RefCOCO's sentences.

COCO: Lin et al., ECCV 2014, https://cocodataset.org; `instances_*.json` and the folder of photos.
RefCOCO, RefCOCO+, RefCOCOg: Kazemzadeh et al., EMNLP 2014, and Yu et al., ECCV 2016, as prepared by
https://github.com/lichengunc/refer: `refs(SPLITTER).p` and `instances.json` of each, with COCO's
train2014 photos. Boxes are `[x, y, w, h]` in pixels in both.
"""

import collections
import pickle
from pathlib import Path
from typing import Any

from cagic_tf.port import plain_pickle
from experiments.data import annotations
from experiments.data.annotations import MALFORMED, Annotation, DataError

SMALLEST, LARGEST = 0.03, 0.5  # Fraction of the picture that an object's box may cover.
PAIRS = ("scissors", "skis")  # Categories whose names are plurals.


def objects(instances: Path) -> list[Annotation]:
    """Queries "a CATEGORY" with the box of the only object of that category in the picture.

    The box, cut to the picture, covers 3 to 50 % of it. A category of which the picture also has a
    crowd is left out: its object is not the only one.

    Raises:
      DataError: The file is no COCO instances file.
    """
    content = annotations.read_json(instances)
    try:
        photos = {image["id"]: image for image in content["images"]}
        names = {category["id"]: category["name"] for category in content["categories"]}
        found = collections.defaultdict(list)
        for annotation in content["annotations"]:
            found[annotation["image_id"], annotation["category_id"]].append(annotation)
        made = []
        for (image, category), of_category in sorted(found.items()):
            if len(of_category) == 1 and not of_category[0].get("iscrowd", 0):
                made.append(_annotation(photos[image], names[category], of_category[0]["bbox"]))
    except MALFORMED as error:
        raise DataError(f"{instances} is no COCO instances file: {error!r}") from error
    return [annotation for annotation in made if annotation is not None]


def query(category: str) -> str:
    """The category with its article."""
    if category in PAIRS:
        return f"a pair of {category}"
    return f"{'an' if category[0] in 'aeiou' else 'a'} {category}"


def referring_sentences(refs: Path, instances: Path, split: str) -> list[Annotation]:
    """RefCOCO's sentences, each an annotation with the box of the object it refers to.

    A row a sentence, as the set's own evaluation counts; an object has about three.

    Args:
      refs: `refs(unc).p`, `refs(google).p` or `refs(umd).p`.
      instances: The `instances.json` beside it.
      split: "train", "val", "test", "testA", ...; those that the file has.

    Raises:
      DataError: The files are not these, or have no such split.
    """
    content, found = annotations.read_json(instances), read_pickle(refs)
    try:
        photos = {image["id"]: image for image in content["images"]}
        boxes = {each["id"]: each["bbox"] for each in content["annotations"]}
    except MALFORMED as error:
        raise DataError(f"{instances} is no COCO instances file: {error!r}") from error
    try:
        splits = sorted({ref["split"] for ref in found})
        made = [
            Annotation(
                f"{ref['image_id']}-{sentence['sent_id']}",
                str(Path(photos[ref["image_id"]]["file_name"])),
                sentence["sent"],
                (annotations.finite(boxes[ref["ann_id"]]),),
                _size(photos[ref["image_id"]]),
            )
            for ref in found
            if ref["split"] == split
            for sentence in ref["sentences"]
        ]
    except MALFORMED as error:
        raise DataError(f"{refs} is no RefCOCO file that fits {instances}: {error!r}") from error
    if split not in splits:
        raise DataError(f"{refs} has no split {split!r}; it has {splits}")
    return made


def read_pickle(path: Path) -> Any:
    """What a pickle of plain data holds; nothing in it is run. Texts of Python 2 are UTF-8.

    Raises:
      DataError: The file is missing, no pickle, or names any class or function.
    """
    try:
        with open(path, "rb") as file:
            return plain_pickle.load(file, encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except pickle.UnpicklingError as error:
        raise DataError(f"{path} is no pickle of plain data: {error}") from error


def _annotation(photo: dict, category: str, bbox: list) -> Annotation | None:
    size = _size(photo)
    box = annotations.clip(annotations.finite(bbox), size)
    if box is None or not SMALLEST <= box[2] * box[3] / (size[0] * size[1]) <= LARGEST:
        return None
    name = photo["file_name"]
    return Annotation(f"{Path(name).stem}-{category}", name, query(category), (box,), size)


def _size(photo: dict) -> tuple[int, int]:
    return int(photo["width"]), int(photo["height"])

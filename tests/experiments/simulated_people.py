"""Answers of people who are made up, in the form in which Label Studio exports them."""

import json

from experiments.studies import pictures


def rectangle(x, y, w, h, size, **other):
    """A rectangle in per cent of a picture of a size; `other` replaces its fields."""
    width, height = pictures.shown_size(size)
    value = {"x": x, "y": y, "width": w, "height": h, "rotation": 0}
    fields = {"original_width": width, "original_height": height, "image_rotation": 0}
    fields |= {"value": value | {name: other.pop(name) for name in list(other) if name in value}}
    names = {"id": "r1", "from_name": "crop", "to_name": "image", "type": "rectangle"}
    return names | fields | other


def rectangle_of(box, size):
    """A rectangle of a box `(x, y, w, h)` in pixels of a picture."""
    x, y, w, h = box
    width, height = size
    return rectangle(100 * x / width, 100 * y / height, 100 * w / width, 100 * h / height, size)


def text(*texts):
    """What a person has written."""
    names = {"id": "t1", "from_name": "caption", "to_name": "image", "type": "textarea"}
    return names | {"value": {"text": list(texts)}}


def choice(*places):
    """The places that a person has chosen."""
    names = {"id": "c1", "from_name": "best", "to_name": "caption", "type": "choices"}
    return names | {"value": {"choices": [str(place) for place in places]}}


def annotation(person, *result, seconds=12.5, skipped=False):
    """A person's answer to a task."""
    return {
        "completed_by": person,
        "result": list(result),
        "was_cancelled": skipped,
        "lead_time": seconds,
    }


def tasks_of(study):
    """What Label Studio imports for a study: each task's data."""
    return [task["data"] for task in json.loads((study / "tasks.json").read_text())]


def key_of(study):
    """The tasks of a study as researchers know them."""
    return json.loads((study / "study.json").read_text())["tasks"]


def write_export(path, study, answered):
    """Writes an export.

    Args:
      path: Where to.
      study: The study's folder.
      answered: Number of a task to its annotations.

    Returns:
      The path.
    """
    tasks = [
        {"id": 100 + data["task"], "annotations": answered.get(data["task"], []), "data": data}
        for data in tasks_of(study)
    ]
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path

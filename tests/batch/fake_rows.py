"""Rows with photos, and crops of them that take no time. No TensorFlow."""

import types

import numpy as np
from PIL import Image

from cagic_tf.batch import manifest, output_folder, records

BOX = (2, 1, 12, 9)
PHOTO = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)


def make_row(tmp_path, name="a", **changes):
    path = tmp_path / f"{name}.png"
    Image.fromarray(PHOTO).save(path)
    return manifest.Row(
        **{"id": name, "image": path.name, "path": path, "caption": "dog"} | changes
    )


def fail():
    raise ValueError("no luck")


def result(photo=PHOTO, **fields):
    steps = [types.SimpleNamespace(center=(0.0, 0.0))]
    return types.SimpleNamespace(
        photo=photo,
        box=BOX,
        path=types.SimpleNamespace(steps=steps),
        to_dict=lambda: {"box": list(BOX), "seconds": 0.5} | fields,
    )


def opened(tmp_path, **options):
    return output_folder.OutputFolder(tmp_path / "out", "# config\n", **options)


def lines_of(tmp_path):
    return list(records.read(tmp_path / "out" / output_folder.RESULTS).values())

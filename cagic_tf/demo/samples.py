"""The samples that the page offers: a name on a button, a photo and a sentence."""

from pathlib import Path
from typing import NamedTuple

from cagic_tf.batch import manifest
from cagic_tf.system import resources

_NAMES = {
    "astronaut": "Astronaut",
    "workers-blue": "Workers",
    "lake": "Lake",
    "mosaic": "Four photos",
}


class Sample(NamedTuple):
    """A photo that comes with the program.

    Attributes:
      name: What its button says.
      path: The photo.
      caption: A sentence for it.
    """

    name: str
    path: Path
    caption: str


def read() -> list[Sample]:
    """The samples."""
    rows = {row.id: row for row in manifest.read(resources.package_path("samples/manifest.jsonl"))}
    return [Sample(name, rows[i].path, rows[i].caption or "") for i, name in _NAMES.items()]

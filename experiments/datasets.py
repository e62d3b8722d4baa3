"""Turns a data set's own files into a manifest, which every command of the project takes.

    python -m experiments.datasets paper --annotations=CROPS.csv --images=PHOTOS --output=M.jsonl
    python -m experiments.datasets coco_objects --annotations=instances.json --images=PHOTOS \\
        --output=M.jsonl
    python -m experiments.datasets refcoco --refs='refs(unc).p' --annotations=instances.json \\
        --split=testA --images=train2014 --output=M.jsonl
    python -m experiments.datasets visual_genome --annotations=region_descriptions.json \\
        --images=VG_100K --images=VG_100K_2 --count=1000 --output=M.jsonl
    python -m experiments.datasets entities --annotations=FLICKR30K_ENTITIES --names=test.txt \\
        --rows=parts --images=PHOTOS --output=M.jsonl

Mosaics are made with their manifest by `experiments.mosaics`. What each kind's files hold, and
where they come from, is said in `paper_set.py`, `coco_boxes.py`, `visual_genome.py` and
`entities.py`.

Paths of photos in a manifest are relative to it. Boxes are cut to the photo. What cannot be used is
left out and counted in the closing line.
"""

import collections
import functools
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags
from tqdm import tqdm

from cagic_tf.batch import manifest
from cagic_tf.photos import reading
from cagic_tf.system import files
from experiments.data import (
    annotations,
    coco_boxes,
    entities,
    paper_set,
    photo_paths,
    visual_genome,
)
from experiments.data.annotations import Annotation, Box, DataError

FLAGS = flags.FLAGS
KINDS = ("paper", "coco_objects", "refcoco", "visual_genome", "entities")
# Flags that one kind needs and no other takes.
OWN_FLAGS = {"refs": "refcoco", "split": "refcoco", "names": "entities", "rows": "entities"}


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string(
        "annotations", None, "The data set's CSV or JSON file, or the folder of entities."
    )
    flags.DEFINE_string("refs", None, "For refcoco, its file refs(SPLITTER).p.")
    flags.DEFINE_string("split", None, "For refcoco, the split: train, val, testA and so on.")
    flags.DEFINE_string("names", None, "For entities, a text file of the photos' names, a split.")
    flags.DEFINE_enum("rows", None, list(entities.KINDS), "For entities, what is described.")
    flags.DEFINE_multi_string("images", None, "The folder with the photos. It may be repeated.")
    flags.DEFINE_integer(
        "count", None, "How many rows to draw at random. By default all are taken.", 1
    )
    flags.DEFINE_integer("seed", 0, "The seed of the rows that --count draws.")
    flags.DEFINE_string("output", None, "The manifest to write.")
    flags.mark_flags_as_required(["annotations", "images", "output"])


def read(kind: str) -> list[Annotation]:
    """The annotations of the data set that the flags name.

    Raises:
      DataError: Its files are not what they should be, or a flag is missing.
    """
    path = Path(FLAGS.annotations)
    for name, its_kind in OWN_FLAGS.items():
        if (getattr(FLAGS, name) is not None) != (kind == its_kind):
            raise DataError(f"--{name} goes with the kind {its_kind}, and only with it")
    match kind:
        case "paper":
            return paper_set.read(path)
        case "coco_objects":
            return coco_boxes.objects(path)
        case "refcoco":
            return coco_boxes.referring_sentences(Path(FLAGS.refs), path, FLAGS.split)
        case "visual_genome":
            return visual_genome.regions(path)
        case "entities":
            return entities.descriptions(path, Path(FLAGS.names), FLAGS.rows)
    raise DataError(f"no data set of the kind {kind!r}; there are {', '.join(KINDS)}")


class ManifestWriter:
    """Annotations to a manifest's rows.

    Attributes:
      rows: `{"id", "image", "caption", "crops"}` each, and `"people"` where there are any.
      left_out: Why, and how many times.
    """

    def __init__(self, folders: Sequence[Path], output: Path):
        """Args are where photos are, the first folder first, and the manifest to write."""
        self._folders, self._output = folders, output
        self._size = functools.lru_cache(maxsize=None)(reading.upright_size)
        self.rows: list[dict] = []
        self.left_out: collections.Counter[str] = collections.Counter()

    def add(self, annotated: Sequence[Annotation], count: int | None, seed: int) -> None:
        """Makes rows of all annotations, or of `count` of them drawn at random, in their order."""
        order: Sequence[int] = range(len(annotated))
        if count is not None:
            order = np.random.default_rng(seed).permutation(len(annotated)).tolist()
        made = {}
        with tqdm(total=count or len(annotated), desc="rows", disable=None) as bar:
            for at in order:
                row = self._row(annotated[at])
                if isinstance(row, str):
                    self.left_out[row] += 1
                else:
                    made[at] = row
                    bar.update()
                if len(made) == count:
                    break
        self.rows += [made[at] for at in sorted(made)]

    def write(self) -> None:
        """Writes the manifest.

        Raises:
          DataError: There are no rows, two have one id, or the manifest cannot be written.
        """
        reasons = "; ".join(f"{count} {reason}" for reason, count in self.left_out.items())
        if not self.rows:
            raise DataError(f"no rows for {self._output}: {reasons or 'the data set is empty'}")
        ids = collections.Counter(row["id"] for row in self.rows)
        name, times = ids.most_common(1)[0]
        if times > 1:
            raise DataError(f"the id {name!r} occurs {times} times in the data set")
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows)
        try:
            self._output.parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(self._output, text.encode())
        except OSError as error:
            raise DataError(f"cannot write {self._output}: {error.strerror}") from error
        photos = len({row["image"] for row in self.rows})
        crops = sum(len(row["crops"]) for row in self.rows)
        print(f"{self._output}: {len(self.rows)} rows, {photos} photos, {crops} crops")
        if reasons:
            print(f"left out: {reasons}")

    def _row(self, found: Annotation) -> dict | str:
        """The annotation's row, or why it is left out."""
        if not isinstance(found.caption, str) or not found.caption.strip():
            return "rows without a caption"
        paths = (folder / found.photo for folder in self._folders)
        photo = next((path for path in paths if path.is_file()), None)
        if photo is None:
            return "rows whose photo is not in --images"
        try:
            size = self._size(photo)
        except reading.ImageError:
            return "rows whose photo cannot be read"
        if found.size not in (None, size):
            return "rows whose photo has another size than the annotations say"
        boxes = _usable(found.boxes, found.in_fractions, size)
        lost = len(found.boxes) - len(boxes)
        if lost:
            self.left_out["boxes beyond the photo or below one pixel"] += lost
        if not boxes:
            return "rows without a usable box"
        row = {
            "id": manifest.safe_name(found.id),
            "image": photo_paths.relative(photo, self._output.parent),
            "caption": found.caption.strip(),
            "crops": boxes,
        }
        people = _usable(found.people, found.in_fractions, size)
        return row | {"people": people} if people else row


def _usable(boxes: Sequence[Box], in_fractions: bool, size: tuple[int, int]) -> list[Box]:
    """Boxes in pixels, cut to the photo; those of which less than a pixel is left are left out."""
    if in_fractions:
        boxes = [annotations.in_pixels(box, size) for box in boxes]
    return [box for box in (annotations.clip(box, size) for box in boxes) if box]


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit status."""
    try:
        if len(arguments) != 2:
            raise DataError(f"one kind of data set is needed: {', '.join(KINDS)}")
        for folder in FLAGS.images:
            if not Path(folder).is_dir():
                raise DataError(f"--images={folder} is no folder")
        writer = ManifestWriter([Path(folder) for folder in FLAGS.images], Path(FLAGS.output))
        writer.add(read(arguments[1]), FLAGS.count, FLAGS.seed)
        writer.write()
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    define_flags()
    app.run(main)

"""The paper's own form (Sec. 4.1.1): 100 photos, a caption and eight people's crops of each.

The set is not public; its authors are to be asked. Whatever they send fits into a folder of photos
and one CSV file, a line a crop, with these columns (others are ignored):

    image,caption,annotator,x,y,w,h
    000000001.jpg,a computer and a lamp on the top of the desk,1,120,40,310,260

`image` is a file name in the folder; `annotator` names the person, the same in all photos; `x, y`
is the crop's upper left corner and `w, h` its size, in pixels of the upright photo.
"""

from pathlib import Path

from experiments.data import annotations
from experiments.data.annotations import Annotation, Box, DataError

COLUMNS = ("image", "caption", "annotator", "x", "y", "w", "h")


def read(path: Path) -> list[Annotation]:
    """One annotation for each image and caption, in the file's order.

    The crops are in the order of the annotators' names, so that the j-th is the same person's
    everywhere: `experiments.tables.metrics` needs that for its deviation over annotators.

    Raises:
      DataError: The file is no such CSV, or a caption lacks an annotator's crop or has two.
    """
    crops: dict[tuple[str, str], dict[str, Box]] = {}
    for number, line in annotations.read_csv(path, COLUMNS):
        found = crops.setdefault((line["image"], line["caption"]), {})
        if line["annotator"] in found:
            raise DataError(
                f"{path}, line {number}: annotator {line['annotator']!r} has a crop of "
                f"{line['image']} already"
            )
        found[line["annotator"]] = _box(line, f"{path}, line {number}")
    annotators = sorted({name for found in crops.values() for name in found})
    made = []
    for number, ((image, caption), found) in enumerate(crops.items(), 1):
        missing = [name for name in annotators if name not in found]
        if missing:
            raise DataError(f"{path}: no crop of {image} ({caption!r}) by annotator {missing[0]!r}")
        boxes = tuple(found[name] for name in annotators)
        made.append(Annotation(f"{number:04d}-{Path(image).stem}", image, caption, boxes))
    return made


def _box(line: dict[str, str], where: str) -> Box:
    try:
        box = annotations.finite([line[name] for name in "xywh"])
    except ValueError:
        box = (0, 0, 0, 0)
    if min(box[2:]) < 1:
        given = ",".join(line[name] for name in "xywh")
        raise DataError(
            f"{where}: x,y,w,h are {given}; pixels with w and h of 1 or more are needed"
        )
    return box

"""Phrases with boxes from Visual Genome (Krishna et al., IJCV 2017; the paper's reference 38).

`region_descriptions.json` and the two folders of photos, VG_100K and VG_100K_2, come from
https://homes.cs.washington.edu/~ranjay/visualgenome/: a list with an object a photo, whose
`regions` have `region_id`, `image_id`, `phrase`, `x`, `y`, `width` and `height` in pixels. The file
is read as a whole: 700 MB on the disk, several times that in memory.
"""

from pathlib import Path

from experiments.data import annotations
from experiments.data.annotations import MALFORMED, Annotation, DataError


def regions(path: Path) -> list[Annotation]:
    """Every region description, an annotation each, in the file's order.

    Raises:
      DataError: The file is no such file.
    """
    content = annotations.read_json(path)
    try:
        return [_annotation(region) for photo in content for region in photo["regions"]]
    except MALFORMED as error:
        raise DataError(f"{path} is no file of region descriptions: {error!r}") from error


def _annotation(region: dict) -> Annotation:
    image = int(region["image_id"])
    box = annotations.finite([region[name] for name in ("x", "y", "width", "height")])
    name = f"{image}-{int(region['region_id'])}"
    return Annotation(name, f"{image}.jpg", region["phrase"], (box,))

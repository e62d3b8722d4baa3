"""What a row gives before it is written: the fields of its line, its pictures, or its error.

Nothing in here touches the output folder, so it runs in any process (see `distributed`), and what
it makes travels: JSON types and the contents of files.
"""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cagic_tf.batch import manifest, records, up_to_date
from cagic_tf.method import geometry
from cagic_tf.photos import crop_files, drawing, reading

if TYPE_CHECKING:  # No TensorFlow in here.
    from cagic_tf import pipeline
    from cagic_tf.method import search


class RowOutput(NamedTuple):
    """What a row gives.

    Attributes:
      fields: The fields of its line that are known, JSON types; "box" among them.
      pictures: Name of each picture's file to its content.
      error: Why it failed, in one line; None: it did not, and the others are empty if it did.
    """

    fields: Mapping[str, Any]
    pictures: Mapping[str, bytes]
    error: str | None = None


def failed(error: str) -> RowOutput:
    """What a row gives that failed."""
    return RowOutput({}, {}, error)


def begin(
    row: manifest.Row,
    crop: Callable[[], Any],
    options: crop_files.SaveOptions | None = None,
    candidate_count: int = 1,
) -> Callable[[], RowOutput]:
    """Crops a row now and draws its pictures when the result is called, in any thread.

    Args:
      row: The row.
      crop: Crops the row: to a `pipeline.CropResult`, to a bare box `(x, y, w, h)` in pixels,
        or to a mapping of those fields of a line that are known, "box" among them.
      options: How the pictures of a `CropResult` are named and written; None: there are none.
      candidate_count: Most crops that the row has.

    Returns:
      What gives the output: an error where the row has a `problem`, where `crop` raised any
      exception, or where a picture cannot be made.
    """
    if row.problem:
        return lambda: failed(row.problem)
    start = time.monotonic()
    result, error = _attempt(crop)
    if error:
        return lambda: failed(error)
    if hasattr(result, "to_dict"):
        draw = functools.partial(_draw, row, result, options, candidate_count)
        return functools.partial(_output_of, draw)
    if not isinstance(result, Mapping):
        result = {"box": list(result), "seconds": time.monotonic() - start}
    return lambda: RowOutput(result | {"iou": _mean_iou(result["box"], row)}, {})


def again(row: manifest.Row, record: records.Record, options: crop_files.SaveOptions) -> RowOutput:
    """What a row gives whose crops are cut once more, from the boxes that its record has.

    Args:
      row: The row.
      record: Its record, of a crop of this photo.
      options: How the crops are named and written.

    Returns:
      The output, with the crops as its only pictures; an error where they cannot be made.
    """
    fields = {name: getattr(record, name) for name in records.FIELDS}
    crops = [dict(crop) for crop in record.candidates or ()]
    output, error = _attempt(lambda: _cut(row, fields | {"candidates": crops}, options))
    return failed(error) if error else output


def record(row: manifest.Row, output: RowOutput) -> records.Record:
    """A row's line of `results.jsonl`."""
    known = {"id": row.id, "image": row.image, "caption": row.caption}
    known |= {"status": "ok" if output.error is None else "error", "error": output.error}
    shape = {"shape": row.shape.name} if row.shape else {}  # Else what it was cropped to.
    return records.Record(**{**output.fields, **known, **shape})


def name_problem(pattern: str) -> str:
    """What is wrong with how crops are named, `SaveOptions.name`, in one line; "" if nothing is."""
    shown = pattern.replace("{id}", "x")
    reserved = ("{id}_overlay", "{id}_losses")
    if "{id}" in pattern and manifest.safe_name(shown) == shown and pattern not in reserved:
        return ""
    return (
        f"crops cannot be named {pattern!r}: {{id}} and letters, digits, '.', '_' and '-' are "
        f"needed, and not {' or '.join(reserved)}"
    )


def picture_names(
    row: manifest.Row, options: crop_files.SaveOptions, candidate_count: int = 1
) -> dict[str, str]:
    """The names of a row's files by kind: "crop", "crop 2", ..., "overlay", "losses".

    Raises:
      reading.ImageError: The photo, whose format the crops may keep, cannot be read.
    """
    ending = crop_files.ending(row.path, options.choice)
    stem = options.name.replace("{id}", row.id)
    names = {"crop": stem + ending, "overlay": _overlay(row.id)}
    for number in range(2, candidate_count + 1):
        names[f"crop {number}"] = f"{stem}-{number}{ending}"
    if drawing.has_matplotlib():
        names["losses"] = _losses(row.id)
    return names


def written(record: records.Record) -> list[str]:
    """The names of the files that a row has left, by its record; the twin of `picture_names`."""
    if not record.crop_file:
        return []
    others = (crop.get("crop_file") for crop in record.candidates or ())
    return [
        record.crop_file,
        *(name for name in others if isinstance(name, str)),
        _overlay(record.id),
        _losses(record.id),
    ]


def _overlay(row_id: str) -> str:
    return f"{row_id}_overlay.jpg"


def _losses(row_id: str) -> str:
    return f"{row_id}_losses.png"


def _output_of(draw: Callable[[], RowOutput]) -> RowOutput:
    output, error = _attempt(draw)
    return failed(error) if error else output


def _attempt(make: Callable[[], Any]) -> tuple[Any, str]:
    """What it makes, or why it did not: one row's trouble, such as memory, stops no other row."""
    try:
        return make(), ""
    except Exception as error:
        return None, reason(error)


def reason(error: Exception) -> str:
    """Why a row failed, in one line; an error that nobody expects has its type as well."""
    text = " ".join(str(error).split()) or type(error).__name__
    expected = isinstance(error, reading.ImageError | ValueError)
    return text if expected else f"{type(error).__name__}: {text}"


def _draw(
    row: manifest.Row,
    result: "pipeline.CropResult",
    options: crop_files.SaveOptions | None,
    candidate_count: int,
) -> RowOutput:
    fields = result.to_dict() | {"iou": _mean_iou(result.box, row)}
    fields.setdefault("candidates", [])
    if options is None:
        return RowOutput(fields, {})
    names = picture_names(row, options, candidate_count)
    cut = _cut(row, fields, options)
    pictures = dict(cut.pictures)
    centers = [step.center for step in result.path.steps]
    overlay = drawing.overlay(result.photo, result.box, centers, row.crops)
    pictures[names["overlay"]] = reading.encoded(overlay, ".jpg")
    if "losses" in names:
        pictures[names["losses"]] = _loss_plot(result.path, row.caption)
    return cut._replace(pictures=pictures)


def _cut(
    row: manifest.Row, fields: Mapping[str, Any], options: crop_files.SaveOptions
) -> RowOutput:
    """The crops of a row at its boxes as files, and its fields with what is known of them."""
    crops = fields["candidates"] or [{"box": fields["box"]}]
    names = picture_names(row, options, len(crops))
    for number, crop in enumerate(crops, 1):
        crop["crop_file"] = names["crop" if number == 1 else f"crop {number}"]
    contents = crop_files.cut_all(
        row.path,
        [crop["box"] for crop in crops],
        options.choice,
        options.quality,
        options.strip_metadata,
        row.shape.size if row.shape else None,
    )
    pictures = {crop["crop_file"]: data for crop, data in zip(crops, contents, strict=True)}
    known = {
        "note": reading.note(row.path) or None,
        "photo": up_to_date.photo(row.path),
        "saved_as": up_to_date.style(options),
    }
    return RowOutput({**fields, "crop_file": names["crop"], **known}, pictures)


def _loss_plot(path: "search.Path", caption: str | None) -> bytes:
    title = manifest.shown(caption or "", manifest.LONGEST_CAPTION)
    if not path.steps:
        return _scan_plot(path, title)
    names = list(path.steps[0].losses.terms)
    return drawing.loss_plot(
        [step.scale for step in path.steps],
        {"total": [float(step.losses.total) for step in path.steps]}
        | {name: [float(step.losses.terms[name]) for step in path.steps] for name in names},
        [step.end_losses for step in path.steps],
        (float(path.theta[2]), path.loss),
        title,
    )


def _scan_plot(path: "search.Path", title: str) -> bytes:
    """A scan without refinement has no losses at a mean: its ranks are what it went by."""
    scanned = np.asarray(path.scanned, np.float64).reshape(-1, 4)
    scanned = scanned[np.isfinite(scanned[:, 0])]
    scales = sorted(set(scanned[:, 3].tolist()))
    ranks = [scanned[scanned[:, 3] == scale, 0] for scale in scales]
    best = [float(of_scale.min()) for of_scale in ranks]
    returned = float(path.theta[2]), min(best, default=path.loss)
    panels = {"rank in the scan": best}
    return drawing.loss_plot(scales, panels, ranks, returned, title, ("best", "scanned"))


def _mean_iou(box: Sequence[float], row: manifest.Row) -> float | None:
    """Mean IoU with the row's ground truths; None where it has none."""
    if not row.crops:
        return None
    return geometry.mean_iou(box, row.crops)

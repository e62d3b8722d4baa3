"""What the page does for a visit: takes a photo, crops it step by step, scores a box.

Photos, files, records and errors are those of the command (`cagic_tf.batch`).
"""

import dataclasses
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from cagic_tf.batch import manifest, row_output
from cagic_tf.beyond import shapes
from cagic_tf.demo.croppers import Croppers
from cagic_tf.demo.visits import Visit
from cagic_tf.photos import crop_files, reading

if TYPE_CHECKING:
    from cagic_tf import pipeline, results

LONGEST_VIEW = 1600  # Pixels of the longer side of what the page shows.
STOPPED = "Stopped. Nothing of that run is kept."
NO_PHOTO = "Choose a photo first: drop it, paste it, take it with the camera, or take a sample."
GONE = "The photo is no longer here, since the page was away for a while. Choose it again."


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a visitor asks for.

    Attributes:
      method: One of `croppers.METHODS`.
      caption: What the crop should show; None: nothing is said.
      shape: See `shapes.parse`; "" is the method's own.
      weight: Of the aesthetic loss; None: the method's own.
      candidate_count: How many crops.
      seed: Of the restarts.
    """

    method: str
    caption: str | None
    shape: str = ""
    weight: float | None = None
    candidate_count: int = 1
    seed: int = 0


class Update(NamedTuple):
    """How far a crop is.

    Attributes:
      done: Scales that are done.
      total: Scales in all.
      loss: The lowest so far.
      left: Seconds that the others will take, as the ones before did; None: nobody knows yet.
    """

    done: int
    total: int
    loss: float
    left: float | None


class Found(NamedTuple):
    """A crop that was found.

    Attributes:
      result: The crop.
      fields: Its line of `results.jsonl`.
      files: The name of each of its files to its address; `crop_file` of `fields` is one.
      json: Address of its line as a file.
      losses: Address of the plot of its losses; "" without matplotlib.
    """

    result: "results.CropResult"
    fields: Mapping[str, Any]
    files: Mapping[str, str]
    json: str
    losses: str


class Failed(NamedTuple):
    """Why there is no crop, in a sentence for people."""

    message: str


class _Stopped(BaseException):
    """Ends a search; no `Exception`, or it would be an error of the row."""


def take(visit: Visit, source: Path) -> tuple[int, int]:
    """Takes a photo for a visit and shows it; returns its width and height.

    Raises:
      reading.ImageError: It cannot be read; the visit has no photo then.
    """
    try:
        path = visit.take(source)
        photo = reading.read(path)
    except OSError as error:
        raise reading.ImageError(GONE) from error
    except reading.ImageError as error:
        visit.close()
        raise reading.ImageError(_sentence(str(error), path)) from error
    visit.show_photo("photo.jpg", _view(photo))
    return photo.shape[1], photo.shape[0]


def crop(croppers: Croppers, visit: Visit, wish: Wish) -> Iterator[Update | Found | Failed]:
    """Crops a visit's photo in a thread of its own; how far it is, and at last what has become.

    Whoever does not want to know any more closes the iterator, or stops the visit's work: then it
    ends after the scale that it is at.
    """
    stopping, events = visit.begin(), queue.SimpleQueue[Update | Found | Failed]()
    times: list[float] = []

    def progress(done: int, total: int, loss: float) -> None:
        if stopping.is_set():
            raise _Stopped
        times.append(time.monotonic())
        each = (times[-1] - times[0]) / (done - 1) if done > 1 else None  # The first has tracing.
        events.put(Update(done, total, loss, each and each * (total - done)))

    def work() -> None:
        try:
            found = _crop(croppers, visit, wish, progress, stopping)
        except _Stopped:
            found = Failed(STOPPED)
        except Exception as error:
            found = Failed(_sentence(row_output.reason(error), visit.photo))
        events.put(found)

    threading.Thread(target=work, daemon=True).start()
    try:
        while isinstance(event := events.get(), Update):
            yield event
        yield event
    finally:
        stopping.set()


def _crop(
    croppers: Croppers, visit: Visit, wish: Wish, progress: Any, stopping: threading.Event
) -> Found | Failed:
    path = photo_of(visit)
    row = _row(path, wish)
    cropper = croppers.get(wish.method, wish.weight)
    found: list[results.CropResult] = []

    def crop_it() -> "pipeline.CropResult":
        result = cropper.crop(
            path, row.caption, wish.seed, progress, row.shape, 0, wish.candidate_count
        )
        found.append(result)
        return result

    count = wish.candidate_count
    output = row_output.begin(row, crop_it, crop_files.SaveOptions(), count)()
    if stopping.is_set():
        raise _Stopped
    if output.error:
        return Failed(_sentence(output.error, path))
    if wish.weight is None or wish.weight == croppers.weight(wish.method):
        croppers.took(wish.method, found[0].seconds)
    record = row_output.record(row, output)
    fields = dataclasses.asdict(record)
    views = _views(found[0].photo, fields["candidates"] or [fields])
    json = f"{row.id}.json"
    files = visit.show({**output.pictures, **views, json: record.line()})
    names = row_output.picture_names(row, crop_files.SaveOptions(), count)
    losses = files.get(names.get("losses", ""), "")
    return Found(found[0], fields, files, files[json], losses)


def _views(photo: np.ndarray, crops: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """The crops as browsers show them, whatever format their files have, by `view_name`."""
    found = {}
    for crop in crops:
        x, y, w, h = crop["box"]
        found[view_name(crop["crop_file"])] = _view(photo[y : y + h, x : x + w])
    return found


def view_name(crop_file: str) -> str:
    """The name of the picture that the page shows of a crop's file."""
    return f"{crop_file}.view.jpg"


def _view(pixels: np.ndarray) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST_VIEW, LONGEST_VIEW))
    return reading.encoded(image, ".jpg")


def score(
    croppers: Croppers, visit: Visit, wish: Wish, boxes: Sequence[Sequence[int]]
) -> "list[results.Candidate] | Failed":
    """The losses of boxes in a visit's photo, by the method and caption of a wish."""
    try:
        path = photo_of(visit)
        row = _row(path, wish)
        return croppers.get(wish.method, wish.weight).score(path, row.caption, boxes)
    except Exception as error:
        return Failed(_sentence(row_output.reason(error), visit.photo))


def photo_of(visit: Visit) -> Path:
    """A visit's photo.

    Raises:
      ValueError: It has none.
    """
    if visit.photo is None:
        raise ValueError(NO_PHOTO)
    return visit.photo


def _row(path: Path, wish: Wish) -> manifest.Row:
    """The row that the command would have for that photo and wish."""
    (row,) = manifest.single(path.name, wish.caption)
    if shape := "".join(wish.shape.split()):
        (row,) = manifest.in_shapes([row], [shapes.parse(shape)])
    return dataclasses.replace(row, path=path)


def _sentence(text: str, photo: Path | None) -> str:
    """What the command says in a line, as a sentence, of a photo by its owner's name for it."""
    text = text if photo is None else text.replace(str(photo), photo.name)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."

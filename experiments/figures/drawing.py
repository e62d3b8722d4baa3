"""What the figures share: photos, boxes and captions on axes, and a picture file written whole."""

import io
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from matplotlib import patches, patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cagic_tf.batch import output_folder
from cagic_tf.method import geometry
from cagic_tf.system import files
from experiments.tables import entries

FLAGS = flags.FLAGS
FOLDER = Path("outputs/figures")
ENDINGS = (".png", ".jpg")
DPI = 90
LETTERS_AN_INCH = 15  # Of the captions' 9 points.


def define_output_flag() -> None:
    """The flag of every figure."""
    flags.DEFINE_string(
        "output", None, f"picture to write, {' or '.join(ENDINGS)}; {FOLDER}/ and the figure's name"
    )


def output_path(default: str, endings: Sequence[str] = ENDINGS) -> Path:
    """Where `--output` puts the picture; asked before the work, so that a mistake costs none.

    Raises:
      entries.EntryError: Its ending is none of `endings`.
    """
    path = Path(FLAGS.output or FOLDER / default)
    if path.suffix.lower() not in endings:
        raise entries.EntryError(f"--output is {path}; a name that ends in {' or '.join(endings)}")
    return path


def show_photo(axes: Axes, photo: np.ndarray) -> None:
    """Shows `[H, W, 3]` uint8 without ticks; data coordinates are pixels from the top left corner.

    Pixel edges are whole numbers, as in boxes: the photo covers [0, W] x [0, H].
    """
    height, width = photo.shape[:2]
    axes.imshow(photo, extent=(0, width, height, 0))
    axes.set(xticks=[], yticks=[], anchor="N")
    axes.spines[:].set_visible(False)


def draw_box(
    axes: Axes, box: Sequence[float], colour: Any, style: str = "-", width: float = 1.8
) -> patches.Rectangle:
    """Draws `(x, y, w, h)` on axes of `show_photo`, visible on dark and on bright places.

    Args:
      axes: The photo's axes.
      box: `(x, y, w, h)` in pixels.
      colour: Matplotlib's name of a colour, or RGBA.
      style: Matplotlib's style of the line.
      width: Of the line, in points; its black outline is wider.

    Returns:
      What was drawn.
    """
    x, y, w, h = box
    rectangle = patches.Rectangle((x, y), w, h, fill=False, edgecolor=colour, linestyle=style)
    rectangle.set(linewidth=width, clip_on=False, path_effects=_outlined(1.9 * width))
    return axes.add_patch(rectangle)


def draw_mark(axes: Axes, box: Sequence[float], text: str, colour: str) -> None:
    """Writes a short mark in a box's upper left corner, readable on any ground."""
    written = axes.annotate(
        text,
        box[:2],
        xytext=(4, -4),
        textcoords="offset points",
        color=colour,
        fontsize=11,
        fontweight="bold",
        va="top",
    )
    written.set_path_effects(_outlined(2.5))


def write_below(axes: Axes, text: str, inches: float, **style) -> None:
    """A caption below axes that are so many inches wide, broken into lines."""
    lines = textwrap.fill(text, max(round(inches * LETTERS_AN_INCH), 8))
    axes.set_xlabel(lines, parse_math=False, **{"fontsize": 9, **style})


def legend_below(figure: Figure, axes: Axes) -> None:
    """The legend of some axes below the whole figure; on grey, so that white marks show."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(labels),
        fontsize=9,
        facecolor="0.75",
        edgecolor="none",
    )


def cut(photo: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """The part of a photo in a box `(x, y, w, h)` of pixels: nearest whole pixels, at least one."""
    height, width = photo.shape[:2]
    x, y, w, h = box
    corners = (x / width, y / height, (x + w) / width, (y + h) / height)
    x, y, w, h = geometry.whole_pixels(corners, width, height)
    return photo[y : y + h, x : x + w]


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Row id to result line of a folder of results.

    Raises:
      entries.EntryError: It has no results.
    """
    path = folder / output_folder.RESULTS
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {line["id"]: line for line in lines}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise entries.EntryError(f"no results in {path}: {error}") from error


def evenly(count: int, wanted: int) -> list[int]:
    """`wanted` places out of `count`, first and last among them; all where there are fewer."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, wanted))})


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as a whole file, in the format of its ending, and prints where.

    Raises:
      output_folder.OutputError: It cannot be written.
    """
    buffer = io.BytesIO()
    jpeg = path.suffix.lower() != ".png"
    options = {"quality": 80, "optimize": True} if jpeg else {"optimize": True}
    kind = "jpeg" if jpeg else "png"
    figure.savefig(buffer, format=kind, dpi=DPI, facecolor="white", pil_kwargs=options)
    write(path, buffer.getvalue())


def write(path: Path, data: bytes) -> None:
    """Writes a picture's bytes atomically, and prints where.

    Raises:
      output_folder.OutputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(path, data)
    except OSError as error:
        raise output_folder.OutputError(f"cannot write {path}: {error.strerror}") from error
    print(f"{path}, {len(data) / 1000:.0f} kB")


def _outlined(width: float) -> list[patheffects.AbstractPathEffect]:
    return [patheffects.Stroke(linewidth=width, foreground="black"), patheffects.Normal()]

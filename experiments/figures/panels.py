"""What the figures share: photos, boxes and captions on axes, and the picture's file."""

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from matplotlib import patches, patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cagic_tf.batch import output_folder
from cagic_tf.method import geometry
from experiments.errors import ExperimentError
from experiments.tables import made_by

FLAGS = flags.FLAGS
FOLDER = Path("outputs/figures")
ENDINGS = (".png", ".jpg")
DPI = 90
LETTERS_AN_INCH = 15  # Of the captions' 9 points.


def define_output_flag() -> None:
    """The flag of every figure."""
    flags.DEFINE_string(
        "output",
        None,
        f"The picture to write, a {' or '.join(ENDINGS)}, with {made_by.NAME} beside it. By "
        f"default it is in {FOLDER}/ and has the figure's name.",
    )


def output_path(default: str, endings: Sequence[str] = ENDINGS) -> Path:
    """Where `--output` puts the picture; asked before the work, so that a mistake costs none.

    Args:
      default: Name of the file that there is without the flag, in a folder of that name.
      endings: The accepted ones.

    Raises:
      ExperimentError: Its ending is none of these, or its folder has another result.
    """
    path = Path(FLAGS.output or FOLDER / Path(default).stem / default)
    if path.suffix.lower() not in endings:
        raise ExperimentError(f"--output is {path}; a name that ends in {' or '.join(endings)}")
    made_by.check_free(path.parent, path.name)
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


def evenly(count: int, wanted: int) -> list[int]:
    """`wanted` places out of `count`, first and last among them; all where there are fewer."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, wanted))})


def encoded(figure: Figure, ending: str) -> bytes:
    """A figure as the content of a file of that ending."""
    buffer = io.BytesIO()
    jpeg = ending.lower() != ".png"
    options = {"quality": 80, "optimize": True} if jpeg else {"optimize": True}
    kind = "jpeg" if jpeg else "png"
    figure.savefig(buffer, format=kind, dpi=DPI, facecolor="white", pil_kwargs=options)
    return buffer.getvalue()


def write(
    path: Path,
    data: bytes,
    checkpoints: Mapping[str, str],
    config: str = "",
    sources: Iterable[Path] = (),
) -> None:
    """Writes a picture, the configuration of its search and what made it, and prints where.

    Args:
      path: The picture's.
      data: Its content.
      checkpoints: Name to SHA-256 of all networks that had a part in it.
      config: The operative configuration of the search, where the figure is of one.
      sources: Files of results that were read.

    Raises:
      output_folder.OutputError: A file cannot be written.
    """
    made_by.write_file(path, data)
    written = [path]
    if config:
        written.append(path.parent / output_folder.CONFIG)
        made_by.write_file(written[-1], config.encode())
    made_by.write(path.parent, written, checkpoints, sources)
    print(f"{path}, {len(data) / 1000:.0f} kB")


def _outlined(width: float) -> list[patheffects.AbstractPathEffect]:
    return [patheffects.Stroke(linewidth=width, foreground="black"), patheffects.Normal()]

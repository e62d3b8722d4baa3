"""The path of a search's centre over the photo, as an SVG that plays when it is asked to."""

import html
from typing import TYPE_CHECKING

import numpy as np

from cagic_tf.beyond import shapes
from cagic_tf.method import geometry

if TYPE_CHECKING:
    from cagic_tf import results
    from cagic_tf.method import search

SECONDS = 4
_Box = tuple[float, float, float, float]


def html_of(result: "results.CropResult", view: str) -> str:
    """The heading, a button that plays it, and the photo with the path.

    Args:
      result: The crop.
      view: Address of the photo as the page shows it.
    """
    height, width = result.photo.shape[:2]
    base_size = shapes.parse(result.shape).base_size(width, height)
    boxes = [*path(result.path, base_size), result.box_normalized]
    what = "scales of the search" if result.path.steps else "scales of the scan, its best at each"
    return f"""<h3>The path of the centre</h3>
<p>{len(boxes) - 1} {what}, from the largest to the smallest, and then the crop.</p>
<button type="button" class="play">Play the path</button>
{_svg(boxes, view, width, height)}"""


def path(found: "search.Path", base_size: tuple[float, float]) -> list[_Box]:
    """The box at each scale, `(x0, y0, x1, y1)` in [0, 1], from the largest scale to the smallest.

    Alg. 1 has one at each of its steps, in their order. Of a scan alone they are those that it
    ranks first among its crops of a scale.
    """
    if found.steps:
        thetas = [(*step.center, step.scale) for step in found.steps]
        base_size = found.base_size or base_size
    else:
        rows = np.asarray(found.scanned, np.float64).reshape(-1, 4)
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        best = {float(row[3]): row[1:] for row in rows[::-1]}  # The first of a scale is kept.
        thetas = [tuple(best[scale]) for scale in sorted(best, reverse=True)]
    return [geometry.normalized_box(theta[:2], float(theta[2]), base_size) for theta in thetas]


def _svg(boxes: list[_Box], view: str, width: int, height: int) -> str:
    sides = np.array([width, height, width, height])
    pixels = np.array(boxes) * sides
    x0, y0, x1, y1 = pixels.T
    centers = np.column_stack([(x0 + x1) / 2, (y0 + y1) / 2])
    stroke = max(2.0, min(width, height) / 160)
    values = {
        "x": x0,
        "y": y0,
        "width": x1 - x0,
        "height": y1 - y0,
    }
    moves = "".join(_animate(name, numbers) for name, numbers in values.items())
    last = " ".join(f'{name}="{numbers[-1]:.1f}"' for name, numbers in values.items())
    dot = _animate("cx", centers[:, 0]) + _animate("cy", centers[:, 1])
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in centers)
    words = (
        f"The photo with the path of the crop's centre: from {_place(centers[0], sides)} to "
        f"{_place(centers[-1], sides)}"
    )
    return f"""<svg viewBox="0 0 {width} {height}" role="img" aria-label="{words}" class="path">
<image href="{html.escape(view)}" width="{width}" height="{height}"/>
<polyline points="{line}" fill="none" stroke="#ffd400" stroke-width="{stroke:.1f}"/>
<rect {last} fill="none" stroke="#000" stroke-width="{2 * stroke:.1f}">{moves}</rect>
<rect {last} fill="none" stroke="#fff" stroke-width="{stroke:.1f}">{moves}</rect>
<circle cx="{centers[-1, 0]:.1f}" cy="{centers[-1, 1]:.1f}" r="{2 * stroke:.1f}" fill="#d4145a">
{dot}</circle>
</svg>"""


def _animate(name: str, numbers: np.ndarray) -> str:
    values = ";".join(f"{number:.1f}" for number in numbers)
    return (
        f'<animate attributeName="{name}" values="{values}" dur="{SECONDS}s" begin="indefinite" '
        'fill="freeze"/>'
    )


def _place(center: np.ndarray, sides: np.ndarray) -> str:
    across, down = (round(100 * share) for share in center / sides[:2])
    return f"{across} % across and {down} % down"

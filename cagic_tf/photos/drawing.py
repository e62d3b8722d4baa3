"""Pictures about crops: the crop on its photo, and its losses over the scales."""

import importlib.util
import io
import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw


def overlay(
    pixels: np.ndarray,
    box: tuple[int, int, int, int],
    centers: Iterable[Sequence[float] | np.ndarray],
    truths: Iterable[tuple[float, float, float, float]] = (),
) -> Image.Image:
    """Draws the crop on its photo, with the path of the centres over the scales.

    Args:
      pixels: `[H, W, 3]` uint8.
      box: The crop `(x, y, w, h)` in pixels: white and black, the rest of the photo darkened.
      centers: S centres `(x, y)` in [-1, 1], first to last: a line from blue to red.
      truths: Ground-truth boxes `(x, y, w, h)` in pixels: green.

    Returns:
      A picture of the photo's size.
    """
    height, width = pixels.shape[:2]
    x, y, w, h = box
    shown = pixels // 2
    shown[y : y + h, x : x + w] = pixels[y : y + h, x : x + w]
    image = Image.fromarray(shown)
    del shown
    draw = ImageDraw.Draw(image)
    stroke = max(2, round(min(width, height) / 160))
    for left, top, across, down in truths:
        corners = [left, top, left + across - 1, top + down - 1]
        draw.rectangle(corners, outline=(0, 200, 0), width=stroke)
    draw.rectangle([x, y, x + w - 1, y + h - 1], outline=(0, 0, 0), width=2 * stroke)
    draw.rectangle([x, y, x + w - 1, y + h - 1], outline=(255, 255, 255), width=stroke)
    points = [((cx + 1) / 2 * width, (cy + 1) / 2 * height) for cx, cy in centers]
    for at in range(len(points)):
        share = at / max(len(points) - 1, 1)
        colour = (round(255 * share), 60, round(255 * (1 - share)))
        if at:
            draw.line([points[at - 1], points[at]], fill=colour, width=stroke)
        (cx, cy), r = points[at], 1.5 * stroke
        draw.ellipse([cx - r, cy - r, cx + r, cy + r], fill=colour)
    return image


def has_matplotlib() -> bool:
    """Whether the extra that `loss_plot` needs is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def loss_plot(
    scales: Sequence[float],
    losses: Mapping[str, Sequence[float]],
    restarts: Sequence[Sequence[float] | np.ndarray],
    returned: tuple[float, float],
    title: str,
    labels: tuple[str, str] = ("at the mean", "restarts"),
) -> bytes:
    """Plots the losses over the scales, a panel for each; it needs matplotlib, an extra.

    Args:
      scales: S scales, in the order in which they were searched.
      losses: Name of each loss to its S values at the mean of the restarts; the first is the total.
      restarts: For each scale the total losses at which its restarts ended.
      returned: Scale and total loss of the crop that the search returned.
      title: What the plot says above; any text, drawn as it is.
      labels: What the legend calls the values of `losses`, and those of `restarts`.

    Returns:
      The content of a PNG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2 + 1.5 * len(losses)), layout="constrained")
    ratios = [2] + [1] * (len(losses) - 1)
    panels = figure.subplots(len(losses), sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    for at, (axes, (name, values)) in enumerate(zip(panels, losses.items(), strict=True)):
        axes.plot(scales, values, f"C{at}-", marker="o", markersize=3, label=labels[0])
        axes.set_ylabel(name)
    total = panels[0]
    for at, (scale, ends) in enumerate(zip(scales, restarts, strict=True)):
        label = None if at else labels[1]
        total.plot([scale] * len(ends), ends, ".", color="0.75", label=label, zorder=1)
    total.plot(*returned, "r*", markersize=12, label="returned")
    total.legend(fontsize=8)
    total.set_title(title, parse_math=False)
    panels[-1].set_xlabel("scale of the crop")
    panels[-1].invert_xaxis()
    buffer = io.BytesIO()
    with warnings.catch_warnings():  # Of emoji and the like its font shows a box; so be it.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
        figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()

"""The plot of a crop's losses over the scales; it needs matplotlib, an extra."""

import importlib.util
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # No TensorFlow in here.
    from cagic_tf.method import annealing


def has_matplotlib() -> bool:
    """Whether the extra that plots need is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(steps: "annealing.Path", caption: str | None) -> bytes:
    """Plots the losses over the scales, as the content of a PNG file.

    Without a caption there is no caption loss, and the total is the aesthetic loss.
    """
    from matplotlib.figure import Figure

    scales = [step.scale for step in steps.steps]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for number, step in enumerate(steps.steps):
        label = "restarts" if number == 0 else None
        places = [step.scale] * len(step.end_losses)
        axes.plot(places, step.end_losses, ".", color="0.75", label=label, zorder=1)
    for name, style in (("total", "C0-"), ("caption", "C1--"))[: 1 if caption is None else 2]:
        values = [
            float(step.losses.total if name == "total" else step.losses.terms[name])
            for step in steps.steps
        ]
        axes.plot(scales, values, style, marker="o", markersize=3, label=f"{name}, of the mean")
    axes.plot(steps.theta[2], steps.loss, "r*", markersize=12, label="returned")
    axes.set(xlabel="scale of the crop", ylabel="loss (nats)")
    axes.set_title(caption or "", parse_math=False)
    axes.invert_xaxis()
    twin = axes.twinx()
    values = [float(step.losses.terms["aesthetic"]) for step in steps.steps]
    twin.plot(scales, values, "C2:", marker="o", markersize=3, label="aesthetic (right)")
    twin.set_ylabel("aesthetic loss (-score)")
    handles = axes.get_legend_handles_labels(), twin.get_legend_handles_labels()
    axes.legend(handles[0][0] + handles[1][0], handles[0][1] + handles[1][1], fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()

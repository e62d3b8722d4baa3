"""Fig. 4: the restarts at each scale, and their mean, from which the next scale goes on.

    python -m experiments.figures.restarts
    python -m experiments.figures.restarts --gin_file=paper.gin \\
        --image=photo.jpg --caption="a dog on the grass"

Above, some scales on the photo; below, the centre's x and y over all scales.
"""

from collections.abc import Sequence

import numpy as np
from absl import app
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cagic_tf.method import geometry
from cagic_tf.method.search import Step
from experiments import command
from experiments.figures import one_search, panels

SCALES = 5  # At most so many photos.

define_flags = one_search.define_flags


def main() -> None:
    """Searches and draws the restarts."""
    output = panels.output_path("restarts.jpg")
    searched = one_search.run()
    data = panels.encoded(draw(searched), output.suffix)
    panels.write(output, data, searched.result.checkpoints, searched.cropper.configuration)


def draw(searched: one_search.Searched) -> Figure:
    """The figure of one search."""
    result = searched.result
    steps = result.path.steps
    chosen = panels.evenly(len(steps), SCALES)
    height, width = result.photo.shape[:2]
    figure = Figure(figsize=(12, 12 / SCALES * height / width + 4.1), layout="constrained")
    title = f"“{searched.caption}”, orange: the crop around the mean"
    figure.suptitle(title, parse_math=False, fontsize=11)
    above, below = figure.subfigures(2, 1, height_ratios=(2.4 * height / width + 0.3, 3))
    photos = above.subplots(1, len(chosen), squeeze=False)[0]
    for axes, number in zip(photos, chosen, strict=True):
        axes.set_title(f"scale {steps[number].scale:.0%}", fontsize=10)
        draw_step(axes, result.photo, steps[number])
    for at, axes in enumerate(below.subplots(1, 2)):
        draw_coordinate(axes, steps, at)
        axes.plot(result.scale, result.center[at], "r*", markersize=12, label="returned")
    panels.legend_below(figure, axes)
    return figure


def draw_step(axes: Axes, photo: np.ndarray, step: Step) -> None:
    """One scale on the photo: where restarts begin and end, their mean, and the mean's crop."""
    size = photo.shape[1::-1]
    panels.show_photo(axes, photo)
    panels.draw_box(axes, geometry.pixel_box(step.center, step.scale, *size), "orange")
    starts, ends = (on_photo(points, size) for points in (step.starts, step.ends))
    for start, end in zip(starts, ends, strict=True):
        axes.plot(*zip(start, end, strict=True), "-", color="white", linewidth=1)
    axes.plot(*starts.T, "o", color="white", markersize=4, mfc="none")
    axes.plot(*ends.T, "o", color="white", markersize=4, mec="black")
    axes.plot(*on_photo(step.center, size), "*", color="orange", markersize=13, mec="black")


def on_photo(centers: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Centres `[..., 2]` in [-1, 1] as pixels of a photo of `(width, height)`."""
    return (np.asarray(centers, np.float64) + 1) / 2 * size


def draw_coordinate(axes: Axes, steps: Sequence[Step], at: int) -> None:
    """Draws x (0) or y (1) of the restarts and their mean over the scales."""
    scales = np.array([step.scale for step in steps])
    places = np.repeat(scales, [len(step.ends) for step in steps])
    starts, ends = (
        np.concatenate([getattr(step, name)[:, at] for step in steps])
        for name in ("starts", "ends")
    )
    axes.plot([places, places], [starts, ends], "-", color="0.6", linewidth=0.6)
    axes.plot(places, starts, "o", color="0.5", markersize=3, mfc="white", label="restart")
    axes.plot(places, ends, "o", color="0.15", markersize=3, label="its result")
    means = [step.center[at] for step in steps]
    axes.plot(scales, means, "-*", color="orange", mec="black", mew=0.5, label="mean")
    for side in (-1, 1):
        axes.fill_between(scales, side * (1 - scales), side, color="0.88", linewidth=0)
    axes.text(0.02, 0.04, "grey: the crop would leave the photo", transform=axes.transAxes, size=8)
    ends_of_axis = "(-1 left, 1 right)" if at == 0 else "(-1 top, 1 bottom)"
    axes.set(xlabel="scale of the crop", ylabel=f"{'xy'[at]} of the centre {ends_of_axis}")
    limit = max(0.05, 1.15 * (1 - scales.min()))
    axes.set(ylim=(-limit, limit) if at == 0 else (limit, -limit))
    axes.margins(x=0.02)
    axes.invert_xaxis()


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

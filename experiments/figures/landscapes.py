"""Fig. 3: the losses over the crop's centre at several scales, with the optimiser's path.

    python -m experiments.figures.landscapes
    python -m experiments.figures.landscapes --gin_file=paper.gin --centers=31 \\
        --image=photo.jpg --caption="a dog on the grass"

The first row shows the photo with the place of the lowest total loss at each scale; below it are
the total (Eq. 3) and each of its terms (Eq. 4 and 5) of crops centred on a grid.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import app, flags
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from tqdm import tqdm

from cagic_tf import pipeline
from cagic_tf.beyond import coarse_to_fine
from cagic_tf.method import geometry
from cagic_tf.method.search import Losses, Step
from cagic_tf.system import devices
from experiments import command
from experiments.figures import one_search, panels
from experiments.methods import grid_search

FLAGS = flags.FLAGS
SCALES = 5  # At most so many columns.
COLOURS = "viridis"


def define_flags() -> None:
    """Flags of this script."""
    one_search.define_flags()
    flags.DEFINE_integer(
        "centers", 15, "How many centres a side the landscape has at each scale.", 2
    )


def main() -> None:
    """Searches, computes the landscapes at some of the search's scales, and draws them."""
    output = panels.output_path("landscapes.jpg")
    searched = one_search.run()
    steps = searched.result.path.steps
    chosen = panels.evenly(len(steps), SCALES)
    scales = [steps[at].scale for at in chosen]
    grids = landscapes(
        searched.cropper, searched.result.photo, searched.caption, scales, FLAGS.centers
    )
    data = panels.encoded(draw(searched, chosen, grids), output.suffix)
    panels.write(output, data, searched.result.checkpoints, searched.cropper.configuration)


def landscapes(
    cropper: pipeline.Cropper,
    photo: np.ndarray,
    caption: str,
    scales: Sequence[float],
    centers: int,
) -> list[Losses]:
    """The losses on a grid of centres at each scale.

    Args:
      cropper: Networks and objective.
      photo: `[H, W, 3]` uint8.
      caption: What the crop should show.
      scales: Scales in (0, 1).
      centers: Centres a side.

    Returns:
      One `Losses` a scale, each array `[centers, centers]`: row j, column i is of the centre
      `(t_i (1 - s), t_j (1 - s))` with t evenly from -1 to 1.
    """
    evaluate = tf.function(
        cropper.loss,
        input_signature=[cropper.loss.signature, tf.TensorSpec([None, 3], tf.float32)],
    )
    found = []
    with devices.reproducible():
        problem, _ = cropper.problem(photo, caption)
        for scale in tqdm(scales, desc="landscapes", unit="scale", disable=None):
            grid = coarse_to_fine.scan_grid([scale], centers)
            values = grid_search.in_batches(evaluate, problem, grid)
            found.append(tf.nest.map_structure(lambda each: each.reshape(centers, centers), values))
    return found


def draw(searched: one_search.Searched, chosen: Sequence[int], grids: Sequence[Losses]) -> Figure:
    """The figure: a column a scale, one colour scale a row.

    Args:
      searched: The search.
      chosen: Numbers of the steps at whose scales the landscapes are.
      grids: What `landscapes` returned for them.
    """
    result, columns = searched.result, len(chosen)
    height, width = result.photo.shape[:2]
    aspect = height / width
    row = 1.85 * aspect + 0.2
    names = ["total", *grids[0].terms]
    rows = 1 + len(names)
    figure = Figure(figsize=(2.1 * columns + 1.4, rows * row + 1.1), layout="constrained")
    title = f"“{searched.caption}”, white: the crop of the lowest total loss at each scale, dotted:"
    figure.suptitle(f"{title} where its centre can be", parse_math=False, fontsize=11)
    axes = figure.subplots(rows, columns, squeeze=False)
    for column, (number, grid) in enumerate(zip(chosen, grids, strict=True)):
        step = result.path.steps[number]
        axes[0, column].set_title(f"{step.scale:.0%}", fontsize=11)
        _draw_photo(axes[0, column], result.photo, step.scale, grid.total)
    for at, name in enumerate(names, 1):
        values = [grid.total if name == "total" else grid.terms[name] for grid in grids]
        norm = Normalize(min(map(np.nanmin, values)), max(map(np.nanmax, values)))
        for column, (number, shown) in enumerate(zip(chosen, values, strict=True)):
            here = axes[at, column]
            image = _draw_landscape(here, shown, result.path.steps[number].scale, norm, aspect)
            draw_path(here, result.path.steps, number)
            if at < len(names):
                here.set_xticklabels([])
        unit = "-score" if name == "aesthetic" else "nats"
        bar = figure.colorbar(image, ax=list(axes[at]), pad=0.01)
        bar.set_label(f"{name} loss ({unit})", fontsize=8)
        axes[at, 0].set_ylabel("y of the centre", fontsize=9)
    for here in axes[-1]:
        here.set_xlabel("x of the centre", fontsize=9)
    panels.legend_below(figure, axes[1, -1])
    return figure


def _draw_photo(axes, photo: np.ndarray, scale: float, total: np.ndarray) -> None:
    """The photo with the best crop of this scale's grid, and where centres can be, dotted."""
    height, width = photo.shape[:2]
    panels.show_photo(axes, photo)
    center = lowest_center(total, scale)
    panels.draw_box(axes, geometry.pixel_box(center, scale, width, height), "white")
    free = 1 - scale
    panels.draw_box(
        axes, (scale / 2 * width, scale / 2 * height, free * width, free * height), "orange", ":"
    )


def lowest_center(total: np.ndarray, scale: float) -> np.ndarray:
    """`(x, y)` of the lowest of `[n, n]` losses, NaN aside."""
    grid = coarse_to_fine.scan_grid([scale], len(total))
    return grid[np.nanargmin(total), :2]


def _draw_landscape(axes, values: np.ndarray, scale: float, norm: Normalize, aspect: float):
    """One landscape; each value's square is centred on its centre."""
    free = 1 - scale
    edge = free + free / (len(values) - 1)
    image = axes.imshow(
        values, extent=(-edge, edge, edge, -edge), norm=norm, cmap=COLOURS, aspect=aspect
    )
    x, y = lowest_center(values, scale)
    axes.plot(x, y, "+", color="red", markersize=9, markeredgewidth=1.8, label="lowest here")
    ticks = [-round(free * 0.8, 2), 0, round(free * 0.8, 2)]  # Every scale has its own range.
    axes.set(xlim=(-edge, edge), ylim=(edge, -edge), xticks=ticks, yticks=ticks)
    axes.tick_params(labelsize=7, pad=1)
    return image


def draw_path(axes, steps: Sequence[Step], number: int) -> None:
    """The restarts of one step, and the path of the means up to it."""
    step = steps[number]
    for start, end in zip(step.starts, step.ends, strict=True):
        axes.plot(*zip(start, end, strict=True), "-", color="white", linewidth=0.8)
    axes.plot(*step.starts.T, "o", color="white", markersize=3.5, mfc="none", label="restart")
    axes.plot(*step.ends.T, "o", color="white", markersize=3.5, mec="black", label="its result")
    means = np.array([each.center for each in steps[: number + 1]])
    axes.plot(*means.T, "-", color="orange", linewidth=1.6, label="path of the means")
    axes.plot(*means[-1], "*", color="orange", markersize=12, mec="black", label="mean")


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))

"""Beyond the paper: a forward scan of centres and scales, then Alg. 1 near the best of them.

The objective is the paper's. A scan needs no gradients and sees the whole photo, so few scales and
restarts are enough afterwards.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf import annealing, geometry

BATCH = 35  # Crops a forward pass; more needs memory and gains no speed on a CPU.


@dataclasses.dataclass(frozen=True)
class CoarseToFine:
    """A scan, then Alg. 1 restricted to a few scales around the scan's best.

    The scan's best is where the loss plus its mean over neighbouring centres and scales is lowest:
    single losses jump from pixel to pixel, and a low one among high ones is seldom the place meant.

    Attributes:
      scan_scales: Scales to scan.
      scan_centers: Centres a side at each scale, evenly from border to border.
      refine_scales: Scales of the annealing after it, as factors of the best scanned scale.
      refinement: Settings of Alg. 1; its own schedule is not used.
    """

    scan_scales: Sequence[float] = (0.44, 0.52, 0.6, 0.68)
    scan_centers: int = 7
    refine_scales: Sequence[float] = (1.0,)
    refinement: annealing.Annealing = annealing.Annealing()

    def __post_init__(self):
        if self.scan_centers < 1:
            raise ValueError(
                f"CoarseToFine.scan_centers is {self.scan_centers}; at least 1 is needed"
            )
        if not self.scan_scales or not all(0 < scale <= 1 for scale in self.scan_scales):
            raise ValueError(
                f"CoarseToFine.scan_scales is {self.scan_scales}; scales in (0, 1] are needed"
            )

    def compile(self, loss: annealing.LossFunction, signature: Any) -> annealing.Search:
        """Makes the search for one loss; its graphs are traced once."""
        step = annealing.compile_step(self.refinement, loss, signature)

        @tf.function(
            input_signature=[signature, tf.TensorSpec([None, 3], tf.float32)], autograph=False
        )
        def evaluate(problem, theta):
            return loss(problem, theta)[0]

        def search(problem, seed, progress=None, room=geometry.WHOLE):
            grid = scan_grid(room.scales(self.scan_scales), self.scan_centers, room.window)
            totals = np.concatenate(
                [
                    evaluate(problem, tf.constant(grid[at : at + BATCH], tf.float32)).numpy()
                    for at in range(0, len(grid), BATCH)
                ]
            )
            totals = np.where(np.isnan(totals), np.inf, totals)
            means = neighbourhood_means(totals, self.scan_centers)
            start = int(np.argmin(totals + means))
            *center, scale = grid[start]
            scales = [min(factor * scale, 1.0) for factor in self.refine_scales]
            path = annealing.anneal(
                step,
                problem,
                seed,
                scales,
                np.array(center),
                self.refinement.keep_restarts,
                progress,
                room,
            )
            return path._replace(
                theta=path.theta if path.loss < totals[start] else grid[start],
                loss=min(path.loss, float(totals[start])),
                evaluations=path.evaluations + len(grid),
                scanned=np.column_stack([(totals + means) / 2, grid]),
            )

        return search


def scan_grid(
    scales: Sequence[float], centers: int, window: Sequence[float] = (1.0, 1.0)
) -> np.ndarray:
    """`[len(scales) * centers^2, 3]` rows `(x, y, s)`; every crop stays inside the photo.

    `window` has the sides of the crop of scale 1 as shares of the photo's.
    """
    places = np.linspace(-1, 1, centers) if centers > 1 else np.zeros(1)
    return np.array(
        [
            [x * (1 - scale * window[0]), y * (1 - scale * window[1]), scale]
            for scale in scales
            for y in places
            for x in places
        ]
    )


def neighbourhood_means(totals: np.ndarray, centers: int) -> np.ndarray:
    """The mean over each scanned crop and those next to it in x, y and scale.

    Args:
      totals: `[S * centers^2]` losses in the order of `scan_grid`.
      centers: Centres a side.

    Returns:
      `[S * centers^2]`; at the borders the mean is over the neighbours that there are.
    """
    cube = totals.reshape(-1, centers, centers)
    padded = np.pad(cube, 1, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3, 3))
    return np.nanmean(windows, axis=(3, 4, 5)).reshape(-1)

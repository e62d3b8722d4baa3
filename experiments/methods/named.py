"""Table 1's methods by name: a new one is a file beside this one, a line here, and its test."""

from collections.abc import Callable
from typing import Any, NamedTuple

from cagic_tf.batch import manifest
from cagic_tf.networks.bundle import Networks
from experiments.methods import blind, grad_cam, sliding_window


class Setup(NamedTuple):
    """What the methods of a table share.

    Attributes:
      dataset: The data set's name, for the table.
      rows: Its rows, of which some have ground truth.
      sizes: Row id to `(width, height)` of the upright photo.
      networks: The frozen networks.
    """

    dataset: str
    rows: list[manifest.Row]
    sizes: dict[str, tuple[int, int]]
    networks: Networks


# A method is called `(path of the photo, caption)` and returns a box `(x, y, w, h)` in pixels of
# the upright photo. Its `repr` has all its settings: other ones are another method.
Method = Callable[[Any, str], blind.Box]

METHODS: dict[str, Callable[[Setup], Method]] = {
    "whole": lambda setup: blind.Centre(1.0),
    "centre": lambda setup: blind.Centre(0.5),
    "best_centre": lambda setup: blind.BestCentre(setup.rows, setup.sizes),
    "random": lambda setup: blind.Random(),
    "prior": lambda setup: blind.Prior(setup.rows, setup.sizes),
    "grad_cam": lambda setup: grad_cam.GradCam(setup.networks),
    "grad_cam_mask": lambda setup: grad_cam.GradCam(setup.networks, whole_mask=True),
    "vfn": lambda setup: sliding_window.SlidingWindow(setup.networks),
    "grad_cam+vfn": lambda setup: sliding_window.SlidingWindow(
        setup.networks, first=grad_cam.GradCam(setup.networks)
    ),
}

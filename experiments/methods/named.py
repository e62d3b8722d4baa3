"""Table 1's methods by name: a new one is a file beside this one, a line here, and its test."""

from collections.abc import Callable
from typing import Any, NamedTuple

from cagic_tf.baselines import systems
from cagic_tf.batch import manifest
from cagic_tf.networks.bundle import Networks
from experiments.methods import blind, grad_cam, sliding_window


class Setup(NamedTuple):
    """What the methods of a table share.

    Attributes:
      dataset: The data set's name, for the table.
      rows: Its rows, of which some have ground truth.
      sizes: Row id to `(width, height)` of the upright photo.
    """

    dataset: str
    rows: list[manifest.Row]
    sizes: dict[str, tuple[int, int]]


# A method is called `(path of the photo, caption)` and returns a box `(x, y, w, h)` in pixels of
# the upright photo. Its `repr` has all its settings: other ones are another method.
Method = Callable[[Any, str], blind.Box]

WITHOUT_NETWORKS: dict[str, Callable[[Setup], Method]] = {
    "whole": lambda setup: blind.Centre(1.0),
    "centre": lambda setup: blind.Centre(0.5),
    "best_centre": lambda setup: blind.BestCentre(setup.rows, setup.sizes),
    "random": lambda setup: blind.Random(),
    "prior": lambda setup: blind.Prior(setup.rows, setup.sizes),
}
WITH_NETWORKS: dict[str, Callable[[Networks], Method]] = {
    "grad_cam": grad_cam.GradCam,
    "grad_cam_mask": lambda networks: grad_cam.GradCam(networks, whole_mask=True),
    "vfn": sliding_window.SlidingWindow,
    "grad_cam+vfn": lambda networks: sliding_window.SlidingWindow(
        networks, first=grad_cam.GradCam(networks)
    ),
}
# Which of `cagic_tf.baselines`, and whether it is given Grad-CAM's crop as a photo of its own.
OF_SYSTEMS = {name: (name, False) for name in systems.NAMES}
OF_SYSTEMS |= {f"grad_cam+{name}": (name, True) for name in ("a2rl", "gaic", "vpn")}
METHODS = (*WITHOUT_NETWORKS, *WITH_NETWORKS, *OF_SYSTEMS)

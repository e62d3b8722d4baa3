"""A photo's detections as the matching network sees them."""

import numpy as np
import tensorflow as tf

from cagic_tf.baselines.mattnet import geometry, sizes
from cagic_tf.baselines.mattnet.detections import Detections
from cagic_tf.baselines.mattnet.network import Objects


def check(detections: Detections, network: sizes.Sizes) -> None:
    """Holds that detections are what a network can read.

    Raises:
      ValueError: The arrays are not of the same things, a box has no area, or the channels are not
        those that the network was trained with; one line.
    """
    boxes, categories, pool5, fc7 = (np.asarray(part) for part in detections)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"the detections' boxes are {list(boxes.shape)}; [n, 4] are needed")
    count = len(boxes)
    if categories.shape != (count,) or not (len(pool5) == len(fc7) == count):
        found = [list(part.shape) for part in (categories, pool5, fc7)]
        raise ValueError(f"there are {count} boxes, but categories, pool5 and fc7 are {found}")
    if pool5.ndim != 4 or fc7.ndim != 4 or pool5.shape[:3] != fc7.shape[:3]:
        found = [list(part.shape) for part in (pool5, fc7)]
        raise ValueError(f"pool5 and fc7 are {found}; [n, 7, 7, C1] and [n, 7, 7, C2] are needed")
    channels, needed = (pool5.shape[3], fc7.shape[3]), (network.pool5, network.fc7)
    if channels != needed:
        raise ValueError(
            f"the detections have {channels} channels in pool5 and fc7; this MAttNet was trained "
            f"with {needed}: it needs the detector that it was trained with"
        )
    wrong = boxes[~(np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1))]
    if len(wrong):
        raise ValueError(
            f"a detection's box is {wrong[0].tolist()}; x, y and a width and height above 0 are "
            "needed"
        )


def describe(
    detections: Detections, size: tuple[int, int], around: np.ndarray, same_kind_slots: int
) -> Objects:
    """The numbers that the modules read.

    Args:
      detections: See `check`; n things.
      size: Height and width of the photo in pixels.
      around: `[n, K]`, of `geometry.context`.
      same_kind_slots: How many of the nearest of its own kind a box knows of.
    """
    boxes, categories, pool5, fc7 = (np.asarray(part) for part in detections)
    alike = geometry.nearest_of_kind(boxes, categories, same_kind_slots)
    mean = fc7.astype(np.float32).mean(axis=2).mean(axis=1)  # In the original's order.
    present = (around >= 0)[..., np.newaxis]
    return Objects(
        tf.constant(pool5, tf.float32),
        tf.constant(fc7, tf.float32),
        tf.constant(geometry.location(boxes, size)),
        tf.constant(geometry.relative(boxes, alike).reshape(len(boxes), -1)),
        tf.constant(np.where(present, mean[around], np.float32(0))),
        tf.constant(geometry.relative(boxes, around)),
    )


def signature(network: sizes.Sizes, slots: int) -> Objects:
    """The `tf.TensorSpec`s of a photo's objects, however many.

    Args:
      network: The sizes of the network that reads them.
      slots: How many things around a box count.
    """
    shapes = Objects(
        [None, None, None, network.pool5],
        [None, None, None, network.fc7],
        [None, sizes.NUMBERS],
        [None, sizes.NUMBERS * network.alike],
        [None, slots, network.fc7],
        [None, slots, sizes.NUMBERS],
    )
    return Objects(*(tf.TensorSpec(shape, tf.float32) for shape in shapes))

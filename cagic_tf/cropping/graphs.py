"""An objective with its graphs: searches on photos alone, or on many side by side."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cagic_tf.method.objective import CropLoss
from cagic_tf.method.problems import Problem
from cagic_tf.method.search import (
    UNBOUNDED,
    Bounds,
    Path,
    Placed,
    Progress,
    RunSideBySide,
    Search,
)
from cagic_tf.system import devices


class Described(NamedTuple):
    """A crop as the networks see it.

    Attributes:
      loss: "total" and each term.
      caption: The captioner's own.
    """

    loss: dict[str, float]
    caption: str


class Graphs:
    """Traced once for each number of photos that go side by side.

    Attributes:
      loss: The objective.
    """

    def __init__(self, loss: CropLoss, settings: Search):
        self.loss = loss
        self._search: Any = settings.compile(loss, loss.signature)
        self._describe_alone = tf.function(
            loss.describe,
            input_signature=[loss.signature, tf.TensorSpec([1, 3], tf.float32)],
            autograph=False,
        )
        self._describe_many = tf.function(
            lambda problem, owners, theta, base_sizes: loss.describe(
                problem.of(owners)._replace(base_size=base_sizes), theta
            ),
            input_signature=[
                loss.batch_signature,
                tf.TensorSpec([None], tf.int32),
                tf.TensorSpec([None, 3], tf.float32),
                tf.TensorSpec([None, 2], tf.float32),
            ],
            autograph=False,
        )
        self._sizes: set[int] = set()  # Numbers of photos that there are graphs for.

    @property
    def goes_side_by_side(self) -> bool:
        """Whether photos are searched side by side: where there is a GPU, if the search can.

        On a CPU nothing is gained, and the bits of a photo's crop would depend on the others.
        """
        return devices.on_gpu() and isinstance(self._search, RunSideBySide)

    def search(
        self,
        problems: Sequence[Problem],
        seeds: Sequence[int],
        bounds: Sequence[Bounds],
        progress: Progress | None = None,
    ) -> list[Path]:
        """The path of each problem; one alone is given where photos go one by one."""
        if not self.goes_side_by_side:
            # Searches of others need not know of bounds as long as nobody asks for any.
            limits = {} if bounds[0] == UNBOUNDED else {"bounds": bounds[0]}
            return [self._search(problems[0], seeds[0], progress, **limits)]
        count = len(problems)
        size = min((size for size in self._sizes if size >= count), default=count)
        self._sizes.add(size)
        # The first photo again, rather than another trace, which takes as long as many photos.
        filled = [[*each, *[each[0]] * (size - count)] for each in (list(problems), seeds, bounds)]
        return self._search.many(filled[0], filled[1], progress, filled[2])[:count]

    def describe(
        self, problems: Sequence[Problem], crops: Sequence[Sequence[Placed]]
    ) -> list[list[Described]]:
        """Losses and captions of some crops of each problem."""
        if not self.goes_side_by_side:
            return [[self._alone(problems[0], crop) for crop in crops[0]]]
        counts = [len(own) for own in crops]
        owners = np.repeat(np.arange(len(problems)), counts)
        theta, base_sizes = (np.array(each) for each in zip(*itertools.chain(*crops), strict=True))
        batch = self.loss.side_by_side(problems)
        found = self._text(
            *self._describe_many(
                batch,
                tf.constant(owners, tf.int32),
                tf.constant(theta, tf.float32),
                tf.constant(base_sizes, tf.float32),
            )
        )
        ends = np.cumsum(counts)
        return [found[end - count : end] for end, count in zip(ends, counts, strict=True)]

    def _alone(self, problem: Problem, crop: Placed) -> Described:
        base_size = tf.constant(crop.base_size, problem.base_size.dtype)
        theta = tf.constant(crop.theta[np.newaxis], tf.float32)
        return self._text(*self._describe_alone(problem._replace(base_size=base_size), theta))[0]

    def _text(self, losses: Any, predicted: Any) -> list[Described]:
        losses, words, lengths = tf.nest.map_structure(
            lambda tensor: tensor.numpy(), (losses, predicted.words, predicted.lengths)
        )
        values = {"total": losses.total, **losses.terms}
        captioner = self.loss.networks.captioner
        return [
            Described(
                {name: float(value[row]) for name, value in values.items()},
                captioner.text(words[row], int(lengths[row])),
            )
            for row in range(len(lengths))
        ]

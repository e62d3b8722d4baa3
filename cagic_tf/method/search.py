"""What every search is given and gives back. A search knows a loss, and no network.

The crop parameters are `theta = (x, y, s)` of Sec. 3.1, see `geometry`.
"""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import tensorflow as tf


class Losses(NamedTuple):
    """Losses of N crops.

    Attributes:
      total: `[N]`, what is minimised (Eq. 3).
      terms: Name of each term of the total to its `[N]` values, without its weight.
    """

    total: tf.Tensor
    terms: Mapping[str, tf.Tensor] = {}


# loss(problem, theta [N, 3]) -> the losses of these crops. A search only passes the problem on.
# A loss may make choices that can be held, see `ChoosingLoss`.
LossFunction = Callable[[Any, tf.Tensor], Losses]
Progress = Callable[[int, int, float], None]  # progress(steps done, steps in all, lowest loss)


@runtime_checkable
class ChoosingLoss(Protocol):
    """A loss that depends on choices, such as the most likely words, of which no gradient knows."""

    def __call__(self, problem: Any, theta: tf.Tensor, choices: Any = None) -> Losses:
        """The losses of crops `theta` `[N, 3]` with given choices; None: with their own."""

    def choose(self, problem: Any, theta: tf.Tensor) -> tuple[Losses, Any]:
        """The losses of crops with their own choices, and these: tensors `[N, ...]`.

        Their shapes after the first axis are static. Without any tensor there is nothing to hold.
        """


class Minimized(NamedTuple):
    """What an optimizer minimises: the total losses of N positions.

    Attributes:
      value: `value(positions [N, D], members [N])` gives `[N]`; members are the numbers of the
        minimizations that the positions belong to.
      choose: Gives the same and the choices made, tensors `[N, ...]`; None: there are none.
      held: `held(positions, members, choices)` gives `[N]` with these choices.
    """

    value: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    choose: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, Any]] | None = None
    held: Callable[[tf.Tensor, tf.Tensor, Any], tf.Tensor] | None = None


def minimized(
    loss: LossFunction, crops: Callable[[tf.Tensor, tf.Tensor], tuple[Any, tf.Tensor]]
) -> Minimized:
    """What an optimizer minimises of a loss.

    Args:
      loss: Of crops.
      crops: `crops(positions, members)` gives the problem and the `theta` `[N, 3]` of positions.
    """

    def value(positions: tf.Tensor, members: tf.Tensor) -> tf.Tensor:
        return loss(*crops(positions, members)).total

    if not isinstance(loss, ChoosingLoss):
        return Minimized(value)

    def choose(positions: tf.Tensor, members: tf.Tensor) -> tuple[tf.Tensor, Any]:
        losses, choices = loss.choose(*crops(positions, members))
        return losses.total, choices

    def held(positions: tf.Tensor, members: tf.Tensor, choices: Any) -> tf.Tensor:
        return loss(*crops(positions, members), choices).total

    return Minimized(value, choose, held)


class Bounds(NamedTuple):
    """Which crops may be tried, beside those that a search's own settings leave out.

    Attributes:
      base_size: Width and height of the crop of scale 1 as fractions of the photo's, each in
        (0, 1]; the paper's crops have the photo's own shape and (1, 1).
      smallest_scale: In [0, 1]; no crop of a smaller scale is tried.
      smallest_sides: The least width and height of a crop as fractions of the photo's, where the
        search may choose another shape than the base size's; None: it may not.
    """

    base_size: tuple[float, float] = (1.0, 1.0)
    smallest_scale: float = 0.0
    smallest_sides: tuple[float, float] | None = None

    def scales(self, scales: Sequence[float]) -> list[float]:
        """These scales, those below `smallest_scale` moved up to it; what is then twice, once."""
        if not self.smallest_scale:
            return list(scales)
        return list(dict.fromkeys(max(scale, self.smallest_scale) for scale in scales))


UNBOUNDED = Bounds()  # The paper's: crops of the photo's shape, of any scale.


class Placed(NamedTuple):
    """A crop of any shape.

    Attributes:
      theta: `[3]`, its `(x, y, s)`.
      base_size: Width and height of the crop of scale 1 as fractions of the photo's.
    """

    theta: np.ndarray
    base_size: tuple[float, float]

    @classmethod
    def of(cls, center: Sequence[float], sides: Sequence[float]) -> "Placed":
        """By its centre, in [-1, 1], and its width and height as fractions of the photo's."""
        width, height = sides
        scale = max(sides)
        return cls(np.array([*center, scale]), (width / scale, height / scale))


class Step(NamedTuple):
    """What happened at one scale.

    Attributes:
      scale: s^i.
      center: `[2]`, the mean of the restarts' results: x^{i+1}, y^{i+1} of Eq. 6.
      losses: At that centre, each a scalar.
      starts: `[K, 2]` starting points.
      ends: `[K, 2]` where the restarts arrived (Eq. 7).
      start_losses: `[K]` total losses at the starts.
      end_losses: `[K]` total losses at the ends.
      evaluations: How many crops the loss was computed for, with or without gradient.
    """

    scale: float
    center: np.ndarray
    losses: Losses
    starts: np.ndarray
    ends: np.ndarray
    start_losses: np.ndarray
    end_losses: np.ndarray
    evaluations: int


class Path(NamedTuple):
    """A finished search.

    Attributes:
      theta: `[3]`, the `(x, y, s)` with the lowest loss so far, "our final result" (Sec. 3.3).
      loss: Its total loss.
      steps: Every step, in order.
      evaluations: Crops that the loss was computed for, in all.
      scanned: `[N, 4]` rows `(loss, x, y, s)` of crops tried before the first step, with the loss
        by which the search ranks them; () without any.
      base_size: Where the search chose another shape than that of its `Bounds`, the base size of
        `theta` and of the steps; None: it did not.
    """

    theta: np.ndarray
    loss: float
    steps: list[Step]
    evaluations: int
    scanned: np.ndarray | tuple[()] = ()
    base_size: tuple[float, float] | None = None


class Problems(Protocol):
    """Problems side by side, as `BatchLoss.side_by_side` makes them."""

    def of(self, owners: tf.Tensor) -> Any:
        """What a loss takes for N crops, by the number of each crop's problem, `[N]`."""


@runtime_checkable
class BatchLoss(Protocol):
    """A loss of crops of one problem, which can also look at crops of many at a time.

    Attributes:
      batch_signature: The `tf.TypeSpec`s of problems side by side.
    """

    batch_signature: Any

    def __call__(self, problem: Any, theta: tf.Tensor) -> Losses:
        """The losses of crops `theta` `[N, 3]`."""

    def side_by_side(self, problems: Sequence[Any]) -> Problems:
        """Problems as one."""


class RunSearch(Protocol):
    """A search whose graphs are traced: it can be run on any number of problems."""

    def __call__(
        self,
        problem: Any,
        seed: int,
        progress: Progress | None = None,
        bounds: Bounds = UNBOUNDED,
    ) -> Path:
        """Searches the crop of lowest loss.

        Args:
          problem: What the loss takes.
          seed: Of everything random; the same seed gives the same path, bit for bit.
          progress: Called after each step.
          bounds: Which crops may be tried.
        """


class RunSideBySide(abc.ABC):
    """A `RunSearch` that can be run on many problems at a time, too.

    Args:
      loss: What is minimised; `many` needs a `BatchLoss`.
    """

    def __init__(self, loss: Any):
        self._loss = loss

    def __call__(
        self,
        problem: Any,
        seed: int,
        progress: Progress | None = None,
        bounds: Bounds = UNBOUNDED,
    ) -> Path:
        """See `RunSearch`."""
        return self._search([problem], [seed], [bounds], None, progress)[0]

    def many(
        self,
        problems: Sequence[Any],
        seeds: Sequence[int],
        progress: Progress | None = None,
        bounds: Sequence[Bounds] | None = None,
    ) -> list[Path]:
        """Searches the crop of lowest loss of each problem, as if it were alone.

        Args:
          problems: What the loss takes.
          seeds: One for each problem.
          progress: Called after each step, with the mean of their lowest losses.
          bounds: Which crops may be tried, for each problem; None: all.
        """
        limits = bounds or [UNBOUNDED] * len(problems)
        return self._search(problems, seeds, limits, len(problems), progress)

    @abc.abstractmethod
    def _search(
        self,
        problems: Sequence[Any],
        seeds: Sequence[int],
        bounds: Sequence[Bounds],
        side_by_side: int | None,
        progress: Progress | None,
    ) -> list[Path]:
        """As `many`; `side_by_side` is the number of problems, or None for one by itself."""

    def _as_one(self, problems: Sequence[Any], side_by_side: int | None) -> Any:
        """What graphs take: the one problem by itself, or all side by side."""
        return problems[0] if side_by_side is None else self._loss.side_by_side(problems)


class Search(Protocol):
    """The settings of a search, as gin binds them: `Cropper.search`."""

    def compile(self, loss: LossFunction, signature: Any) -> RunSearch:
        """Makes the search for one loss; all its graphs are traced once.

        Args:
          loss: What is minimised; where it is a `BatchLoss`, the search may be `RunSideBySide`.
          signature: The `tf.TypeSpec`s of its problems.
        """

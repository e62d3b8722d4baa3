"""L-BFGS for losses on a GPU: the optimizer runs on the CPU and calls them from outside its graph.

TFP's minimizer is hundreds of steps on a few numbers, each with a branch or a loop: on a GPU every
one is launched, and every branch waits for it. On the CPU they take two milliseconds a scale. The
losses are one executable of XLA: of ten crops a GPU computes them faster than their operations can
be launched one by one, and of hundreds what XLA joins saves most of the memory's traffic. Each
number of rows is compiled for itself, in a third of a minute, so there are few such numbers, to
which others are filled up.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.method import evaluation_cache, lbfgs
from cagic_tf.system import devices

FEW = 40  # Rows, of which a GPU needs hardly more time than for one.
FACTOR = 4  # Between one number of rows and the next.


def row_counts(members: int) -> list[int]:
    """The numbers of rows that are computed together, ascending.

    >>> row_counts(10), row_counts(80), row_counts(640)
    ([10], [40, 80], [40, 160, 640])
    """
    counts = [members]
    while counts[0] > FEW:
        counts.insert(0, max(FEW, -(-counts[0] // FACTOR)))
    return counts


class HostLoop:
    """Minimizes a loss of many problems side by side, some members for each."""

    def __init__(
        self,
        minimizer: lbfgs.Minimizer,
        loss: Callable[[Any, tf.Tensor, tf.Tensor], tf.Tensor],
        batch_signature: Any,
        members: int,
        dimensions: int,
    ):
        """Prepares the graphs; they are traced when they are first used.

        Args:
          minimizer: L-BFGS with its limits.
          loss: Maps the problem of each row (what `Problems.of` returns), what is given beside it
            `[N, G]`, and positions `[N, D]` to values `[N]`.
          batch_signature: The `tf.TypeSpec`s of problems side by side.
          members: How many minimizations there are, the same number for each problem.
          dimensions: D.
        """
        self._minimizer, self._loss, self._members = minimizer, loss, members
        self._counts = row_counts(members)
        self._given: tuple[Any, tf.Tensor] = (None, tf.zeros([]))
        self._compiled: set[Any] = set()
        known = evaluation_cache.EvaluationCache(members, dimensions)
        floats, ints = tf.float32, tf.int32
        positions = tf.TensorSpec([None, dimensions], floats)
        signature = [batch_signature, tf.TensorSpec([None, None], floats), positions]
        self._slopes = devices.compiled(self._trace, [*signature, tf.TensorSpec([None], ints)])
        box = [tf.TensorSpec([members, dimensions], floats)] * 3
        self._minimize = tf.function(
            lambda starts, lower, upper: minimizer(self._function, starts, lower, upper, known),
            input_signature=box,
            autograph=False,
        )

    def __call__(
        self,
        problems: Any,
        given: tf.Tensor,
        starts: tf.Tensor,
        lower: tf.Tensor,
        upper: tf.Tensor,
    ) -> lbfgs.Minimum:
        """Minimizes from every start.

        Args:
          problems: Problems side by side, see `search.Problems`.
          given: `[B, G]`, what the loss is given beside each.
          starts: `[K, D]`, the members of one problem after those of another.
          lower: `[K, D]`, least positions.
          upper: `[K, D]`, greatest positions.
        """
        self._given = problems, given
        self._compile()
        with tf.device("CPU:0"):
            return self._minimize(starts, lower, upper)

    def _trace(
        self, problems: Any, given: tf.Tensor, positions: tf.Tensor, owners: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(positions)
            values = self._loss(problems.of(owners), tf.gather(given, owners), positions)
        return values, tape.gradient(values, positions)

    def _compile(self) -> None:
        """Compiles all numbers of rows at a time, where these problems' shapes are new."""
        shapes = tuple(tuple(tensor.shape) for tensor in tf.nest.flatten(self._given[0]))
        if shapes in self._compiled:
            return
        self._compiled.add(shapes)
        dimensions = self._slopes.input_signature[2].shape[1]

        def call(count: int) -> None:
            self._slopes(
                *self._given, tf.fill([count, dimensions], 0.3), tf.zeros([count], tf.int32)
            )

        self._slopes.get_concrete_function()  # Traced once, and not in each thread.
        with ThreadPoolExecutor(len(self._counts)) as pool:
            list(pool.map(call, self._counts))

    def _function(self, positions: tf.Tensor, members: tf.Tensor) -> tf.Tensor:
        """The values of positions, as an operation of the optimizer's graph."""

        @tf.custom_gradient
        def values_of(positions: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            kinds = [tf.float32, tf.float32]
            values, slopes = tf.numpy_function(self._evaluate, [positions, members], kinds)
            values = tf.ensure_shape(values, [None])
            slopes = tf.ensure_shape(slopes, positions.shape)
            return values, lambda upstream: upstream[:, tf.newaxis] * slopes

        return values_of(positions)

    def _evaluate(self, positions: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, ...]:
        problems, given = self._given
        count = len(members)
        enough = min(each for each in self._counts if each >= count)
        rows = np.minimum(np.arange(enough), count - 1)  # The last one again.
        owners = members[rows] // (self._members // given.shape[0])
        with tf.device(None):
            values, slopes = self._slopes(
                problems, given, tf.constant(positions[rows]), tf.constant(owners)
            )
        return values.numpy()[:count], slopes.numpy()[:count]

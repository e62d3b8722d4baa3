"""L-BFGS for losses on a GPU: the optimizer runs on the CPU and calls them from outside its graph.

TFP's minimizer is hundreds of steps on a few numbers, each with a branch or a loop: on a GPU every
one is launched, and every branch waits for it. On the CPU they take two milliseconds a scale. The
losses are one executable of XLA: of ten crops a GPU computes them faster than their operations can
be launched one by one, and of hundreds what XLA joins saves most of the memory's traffic. Each
number of rows is compiled for itself, in a third of a minute, so there are few such numbers, to
which others are filled up.
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.method import evaluation_cache, lbfgs
from cagic_tf.method.search import ChoosingLoss, Minimized, minimized
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
        loss: Any,
        crops: Callable[[Any, tf.Tensor, tf.Tensor], tuple[Any, tf.Tensor]],
        members: int,
        dimensions: int,
    ):
        """Prepares the graphs; they are traced when they are first used.

        Args:
          minimizer: L-BFGS with its limits.
          loss: What is minimised, a `search.BatchLoss`.
          crops: Maps the problem of each row (what `Problems.of` returns), what is given beside it
            `[N, G]`, and positions `[N, D]` to the problem and `theta` `[N, 3]` of the loss.
          members: How many minimizations there are, the same number for each problem.
          dimensions: D.
        """
        self._loss, self._crops, self._members = loss, crops, members
        self._counts = row_counts(members)
        self._given: tuple[Any, tf.Tensor] = (None, tf.zeros([]))
        self._shapes: set[Any] = set()  # Of problems that are compiled.
        self._executables = self._trace(dimensions)
        known = evaluation_cache.EvaluationCache(members, dimensions)
        self._minimize = tf.function(
            lambda starts, lower, upper: minimizer(self._function(), starts, lower, upper, known),
            input_signature=[tf.TensorSpec([members, dimensions], tf.float32)] * 3,
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
          given: `[B, G]`, what `crops` is given beside each.
          starts: `[K, D]`, the members of one problem after those of another.
          lower: `[K, D]`, least positions.
          upper: `[K, D]`, greatest positions.
        """
        self._given = problems, given
        self._compile()
        with tf.device("CPU:0"):
            return self._minimize(starts, lower, upper)

    def _trace(self, dimensions: int) -> dict[str, Any]:
        """The executables by name: values, those with choices and these, those of held choices."""
        floats = tf.float32
        signature = [
            self._loss.batch_signature,
            tf.TensorSpec([None, None], floats),
            tf.TensorSpec([None, dimensions], floats),
            tf.TensorSpec([None], tf.int32),
        ]
        executables = {"value": devices.compiled(self._value, signature)}
        if isinstance(self._loss, ChoosingLoss):
            choose = devices.compiled(self._choose, signature)
            choices = choose.get_concrete_function().structured_outputs[2]
            specs = tf.nest.map_structure(
                lambda each: tf.TensorSpec(each.shape, each.dtype), choices
            )
            if tf.nest.flatten(specs):
                held = devices.compiled(self._held, [*signature, specs])
                executables |= {"choose": choose, "held": held}
        return executables

    def _minimized(self, problems: Any, given: tf.Tensor, owners: tf.Tensor) -> Minimized:
        def crops(positions: tf.Tensor, _: tf.Tensor) -> tuple[Any, tf.Tensor]:
            return self._crops(problems.of(owners), tf.gather(given, owners), positions)

        return minimized(self._loss, crops)

    def _value(
        self, problems: Any, given: tf.Tensor, positions: tf.Tensor, owners: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(positions)
            values = self._minimized(problems, given, owners).value(positions, owners)
        return values, tape.gradient(values, positions)

    def _choose(
        self, problems: Any, given: tf.Tensor, positions: tf.Tensor, owners: tf.Tensor
    ) -> tuple[Any, ...]:
        found = self._minimized(problems, given, owners)
        assert found.choose is not None  # The loss is a `ChoosingLoss`; and so below.
        with tf.GradientTape() as tape:
            tape.watch(positions)
            values, choices = found.choose(positions, owners)
        return values, tape.gradient(values, positions), choices

    def _held(
        self,
        problems: Any,
        given: tf.Tensor,
        positions: tf.Tensor,
        owners: tf.Tensor,
        choices: Any,
    ) -> tuple[tf.Tensor, ...]:
        found = self._minimized(problems, given, owners)
        assert found.held is not None
        with tf.GradientTape() as tape:
            tape.watch(positions)
            values = found.held(positions, owners, choices)
        return values, tape.gradient(values, positions)

    def _compile(self) -> None:
        """Compiles all that may be called at a time, where these problems' shapes are new."""
        shapes = tuple(tuple(tensor.shape) for tensor in tf.nest.flatten(self._given[0]))
        if shapes in self._shapes:
            return
        self._shapes.add(shapes)
        names = [name for name in self._executables if name != "value"] or ["value"]

        def call(name: str, count: int) -> None:
            executable = self._executables[name]
            blanks = tf.nest.map_structure(
                lambda spec: tf.zeros([count, *spec.shape[1:]], spec.dtype),
                executable.input_signature[2:],
            )
            executable(*self._given, *blanks)

        for name in names:  # Traced here, and not in each thread.
            self._executables[name].get_concrete_function()
        calls = [(name, count) for name in names for count in self._counts]
        with ThreadPoolExecutor(len(calls)) as pool:
            list(pool.map(lambda each: call(*each), calls))

    def _function(self) -> Minimized:
        """What the optimizer minimises: operations of its graph that call the executables."""
        if "choose" not in self._executables:
            return Minimized(lambda *rows: self._call("value", *rows)[0])

        def choose(positions: tf.Tensor, members: tf.Tensor) -> tuple[tf.Tensor, Any]:
            value, *choices = self._call("choose", positions, members)
            return value, tuple(choices)

        return Minimized(
            lambda *rows: self._call("value", *rows)[0],
            choose,
            lambda *rows: self._call("held", *rows)[0],
        )

    def _call(
        self, name: str, positions: tf.Tensor, members: tf.Tensor, choices: Any = ()
    ) -> tuple[tf.Tensor, ...]:
        """The values of positions, differentiable, and the choices that the executable makes."""
        made = self._executables[name].get_concrete_function().structured_outputs[2:]
        kinds = [(each.dtype, each.shape) for each in tf.nest.flatten(made)]

        @tf.custom_gradient
        def values_of(positions: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], Callable]:
            outputs = tf.numpy_function(
                functools.partial(self._evaluate, name),
                [positions, members, *choices],
                [tf.float32, tf.float32, *(dtype for dtype, _ in kinds)],
            )
            shapes = [[None], positions.shape, *(shape for _, shape in kinds)]
            values, slopes, *rest = map(tf.ensure_shape, outputs, shapes)
            return (values, *rest), lambda upstream, *_: upstream[:, tf.newaxis] * slopes

        return values_of(positions)

    def _evaluate(
        self, name: str, positions: np.ndarray, members: np.ndarray, *choices: np.ndarray
    ) -> list[np.ndarray]:
        problems, given = self._given
        count = len(members)
        enough = min(each for each in self._counts if each >= count)
        rows = np.minimum(np.arange(enough), count - 1)  # The last one again.
        owners = members[rows] // (self._members // given.shape[0])
        held = [tuple(tf.constant(each[rows]) for each in choices)] if name == "held" else []
        try:
            with tf.device(None):
                found = self._executables[name](
                    problems, given, tf.constant(positions[rows]), tf.constant(owners), *held
                )
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError(error.message) from error  # What the graph makes the same of again.
        return [tensor.numpy()[:count] for tensor in tf.nest.flatten(found)]

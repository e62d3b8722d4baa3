"""Minimizes from K starts on a box: TFP's L-BFGS, an iteration at a time, and what it lacks.

The paper cites L-BFGS-B (ref. 35), which keeps to bounds, leaves out steps without curvature, and
begins again with an empty memory where a line search fails. TFP's minimizer does none of it. So it
is called for one iteration at a time, and this is done in between (`borders`, `lbfgs_memory`).

The loss makes choices, too: the captioner is fed its own most likely words, and where these change
from one pixel to the next, the loss jumps, and a line search fails. No gradient knows of such a
change. So choices can be held while a line search goes on, and are made anew after it: where a
member arrives, the words are those of its place, and the loss is Eq. 3 as it stands.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from cagic_tf.method import lbfgs_memory
from cagic_tf.method.borders import Box
from cagic_tf.method.evaluation_cache import EvaluationCache
from cagic_tf.method.search import Minimized

if TYPE_CHECKING:
    from cagic_tf.method.lbfgs import Minimizer


class Minimum(NamedTuple):
    """Where K minimizations arrived.

    Attributes:
      positions: `[K, D]`, inside the box.
      losses: `[K]` values there; never above `start_losses`.
      start_losses: `[K]` values at the starting points.
      converged: `[K]` bool: the gradient is 0, or no line search gains any more, as the limits say.
      failed: `[K]` bool: a line search along the gradient found nothing. A member that has neither
        converged nor failed came to `max_iterations`.
      failed_searches: `[K]` int32, line searches that failed; most of them have gained something,
        and the member went on from there with an empty memory.
      iterations: Scalar int32, of the member that took most.
      evaluations: `[K]` int32, values computed; a point asked for again is not computed again.
    """

    positions: tf.Tensor
    losses: tf.Tensor
    start_losses: tf.Tensor
    converged: tf.Tensor
    failed: tf.Tensor
    failed_searches: tf.Tensor
    iterations: tf.Tensor
    evaluations: tf.Tensor


class _Run(NamedTuple):
    """How far a minimization is: TFP's state, and what is known beside it, each with K rows."""

    state: Any
    choices: Any
    fresh: tf.Tensor  # The memory is empty.
    converged: tf.Tensor
    failed: tf.Tensor
    failed_searches: tf.Tensor
    positions: tf.Tensor  # Of the lowest loss so far.
    losses: tf.Tensor
    bound: tf.Tensor  # Axes along which the member is held by the border, [K, D].


class Minimization:
    """One call of a `Minimizer`, with the settings and arguments that it has."""

    def __init__(
        self,
        settings: "Minimizer",
        function: Minimized,
        starts: tf.Tensor,
        lower: tf.Tensor,
        upper: tf.Tensor,
        evaluated: EvaluationCache,
    ):
        self._settings, self._function, self._evaluated = settings, function, evaluated
        self._holds = function.choose is not None and settings.hold_words != "evaluation"
        unit = tf.cast(tf.sqrt(settings.first_step), starts.dtype)
        begin = tf.clip_by_value(starts, lower, upper)
        self._box = Box(begin, lower, upper, unit, settings.extend_slopes)
        self._all = tf.ones([tf.shape(starts)[0]], tf.bool)
        # One copy of the networks in the graph: TFP calls this in about ten places, and inlined at
        # each of them it takes most of a minute to trace.
        once = tf.function(experimental_attributes={"_noinline": True}, autograph=False)
        self._at = once(self._losses_at)
        self._choose = once(self._chosen_points)

    def run(self) -> Minimum:
        """Until all members have converged or failed, or the limit is reached."""
        self._evaluated.clear()
        begin = self._begin()
        end = tf.while_loop(self._goes_on, lambda run: (self._iterate(run),), (begin,))[0]
        better = end.losses < begin.losses
        return Minimum(
            tf.where(better[:, tf.newaxis], end.positions, self._box.starts),
            tf.where(better, end.losses, begin.losses),
            begin.losses,
            end.converged,
            end.failed,
            end.failed_searches,
            end.state.num_iterations,
            self._evaluated.computed.read_value(),
        )

    def _begin(self) -> _Run:
        start, choices = self._box.starts / self._box.unit, ()
        if self._holds:
            losses, gradients, choices = self._choose(start, self._all)
            self._holds = bool(tf.nest.flatten(choices))
        else:
            losses, gradients = self._at(self._box.inside(start), self._all, ())
        values, slopes = self._box.extend(start, losses, gradients)
        state = self._minimize(lambda _: (values, slopes), 0, initial_position=start)
        none = tf.zeros_like(self._all)
        bound = self._box.leads_out(start, gradients)
        inside = self._box.inside(start)
        count, converged = tf.cast(none, tf.int32), state.converged
        return _Run(state, choices, self._all, converged, none, count, inside, losses, bound)

    def _goes_on(self, run: _Run) -> tf.Tensor:
        unfinished = tf.reduce_any(~(run.converged | run.failed))
        return unfinished & (run.state.num_iterations < self._settings.max_iterations)

    def _iterate(self, run: _Run) -> _Run:
        """One iteration of every member that has neither converged nor failed."""
        active = ~(run.converged | run.failed)
        state = lbfgs_memory.emptied(run.state, run.fresh)._replace(
            converged=~active, failed=tf.zeros_like(active)
        )
        after = self._minimize(
            lambda scaled: self._evaluate(scaled, active, run.choices),
            state.num_iterations + 1,
            previous_optimizer_results=state,
        )
        gained = state.objective_value - after.objective_value > self._settings.least_gain
        stuck = active & after.failed & ~gained
        # What a first step promises; where that is nothing, rounding decides how a search ends.
        promise = tf.reduce_sum(tf.square(after.objective_gradient), axis=1)
        flat = promise <= self._settings.least_gain
        failed = stuck & run.fresh & ~flat
        converged = (active & after.converged & ~after.failed) | (stuck & flat)
        kept, fresh = lbfgs_memory.with_curvature(state, after, run.fresh)
        run = run._replace(
            state=kept,
            fresh=fresh | active & after.failed,
            converged=run.converged | converged,
            failed=run.failed | failed,
            failed_searches=run.failed_searches + tf.cast(active & after.failed, tf.int32),
        )
        position = kept.position
        if self._box.extend_slopes:
            losses = self._box.without_extension(
                position, kept.objective_value, kept.objective_gradient
            )
        else:  # Known: TFP has just asked for it.
            losses, gradients = self._at(self._box.inside(position), active, run.choices)
            run = self._brought_back(run, active, losses, gradients)
        if self._holds:
            run = self._choose_anew(run, active, converged | failed)
        else:
            run = self._with_best(run, active, losses)
        return run

    def _brought_back(
        self, run: _Run, rows: tf.Tensor, losses: tf.Tensor, gradients: tf.Tensor
    ) -> _Run:
        """With the positions of these rows inside the box, and what the loss is there.

        A member that comes to a border, or leaves it, begins with an empty memory: of a step across
        the kink L-BFGS learns a curvature that is none.
        """
        state = run.state
        position = self._box.snapped(state.position)
        values, slopes = self._box.extend(position, losses, gradients)
        bound = self._box.leads_out(position, gradients)
        came = tf.reduce_any(bound != run.bound, axis=1)
        state = state._replace(
            position=_where(rows, position, state.position),
            objective_value=tf.where(rows, values, state.objective_value),
            objective_gradient=_where(rows, slopes, state.objective_gradient),
        )
        return run._replace(
            state=state,
            fresh=run.fresh | rows & came,
            bound=_where(rows, bound, run.bound),
        )

    def _choose_anew(self, run: _Run, active: tf.Tensor, ended: tf.Tensor) -> _Run:
        """Makes the choices again, of members that have ended, or of all that are active."""
        asked = active
        if self._settings.hold_words == "restart":  # What the limit ends has its own, too.
            asked &= ended | (run.state.num_iterations >= self._settings.max_iterations)
        losses, gradients, choices = tf.cond(
            tf.reduce_any(asked),
            lambda: self._choose(run.state.position, asked),
            lambda: (run.losses, run.state.objective_gradient, run.choices),
        )
        changed = asked & _differs(choices, run.choices)
        # A member that has ended goes on if its new choices make it better than it ever was.
        again = ended & changed & (losses < run.losses - self._settings.least_gain)
        renewed = changed & (again | ~ended)
        run = self._with_best(run, asked, losses)._replace(
            choices=tf.nest.map_structure(
                lambda new, old: _where(renewed, new, old), choices, run.choices
            ),
            fresh=run.fresh | again,
            converged=run.converged & ~again,
            failed=run.failed & ~again,
        )
        self._evaluated.forget(renewed)
        return self._brought_back(run, renewed, losses, gradients)

    def _with_best(self, run: _Run, rows: tf.Tensor, losses: tf.Tensor) -> _Run:
        """With the lowest losses so far, where those of these rows are known."""
        position = run.state.position
        better = rows & tf.reduce_all(tf.math.is_finite(position), axis=1)
        better &= losses < run.losses
        inside = self._box.inside(position)
        return run._replace(
            positions=_where(better, inside, run.positions),
            losses=tf.where(better, losses, run.losses),
        )

    def _minimize(self, value_and_gradient: Callable, limit: Any, **start: Any) -> Any:
        """TFP's L-BFGS up to an iteration, from a position or a state."""
        settings = self._settings
        return tfp.optimizer.lbfgs_minimize(
            value_and_gradient,
            **{"initial_position": None, **start},
            num_correction_pairs=settings.correction_pairs,
            tolerance=settings.tolerance,
            f_absolute_tolerance=settings.least_gain,
            max_iterations=limit,
            max_line_search_iterations=settings.max_line_search_iterations,
        )

    def _evaluate(
        self, scaled: tf.Tensor, wanted: tf.Tensor, choices: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Values and slopes at scaled positions of the members that are wanted, and any others."""
        # TFP divides by a curvature that is zero where the loss is flat, and then asks for a point
        # that is no number; infinity makes its line search turn back.
        exists = tf.reduce_all(tf.math.is_finite(scaled), axis=1)
        scaled = _where(exists, scaled, self._box.starts / self._box.unit)
        found = self._at(self._box.inside(scaled), wanted & exists, choices)
        value, slope = self._box.extend(scaled, *found)
        return tf.where(exists, value, np.inf), slope

    def _losses_at(
        self, positions: tf.Tensor, wanted: tf.Tensor, choices: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Losses and gradients of the members that are wanted, and anything of the others."""

        def compute(points: tf.Tensor, members: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(points)
                if self._holds and self._function.held:
                    own = tf.nest.map_structure(lambda each: tf.gather(each, members), choices)
                    value = self._function.held(points, members, own)
                else:
                    value = self._function.value(points, members)
            return value, tape.gradient(value, points)

        return self._evaluated(compute, positions, wanted)

    def _chosen_points(
        self, scaled: tf.Tensor, wanted: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, Any]:
        """Losses, gradients and choices at the positions of the members that are wanted."""
        rows = tf.cast(tf.where(wanted)[:, 0], tf.int32)
        points = tf.gather(self._box.inside(scaled), rows)
        with tf.GradientTape() as tape:
            tape.watch(points)
            assert self._function.choose  # Or nothing is held.
            losses, choices = self._function.choose(points, rows)
        self._evaluated.add(wanted)

        def placed(found: tf.Tensor) -> tf.Tensor:
            shape = [self._box.starts.shape[0], *found.shape[1:]]
            return tf.scatter_nd(rows[:, tf.newaxis], found, shape)

        return tf.nest.map_structure(placed, (losses, tape.gradient(losses, points), choices))


def _differs(choices: Any, others: Any) -> tf.Tensor:
    """Whether any of the choices is another one, for each member."""
    pairs = zip(tf.nest.flatten(choices), tf.nest.flatten(others), strict=True)
    found = [tf.reduce_any(a != b, axis=list(range(1, a.shape.rank))) for a, b in pairs]
    return functools.reduce(tf.logical_or, found)


def _where(rows: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """`new` in these rows of a tensor of any rank, `old` in the others."""
    return tf.where(tf.reshape(rows, [-1] + [1] * (new.shape.rank - 1)), new, old)

import functools

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import annealing, lbfgs, restarts
from cagic_tf.method.search import Bounds, Losses

SIGNATURE = tf.TensorSpec([2], tf.float32)
TARGET = np.array([0.25, -0.15], np.float32)
QUICK = {"scale_factor": 0.8, "smallest_scale": 0.3, "restart_count": 3}
THOROUGH = {
    "scale_factor": 0.98,
    "minimizer": lbfgs.Minimizer(max_iterations=10, max_line_search_iterations=10),
}


def bowl(problem, theta):
    """Lowest, 0, at the problem's centre and scale 0.5; the other parts differ."""
    distance = tf.reduce_sum(tf.square(theta[:, :2] - problem), axis=1)
    size = tf.square(theta[:, 2] - 0.5)
    return Losses(distance + size, {"distance": distance, "size": size})


def waves(problem, theta):
    x, y, scale = tf.unstack(theta, axis=1)
    total = tf.sin(9 * x + problem[0]) * tf.cos(7 * y + problem[1]) + tf.square(scale - 0.6)
    return Losses(total, {"x": x, "y": y})


compile_step = annealing.compile_step


@functools.lru_cache
def traced_step(loss, **settings):
    return compile_step(annealing.Annealing(**settings), loss, SIGNATURE)


def shared_step(settings, loss, signature=SIGNATURE, problem_count=None):
    """Tracing takes longer than the searches do: those that differ in their schedules share it."""
    assert problem_count is None
    names = ("restart_count", "draw_starts", "minimizer")
    return traced_step(loss, **{name: getattr(settings, name) for name in names})


def compiled(loss, **settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annealing, "compile_step", shared_step)
        return annealing.Annealing(**{**QUICK, **settings}).compile(loss, SIGNATURE)


def run(loss=bowl, target=TARGET, seed=0, progress=None, **settings):
    search = compiled(loss, **settings)
    return search(tf.constant(target, tf.float32), seed, progress)


def total(loss, theta, target=TARGET):
    return loss(tf.constant(target), tf.constant(np.atleast_2d(theta), tf.float32)).total.numpy()


@pytest.mark.parametrize(
    ("start", "factor", "smallest", "count"),
    [
        (1.0, 0.98, 0.3, 59),  # 0.98^59 = 0.3037, 0.98^60 = 0.2976.
        (1.0, 0.98, 0.98, 1),
        (1.0, 0.98, 0.99, 0),
        (1.0, 0.5, 0.25, 2),
        (0.8, 0.5, 0.3, 1),
        (1.0, 0.98, 0.05, 148),
    ],
)
def test_scale_schedule(start, factor, smallest, count):
    scales = annealing.scale_schedule(start, factor, smallest)
    expected = start * factor ** np.arange(1, count + 1)
    np.testing.assert_allclose(scales, expected, rtol=1e-13)
    assert all(scale >= smallest for scale in scales)
    assert (scales or [start])[-1] * factor < smallest


def test_scales_of_a_search_are_the_schedule():
    path = run()
    assert [step.scale for step in path.steps] == annealing.scale_schedule(1.0, 0.8, 0.3)
    assert len(path.steps) == 5


def test_finds_the_known_minimum():
    path = run(**THOROUGH)
    nearest = min(annealing.scale_schedule(1.0, 0.98, 0.3), key=lambda scale: abs(scale - 0.5))
    np.testing.assert_allclose(path.theta, [*TARGET, nearest], rtol=0, atol=2e-3)
    assert path.theta[2] == nearest
    assert path.loss == pytest.approx((nearest - 0.5) ** 2, abs=1e-5)


def test_minimum_outside_is_found_at_the_border():
    path = run(target=np.array([3.0, -3.0], np.float32), **THOROUGH)
    for step in path.steps:
        border = 1 - step.scale
        np.testing.assert_allclose(step.ends, [[border, -border]] * 3, rtol=0, atol=1e-5)
        np.testing.assert_allclose(step.center, [border, -border], rtol=0, atol=1e-5)


def test_a_window_moves_as_far_as_it_fits():
    """A window as high as the photo and half as wide: x within 1 - s / 2, y within 1 - s."""
    search, target = compiled(bowl, **THOROUGH), tf.constant([3.0, -3.0])
    path = search(target, 0, bounds=Bounds((0.5, 1.0)))
    for step in path.steps:
        corner = [1 - step.scale / 2, -(1 - step.scale)]
        np.testing.assert_allclose(step.ends, [corner] * 3, rtol=0, atol=1e-5)
    whole, given = search(target, 0), search(target, 0, bounds=Bounds())
    tf.nest.map_structure(np.testing.assert_array_equal, given, whole)


@pytest.mark.parametrize(
    ("smallest", "scales"), [(0.5, [0.8, 0.64, 0.512, 0.5]), (0.7, [0.8, 0.7]), (1.0, [1.0])]
)
def test_no_crop_is_below_the_smallest_scale(smallest, scales):
    path = compiled(bowl)(tf.constant(TARGET), 0, bounds=Bounds(smallest_scale=smallest))
    np.testing.assert_allclose([step.scale for step in path.steps], scales, rtol=1e-12)
    assert path.theta[2] >= smallest


@pytest.mark.parametrize(
    "draw_starts",
    [
        restarts.Normal(),
        pytest.param(restarts.Normal(2.0), marks=pytest.mark.slow),
        pytest.param(restarts.AddedNoise(), marks=pytest.mark.slow),
        pytest.param(restarts.Uniform(-1, 1), marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_crops_stay_inside(draw_starts):
    path = run(waves, draw_starts=draw_starts)
    for step in path.steps:
        # Bounds are computed in single precision.
        border = 1 - step.scale + 1e-7
        for points in (step.starts, step.ends, step.center):
            assert np.abs(points).max() <= border
    assert np.abs(path.theta[:2]).max() <= 1 - path.theta[2] + 1e-7


@pytest.mark.parametrize("loss", [bowl, waves])
def test_record_is_true(loss):
    path = run(loss)
    evaluations = 0
    for step in path.steps:
        at = lambda points, scale=step.scale: np.insert(np.atleast_2d(points), 2, scale, axis=1)  # noqa: E731
        assert step.starts.shape == step.ends.shape == (3, 2)
        np.testing.assert_allclose(step.start_losses, total(loss, at(step.starts)), atol=5e-6)
        np.testing.assert_allclose(step.end_losses, total(loss, at(step.ends)), atol=5e-6)
        assert (step.end_losses <= step.start_losses).all()
        np.testing.assert_allclose(step.center, step.ends.mean(0), rtol=0, atol=3e-7)  # Eq. 6.
        expected = loss(tf.constant(TARGET), tf.constant(at(step.center), tf.float32))
        parts = zip(tf.nest.flatten(step.losses), tf.nest.flatten(expected), strict=True)
        for found, value in parts:
            np.testing.assert_allclose(found, value[0], atol=1e-6)
        evaluations += step.evaluations
    assert path.evaluations == evaluations


@pytest.mark.parametrize(("loss", "keep_restarts"), [(bowl, True), (waves, True), (waves, False)])
def test_best_is_the_lowest_recorded(loss, keep_restarts):
    path = run(loss, keep_restarts=keep_restarts)
    recorded = []
    for step in path.steps:
        recorded.append((float(step.losses.total), [*step.center, step.scale]))
        if keep_restarts:
            for value, end in zip(step.end_losses, step.ends, strict=True):
                recorded.append((float(value), [*end, step.scale]))
    lowest, theta = min(recorded, key=lambda entry: entry[0])
    assert path.loss == lowest
    np.testing.assert_array_equal(path.theta, theta)
    assert path.loss == pytest.approx(float(total(loss, path.theta)[0]), abs=1e-6)


def test_keeping_restarts_finds_lower_where_the_mean_is_a_hill():
    def valleys(problem, theta):
        depth = tf.square(tf.square(theta[:, 0]) - 0.04) + tf.square(theta[:, 1])
        return Losses(depth)

    # Starts on both sides; their mean lies between the valleys at x = -0.2 and x = 0.2.
    minimizer = THOROUGH["minimizer"]
    settings = annealing.Annealing(
        restart_count=16, draw_starts=restarts.Uniform(-1, 1), minimizer=minimizer
    )
    step = annealing.compile_step(settings, valleys, SIGNATURE)
    walk = annealing.Walk(0, [0.7, 0.6, 0.5], np.zeros(2))
    kept, means = (annealing.anneal(step, tf.zeros([2]), [walk], keep)[0] for keep in (True, False))
    assert kept.loss < 1e-6 < means.loss
    # The search itself is the same.
    for first, second in zip(kept.steps, means.steps, strict=True):
        np.testing.assert_array_equal(first.ends, second.ends)


def test_evaluations_are_the_counted_ones_and_traces_are_not_repeated():
    counted, traces = [], []

    def loss(problem, theta):
        traces.append(theta.shape)
        tf.py_function(lambda rows: counted.append(len(rows)), [theta], [])
        return bowl(problem, theta)

    search = annealing.Annealing(**QUICK).compile(loss, SIGNATURE)
    path = search(tf.constant([0.1, 0.2]), 0)
    assert path.evaluations == sum(counted)
    traced = len(traces)
    search(tf.constant([-0.4, 0.2]), 5)
    assert len(traces) == traced > 0


def test_restarts_begin_around_the_last_mean():
    path = run(draw_starts=restarts.Normal(0.0), restart_count=2)
    last = np.zeros(2)
    for step in path.steps:
        np.testing.assert_allclose(step.starts, [np.clip(last, step.scale - 1, 1 - step.scale)] * 2)
        last = step.center


def test_one_trace_for_many_problems():
    targets = [[0.1, 0.2], [-0.3, 0.0], [0.0, 0.0]]
    thetas = [run(target=target, seed=seed).theta for seed, target in enumerate(targets)]
    assert len(np.unique(thetas, axis=0)) == 3
    step = shared_step(annealing.Annealing(**QUICK), bowl)
    assert step.experimental_get_tracing_count() == 1


def test_same_seed_same_bits_other_seed_other_starts():
    first, again, other = run(waves, seed=3), run(waves, seed=3), run(waves, seed=4)
    fresh = annealing.Annealing(**QUICK).compile(waves, SIGNATURE)
    for path in (again, fresh(tf.constant(TARGET), 3)):
        tf.nest.map_structure(np.testing.assert_array_equal, path, first)
    for step, elsewhere in zip(first.steps, other.steps, strict=True):
        assert (step.starts != elsewhere.starts).any()
    assert len(np.unique([step.starts - step.starts[0] for step in first.steps], axis=0)) == 5


def test_progress():
    seen = []
    path = run(progress=lambda *told: seen.append(told))
    assert [told[:2] for told in seen] == [(at, 5) for at in range(1, 6)]
    losses = [told[2] for told in seen]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == path.loss


def hole(problem, theta):
    """Around x = 0 the loss is the first number of the problem."""
    x, y, scale = tf.unstack(theta, axis=1)
    value = tf.square(tf.square(x) - 0.03) + tf.square(y) + tf.square(scale - 0.5)
    value = tf.where(tf.abs(x) > 0.05, value, problem[0])
    return Losses(value)


def beside_the_hole(center, count, seed):
    return tf.constant([[0.19, 0.01], [-0.19, 0.01]])  # Their mean has no loss, they have one.


@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=["nan", "inf"])
def test_mean_where_the_loss_does_not_exist(bad):
    path = run(hole, [bad, 0], draw_starts=beside_the_hole, restart_count=2)
    assert not np.isfinite([step.losses.total for step in path.steps]).any()
    ends = np.array([step.end_losses for step in path.steps])
    assert path.loss == ends.min() < 0.01
    assert np.isfinite(path.theta).all()


@pytest.mark.parametrize("value", [0, 1, -0.5, 1.5, np.nan])
def test_bad_scale_factor(value):
    with pytest.raises(ValueError, match=f"Annealing.scale_factor is {value}"):
        annealing.Annealing(scale_factor=value)


@pytest.mark.parametrize("value", [0, -0.1, 0.99, np.nan])
def test_bad_smallest_scale(value):
    with pytest.raises(ValueError, match=f"Annealing.smallest_scale is {value}"):
        annealing.Annealing(smallest_scale=value)


@pytest.mark.parametrize("value", [0, -1])
def test_bad_restart_count(value):
    with pytest.raises(ValueError, match=f"Annealing.restart_count is {value}"):
        annealing.Annealing(restart_count=value)

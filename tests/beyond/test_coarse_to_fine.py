import functools
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.beyond import coarse_to_fine, picking
from cagic_tf.method import annealing, lbfgs, restarts
from cagic_tf.method.search import UNBOUNDED, Bounds, Losses

SIGNATURE = tf.TensorSpec([3], tf.float32)
REFINEMENT = annealing.Annealing(
    restart_count=3,
    draw_starts=restarts.Normal(0.05),
    minimizer=lbfgs.Minimizer(max_iterations=5, max_line_search_iterations=5),
)

SETTINGS = {
    "scan_scales": (0.44, 0.52, 0.6, 0.68),
    "scan_centers": 7,
    "pick": picking.LowestMean(0),  # The minima of these losses are known, and none jumps.
    "refine_scales": (1.04, 1.0, 0.96),
    "refinement": REFINEMENT,
}


def bowl(target, theta):
    return tf.reduce_sum(tf.square(theta - [*tf.unstack(target), 0.5]), axis=1)


def hole(target, theta):
    """Narrow: restarts would miss it."""
    return -tf.exp(-tf.reduce_sum(tf.square(theta - [-0.48, 0.16, 0.52]), axis=1) / 0.001)


def ledge(target, theta):
    """Lower only at scanned places of one scale, without slope."""
    low = tf.where(tf.abs(theta[:, 2] - 0.6) < 1e-4, -tf.ones_like(theta[:, 0]), 0.0)
    return low + 0 * tf.reduce_sum(theta, axis=1)


def waves(target, theta):
    x, y, scale = tf.unstack(theta, axis=1)
    return tf.sin(9 * x + target[0]) * tf.cos(7 * y) + tf.square(scale - 0.6)


def cliff(target, theta):
    return tf.where(theta[:, 0] < -0.3, tf.constant(np.nan), bowl(target, theta))


LANDSCAPES = [bowl, hole, ledge, waves, cliff]


def loss(problem, theta):
    """One of the landscapes: tracing takes longer than all of the searches."""
    each = [functools.partial(landscape, problem[1:], theta) for landscape in LANDSCAPES]
    return Losses(tf.switch_case(tf.cast(problem[0], tf.int32), each))


def problem_of(landscape, target):
    return tf.constant([LANDSCAPES.index(landscape), *target], tf.float32)


@pytest.fixture(autouse=True, scope="module")
def _searches_of_one_loss_share_a_trace():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annealing, "compile_step", functools.cache(annealing.compile_step))
        yield


def run(landscape, target, seed=0, progress=None, bounds=UNBOUNDED, **settings):
    search = coarse_to_fine.CoarseToFine(**{**SETTINGS, **settings}).compile(loss, SIGNATURE)
    return search(problem_of(landscape, target), seed, progress, bounds)


def test_scan_grid():
    grid = coarse_to_fine.scan_grid([0.4, 0.8], 3)
    expected = [[x, y, 0.4] for y in (-0.6, 0, 0.6) for x in (-0.6, 0, 0.6)]
    expected += [[x, y, 0.8] for y in (-0.2, 0, 0.2) for x in (-0.2, 0, 0.2)]
    key = lambda rows: sorted(np.round(rows, 12).tolist())  # noqa: E731
    assert key(grid) == key(expected)


@pytest.mark.parametrize("centers", [1, 2, 7])
def test_scanned_crops_are_inside(centers):
    grid = coarse_to_fine.scan_grid([0.3, 0.55, 1.0], centers)
    assert grid.shape == (3 * centers**2, 3)
    assert (np.abs(grid[:, :2]) <= 1 - grid[:, 2:] + 1e-15).all()
    # An odd number a side has the middle; so has a single one.
    if centers % 2:
        assert [0, 0, 0.3] in grid.tolist()


def test_scanned_windows_reach_the_borders():
    grid = coarse_to_fine.scan_grid([0.4], 3, (0.5, 1.0))
    assert np.unique(np.round(grid[:, 0], 12)).tolist() == [-0.8, 0, 0.8]
    assert np.unique(np.round(grid[:, 1], 12)).tolist() == [-0.6, 0, 0.6]


@pytest.mark.parametrize(
    ("side", "expected"),
    [(1.0, 3), (0.68, 3), (0.52, 3), (0.5, 3), (0.49, 4), (0.2, 9), (0.005, 50)],
)
def test_centres_are_added_until_neighbours_overlap_by_half(side, expected):
    grid = coarse_to_fine.scan_grid([0.5], 3, (2 * side, 0.8), 0.5)  # Sides of `side` and 0.4.
    across, down = np.unique(grid[:, 0]), np.unique(grid[:, 1])
    assert len(grid) == max(len(across), expected) * len(down)
    np.testing.assert_allclose(across[[0, -1]], [side - 1, 1 - side], atol=1e-12)
    np.testing.assert_allclose(down, [-0.6, -0.2, 0.2, 0.6], atol=1e-12)
    # x runs over [-1, 1]: a photo is two wide, and a crop twice its side.
    if side < 1:
        assert len(across) == expected
        assert expected == coarse_to_fine.MOST or np.diff(across).max() <= side + 1e-12


def test_a_window_beyond_the_reach_of_whole_crops():
    path = run(bowl, (0.7, 0.1), bounds=Bounds((0.5, 1.0)))
    np.testing.assert_allclose(path.theta, [0.7, 0.1, 0.52 * 0.96], rtol=0, atol=2e-3)
    path = run(bowl, (0.1, 0.1), bounds=Bounds(smallest_scale=0.65))
    assert [step.scale for step in path.steps] == pytest.approx([0.65 * 1.04, 0.65])
    assert path.evaluations >= 2 * 7**2


def test_finds_the_known_minimum():
    path = run(bowl, (0.17, -0.23))
    # Scale 0.52 is scanned and is nearest to 0.5; of 0.52 times 1.04, 1 and 0.96, the last is.
    np.testing.assert_allclose(path.theta, [0.17, -0.23, 0.52 * 0.96], rtol=0, atol=2e-3)
    np.testing.assert_allclose(
        [step.scale for step in path.steps], 0.52 * np.array([1.04, 1, 0.96])
    )
    assert path.loss == pytest.approx((0.52 * 0.96 - 0.5) ** 2, abs=1e-5)


def test_narrow_hole_that_restarts_would_miss():
    path = run(hole, (0, 0))
    np.testing.assert_allclose(path.theta, [-0.48, 0.16, 0.52], rtol=0, atol=1e-3)
    assert path.loss == pytest.approx(-1, abs=1e-3)


def test_scan_alone_may_be_best():
    path = run(ledge, (0, 0), refine_scales=(1.1, 0.9))
    assert path.loss == -1
    assert path.theta[2] == pytest.approx(0.6)
    assert min(step.end_losses.min() for step in path.steps) == 0


def test_without_refinement_the_picked_crop_is_the_result():
    rule = picking.HighestExpectedIoU(temperature=0.1)
    told = []
    path = run(bowl, (0.2, -0.1), 0, lambda *given: told.append(given), refine_scales=(), pick=rule)
    grid = coarse_to_fine.scan_grid((0.44, 0.52, 0.6, 0.68), 7)
    losses = bowl((0.2, -0.1), tf.constant(grid, tf.float32)).numpy()
    picked = rule(losses, grid, (1, 1))
    np.testing.assert_allclose(path.theta, picked.theta, rtol=0, atol=1e-6)
    np.testing.assert_allclose(path.scanned, np.column_stack([picked.ranks, grid]), atol=1e-6)
    assert path.loss == pytest.approx(np.square(path.theta - [0.2, -0.1, 0.5]).sum(), abs=1e-6)
    assert path.steps == [] and path.evaluations == len(grid) + 1
    assert told == [(1, 1, path.loss)]


def test_best_is_the_lowest_of_the_start_and_the_steps():
    for offset in np.linspace(0, 3, 4):
        problem = tf.constant([offset, 0], tf.float32)
        path = run(waves, (offset, 0), pick=picking.LowestMean(0.2))
        grid = coarse_to_fine.scan_grid((0.44, 0.52, 0.6, 0.68), 7)
        scanned = waves(problem, tf.constant(grid, tf.float32)).numpy()
        # The start: where the Gaussian mean is lowest.
        means = [
            np.average(scanned, weights=np.exp(-0.5 * ((grid - at) ** 2).sum(1) / 0.2**2))
            for at in grid
        ]
        np.testing.assert_allclose(path.scanned, np.column_stack([means, grid]), atol=5e-6)
        scanned = scanned[np.argmin(means)]
        recorded = [step.losses.total for step in path.steps]
        recorded += [value for step in path.steps for value in step.end_losses]
        assert path.loss == pytest.approx(min(scanned, *recorded), abs=5e-6)
        value = waves(problem, tf.constant(path.theta[None], tf.float32))
        assert path.loss == pytest.approx(float(value[0]), abs=5e-6)


class Seen(NamedTuple):
    target: tf.Tensor
    hint: tf.Tensor


def hinted(seen):
    return seen._replace(target=seen.hint)


def test_the_scan_has_a_view_of_its_own():
    """The scan goes by the hint; what is refined, compared and returned is the problem's."""
    settings = coarse_to_fine.CoarseToFine(
        (0.5, 0.6),
        pick=picking.LowestMean(0),
        refine_scales=(1.0,),
        refinement=REFINEMENT,
        scan_view=hinted,
    )
    traces = []

    def loss(problem, theta):
        traces.append(1)
        total = tf.stop_gradient(bowl(problem.target, theta))
        # Without slope a restart ends where it starts.
        return Losses(total + 0 * tf.reduce_sum(theta, axis=1))

    place = tf.TensorSpec([2], tf.float32)
    search = settings.compile(loss, Seen(place, place))
    counts = []
    for hint in ((-0.4, 0.4), (0.4, -0.4)):
        counts.append(len(traces))
        path = search(Seen(tf.constant([0.3, 0.3]), tf.constant(hint)), 0)
        assert np.abs(path.theta[:2] - hint).max() < 0.3
        value = loss(Seen(tf.constant([0.3, 0.3]), None), tf.constant(path.theta[None], tf.float32))
        assert path.loss == pytest.approx(float(value[0][0]), abs=1e-5)
        best = path.scanned[np.argmin(path.scanned[:, 0]), 1:3]
        assert np.abs(best - hint).max() < 0.2
    # The second search traced nothing: what it added is the one call that is checked above.
    assert len(traces) == counts[1] + 1


def test_scales_stay_within_the_photo():
    path = run(bowl, (0, 0), scan_scales=(0.98,), refine_scales=(1.5, 1.0))
    assert [step.scale for step in path.steps] == [1.0, 0.98]
    np.testing.assert_array_equal(path.steps[0].ends, np.zeros((3, 2)))


def test_evaluations_and_traces():
    counted, traces = [], []

    def counting(problem, theta):
        traces.append(1)
        tf.py_function(lambda rows: counted.append(len(rows)), [theta], [])
        return loss(problem, theta)

    settings = coarse_to_fine.CoarseToFine(scan_centers=6, refinement=REFINEMENT)
    search = settings.compile(counting, SIGNATURE)
    path = search(problem_of(bowl, (0.1, 0.1)), 0)
    assert path.evaluations == sum(counted)
    traced = len(traces)
    search(problem_of(bowl, (-0.1, 0.3)), 1)
    assert len(traces) == traced


def test_same_seed_same_bits_and_progress():
    seen = []
    first = run(bowl, (0.1, 0.2), 3, lambda *told: seen.append(told))
    again, other = run(bowl, (0.1, 0.2), 3), run(bowl, (0.1, 0.2), 4)
    tf.nest.map_structure(np.testing.assert_array_equal, again, first)
    assert (first.steps[0].starts != other.steps[0].starts).any()
    assert [told[:2] for told in seen] == [(1, 3), (2, 3), (3, 3)]


def test_scanned_losses_that_are_no_numbers():
    path = run(cliff, (0.17, -0.23))
    np.testing.assert_allclose(path.theta, [0.17, -0.23, 0.52 * 0.96], rtol=0, atol=2e-3)
    assert np.isfinite(path.loss)

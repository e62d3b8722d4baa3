"""A scan whose pick chooses the crop's shape, and what follows it, on a loss that is a formula."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.beyond import coarse_to_fine, picking, shapes
from cagic_tf.beyond.grounded_picking import HighestExpectedUtility
from cagic_tf.cropping import requests
from cagic_tf.method import annealing, lbfgs, problems, restarts
from cagic_tf.method.search import Bounds, Losses

FLOAT = functools.partial(tf.TensorSpec, dtype=tf.float32)
SIGNATURE = problems.Problem(
    FLOAT([None, None, 3]),
    {"place": FLOAT([4])},
    FLOAT([2]),
    FLOAT([None, None, 3]),
    {"place": FLOAT([4])},
    FLOAT([None, problems.MEANT]),
)
FREE = Bounds(smallest_sides=(0.0, 0.0))
WIDE, TALL, SQUARE = (0.1, 0.3, 0.7, 0.72), (0.4, 0.05, 0.8, 0.6), (0.2, 0.2, 0.7, 0.7)


class Distance:
    """How far a crop's centre and sides are from those of a box, squared; alone or side by side."""

    batch_signature = problems.batch_signature(SIGNATURE)

    def __call__(self, problem, theta):
        place, sides = problem.targets["place"], theta[:, 2:] * problem.base_size
        crops = tf.concat([theta[:, :2], sides], axis=1)
        return Losses(tf.reduce_sum(tf.square(crops - place), axis=1))

    def side_by_side(self, each):
        return problems.side_by_side(each, SIGNATURE)


def place(box):
    """Centre and sides of a box, corners."""
    low, high = np.array(box[:2]), np.array(box[2:])
    return np.concatenate([low + high - 1, high - low])


def problem_of(box, heard=True):
    """A problem whose lowest loss is the box, which a grounder has heard of or not."""
    target = {"place": tf.constant(place(box), tf.float32)}
    meant = tf.constant([[*box, 0.0]] if heard else np.zeros((0, 5)), tf.float32)
    picture, photo = tf.zeros([3, 3, 3]), tf.zeros([1, 1, 3])
    return problems.Problem(picture, target, tf.ones([2]), photo, target, meant)


@functools.cache
def search_of(refine_scales=(), most_stretch=1.5):
    refinement = annealing.Annealing(
        restart_count=2, draw_starts=restarts.Normal(0.02), minimizer=lbfgs.Minimizer(2, 2)
    )
    settings = coarse_to_fine.CoarseToFine(
        (0.32, 0.5, 0.7, 0.9),
        5,
        HighestExpectedUtility(most_stretch=most_stretch),
        refine_scales,
        refinement,
    )
    return settings.compile(Distance(), SIGNATURE)


def sides(path):
    return path.theta[2] * np.array(path.base_size)


def loss_of(path, box):
    """By the formula, of the path's crop in the path's shape."""
    return np.square([*path.theta[:2], *sides(path)] - place(box)).sum()


@pytest.mark.parametrize("box", [WIDE, TALL, SQUARE])
def test_the_loss_is_that_of_the_shape_that_was_picked(box):
    path = search_of()(problem_of(box), 0, None, FREE)
    np.testing.assert_allclose(sides(path), place(box)[2:], atol=0.01)
    np.testing.assert_allclose(path.theta[:2], place(box)[:2], atol=0.01)
    assert path.loss == pytest.approx(loss_of(path, box), abs=1e-6) and path.loss < 3e-4
    # What was scanned has the bounds' shape: its ranks and rows are those of the fixed search.
    fixed = search_of()(problem_of(box), 0)
    assert fixed.base_size is None
    np.testing.assert_array_equal(path.scanned, fixed.scanned)
    assert path.evaluations == fixed.evaluations == len(path.scanned) + 1


def test_what_no_grounder_has_heard_of_keeps_the_bounds_shape():
    path = search_of()(problem_of(WIDE, heard=False), 0, None, FREE)
    fixed = search_of()(problem_of(WIDE, heard=False), 0)
    assert path.base_size is None
    np.testing.assert_array_equal(path.theta, fixed.theta)
    assert path.loss == fixed.loss


@pytest.mark.parametrize("box", [WIDE, TALL])
def test_steps_are_in_the_picked_shape(box):
    picked = search_of()(problem_of(box), 0, None, FREE)
    path = search_of((1.1, 1.0))(problem_of(box), 0, None, FREE)
    assert path.base_size == picked.base_size and min(path.base_size) < 0.8
    scale = picked.theta[2]
    assert [step.scale for step in path.steps] == pytest.approx([1.1 * scale, scale])
    for step in path.steps:
        own = step.scale * np.array(path.base_size)
        for end, loss in zip(step.ends, step.end_losses, strict=True):
            assert loss == pytest.approx(np.square([*end, *own] - place(box)).sum(), abs=1e-5)
            assert (np.abs(end) <= 1 - own + 1e-6).all()  # Inside the photo, in that shape.
    assert path.loss == pytest.approx(loss_of(path, box), abs=1e-6)
    assert path.loss <= picked.loss + 1e-7


@pytest.mark.parametrize("least", [(0.5, 0.35), (0.2, 0.6)])
def test_refinement_keeps_the_least_sides(least):
    """Half the scale would halve both sides; the shorter of them stops at its least length."""
    bounds = Bounds(smallest_scale=max(least), smallest_sides=least)
    for box in (WIDE, TALL):
        path = search_of((0.5,))(problem_of(box), 0, None, bounds)
        (step,) = path.steps
        own = step.scale * np.array(path.base_size)
        assert (own >= np.array(least) - 1e-6).all()
        # One of them is at its least, or else the scale is the one that was asked for.
        picked = search_of()(problem_of(box), 0, None, bounds)
        assert step.scale == pytest.approx(
            max(0.5 * picked.theta[2], *np.divide(least, path.base_size))
        )
        assert (sides(path) >= np.array(least) - 1e-6).all()


@pytest.mark.parametrize("refine_scales", [(), (1.1, 1.0)])
def test_side_by_side_each_has_its_own_shape(refine_scales):
    """As on a GPU, also beside problems whose shape is not free or that a grounder is deaf to."""
    wanted = [
        (problem_of(WIDE), FREE),
        (problem_of(TALL), FREE),
        (problem_of(TALL), Bounds()),
        (problem_of(WIDE, heard=False), FREE),
    ]
    search = search_of(refine_scales)
    together = search.many([each for each, _ in wanted], [3] * 4, None, [own for _, own in wanted])
    assert [path.base_size is None for path in together] == [False, False, True, True]
    for path, (problem, bounds) in zip(together, wanted, strict=True):
        alone = search(problem, 3, None, bounds)
        np.testing.assert_allclose(path.theta, alone.theta, atol=1e-3)
        assert path.loss == pytest.approx(alone.loss, abs=1e-4)
        assert (path.base_size or (1, 1)) == pytest.approx(alone.base_size or (1, 1), abs=1e-6)
    for path, box in zip(together[:2], (WIDE, TALL), strict=True):
        assert path.loss == pytest.approx(loss_of(path, box), abs=1e-6)


def test_who_chooses_a_shape():
    utility, overlap = HighestExpectedUtility, picking.HighestExpectedIoU
    for pick, chooses in (
        (utility(most_stretch=1.5), True),
        (utility(), False),
        (overlap(), False),
    ):
        search = coarse_to_fine.CoarseToFine(pick=pick)
        assert search.chooses_shape is chooses
        own = shapes.FREE if chooses else shapes.ORIGINAL
        assert requests.own_shape(search) == own
    assert requests.own_shape(annealing.Annealing()) == shapes.ORIGINAL


@pytest.mark.parametrize(
    ("size", "smallest", "scale", "least"),
    [
        ((600, 400), 0, 0, (0, 0)),
        ((600, 400), 100, 0.25, (1 / 6, 0.25)),
        ((600, 400), 500, 1, (5 / 6, 1)),
        ((600, 400), 1000, 1, (1, 1)),
        ((3, 500), 10, 1, (1, 0.02)),
        ((1, 1), 1, 1, (1, 1)),
    ],
)
def test_bounds_of_a_free_shape(size, smallest, scale, least):
    asked = requests.Request("a.jpg", "a dog", 0, shapes.FREE, smallest, 1)
    found = asked.bounds(*size)
    assert found.base_size == (1, 1) and found.smallest_scale == pytest.approx(scale)
    assert found.smallest_sides == pytest.approx(least)
    fixed = asked._replace(shape=shapes.ORIGINAL).bounds(*size)
    assert fixed == found._replace(smallest_sides=None)

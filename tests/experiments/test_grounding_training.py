"""What a step of the grounder's training sees, and its loss."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import grounder
from experiments.training import grounding_training
from experiments.training.grounding_scenes import Scene, Tile
from experiments.training.grounding_training import Scenes
from experiments.training.photo_grids import Grids
from tests.networks import small_proposals
from tests.networks.test_grounder import WORD, heard, score, shown, some_boxes

WORDS = [grounder.PADDING, grounder.UNKNOWN, "a", "dog", "cat"]
REGION = small_proposals.tensors(3, 4)
LABELS = grounder.Grounder(REGION, WORDS)
COUNT = grounder.PROPOSALS + len(grounder.lattice())
TILE = Tile("1.png", False, (0, 0, 1, 1))
SHAPES = [(4, 4, 3), (2, 2, 4)]


def iou(box, other):
    """Of two boxes, side by side."""
    sides = [min(box[at + 2], other[at + 2]) - max(box[at], other[at]) for at in (0, 1)]
    shared = max(sides[0], 0) * max(sides[1], 0)
    areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (box, other)]
    return shared / (sum(areas) - shared)


def scenes_of(*said):
    """Scenes that say so, with grids of noise."""
    drawn = [Scene((TILE,), own) for own in said]
    width = sum(np.prod(shape) for shape in SHAPES)
    rows = np.random.default_rng(0).standard_normal((len(said), width)).astype(np.float16)
    return Scenes(drawn, Grids([rows], SHAPES), LABELS), rows


def test_labels():
    found = grounding_training.labelled(LABELS, ["A dog!", "okapi", "a cat and a dog"])
    assert found.tolist() == [[2, 3, 0, 0, 0], [1, 0, 0, 0, 0], [2, 4, 1, 2, 3]]
    assert found.dtype == np.int32
    long = grounding_training.labelled(LABELS, ["dog " * 23 + "cat cat", "a"])
    assert long.shape == (2, 24) and long[0].tolist() == [3] * 23 + [4]
    assert grounding_training.labelled(LABELS, ["...", ""]).tolist() == [[0], [0]]


def test_what_a_step_sees():
    truths = some_boxes(9)[:8]
    texts = ["a", "dog", "cat", "a dog", "a cat", "dog a", "cat a", "dog cat"]
    every = list(zip(texts, map(tuple, truths), strict=True))
    scenes, rows = scenes_of(tuple(every[:1]), tuple(every[1:3]), tuple(every[3:]))
    assert len(scenes) == 3
    wide = rows.astype(np.float32)
    grids = [wide[:, :48].reshape(-1, *SHAPES[0]), wide[:, 48:].reshape(-1, *SHAPES[1])]
    rng = np.random.default_rng(1)
    seen = set()
    order = [0, 2, 1]
    for _ in range(30):
        batch = scenes.batch(order, 3, rng)
        assert batch.words.dtype == np.int32 and batch.words.shape == (9, 24)
        assert batch.overlap.dtype == np.float32 and batch.overlap.shape == (9, COUNT)
        assert batch.boxes.dtype == np.float32 and batch.boxes.shape == (3, COUNT, 4)
        for row, said in enumerate((*[every[:1]] * 3, *[every[3:]] * 3, *[every[1:3]] * 3)):
            words = " ".join(WORDS[label] for label in batch.words[row] if label)
            seen.add(words)
            for box, shared in zip(batch.boxes[row // 3], batch.overlap[row], strict=True):
                truth = iou(dict(said)[words], box.astype(float))
                assert shared == pytest.approx(truth, abs=1e-6)
        # Of the five descriptions of a scene none is taken twice.
        assert len({tuple(words) for words in batch.words[3:6].tolist()}) == 3
        for found, grid in zip(batch[:2], grids, strict=True):
            np.testing.assert_array_equal(found, grid[order])
    assert seen == set(texts)
    # Each scene's own boxes; where there are fewer proposals, the first of them again.
    for number, boxes in zip(order, batch.boxes, strict=True):
        own = LABELS.boxes(*(grid[number : number + 1] for grid in grids)).numpy()
        missing = COUNT - len(own)
        assert 0 < missing < grounder.PROPOSALS
        np.testing.assert_array_equal(boxes[missing:], own)
        np.testing.assert_array_equal(boxes[:missing], np.tile(own[0], (missing, 1)))
    found, truths_of = scenes.every(2)
    for part, grid in zip((*found[:2], *scenes.grids([2])), grids * 2, strict=True):
        np.testing.assert_array_equal(part, grid[2:])
    np.testing.assert_array_equal(found.boxes[0], batch.boxes[1])
    np.testing.assert_allclose(truths_of, truths[3:])
    assert found.words.tolist() == [[2, 3], [2, 4], [3, 2], [4, 2], [3, 4]]
    assert found.overlap.shape == (5, COUNT)
    for truth, overlap in zip(truths[3:], found.overlap, strict=True):
        expected = [iou(truth, box) for box in found.boxes[0].astype(float)]
        np.testing.assert_allclose(overlap, expected, atol=1e-6)


@pytest.fixture
def small():
    """Variables of a network in double precision, and what a step shows it."""
    begin = grounding_training.initial(3, 4, len(WORDS), WORD, 6, 2)
    rng = np.random.default_rng(4)
    variables = {
        name: tf.Variable(value + 0.1 * rng.standard_normal(value.shape), dtype=tf.float64)
        for name, value in begin.items()
    }
    assert not set(variables) & set(REGION)
    grids = rng.standard_normal((2, *SHAPES[0])), rng.standard_normal((2, *SHAPES[1]))
    words = np.zeros((4, 24), np.int32)
    for row, labels in zip(words, ([2, 3], [4], [2, 4, 1, 3], [3, 3]), strict=True):
        row[: len(labels)] = labels
    overlap = rng.uniform(0, 0.9, (4, 6))
    overlap[3] /= 15  # None of the boxes is near: those of a little overlap hardly count.
    return variables, grounding_training.Batch(*grids, some_boxes(2, 6), words, overlap)


def test_the_loss_against_numpy(small):
    variables, batch = small
    tensors = {name: value.numpy() for name, value in variables.items()}
    losses = []
    for caption, labels in enumerate(batch.words):
        photo = caption // 2
        seen = shown(batch.fine[photo], batch.coarse[photo], batch.boxes[photo], tensors)
        said = heard(labels[labels > 0], tensors)
        logits = [score(each, said, tensors) for each in seen]
        overlap = batch.overlap[caption]
        likely = np.exp((overlap / max(overlap.max(), 0.1) - 1) / 0.2)
        likely /= likely.sum()
        losses.append(np.log(np.exp(logits).sum()) - likely @ np.array(logits))
    network = grounder.Grounder(variables, WORDS, tf.float64)
    found = grounding_training.loss(
        network, grounding_training.Batch(*map(tf.constant, batch)), 0.2, 0
    )
    assert found.shape == () and float(found) == pytest.approx(np.mean(losses), rel=1e-9)


def test_its_gradient_against_differences(small):
    variables, batch = small
    network = grounder.Grounder(variables, WORDS, tf.float64)
    batch = grounding_training.Batch(*map(tf.constant, batch))

    def loss():
        return grounding_training.loss(network, batch, 0.15, 0)

    with tf.GradientTape() as tape:
        value = loss()
    gradients = dict(zip(variables, tape.gradient(value, list(variables.values())), strict=True))
    largest = 0
    for name, variable in variables.items():
        gradient = tf.convert_to_tensor(gradients[name]).numpy()
        way = np.random.default_rng(len(name)).standard_normal(gradient.shape)
        ends = []
        for step in (1e-6, -1e-6):
            variable.assign_add(step * way)
            ends.append(float(loss()))
            variable.assign_sub(step * way)
        slope = (ends[0] - ends[1]) / 2e-6
        assert (gradient * way).sum() == pytest.approx(slope, rel=1e-4, abs=1e-8), name
        largest = max(largest, abs(slope))
        # Only what is added to all boxes alike, or to all words, is without a slope.
        assert (abs(slope) < 1e-6) == (name in ("score/bias", "attention/bias")), name
    assert largest > 0.1


def test_dropout_drops_when_it_is_asked_to(small):
    variables, batch = small
    network = grounder.Grounder(variables, WORDS, tf.float64)
    batch = grounding_training.Batch(*map(tf.constant, batch))
    tf.random.set_seed(1)  # Where TensorFlow is deterministic, it asks for one.
    without = {float(grounding_training.loss(network, batch, 0.15, 0)) for _ in range(2)}
    dropped = {float(grounding_training.loss(network, batch, 0.15, 0.4)) for _ in range(3)}
    assert len(without) == 1 and len(dropped) == 3


def correlated(rng, *shape):
    """Grids whose channels have unlike means, spreads and much in common."""
    mixed = rng.standard_normal((shape[-1], shape[-1])) * np.logspace(0, -1, shape[-1])
    return rng.standard_normal(shape) @ mixed + rng.uniform(-3, 3, shape[-1])


def test_whitened_grids_have_unit_covariance_up_to_the_floor():
    rng = np.random.default_rng(8)
    grids = [correlated(rng, 50, 4, 4, 6), correlated(rng, 50, 2, 2, 9)]
    found = grounding_training.whitening([grid.astype(np.float32) for grid in grids])
    for grid, (matrix, offset) in zip(grids, found, strict=True):
        rows = grid.reshape(-1, grid.shape[-1])
        white = rows @ matrix + offset
        np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-5)
        covariance = np.cov(white.T)
        # A direction of variance v has v / (v + floor): nearly 1, or hardly enlarged.
        variances = np.linalg.eigvalsh(np.cov(rows.T))
        expected = variances / (variances + 0.03 * rows.var(axis=0, ddof=1).mean())
        assert expected.max() > 0.97 and expected.min() < 0.9
        np.testing.assert_allclose(covariance, np.diag(expected), atol=1e-4)


def test_unwhitened_tensors_see_in_the_grids_what_the_fitted_ones_saw_in_whitened(small):
    variables, batch = small
    rng = np.random.default_rng(9)
    grids = [correlated(rng, 2, *shape) for shape in SHAPES]
    linear = grounding_training.whitening(grids)
    fitted = {name: value.numpy() for name, value in variables.items()}
    whitened = [
        grid @ matrix + offset for grid, (matrix, offset) in zip(grids, linear, strict=True)
    ]
    plain = grounding_training.unwhitened(fitted, linear)
    assert {name: value.shape for name, value in plain.items()} == {
        name: value.shape for name, value in fitted.items()
    }
    changed = {name for name, value in plain.items() if not np.array_equal(value, fitted[name])}
    assert changed == {"fine/kernel", "fine/bias", "coarse/kernel", "coarse/bias"}
    rest = tf.constant(batch.boxes), tf.constant(batch.words)
    saw, sees = (
        grounder.Grounder(tensors, WORDS, tf.float64).logits(*map(tf.constant, shown_to), *rest)
        for tensors, shown_to in ((fitted, whitened), (plain, grids))
    )
    np.testing.assert_allclose(sees, saw, rtol=1e-5, atol=1e-5)
    assert np.ptp(saw, axis=1).min() > 0.01

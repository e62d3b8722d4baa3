"""What a step of the grounder's training sees, and its loss."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import grounder
from experiments.training import grounding_training
from experiments.training.grounding_scenes import Scene, Tile
from experiments.training.grounding_training import Scenes
from experiments.training.photo_grids import Grids
from tests.networks.test_grounder import WORD, dense, heard, relu

WORDS = [grounder.PADDING, grounder.UNKNOWN, "a", "dog", "cat"]
LABELS = grounder.Grounder({}, WORDS)
LAST = len(grounder.boxes()) - 1
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
    boxes = np.random.default_rng(0).uniform(0, 0.5, (8, 4)) + [0, 0, 0.5, 0.5]
    texts = ["a", "dog", "cat", "a dog", "a cat", "dog a", "cat a", "dog cat"]
    every = list(zip(texts, map(tuple, boxes), strict=True))
    scenes, rows = scenes_of(tuple(every[:1]), tuple(every[1:3]), tuple(every[3:]))
    assert len(scenes) == 3
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(30):
        batch = scenes.batch([0, 2, 1], 3, 20, rng)
        assert batch.boxes[-1] == LAST and len(set(batch.boxes)) == 20
        assert batch.boxes.dtype == batch.words.dtype == np.int32
        assert batch.words.shape == (9, 24) and batch.overlap.shape == (9, 20)
        assert batch.overlap.dtype == np.float32
        for row, said in enumerate((*[every[:1]] * 3, *[every[3:]] * 3, *[every[1:3]] * 3)):
            words = " ".join(WORDS[label] for label in batch.words[row] if label)
            seen.add(words)
            for box, shared in zip(batch.boxes, batch.overlap[row], strict=True):
                truth = iou(dict(said)[words], grounder.boxes()[box].astype(float))
                assert shared == pytest.approx(truth, abs=1e-6)
        # Of the five descriptions of a scene none is taken twice.
        assert len({tuple(words) for words in batch.words[3:6].tolist()}) == 3
        for grid, start, shape in zip(batch[:2], (0, 48), SHAPES, strict=True):
            expected = rows[[0, 2, 1], start : start + np.prod(shape)].astype(np.float32)
            np.testing.assert_array_equal(grid, expected.reshape(3, *shape))
    assert seen == set(texts)
    alone = scenes.batch([1], 1, 1, rng)
    assert alone.boxes.tolist() == [LAST] and alone.overlap.shape == (1, 1)
    (_, coarse), labels, truths = scenes.every(2)
    np.testing.assert_array_equal(coarse[0], rows[2, 48:].reshape(SHAPES[1]))
    np.testing.assert_allclose(truths, boxes[3:])
    assert labels.tolist() == [[2, 3], [2, 4], [3, 2], [4, 2], [3, 4]]


@pytest.fixture
def small():
    """Variables of a network in double precision, and what a step shows it."""
    begin = grounding_training.initial(3, 4, len(WORDS), WORD, 6, 2)
    rng = np.random.default_rng(4)
    variables = {
        name: tf.Variable(value + 0.1 * rng.standard_normal(value.shape), dtype=tf.float64)
        for name, value in begin.items()
    }
    grids = rng.standard_normal((2, *SHAPES[0])), rng.standard_normal((2, *SHAPES[1]))
    words = np.zeros((4, 24), np.int32)
    for row, labels in zip(words, ([2, 3], [4], [2, 4, 1, 3], [3, 3]), strict=True):
        row[: len(labels)] = labels
    overlap = rng.uniform(0, 0.9, (4, 6))
    overlap[3] /= 15  # None of the boxes is near: those of a little overlap hardly count.
    boxes = np.array([3, 100, 222, 333, 480, LAST], np.int32)
    return variables, grounding_training.Batch(*grids, words, overlap, boxes)


def test_the_loss_against_numpy(small):
    variables, batch = small
    tensors = {name: value.numpy() for name, value in variables.items()}
    hidden = [
        relu(dense(g, tensors, n)) for g, n in zip(batch[:2], ("fine", "coarse"), strict=True)
    ]
    places = grounder.places(grounder.boxes()).astype(float)
    losses = []
    for caption, labels in enumerate(batch.words):
        seen = []
        for number in batch.boxes:
            down, across = divmod(number, 23)
            means = [grounder.means(len(grid[0])).astype(float) for grid in hidden]
            shown = [
                np.einsum("h,w,hwd->d", weights[down], weights[across], grid[caption // 2])
                for weights, grid in zip(means, hidden, strict=True)
            ]
            seen.append(sum(shown))
        said, whole = heard(labels[labels > 0], tensors), dense(seen[-1], tensors, "photo")
        logits = []
        for number, shown in zip(batch.boxes, seen, strict=True):
            place = places[number]
            box = relu(dense(shown, tensors, "box") + whole + dense(place, tensors, "place"))
            both = dense(box * said, tensors, "both") + dense(box, tensors, "seen")
            both = relu(both + dense(said, tensors, "said"))
            usual = np.tanh(dense(place, tensors, "usual_place"))
            usual = (dense(said, tensors, "usual") * usual).mean()
            logits.append(dense(both, tensors, "score")[0] + usual)
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
    without = {float(grounding_training.loss(network, batch, 0.15, 0)) for _ in range(2)}
    dropped = {float(grounding_training.loss(network, batch, 0.15, 0.4)) for _ in range(3)}
    assert len(without) == 1 and len(dropped) == 3

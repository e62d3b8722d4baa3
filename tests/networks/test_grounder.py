"""The grounder: its boxes, what it sees and hears against NumPy, and its checkpoint."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import bundle, checkpoints, grounder
from tests import seeded

WORDS = [grounder.PADDING, grounder.UNKNOWN, "a", "man", "dog"]
FINE, COARSE, WORD, WIDTH = 6, 9, 5, 8


@pytest.fixture(scope="module")
def tensors():
    shapes = grounder.shapes(FINE, COARSE, len(WORDS), WORD, WIDTH)
    return {
        name: seeded.weight(name, shape, 3).astype(np.float64) for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def network(tensors):
    return grounder.Grounder(tensors, WORDS, tf.float64)


def grids(count):
    rng = np.random.default_rng(count)
    return rng.standard_normal((count, 14, 14, FINE)), rng.standard_normal((count, 7, 7, COARSE))


def dense(x, tensors, name):
    return x @ tensors[f"{name}/kernel"].reshape(x.shape[-1], -1) + tensors[f"{name}/bias"]


def relu(x):
    return np.maximum(x, 0)


def heard(labels, tensors):
    """What a caption without padding says, word by word."""
    vectors = tensors["words"][labels]
    around = np.concatenate([np.zeros((1, WORD)), vectors, np.zeros((1, WORD))])
    hidden = []
    for at in range(len(labels)):
        window = sum(around[at + k] @ tensors["window/kernel"][k] for k in range(3))
        hidden.append(relu(window + tensors["window/bias"]))
    attention = np.exp([dense(each, tensors, "attention")[0] for each in hidden])
    noticed = sum(w * each for w, each in zip(attention / attention.sum(), hidden, strict=True))
    return relu(dense(np.concatenate([noticed, vectors.mean(axis=0)]), tensors, "phrase"))


def test_boxes_are_every_pair_of_intervals():
    boxes, sides = grounder.boxes(), grounder.intervals()
    assert boxes.shape == (23 * 23, 4) and boxes.dtype == np.float32
    assert len({tuple(box) for box in boxes.tolist()}) == 23 * 23
    np.testing.assert_array_equal(boxes[23 * 4 + 9], [sides[9, 0], sides[4, 0], *sides[[9, 4], 1]])
    np.testing.assert_allclose(boxes[-1], [0, 0, 1, 1])
    assert boxes.min() >= 0 and boxes.max() <= 1 + 1e-6
    np.testing.assert_allclose(sides[:2], [[0, 0.18], [0.1025, 0.2825]], atol=1e-6)


def test_means_weigh_places_by_what_an_interval_shares_with_them():
    found = grounder.means(14)
    # 0.18 of 14 places are 2.52 of them; the first interval of length 0.5 is 7 places.
    np.testing.assert_allclose(found[0], np.array([1, 1, 0.52, *[0] * 11]) / 2.52, atol=1e-6)
    half = [number for number, (low, high) in enumerate(grounder.intervals()) if high - low == 0.5]
    np.testing.assert_allclose(found[half[0]], [1 / 7] * 7 + [0] * 7, atol=1e-6)
    for count in (7, 14):
        values = np.random.default_rng(count).standard_normal(count)
        for (low, high), weights in zip(grounder.intervals(), grounder.means(count), strict=True):
            points = low + (high - low) * (np.arange(20000) + 0.5) / 20000
            sampled = values[np.minimum((points * count).astype(int), count - 1)].mean()
            assert weights @ values == pytest.approx(sampled, abs=2e-3)


def test_a_box_shows_the_mean_of_its_cells(network, tensors):
    fine, coarse = grids(2)
    found = network.seen(tf.constant(fine), tf.constant(coarse)).numpy()
    hidden = [
        relu(dense(grid, tensors, name)) for grid, name in ((fine, "fine"), (coarse, "coarse"))
    ]
    assert found.shape == (2, 529, WIDTH)
    whole = sum(grid.mean(axis=(1, 2)) for grid in hidden)
    np.testing.assert_allclose(found[:, -1], whole, rtol=1e-5)
    # Cells that a box covers in part count by that part: each is cut into 50 x 50 here.
    cut = [grid.repeat(700 // len(grid[0]), 1).repeat(700 // len(grid[0]), 2) for grid in hidden]
    for number in (0, 100, 333, 480):
        x0, y0, x1, y1 = np.round(grounder.boxes()[number] * 700).astype(int)
        expected = sum(grid[:, y0:y1, x0:x1].mean(axis=(1, 2)) for grid in cut)
        np.testing.assert_allclose(found[:, number], expected, rtol=0.02)


def test_captions_are_read_word_by_word(network, tensors):
    for labels in ([3], [2, 3], [2, 4, 1, 3, 2]):
        found = network.said(tf.constant([labels])).numpy()[0]
        np.testing.assert_allclose(found, heard(labels, tensors), rtol=1e-9)
    assert network.labels(["man", "okapi", "a"]).tolist() == [3, 1, 2]
    assert network.labels(["man"]).dtype == np.int32 and network.labels([]).shape == (0,)
    dog_man, man_dog = network.said(tf.constant([[4, 3], [3, 4]])).numpy()
    assert not np.allclose(dog_man, man_dog)


def test_scores_against_numpy(network, tensors):
    rng = np.random.default_rng(0)
    seen, said = rng.standard_normal((2, 4, WIDTH)), relu(rng.standard_normal((6, WIDTH)))
    numbers = rng.standard_normal((4, grounder.NUMBERS))
    found = network.scores(tf.constant(seen), tf.constant(said), tf.constant(numbers)).numpy()
    assert found.shape == (6, 4)
    for caption in range(6):
        photo = caption // 3
        for box in range(4):
            place = dense(numbers[box], tensors, "place")
            whole = dense(seen[photo, -1], tensors, "photo")
            shown = relu(dense(seen[photo, box], tensors, "box") + whole + place)
            own = said[caption]
            hidden = dense(shown * own, tensors, "both") + dense(shown, tensors, "seen")
            hidden = relu(hidden + dense(own, tensors, "said"))
            usual = np.tanh(dense(numbers[box], tensors, "usual_place"))
            usual = (dense(own, tensors, "usual") * usual).mean()
            expected = dense(hidden, tensors, "score")[0] + usual
            assert found[caption, box] == pytest.approx(expected, rel=1e-9)
    apart = np.stack([numbers, numbers])  # The same places, each photo with its own.
    again = network.scores(tf.constant(seen), tf.constant(said), tf.constant(apart))
    np.testing.assert_allclose(again, found, rtol=1e-12)


def test_zeros_behind_a_caption_and_neighbours_change_nothing(network):
    fine, coarse = (tf.constant(grid) for grid in grids(3))
    captions = [[2, 3], [4], [2, 4, 1, 3]]
    padded = tf.constant([caption + [0] * (6 - len(caption)) for caption in captions])
    together = network.logits(fine, coarse, padded).numpy()
    assert together.shape == (3, 529) and np.ptp(together, axis=1).min() > 0.1
    for at, caption in enumerate(captions):
        own = fine[at : at + 1], coarse[at : at + 1]
        alone = network.logits(*own, tf.constant([caption])).numpy()[0]
        np.testing.assert_allclose(together[at], alone, rtol=1e-9)


def test_the_checkpoint_beside_the_networks(tmp_path):
    words = seeded.write_grounder(tmp_path / "own")
    networks = bundle.Networks(grounder=f"{tmp_path}/own")
    assert networks.grounder.vocabulary == words
    assert networks.checkpoints["own"] == checkpoints.load(tmp_path / "own").sha256
    plain = bundle.Networks()
    assert plain.grounder is None and set(plain.checkpoints) == {"lite0", "sat", "vfn"}
    added = plain.with_grounder(f"{tmp_path}/own")
    assert added.checkpoints == networks.checkpoints and added.captioner is plain.captioner
    assert plain.grounder is None and set(plain.checkpoints) == {"lite0", "sat", "vfn"}


def test_another_kind_or_trunk_is_refused_in_one_line(tmp_path):
    plain = bundle.Networks()
    with pytest.raises(checkpoints.CheckpointError, match="'lexicon' checkpoint; a 'grounder'"):
        plain.with_grounder("lexicon")
    with pytest.raises(checkpoints.CheckpointError, match="no readable checkpoint") as error:
        plain.with_grounder(f"{tmp_path}/missing")
    assert "\n" not in str(error.value)
    seeded.write_grounder(tmp_path / "other", trunk="lexicon")  # No trunk, but another SHA-256.
    with pytest.raises(checkpoints.CheckpointError, match=r"Networks\.grounder = None") as error:
        plain.with_grounder(f"{tmp_path}/other")
    assert "\n" not in str(error.value) and "'other' stands on 'lexicon'" in str(error.value)

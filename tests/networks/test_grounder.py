"""The grounder: its boxes, what it sees and hears against NumPy, and its checkpoint."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import bundle, checkpoints, grounder, proposals
from tests import seeded
from tests.networks import small_proposals

WORDS = [grounder.PADDING, grounder.UNKNOWN, "a", "man", "dog"]
FINE, COARSE, WORD, WIDTH = 6, 9, 5, 8


@pytest.fixture(scope="module")
def tensors():
    shapes = grounder.shapes(FINE, COARSE, len(WORDS), WORD, WIDTH)
    own = {name: seeded.weight(name, shape, 3).astype(np.float64) for name, shape in shapes.items()}
    return own | small_proposals.tensors(FINE, COARSE)


@pytest.fixture(scope="module")
def network(tensors):
    return grounder.Grounder(tensors, WORDS, tf.float64)


def grids(count):
    rng = np.random.default_rng(count)
    return rng.standard_normal((count, 14, 14, FINE)), rng.standard_normal((count, 7, 7, COARSE))


def some_boxes(*shape, seed=0):
    """Boxes `[*shape, 4]` of many sizes; the last one of each photo is the whole photo."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.02, 1, (*shape, 2))
    low = rng.uniform(0, 1 - size)
    boxes = np.concatenate([low, low + size], axis=-1)
    boxes[..., -1, :] = 0, 0, 1, 1
    return boxes


def dense(x, tensors, name):
    return x @ tensors[f"{name}/kernel"].reshape(x.shape[-1], -1) + tensors[f"{name}/bias"]


def relu(x):
    return np.maximum(x, 0)


def numbers(box):
    """What says where a box is."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    logs = np.log(width + 0.02), np.log(height + 0.02)
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    return np.array([*box, *middle, width, height, *logs, width * height])


def mean_over(grid, box):
    """The mean over a box of a grid that is constant in each place."""
    total, area = 0, 0
    rows, columns = grid.shape[:2]
    for y in range(rows):
        for x in range(columns):
            across = min(box[2], (x + 1) / columns) - max(box[0], x / columns)
            down = min(box[3], (y + 1) / rows) - max(box[1], y / rows)
            share = max(across, 0) * max(down, 0)
            total, area = total + share * grid[y, x], area + share
    return total / area


def shown(fine, coarse, boxes, tensors):
    """What boxes of one photo show, box by box."""
    layers = [dense(grid, tensors, name) for grid, name in ((fine, "fine"), (coarse, "coarse"))]
    total = [sum(mean_over(layer, box) for layer in layers) for box in boxes]
    around = dense(total[-1], tensors, "photo")
    first = [
        relu(each + around + dense(numbers(box), tensors, "place"))
        for each, box in zip(total, boxes, strict=True)
    ]
    return np.array([each + relu(dense(each, tensors, "box")) for each in first])


def score(box, caption, tensors):
    """How well what a box shows fits what a caption says."""
    hidden = dense(box * caption, tensors, "both") + dense(box, tensors, "seen")
    return dense(relu(hidden + dense(caption, tensors, "said")), tensors, "score")[0]


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


def test_the_lattice():
    found = grounder.lattice()
    assert found.shape == (25 + 16 + 9 + 4 + 10 + 10 + 1, 4) and found.dtype == np.float32
    assert len({tuple(box) for box in found.tolist()}) == len(found)
    np.testing.assert_array_equal(found[-1], [0, 0, 1, 1])
    assert found.min() >= 0 and found.max() <= 1
    np.testing.assert_allclose(found[0], [0, 0, 0.3, 0.3], atol=1e-6)
    # The second of a row, and the first of the second row: 0.7 in four steps.
    np.testing.assert_allclose(found[[1, 5]], [[0.175, 0, 0.475, 0.3], [0, 0.175, 0.3, 0.475]])
    tall = found[54:64]  # Five across and two down.
    np.testing.assert_allclose(tall[5], [0, 0.25, 0.35, 1], atol=1e-6)
    np.testing.assert_allclose(tall[-1], [0.65, 0.25, 1, 1], atol=1e-6)


def test_boxes_are_the_proposals_then_the_lattice(network, tensors):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        fine = rng.standard_normal((1, 14, 14, FINE)).astype(np.float32)
        coarse = rng.standard_normal((1, 7, 7, COARSE)).astype(np.float32)
        region = proposals.Proposals(tensors)
        logits, deltas = region(fine, coarse)
        moved = proposals.decode(deltas[0], region.anchors(14, 14))
        chosen = proposals.choose(logits[0], moved, 40, 0.6).numpy()
        assert len(chosen) > 10 and (np.diff(logits.numpy()[0, chosen]) <= 0).all()
        expected = np.concatenate([moved.numpy()[chosen], grounder.lattice()])
        found = network.boxes(tf.constant(fine), tf.constant(coarse))
        assert found.dtype == tf.float64
        np.testing.assert_array_equal(found, expected)
        in_a_graph = tf.function(network.boxes, autograph=False)
        np.testing.assert_allclose(in_a_graph(fine, coarse), expected, atol=1e-6)
        np.testing.assert_array_equal(in_a_graph(fine, coarse), in_a_graph(fine, coarse))


def test_a_photo_of_nothing_has_the_lattice_alone(tensors):
    """Where all proposals are narrower than any that counts."""
    moved = dict(tensors)
    moved["proposals/deltas/bias"] = np.tile(np.float32([0, 0, -9, -9]), 2)
    moved["proposals/deltas/kernel"] = np.zeros_like(tensors["proposals/deltas/kernel"])
    found = grounder.Grounder(moved, WORDS).boxes(*map(tf.constant, grids(1)))
    np.testing.assert_array_equal(found, grounder.lattice())


def test_places_by_hand():
    boxes = some_boxes(2, 7)
    found = grounder.places(tf.constant(boxes)).numpy()
    assert found.shape == (2, 7, grounder.NUMBERS)
    for photo in range(2):
        for at, box in enumerate(boxes[photo]):
            np.testing.assert_allclose(found[photo, at], numbers(box), rtol=1e-12)


def test_means_weigh_places_by_what_an_interval_shares_with_them():
    def means(low, high, count):
        return grounder.means(tf.constant(low, tf.float64), tf.constant(high, tf.float64), count)

    # 0.18 of 14 places are 2.52 of them; 0.5 is 7 places.
    np.testing.assert_allclose(means(0.0, 0.18, 14), np.array([1, 1, 0.52, *[0] * 11]) / 2.52)
    np.testing.assert_allclose(means(0.5, 1.0, 14), [0] * 7 + [1 / 7] * 7)
    np.testing.assert_allclose(means(0.3, 0.31, 2), [1, 0])
    rng = np.random.default_rng(6)
    for count in (7, 14):
        low = rng.uniform(0, 0.95, (3, 20))
        high = low + rng.uniform(0.01, 1 - low)
        found = means(low, high, count).numpy()
        assert found.shape == (3, 20, count)
        np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-12)
        fractions = (np.arange(20000) + 0.5) / 20000
        for at in np.ndindex(3, 20):
            points = low[at] + (high[at] - low[at]) * fractions
            sampled = np.bincount((points * count).astype(int), minlength=count) / 20000
            np.testing.assert_allclose(found[at], sampled, atol=2e-4)


def test_what_boxes_show_against_numpy(network, tensors):
    fine, coarse = grids(2)
    boxes = some_boxes(2, 9)
    found = network.seen(*map(tf.constant, (fine, coarse, boxes))).numpy()
    assert found.shape == (2, 9, WIDTH)
    for photo in range(2):
        expected = shown(fine[photo], coarse[photo], boxes[photo], tensors)
        np.testing.assert_allclose(found[photo], expected, rtol=1e-9)


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
    found = network.scores(tf.constant(seen), tf.constant(said)).numpy()
    assert found.shape == (6, 4)
    for caption in range(6):
        for box in range(4):
            expected = score(seen[caption // 3, box], said[caption], tensors)
            assert found[caption, box] == pytest.approx(expected, rel=1e-9)


def test_logits_against_numpy(network, tensors):
    fine, coarse = grids(2)
    boxes, captions = some_boxes(2, 5), [[2, 3], [4, 1], [3, 3], [2, 4]]
    found = network.logits(*map(tf.constant, (fine, coarse, boxes, captions))).numpy()
    for number, labels in enumerate(captions):
        photo = number // 2
        seen = shown(fine[photo], coarse[photo], boxes[photo], tensors)
        expected = [score(each, heard(labels, tensors), tensors) for each in seen]
        np.testing.assert_allclose(found[number], expected, rtol=1e-9)


def test_zeros_behind_a_caption_and_neighbours_change_nothing(network):
    fine, coarse = (tf.constant(grid) for grid in grids(3))
    boxes = tf.constant(some_boxes(3, 30))
    captions = [[2, 3], [4], [2, 4, 1, 3]]
    padded = tf.constant([caption + [0] * (6 - len(caption)) for caption in captions])
    together = network.logits(fine, coarse, boxes, padded).numpy()
    assert together.shape == (3, 30) and np.ptp(together, axis=1).min() > 0.1
    for at, caption in enumerate(captions):
        own = (each[at : at + 1] for each in (fine, coarse, boxes))
        alone = network.logits(*own, tf.constant([caption])).numpy()[0]
        np.testing.assert_allclose(together[at], alone, rtol=1e-9)
    # Nor do other boxes, but for the whole photo.
    fewer = network.logits(fine, coarse, boxes[:, 20:], padded).numpy()
    np.testing.assert_allclose(fewer, together[:, 20:], rtol=1e-9)


def test_the_checkpoint_beside_the_networks(tmp_path):
    words = seeded.write_grounder(tmp_path / "own")
    networks = bundle.Networks(grounder=f"{tmp_path}/own")
    assert networks.grounder.vocabulary == words
    assert networks.checkpoints["own"] == checkpoints.load(tmp_path / "own").sha256
    # Its proposals are in it, as all else that it needs beside the trunk.
    trunk, tensors = networks.caption_trunk, checkpoints.load(tmp_path / "own").tensors
    assert {name for name in tensors if proposals.is_one(name)} == small_proposals.tensors().keys()
    noise = np.random.default_rng(0).random((1, 224, 224, 3), np.float32)
    seen = grounder.view(trunk)(tf.constant(noise))
    region = proposals.Proposals(small_proposals.tensors())
    logits, deltas = region(*seen)
    moved = proposals.decode(deltas[0], region.anchors(14, 14))
    expected = tf.gather(moved, proposals.choose(logits[0], moved, 40, 0.6))
    found = networks.grounder.boxes(*seen)
    np.testing.assert_array_equal(found[: len(expected)], expected)
    np.testing.assert_array_equal(found[len(expected) :], grounder.lattice())
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


@pytest.mark.parametrize(
    ("tensors", "manifest", "said"),
    [
        ({"score/kernel": None}, {}, r"missing tensors \['score/kernel'\]"),
        ({"proposals/anchors": None}, {}, "'proposals/anchors'"),
        ({"photo/kernel": np.zeros([3, 3], np.float32)}, {}, "tensor 'photo/kernel' is"),
        ({}, {"vocabulary": [grounder.PADDING, grounder.UNKNOWN]}, "tensor 'words' is"),
        ({}, {"vocabulary": ["a", "dog"]}, "its words begin with"),
        ({}, {"vocabulary": None}, "no whole grounder"),
        ({}, {"trunk_sha256": None}, "no whole grounder: KeyError: 'trunk_sha256'"),
    ],
)
def test_what_is_no_whole_grounder_is_refused_when_it_is_loaded(tmp_path, tensors, manifest, said):
    seeded.write_grounder(tmp_path / "whole")
    whole = checkpoints.load(tmp_path / "whole")
    extra = {name: whole.manifest[name] for name in ("vocabulary", "trunk", "trunk_sha256")}
    checkpoints.save(
        tmp_path / "own",
        "grounder",
        {name: value for name, value in {**whole.tensors, **tensors}.items() if value is not None},
        source="a seed",
        command="test",
        commit="0" * 40,
        extra={name: value for name, value in {**extra, **manifest}.items() if value is not None},
    )
    with pytest.raises(checkpoints.CheckpointError, match=said) as error:
        bundle.Networks(grounder=f"{tmp_path}/own")
    assert "\n" not in str(error.value)

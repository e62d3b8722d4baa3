"""Training MAttNet's stand-in: what is drawn, what a step sees, and that a checkpoint comes out."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.mattnet import lite_detector, losses, mattnet, network, objects, text
from cagic_tf.baselines.mattnet.detections import Detections
from cagic_tf.baselines.mattnet.sizes import Sizes
from cagic_tf.networks import checkpoints
from experiments import train_mattnet, train_proposals
from experiments.data.entities import Description
from experiments.training import mattnet_training, phrase_accuracy, phrase_triples
from experiments.training.photo_grids import Photo, Thing
from tests.baselines import small_mattnet
from tests.experiments import commands
from tests.experiments.test_train_proposals import data

LEFT, RIGHT, LOW = (0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0)
CORNERS = np.array(
    [
        LOW,
        LEFT,
        (0.0, 0.0, 0.5, 0.35),  # 0.7 of the left one.
        (0.0, 0.0, 0.5, 0.25),  # 0.5: neither right nor wrong where there is a better one.
        (0.5, 0.0, 1.0, 0.26),  # 0.52 of the right one, which has no better one.
    ],
    np.float32,
)
THINGS = (
    Thing(("a red dog", "the dog"), LEFT),
    Thing(("a cat",), RIGHT),
    Thing(("a tiny bird",), (0.1, 0.1, 0.12, 0.12)),
)
PHOTO = Photo("1.png", (100, 200), THINGS, CORNERS, ())
WORDS = phrase_triples.words([PHOTO], 1)


def rows(photo=PHOTO, side=0, corners=CORNERS):
    return phrase_triples.rows(7, side, photo, corners, text.Vocabulary(WORDS), ["dog", "red"])


def test_words_and_attributes():
    assert WORDS == ["<PAD>", "a", "dog", "bird", "cat", "red", "the", "tiny", "<UNK>"]
    assert phrase_triples.words([PHOTO], 2) == ["<PAD>", "a", "dog", "<UNK>"]
    # Of things, not of phrases, and without words that say nothing.
    found = phrase_triples.attribute_counts([PHOTO, PHOTO], 3)
    assert found == {"bird": 2, "cat": 2, "dog": 2}


def test_rows_by_hand():
    dog, again, cat = rows()  # No box finds the bird.
    assert dog.phrase == (1, 5, 2) and again.phrase == (6, 2) and cat.phrase == (1, 4)
    assert dog.right.tolist() == again.right.tolist() == [1, 2]
    assert dog.wrong.tolist() == [0, 4]
    assert dog.attributes == again.attributes == (0, 1) and cat.attributes == ()
    assert cat.right.tolist() == [4] and cat.wrong.tolist() == [0, 1, 2, 3]
    assert set(dog.others) == {(1, 4), (1, 7, 3)}
    assert {row.photo for row in rows()} == {7} and {row.side for row in rows()} == {0}


def test_mirrored_rows():
    mirrored = np.array([[1 - x1, y0, 1 - x0, y1] for x0, y0, x1, y1 in CORNERS])
    for ours, theirs in zip(rows(), rows(side=1, corners=mirrored), strict=True):
        assert ours.right.tolist() == theirs.right.tolist()
        assert ours.wrong.tolist() == theirs.wrong.tolist()
    sided = PHOTO._replace(things=(*THINGS, Thing(("the left one",), LOW)))
    assert len(rows(sided)) == 4 and rows(sided, side=1) == []


def test_what_is_drawn():
    every = rows()
    chosen = [every[0], every[2]] * 40
    found = phrase_triples.draw(chosen, every, 2, np.random.default_rng(0))
    assert found.phrases.shape == (160, 3) and found.phrases.dtype == np.int32
    assert found.photos.tolist() == [7] * 80
    for at, row in enumerate(chosen):
        assert found.right[at] in row.right and found.wrong[at] in row.wrong
        said, other = (tuple(labels[labels > 0]) for labels in found.phrases[[at, 80 + at]])
        assert said == row.phrase and other in row.others
        assert found.attributes[at].tolist() == [float(row is every[0])] * 2
    assert set(found.right[::2]) == {1, 2} and set(found.wrong[1::2]) == {0, 1, 2, 3}
    alone = every[0]._replace(others=())
    assert phrase_triples.draw([alone], [every[2]], 2, np.random.default_rng(0)).phrases[
        1
    ].tolist() == [1, 4, 0]


def batch(seed=0):
    """Two rows of two photos, and the photos' grids."""
    rng = np.random.default_rng(seed)
    grids = (
        rng.standard_normal((2, 4, 4, 112)).astype(np.float32),
        rng.standard_normal((2, 2, 2, 320)).astype(np.float32),
    )
    # In the second photo there are fewer boxes than slots.
    found = [phrase_triples.candidates(CORNERS[:count], PHOTO.size, 2) for count in (5, 2)]
    triples = phrase_triples.Triples(
        np.array([0, 1]),
        np.array([1, 0]),
        np.array([4, 1]),
        np.array([[1, 2, 0], [3, 0, 0], [2, 2, 2], [4, 1, 0]], np.int32),
        np.array([[1, 0, 0], [0, 0, 0]], np.float32),
    )
    return mattnet_training.gather(grids, found, triples), grids


def test_training_sees_boxes_as_inference_does():
    made, grids = batch()
    found = mattnet_training.objects(mattnet_training.Batch(*map(tf.constant, made)))
    for row, (photo, box) in enumerate([(0, 1), (1, 0), (0, 4), (1, 1)]):
        corners = CORNERS[: (5, 2)[photo]]
        pictures = np.full(len(corners), photo, np.int32)
        crops = [lite_detector.proposals.crop(grid, corners, pictures, 7).numpy() for grid in grids]
        kinds = np.zeros(len(corners), int)
        boxes = lite_detector.in_pixels(corners, PHOTO.size)
        around = objects.geometry.context(boxes, kinds, 2, same_kind=True)
        expected = objects.describe(Detections(boxes, kinds, *crops), PHOTO.size, around, 2)
        for name in network.Objects._fields:
            ours, theirs = getattr(found, name)[row], getattr(expected, name)[box]
            np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=name)


def test_the_loss_is_that_of_the_three_kinds_of_pairs():
    made = mattnet_training.Batch(*map(tf.constant, batch()[0]))
    layers = mattnet_training.Layers(small_mattnet.matching())
    weights = tf.constant([1.0, 2, 3])
    found = mattnet_training.loss(layers, made, weights)
    seen = mattnet_training.objects(made)

    def scored(boxes, said):
        chosen = network.Objects(*(tf.gather(part, boxes) for part in seen))
        reading = network.Reading(
            *(
                tf.gather(part, said)
                for part in mattnet_training.language.read(layers, made.phrases)
            )
        )
        return network.score(layers, chosen, reading)

    right = scored([0, 1], [0, 1])
    wrong = scored([2, 3], [0, 1]).scores, scored([0, 1], [2, 3]).scores
    expected = np.mean(sum(np.maximum(0.1 + each - right.scores, 0) for each in wrong))
    named = losses.attributes(right.attributes, made.attributes, weights)
    assert float(found) == pytest.approx(expected + float(named), rel=1e-5)


def test_batches_own_statistics():
    x = np.random.default_rng(0).normal(3, 2, (5, 7, 2)).astype(np.float32)
    start = {"n/mean": [1, 1], "n/variance": [2, 2], "n/beta": [0, 5], "n/gamma": [1, 3]}
    variables = mattnet_training.variables({name: np.array(v) for name, v in start.items()})
    assert [variables[name].trainable for name in start] == [False, False, True, True]
    found = mattnet_training.TrainingLayers(variables).batch_norm(tf.constant(x), "n")
    mean, variance = x.mean((0, 1)), x.var((0, 1))
    expected = (x - mean) / np.sqrt(variance + 1e-5) * [1, 3] + [0, 5]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(variables["n/mean"], 0.9 + 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(variables["n/variance"], 1.8 + 0.1 * variance, rtol=1e-5)


def test_a_network_to_begin_with():
    size = Sizes(6, 3, 4, 5, 6, 7, 8, 9, 2)
    found = mattnet_training.initial(size, 1)
    assert {name: value.shape for name, value in found.items()} == mattnet.sizes.shapes(size)
    assert (found["sub_encoder/att_normalizer/scale"] == 20).all()
    assert (found["sub_matching/vis_emb_fc/1/variance"] == 1).all()
    assert not found["loc_encoder/fc/bias"].any() and found["loc_encoder/fc/kernel"].all()


def test_accuracy_by_hand():
    """Three boxes: the phrase "one" means the first, "two" something that only the last finds."""
    boxes = np.array([[0, 0, 50, 50], [0, 0, 100, 100], [50, 50, 50, 40]])
    described = (
        Description("one", ("1",), (0, 0, 0.25, 0.5)),
        Description("two", ("2",), (0.25, 0.5, 0.5, 1)),
    )
    things = tuple(Thing((each.text,), each.corners) for each in described)
    photo = Photo("1.png", (100, 200), things, CORNERS, described)
    shown = [phrase_accuracy.Shown(np.zeros((100, 200, 3), np.uint8), photo)]
    found = Detections(boxes, np.zeros(3, int), np.zeros((3, 7, 7, 1)), np.zeros((3, 7, 7, 1)))

    class Detector:
        def detect(self, pixels):
            return found

        def describe(self, pixels, given, categories):
            np.testing.assert_allclose(given, [[0, 0, 50, 50], [50, 50, 50, 50]])
            np.testing.assert_array_equal(categories, [0, 0])
            return found._replace(boxes=boxes[[0, 2]])

    choosing = SimpleNamespace(comprehend=lambda *_: SimpleNamespace(chosen=0))
    measured = phrase_accuracy.measure(choosing, Detector(), shown)
    assert measured == {
        "proposals: MAttNet": 0.5,
        "proposals: the largest": 0,
        "proposals: the likeliest": 0.5,
        "proposals: a random one": pytest.approx(1 / 3),
        "proposals: any": 1,
        "true boxes: MAttNet": 0.5,
        "true boxes: the largest": 0.5,
        "true boxes: a random one": 0.5,
        "true boxes: any": 1,
    }
    assert phrase_accuracy.by_proposals(choosing, Detector(), shown) == 0.5


def test_the_commands_themselves(tmp_path):
    folders = data(tmp_path)
    small = "--side=224", "--anchors=2", "--hidden=4", "--batch=2", "--epochs=30"
    commands.call(train_proposals, *folders, *small, f"--output={tmp_path}/proposals")
    settings = "--batch=2", "--epochs=2", "--word=4", "--units=3", "--joint=5", "--attributes=2"
    given = *folders, f"--proposals={tmp_path}/proposals", f"--output={tmp_path}/out"
    assert "phrases are fewer than --batch=99" in commands.error_of(
        train_mattnet, *given, "--batch=99"
    )
    assert not (tmp_path / "out").exists()
    commands.call(train_mattnet, *given, *settings, "--least_words=1")
    found = checkpoints.load(tmp_path / "out", mattnet.KIND)
    manifest = found.manifest
    assert manifest["vocabulary"] == ["<PAD>", "a", "dog", "man", "<UNK>"]
    assert manifest["attributes"] == ["dog", "man"]
    assert str(tmp_path) not in json.dumps(manifest)
    assert "train_proposals" in manifest["command"] and "--joint=5" in manifest["command"]
    assert manifest["metrics"]["all dev boxes found"] == 1
    assert 0 <= manifest["metrics"]["a third of all dev phrases, proposals: MAttNet"] <= 1
    assert {entry["dtype"] for entry in manifest["tensors"].values()} == {"float16"}
    photo = np.full((30, 50, 3), 90, np.uint8)
    assert 0 < len(mattnet.load(tmp_path / "out").boxes(photo, "a man")) <= 20
    again = f"--output={tmp_path}/again"
    commands.call(train_mattnet, *given[:-1], again, *settings, "--least_words=1")
    assert checkpoints.load(tmp_path / "again").sha256 == found.sha256

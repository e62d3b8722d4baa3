"""MAttNet's scores and answers on small networks and hand-made boxes: what is known of them."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.mattnet import geometry, language, losses, mattnet, network, objects, sizes
from cagic_tf.baselines.mattnet.detections import Detections
from cagic_tf.baselines.mattnet.layers import Layers
from cagic_tf.baselines.mattnet.text import Vocabulary
from cagic_tf.networks import checkpoints
from tests.baselines import seeded_mattnet
from tests.baselines.seeded_mattnet import KINDS, ROW, SMALL, WORDS, small_tensors

MANIFEST = {
    "vocabulary": WORDS,
    "attributes": [f"attribute {number}" for number in range(SMALL.attributes)],
    "num_cxt": 3,
    "with_st": 1,
}
SIZE = (100, 200)


def detections(boxes=ROW, categories=KINDS, channels=(SMALL.pool5, SMALL.fc7)):
    maps = (seeded_mattnet.features("a", len(boxes), count, 1) for count in channels)
    return Detections(boxes, categories, *maps)


def described(found):
    around = geometry.context(found.boxes, found.categories, 3, True)
    return objects.describe(found, SIZE, around, SMALL.alike)


def test_pairs_side_by_side_score_as_alone():
    layers, known = Layers(small_tensors()), Vocabulary(WORDS)
    phrases = ["dog", "the left dog", "zebra", "left", "the", "dog left"]
    reading = language.read(layers, tf.constant(known.labels(phrases)))
    seen = described(detections())
    together = network.score(layers, seen, reading)
    for row in range(6):
        one = slice(row, row + 1)
        alone = network.score(
            layers,
            network.Objects(*(part[one] for part in seen)),
            language.Reading(*(part[one] for part in reading)),
        )
        for mine, theirs in zip(together, alone, strict=True):
            np.testing.assert_allclose(mine[one], theirs, atol=1e-6)
    weighted = np.sum(together.modules * reading.weights, axis=1)
    np.testing.assert_allclose(together.scores, weighted, atol=1e-6)
    assert np.abs(together.modules).max() <= 1 + 1e-6


def test_one_box_alone():
    system = mattnet.MAttNet(small_tensors(), MANIFEST, lambda photo: None)
    found = system.comprehend(detections(ROW[:1], KINDS[:1]), SIZE, "the left dog")
    assert (found.chosen, found.related, found.related_box) == (0, -1, (0, 0, 0, 0))
    assert found.box == (10, 40, 10, 10) and found.module_scores[0, 2] == 0
    assert np.isfinite(found.scores).all() and found.words == ["the", "left", "dog"]
    assert found.grid_attention.shape == (1, 49) and len(found.attributes) == 5


def opposed():
    """A network in which everything around a box fits every phrase as badly as can be."""
    changes, direction = {}, np.arange(1, 7, dtype=np.float32)
    for tower, sign in (("vis", 1), ("lang", -1)):
        changes[f"rel_matching__{tower}_emb_fc__5__gamma"] = np.zeros(6, np.float32)
        changes[f"rel_matching__{tower}_emb_fc__5__beta"] = sign * direction
    return small_tensors(**changes)


def test_an_empty_slot_is_better_than_what_does_not_fit():
    system = mattnet.MAttNet(opposed(), MANIFEST, lambda photo: None)
    full = system.comprehend(detections(), SIZE, "dog")
    np.testing.assert_allclose(full.module_scores[:, 2], -1, atol=1e-6)
    fewer = system.comprehend(detections(ROW[:3], KINDS[:3]), SIZE, "dog")
    np.testing.assert_array_equal(fewer.module_scores[:, 2], 0)
    np.testing.assert_array_equal(fewer.all_related, -1)


def test_the_related_box_of_the_first_is_none():
    """The demo takes the id 0 for "none"."""
    system = mattnet.MAttNet(opposed(), MANIFEST | {"num_cxt": 1}, lambda photo: None)
    seen = set()
    for order in ([0, 1], [1, 0]):
        found = system.comprehend(detections(ROW[order], KINDS[order]), SIZE, "dog")
        assert found.related == 1 - found.chosen
        boxes = {0: (0, 0, 0, 0), 1: tuple(ROW[order[1]])}
        assert found.related_box == boxes[found.related]
        assert found.box == tuple(ROW[order[found.chosen]])
        seen.add(found.related)
    for category in (False, True):
        alone = MANIFEST | {"num_cxt": 1, "with_st": category}
        system = mattnet.MAttNet(opposed(), alone, lambda photo: None)
        found = system.comprehend(detections(ROW[:2], np.array([1, 1])), SIZE, "dog")
        assert (found.related >= 0) == category


def test_boxes_are_given_best_first():
    found = detections()
    system = mattnet.MAttNet(small_tensors(), MANIFEST, lambda photo: found)
    photo = np.zeros((*SIZE, 3), np.uint8)
    scored = system.boxes(photo, "the left dog")
    answer = system.comprehend(found, SIZE, "the left dog")
    assert scored[0].box == answer.box and len(scored) == 6
    assert [each.score for each in scored] == sorted(answer.scores.tolist(), reverse=True)
    assert {each.box for each in scored} == {tuple(box) for box in ROW}
    for wrong in (photo[..., 0], photo.astype(np.float32), "photo.jpg"):
        with pytest.raises(ValueError, match=r"a photo is .*; an array \[H, W, 3\] of uint8"):
            system.boxes(wrong, "dog")
    with pytest.raises(ValueError, match="has no words"):
        system.boxes(photo, " ")
    nothing = Detections(*(part[:0] for part in found))
    assert (
        mattnet.MAttNet(small_tensors(), MANIFEST, lambda photo: nothing).boxes(photo, "dog") == []
    )


def test_equal_scores_the_first():
    boxes = np.repeat(ROW[:1], 3, axis=0)
    maps = (np.ones((3, 7, 7, count), np.float32) for count in (SMALL.pool5, SMALL.fc7))
    same = Detections(boxes, np.array([1, 2, 3]), *maps)
    system = mattnet.MAttNet(small_tensors(), MANIFEST, lambda photo: None)
    found = system.comprehend(same, SIZE, "dog")
    assert found.chosen == np.argmax(found.scores) == 0


def test_a_grid_of_another_size():
    """A detector of another trunk may cut other cells than 7 x 7."""
    found = detections()
    cut = found._replace(pool5=found.pool5[:, :3, :2], fc7=found.fc7[:, :3, :2])
    system = mattnet.MAttNet(small_tensors(), MANIFEST, lambda photo: None)
    assert system.comprehend(cut, SIZE, "dog").grid_attention.shape == (6, 6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": ROW[:, :3]}, r"boxes are \[6, 3\]; \[n, 4\] are needed"),
        ({"categories": KINDS[:5]}, "there are 6 boxes, but"),
        ({"pool5": np.zeros((6, 49, 7))}, "pool5 and fc7 are"),
        ({"pool5": np.zeros((6, 7, 7, 8))}, r"have \(8, 8\) channels .* with \(7, 8\)"),
        ({"boxes": ROW * [1, 1, 1, 0]}, r"a detection's box is \[10.0, 40.0, 10.0, 0.0\]"),
        ({"boxes": ROW * np.nan}, "a detection's box is"),
    ],
)
def test_detections_that_are_none(changes, message):
    system = mattnet.MAttNet(small_tensors(), MANIFEST, lambda photo: None)
    with pytest.raises(ValueError, match=message) as caught:
        system.comprehend(detections()._replace(**changes), SIZE, "dog")
    assert "\n" not in str(caught.value)


def test_nothing_to_choose_from():
    nothing = Detections(*(part[:0] for part in detections()))
    system = mattnet.MAttNet(small_tensors(), MANIFEST, lambda photo: None)
    with pytest.raises(ValueError, match="no detections to choose from"):
        system.comprehend(nothing, SIZE, "dog")


def test_a_missing_checkpoint_says_what_to_get(tmp_path):
    with pytest.raises(checkpoints.CheckpointError) as caught:
        mattnet.load(tmp_path / "none", lambda photo: None)
    message = str(caught.value)
    for part in ("refcoco_unc.zip", "github.com/lichengunc/MAttNet", "cagic_tf.port mattnet"):
        assert part in message and "\n" not in message


class Training(Layers):
    """What a training script has in the place of these two: here it only writes down."""

    def __init__(self, variables):
        super().__init__(variables)
        self.rates, self.norms = [], []

    def dropout(self, x, rate):
        self.rates.append(rate)
        return x

    def batch_norm(self, x, name):
        self.norms.append((name, x.shape.as_list()))
        return super().batch_norm(x, name)


def test_everything_can_be_trained():
    """All tensors get finite gradients, of a batch with a box alone in its photo, too."""
    variables = {name: tf.Variable(value) for name, value in small_tensors().items()}
    layers, known = Training(variables), Vocabulary(WORDS)
    photos = [described(detections()), described(detections(ROW[:1], KINDS[:1]))]
    seen = network.Objects(*(tf.concat(parts, axis=0) for parts in zip(*photos, strict=True)))
    seen = network.Objects(*(tf.concat([part, part[:2]], axis=0) for part in seen))  # 9 pairs.
    phrases = ["dog", "the left dog", "left"] * 3
    truth = np.eye(3, SMALL.attributes, dtype=np.float32)
    counts = np.arange(1, SMALL.attributes + 1)
    with tf.GradientTape() as tape:
        reading = language.read(layers, tf.constant(known.labels(phrases)))
        scores = network.score(layers, seen, reading)
        weights = tf.constant(losses.attribute_weights(counts))
        loss = losses.ranking(scores.scores, margin=1.0)
        loss += losses.attributes(scores.attributes[:3], tf.constant(truth), weights)
    gradients = tape.gradient(loss, variables)
    for name, gradient in gradients.items():
        if not name.endswith(("mean", "variance")):
            gradient = tf.convert_to_tensor(gradient)
            assert np.isfinite(gradient).all(), name
            # A softmax does not see what is added to all its scores.
            added = name.endswith(("_attn/fc/bias", "attn_fuse/2/bias"))
            assert added or np.any(gradient != 0), name
    assert sorted(layers.rates) == [0.1] * 6 + [0.2, 0.5]
    shapes = dict(layers.norms)
    assert shapes["sub_encoder/att_fuse/1"] == [9, 49, SMALL.joint]  # Over cells.
    assert shapes["rel_matching/lang_emb_fc/1"] == [9, 3, SMALL.joint]  # Once a slot.
    assert len(shapes) == 13 and set(small_tensors()) == set(sizes.shapes(SMALL))

"""Crops around described regions, and the losses by which a captioner learns them."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method import geometry
from cagic_tf.networks import sat
from experiments.data import entities
from experiments.training import (
    crops_and_boxes,
    region_losses,
    regions,
    self_critical,
)
from tests.experiments.test_self_critical import WORDS, decoder

BOXES = ((0.1, 0.2, 0.4, 0.9), (0.5, 0.5, 0.8, 0.7))


def described(*boxes):
    return [entities.Description(f"thing {at}", (str(at),), box) for at, box in enumerate(boxes)]


def test_crops_of_a_photo():
    for seed in range(20):
        found = regions.draw(described(*BOXES), np.random.default_rng(seed))
        assert found.theta.shape == (regions.CROPS, 3) and found.theta.dtype == np.float32
        np.testing.assert_array_equal(found.theta[0], [0, 0, 1])
        assert (np.abs(found.theta[:, :2]) + found.theta[:, 2:] <= 1 + 1e-6).all()
        assert found.theta[:, 2].min() >= regions.SMALLEST
        # Those around regions show one of them: they are hardly smaller, and their centre is in it.
        boxes = np.array(BOXES)
        if found.mirrored:
            boxes = np.array([[1 - x1, y0, 1 - x0, y1] for x0, y0, x1, y1 in boxes])
        assert (found.iou[:, 1 : 1 + regions.AROUND].max(axis=0) > 0.05).all()
        np.testing.assert_array_equal(found.iou, crops_and_boxes.iou(found.theta, boxes))


def test_photo_without_regions_has_crops():
    found = regions.draw([], np.random.default_rng(0))
    assert found.texts == () and found.theta.shape == (regions.CROPS, 3)
    assert found.iou.shape == (0, regions.CROPS)


def test_iou_is_that_of_boxes():
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.2, 1, 30)
    theta = np.column_stack([rng.uniform(-1, 1, (30, 2)) * (1 - scale)[:, None], scale])
    found = crops_and_boxes.iou(theta, np.array(BOXES))
    for row, (x0, y0, x1, y1) in enumerate(BOXES):
        for column, (x, y, s) in enumerate(theta):
            left, top, right, bottom = geometry.normalized_box((x, y), s)
            crop, box = (left, top, right - left, bottom - top), (x0, y0, x1 - x0, y1 - y0)
            assert found[row, column] == pytest.approx(geometry.iou(crop, box), abs=1e-12)


def test_likely():
    # A crop with 0.15 of the best IoU less is less likely by a factor of e, whatever the best is.
    found = regions.likely(np.array([[0.8, 0.68, 0.0], [0.4, 0.34, 0.0]]))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found[0], found[1])
    assert found[0, 0] / found[0, 1] == pytest.approx(np.e)


def test_crops_are_blurred_by_turns_and_mirrored():
    photo = np.random.default_rng(0).integers(0, 256, (60, 72, 3), np.uint8)
    theta = np.tile(np.float32([[0.2, 0.1, 0.5]]), (regions.CROPS, 1))
    crops = regions.render(photo, theta, False).numpy()
    assert crops.shape == (regions.CROPS, 224, 224, 3)
    for at in range(2, regions.CROPS):
        np.testing.assert_array_equal(crops[at], crops[at % 2])
    assert crops[0].std() < 0.5 * crops[1].std()
    theta[:, 0] *= -1
    mirrored = regions.render(photo, theta, True).numpy()
    np.testing.assert_allclose(mirrored, crops[:, :, ::-1], rtol=0, atol=1e-4)


def test_content():
    words = ["<start>", "a", "dog", "red", "."]
    found = regions.content(["a red dog", "A dog's dog", "the of", "a zebra"], words)
    np.testing.assert_allclose(found[0], [0, 0, 0.5, 0.5, 0])
    np.testing.assert_array_equal(found[2:], 0)


def photo(texts, iou):
    theta = np.zeros((regions.CROPS, 3), np.float32)
    return regions.Regions(tuple(texts), theta, np.array(iou, float), False)


def test_captions_of_regions_stand_on_crops_that_show_them():
    low, high = [0.1] * regions.CROPS, [0.1] * regions.CROPS
    high[3] = 0.9
    chosen = [photo(["a dog", "runs", "a zebra"], [high, low, high]), photo([], np.zeros((0, 14)))]
    batch = region_losses.draw_captions(chosen, WORDS, 5, np.random.default_rng(0))
    captions = [
        [WORDS[word] for word, weight in zip(*row, strict=True) if weight]
        for row in zip(batch.words, batch.weights, strict=True)
    ]
    # "zebra" is unknown and has no weight.
    assert sorted(captions) == [[], [], ["a", "."], ["a", "dog", "."]]
    assert set(batch.crops[: region_losses.CAPTIONED]) == {3}


def test_reading_batch_holds_a_description_its_best_crop_and_others():
    iou = np.full((2, regions.CROPS), 0.1)
    iou[0, 3] = iou[1, 6] = 0.9
    chosen = [photo(["a dog", "a zebra runs"], iou), photo([], np.zeros((0, 14)))]
    batch = region_losses.draw_readings(chosen, WORDS, np.random.default_rng(0))
    own, others = batch.crops[:2, : region_losses.OWN], batch.crops[:2, region_losses.OWN :]
    assert set(own[:, 0]) == {3, 6}
    assert all(len(set(row)) == region_losses.OWN and max(row) < regions.CROPS for row in own)
    assert others.min() >= regions.CROPS
    assert others.max() < 2 * regions.CROPS
    np.testing.assert_allclose(batch.likely.sum(axis=1), [1, 1, 0, 0, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(batch.likely[:2].argmax(axis=1), [0, 0])
    read = {
        tuple(WORDS[word] for word, weight in zip(*row, strict=True) if weight)
        for row in zip(batch.words[:2], batch.weights[:2], strict=True)
    }
    assert read == {("a", "dog", "."), ("a", "runs", ".")}  # "zebra" is unknown.


def test_reading_fit_is_the_cross_entropy_of_likely_crops():
    """Against the decoder's own steps, one word after another."""
    rng = np.random.default_rng(1)
    model = decoder(dtype=tf.float32)
    features = tf.constant(rng.normal(size=(2 * regions.CROPS, 4, 6)), tf.float32)
    iou = rng.random((1, regions.CROPS))
    chosen = [photo(["a dog runs"], iou), photo(["dog"], iou)]
    batch = region_losses.draw_readings(chosen, WORDS, rng)
    begun = self_critical.begin(model, features, 1, lambda x: x)
    found = region_losses.reading_loss(
        model, begun, tf.nest.map_structure(tf.constant, batch), lambda x: x, 5.0
    )
    losses = []
    for row, text in ((0, "a dog runs ."), (region_losses.READ, "dog .")):
        contexts, keys, state = tf.nest.map_structure(
            lambda part, row=row: tf.gather(part, batch.crops[row]), begun
        )
        word, total = sat.START, 0
        for following in map(WORDS.index, text.split()):
            logits, state = model.step(contexts, keys, tf.fill([12], word), state)
            total, word = total + tf.nn.log_softmax(logits)[:, following], following
        chances = tf.nn.log_softmax(5 * total / len(text.split()))
        losses.append(-float(tf.reduce_sum(batch.likely[row] * chances)))
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-5)


def test_training_on_regions_finds_them():
    """A few steps on two photos whose crops look different: the described one becomes likelier."""
    rng = np.random.default_rng(0)
    model = decoder(dtype=tf.float32)
    variables = {name: tf.Variable(value) for name, value in model._weights.items()}
    model = type(model)(variables, WORDS)
    features = rng.normal(size=(2 * regions.CROPS, 4, 6)).astype(np.float32)
    shown = np.full((2, 1, regions.CROPS), 0.1)
    shown[0, 0, 2] = shown[1, 0, 5] = 0.9
    chosen = [photo(["a dog"], shown[0]), photo(["runs"], shown[1])]
    captions = region_losses.draw_captions(chosen, WORDS, 4, rng)
    readings = region_losses.draw_readings(chosen, WORDS, rng)
    batches = tf.nest.map_structure(tf.constant, (captions, readings))
    arguments = *batches, lambda x: x, 5.0
    optimizer, found = tf.keras.optimizers.Adam(0.05), []
    for _ in range(30):
        with tf.GradientTape() as tape:
            losses = region_losses.step_losses(model, tf.constant(features), *arguments)
            total = tf.add_n(losses)
        weights = list(variables.values())
        gradients = tape.gradient(total, weights, unconnected_gradients="zero")
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        found.append([float(loss) for loss in losses])
    first, last = np.array(found[0]), np.array(found[-1])
    assert (last < first - 0.3).all()

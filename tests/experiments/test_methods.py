"""Methods of Table 1 against boxes worked out by hand, on maps and photos made here."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cagic_tf.batch import manifest
from cagic_tf.method import geometry
from cagic_tf.networks.bundle import Networks
from experiments.methods import blind, grad_cam, sliding_window
from experiments.methods.named import (
    METHODS,
    OF_SYSTEMS,
    WITH_NETWORKS,
    WITHOUT_NETWORKS,
    Setup,
)


@pytest.fixture(scope="module")
def networks():
    return Networks()


def photo(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_whole_and_centre():
    assert blind.Centre(1.0)(photo(64, 48), "") == (0, 0, 64, 48)
    assert blind.Centre(0.5)(photo(64, 48), "") == (16, 12, 32, 24)


def test_best_centre_by_hand():
    def row(name, *crops):
        return manifest.Row(name, f"{name}.png", Path(f"{name}.png"), "a dog", crops)

    # On 100 x 100 pixels: the middle 40 pixels, and the upper left quarter with the whole.
    rows = [row("a", (30, 30, 40, 40)), row("b", (0, 0, 50, 50), (0, 0, 100, 100)), row("c")]
    sizes = dict.fromkeys("abc", (100, 100))
    # With the side s, in pixels, between 40 and 100: (s / 2)^2 of the quarter.
    by_hand = {
        s: (
            min(s, 40) ** 2 / max(s, 40) ** 2
            + ((s / 2) ** 2 / (2500 + 0.75 * s**2) + s**2 / 1e4) / 2
        )
        for s in range(30, 101, 5)
    }
    best = max(by_hand, key=by_hand.get)
    method = blind.BestCentre(rows, sizes)
    assert best == 40 and method.scale == 0.4 and repr(method) == "BestCentre(scale=0.4)"
    assert method(photo(200, 100), "a dog") == (60, 30, 80, 40)
    # By the second row alone: the whole photo has 1/4 and 1; any other scale has less.
    assert blind.BestCentre(rows[1:], sizes).scale == 1
    assert blind.BestCentre([row("a", (25, 25, 50, 50))], sizes).scale == 0.5
    with pytest.raises(ValueError, match="no row has ground truth"):
        blind.BestCentre(rows[2:], sizes)


def test_random_is_the_same_for_the_same_photo_and_caption_and_uniform_over_captions():
    method, picture = blind.Random(0.4, 1.0), photo(200, 100)
    assert method(picture, "a dog") == method(picture.copy(), "a dog")
    assert method(picture, "a dog") != method(picture, "a cat")
    assert method(picture, "a dog") != method(photo(200, 100, 1), "a dog")
    assert method(picture, "a dog") != blind.Random(0.4, 1.0, seed=1)(picture, "a dog")
    boxes = np.array([method(picture, str(number)) for number in range(1000)])
    scales = boxes[:, 2] / 200
    assert scales.min() >= 0.395 and scales.max() <= 1
    # U(0.4, 1): mean 0.7, standard deviation 0.173; five standard errors of 1,000 draws.
    assert scales.mean() == pytest.approx(0.7, abs=5 * 0.173 / 1000**0.5)
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    np.testing.assert_allclose(middles.mean(axis=0), [100, 50], rtol=0.03)


def test_prior_is_the_mean_box_of_the_other_photos(tmp_path):
    rows, sizes = [], {}
    # As shares: a and b of the first photo, whose two annotations count as one; the second's; the
    # third's, of another size and shape.
    for name, file, size, crops in (
        ("a", "1.png", (100, 100), [(0, 0, 100, 100), (0, 0, 50, 50)]),
        ("b", "1.png", (100, 100), [(50, 50, 50, 50)]),
        ("c", "2.png", (100, 100), [(20, 40, 60, 20)]),
        ("d", "3.png", (200, 50), [(100, 10, 40, 20)]),
        ("e", "3.png", (200, 50), []),
    ):
        Image.fromarray(photo(*size)).save(tmp_path / file)
        rows.append(manifest.Row(name, file, tmp_path / file, name, tuple(crops)))
        sizes[name] = size
    method = blind.Prior(rows, sizes)
    # For the first: the mean of (0.2, 0.4, 0.8, 0.6) and (0.5, 0.2, 0.7, 0.6).
    assert method(tmp_path / "1.png", "a") == (35, 30, 40, 30)
    # For the third: a (0, 0, 0.75, 0.75), b (0.5, 0.5, 1, 1) and c, on its 200 x 50 pixels.
    assert method(tmp_path / "3.png", "e") == (47, 15, 123, 24)
    assert repr(method) == repr(blind.Prior(rows, sizes)) != repr(blind.Prior(rows[1:], sizes))
    with pytest.raises(ValueError, match="fewer than two photos"):
        blind.Prior(rows[:2], sizes)


MAP = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [0.3, 0.3, 0.0, 0.0, 1.0],
        [0.3, 0.19, 0.0, 0.2, 0.0],  # 0.2 reaches the threshold; it touches 1.0 by a corner only.
        [0.1, 0.0, 0.0, 0.0, 0.0],
    ]
)


@pytest.mark.parametrize("factor", [1, 7.5])
def test_mask_to_box(factor):
    assert grad_cam.mask_box(factor * MAP, 0.2, False) == (0, 1 / 4, 2 / 5, 3 / 4)
    assert grad_cam.mask_box(factor * MAP, 0.2, True) == (0, 1 / 4, 1, 3 / 4)
    assert grad_cam.mask_box(factor * MAP, 0.1, False) == (0, 1 / 4, 2 / 5, 1)
    assert grad_cam.mask_box(factor * MAP, 1.0, False) == (4 / 5, 1 / 4, 1, 2 / 4)
    assert grad_cam.mask_box(0 * MAP, 0.2, False) == (0, 0, 1, 1)


def test_activation_map_is_grad_cam_of_the_captions_log_probability(networks):
    """Gradient by finite differences over the channel means; weights and map in NumPy."""
    networks = Networks(dtype=tf.float64)
    picture, caption = photo(80, 60), "A dog, a zyzzyva, a ball."
    decoder, trunk = networks.captioner, networks.caption_trunk
    words = [decoder.vocabulary.index(word) for word in ("a", "dog", "a", "a", "ball")]
    crop = grad_cam.resized(picture, None, (224, 224))
    features = trunk(tf.constant(crop[np.newaxis], tf.float64))

    def log_probability(features):
        state, keys, total = decoder.initialize(features), decoder.attention_keys(features), 0
        for before, word in zip([0, *words[:-1]], words, strict=True):
            logits, state = decoder.step(features, keys, tf.constant([before]), state)
            total += float(tf.nn.log_softmax(logits)[0, word])
        return total

    found = grad_cam.activation_map(networks, picture, caption)
    assert found.shape == (7, 7) and found.min() >= 0
    # The weight of a channel is the derivative by adding to all of its places, over their number.
    channels = np.argsort(-features.numpy()[0].mean(axis=0))[:3]
    with tf.GradientTape() as tape:
        tape.watch(features)
        score = _log_probability_graph(decoder, features, words)
    gradient = tape.gradient(score, features).numpy()[0]
    for channel in channels:
        step = np.zeros(features.shape)
        step[..., channel] = 1e-5
        slope = (log_probability(features + step) - log_probability(features - step)) / 2e-5
        assert gradient[:, channel].sum() == pytest.approx(slope, rel=1e-4, abs=1e-8)
    expected = np.maximum(features.numpy()[0] @ gradient.mean(axis=0), 0).reshape(7, 7)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)


def _log_probability_graph(decoder, features, words):
    state, keys, total = decoder.initialize(features), decoder.attention_keys(features), 0
    for before, word in zip([0, *words[:-1]], words, strict=True):
        logits, state = decoder.step(features, keys, tf.constant([before]), state)
        total += tf.nn.log_softmax(logits)[0, word]
    return total


def test_grad_cam_box_of_a_planted_map(networks, monkeypatch):
    planted = np.zeros((7, 7), np.float32)
    planted[2, 1] = 1  # Enlarged 32 times, bilinearly.
    monkeypatch.setattr(grad_cam, "activation_map", lambda *_: planted)
    x, y, w, h = grad_cam.GradCam(networks)(photo(224, 448), "a dog")
    # The cell's centre is at 48, 80. The nearest pixels, half a pixel from it, have 63/64 along
    # each axis, so a fifth of the maximum is reached up to 32 (1 - 0.2 * 63/64) = 25.7 pixels away:
    # by 26 pixels on each side. The photo is twice as high as the map.
    assert (x, w) == (48 - 26, 52) and (y, h) == (2 * (80 - 26), 104)
    planted[6, 6] = 0.5
    assert grad_cam.GradCam(networks)(photo(224, 448), "a dog") == (x, y, w, h)
    # Outwards of the corner cell's centre nothing falls off: the whole mask ends at the corner.
    box = grad_cam.GradCam(networks, whole_mask=True)(photo(224, 448), "a dog")
    assert box == (x, y, 224 - x, 448 - y)


def test_grad_cam_needs_a_known_word(networks):
    with pytest.raises(ValueError, match="no word of the caption is known"):
        grad_cam.GradCam(networks)(photo(30, 30), "zyzzyva")


def test_windows_of_a_region():
    found = sliding_window.windows((10, 20, 100, 200), [0.5, 0.8], 3)
    halves = [(10 + x, 20 + y, 50, 100) for y in (0, 50, 100) for x in (0, 25, 50)]
    large = [(10 + x, 20 + y, 80, 160) for y in (0, 20, 40) for x in (0, 10, 20)]
    assert found == halves + large


class Reddest:
    """Networks whose scorer likes the colour red."""

    dtype = tf.float32

    def __init__(self):
        self.sizes = []

    @property
    def scorer_trunk(self):
        return self

    input_size = (8, 6)

    def __call__(self, crops):
        self.sizes.append(len(crops))
        assert crops.shape[1:] == (8, 6, 3)
        return crops

    def scorer(self, crops):
        return tf.reduce_mean(crops[..., 0] - crops[..., 2], axis=[1, 2])


def test_sliding_window_that_the_scorer_likes_best():
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[..., 2] = 255
    picture[25:75, 100:200] = [255, 0, 0]  # One of the windows of scale 0.5: right, middle row.
    networks = Reddest()
    assert sliding_window.SlidingWindow(networks)(picture, "") == (100, 25, 100, 50)
    assert networks.sizes == [35, 35, 35, 20]  # 5 scales of 5 x 5 places.


def test_sequential_method_slides_inside_the_first_ones_crop():
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[25:75, 100:200] = [255, 0, 0]
    picture[0:20, 0:40] = [255, 0, 0]
    first = (0, 0, 80, 40)
    calls = []

    def method(image, caption):
        calls.append((image.shape, caption))
        return first

    found = sliding_window.SlidingWindow(Reddest(), first=method)(picture, "a dog")
    assert found == (0, 0, 40, 20) and calls == [(picture.shape, "a dog")]


def test_resized_window():
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:30, 20:50] = 51
    found = grad_cam.resized(picture, (20, 10, 30, 20), (4, 5))
    assert found.shape == (4, 5, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found, 0.2, rtol=1e-6)


def test_boxes_lie_inside_the_photo(networks):
    picture = photo(91, 47)
    for method in (
        blind.Random(),
        grad_cam.GradCam(networks),
        grad_cam.GradCam(networks, whole_mask=True),
        sliding_window.SlidingWindow(networks, grad_cam.GradCam(networks), (0.5, 0.9), places=3),
    ):
        x, y, w, h = method(picture, "a dog on the grass")
        assert 0 <= x < x + w <= 91 and 0 <= y < y + h <= 47
        assert geometry.iou((x, y, w, h), (0, 0, 91, 47)) == pytest.approx(w * h / (91 * 47))


def test_each_name_makes_its_method(networks, tmp_path):
    """The `repr` tells methods apart: it is what a folder's results depend on."""
    rows = []
    for name in ("1", "2"):
        Image.fromarray(photo(60, 40, int(name))).save(tmp_path / f"{name}.png")
        path = tmp_path / f"{name}.png"
        rows.append(manifest.Row(name, path.name, path, "a dog", ((0, 0, 30, 20),)))
    setup = Setup("rows", rows, dict.fromkeys("12", (60, 40)))
    made = {name: make(setup) for name, make in WITHOUT_NETWORKS.items()}
    made |= {name: make(networks) for name, make in WITH_NETWORKS.items()}
    assert (*made, *OF_SYSTEMS) == METHODS
    assert len({repr(method) for method in made.values()}) == len(made)
    assert made["whole"](rows[0].path, "a dog") == (0, 0, 60, 40)
    assert made["centre"](rows[0].path, "a dog") == (15, 10, 30, 20)
    # The truth is the upper left quarter: centre crops have the more of it the larger they are.
    assert made["best_centre"] == blind.BestCentre(rows, setup.sizes) != made["whole"]
    assert made["best_centre"].scale == 1
    assert made["prior"](rows[0].path, "a dog") == (0, 0, 30, 20)
    assert made["grad_cam+vfn"].first == made["grad_cam"] != made["grad_cam_mask"]
    assert made["vfn"].first is None

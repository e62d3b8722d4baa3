"""The detector's networks with few channels, against NumPy; and all of it together."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.mattnet import mattnet
from cagic_tf.baselines.mattnet.detector import (
    box_head,
    crops,
    detector,
    pictures,
    regions,
    resnet101,
)
from cagic_tf.port import mattnet as mattnet_port
from cagic_tf.port import mattnet_detector
from tests.baselines import detector_reference, seeded_detector, seeded_mattnet


@pytest.fixture(scope="module")
def state():
    """The released tensors with few channels, such that nothing blows up in 30 blocks."""
    tensors = seeded_detector.state(7, seeded_detector.small_shapes())
    tensors["resnet.bn1.weight"] *= np.float32(0.003)
    for name in tensors:
        if name.endswith("bn3.weight"):
            tensors[name] *= np.float32(0.2)
    return tensors


@pytest.fixture(scope="module")
def trunk(state):
    return resnet101.ResNet101(mattnet_detector.trunk_tensors(state))


@pytest.fixture(scope="module")
def found(state, trunk):
    tensors = mattnet_detector.head_tensors(state)
    return detector.Detector(trunk, tensors, box_head.CATEGORIES)


def photo(height, width, seed=1):
    """Coloured squares of 8 pixels."""
    shape = (height // 8 + 1, width // 8 + 1, 3)
    squares = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return squares.repeat(8, 0).repeat(8, 1)[:height, :width]


def as_released(picture):
    """A picture `[H, W, 3]` as the released network reads it: blue first, without the mean."""
    return (picture[..., ::-1] - mattnet_detector.BGR_MEAN).transpose(2, 0, 1)


def test_the_trunk_has_the_layers_of_its_table():
    """He et al., Table 1: 100 convolutions, four projections; 44.5 million parameters with fc."""
    shapes = mattnet_detector.shapes()
    own = {name: shape for name, shape in shapes.items() if name.startswith("resnet.")}
    kernels = [shape for shape in own.values() if len(shape) == 4]
    learnt = [name for name in own if name.endswith((".weight", ".bias"))]
    assert len(kernels) == 104
    count = sum(int(np.prod(own[name])) for name in learnt)
    assert count == 44_549_160 - (2048 * 1000 + 1000)


@pytest.mark.parametrize("size", [(64, 96), (75, 110), (49, 33)])
def test_the_grid_is_numpys(size, state, trunk):
    picture = np.random.default_rng(0).uniform(0, 255, (*size, 3)).astype(np.float32)
    grid = trunk.grid(tf.constant(picture[None])).numpy()
    expected = detector_reference.grid(as_released(picture), state)
    assert grid.shape[1:3] == (-(-size[0] // 16), -(-size[1] // 16))
    np.testing.assert_allclose(
        grid[0].transpose(2, 0, 1), expected, atol=1e-5 * expected.max(), rtol=1e-4
    )


def test_the_last_stage_is_numpys_and_keeps_its_size(state, trunk):
    cut = np.random.default_rng(0).uniform(0, 1, (2, 7, 7, 64)).astype(np.float32)
    made = trunk.region_features(tf.constant(cut)).numpy()
    for one, from_crop in zip(made, cut, strict=True):
        expected = detector_reference.layer(
            from_crop.transpose(2, 0, 1), state, "resnet.layer4", 3, 1
        )
        assert expected.shape == (128, 7, 7)
        np.testing.assert_allclose(one.transpose(2, 0, 1), expected, atol=1e-5, rtol=1e-4)


def test_regions_networks_are_numpys(state):
    grid = np.random.default_rng(0).uniform(0, 1, (1, 5, 7, 64)).astype(np.float32)
    network = regions.RegionProposals(mattnet_detector.head_tensors(state))
    likely, deltas = network(tf.constant(grid))
    expected = detector_reference.propose(grid[0].transpose(2, 0, 1), state)
    np.testing.assert_allclose(likely, expected[0], atol=1e-5)
    np.testing.assert_allclose(deltas, expected[1], atol=1e-5)
    assert np.ptp(expected[0]) > 0.3


def test_classes_and_boxes_of_a_region_are_numpys(state, trunk):
    grid = np.random.default_rng(0).uniform(0, 1, (1, 5, 7, 64)).astype(np.float32)
    region = np.array([[20, 8, 90, 60]], np.float32)
    head = box_head.BoxHead(mattnet_detector.head_tensors(state))
    likely, deltas = head(trunk.region_features(crops.crop(tf.constant(grid), region)))
    expected = detector_reference.judge(grid[0].transpose(2, 0, 1), region[0], state)
    np.testing.assert_allclose(likely[0], expected[0], atol=1e-5)
    np.testing.assert_allclose(deltas[0], expected[1], atol=1e-5)
    assert np.ptp(expected[0]) > 0.01


@pytest.mark.parametrize(
    "box",
    [
        (16, 16, 64, 48),
        (3.5, 0, 111, 79),  # The last pixels of a picture lie beyond the grid's last place.
        (-40, -10, 30, 200),
        (20, 20, 20, 20),
        (300, 300, 400, 400),
        (60, 50, 20, 10),  # Turned round.
    ],
)
def test_crops_by_hand(box):
    grid = np.random.default_rng(0).standard_normal((1, 5, 7, 3)).astype(np.float32)
    found = crops.crop(tf.constant(grid), tf.constant([box], tf.float32)).numpy()
    expected = detector_reference.crop(grid[0].transpose(2, 0, 1), box)
    np.testing.assert_allclose(found[0].transpose(2, 0, 1), expected, atol=1e-5)


def test_a_crop_of_a_slope():
    """Where the grid's values are its own columns, samples are their places: both ends included."""
    grid = tf.tile(tf.reshape(tf.range(9.0), [1, 1, 9, 1]), [1, 9, 1, 1])
    found = crops.crop(grid, tf.constant([[16.0, 16.0, 112.0, 64.0]])).numpy()
    np.testing.assert_allclose(found[0, :, :, 0], np.tile(np.arange(1.0, 8), [7, 1]), rtol=1e-5)


@pytest.mark.parametrize(
    ("height", "width", "times"),
    [
        (480, 640, 600 / 480),
        (640, 480, 600 / 480),
        (300, 500, 2),  # The long side has just 1000 pixels.
        (300, 501, 1000 / 501),
        (1200, 2000.0008, 0.5),  # 1000.0004 is no more than 1000 when it is rounded.
        (3000, 6000, 1000 / 6000),
        (1, 5000, 0.2),
    ],
)
def test_the_size_that_is_looked_at(height, width, times):
    assert pictures.scale(height, width) == times


def test_enlarging_is_bilinear_without_smoothing():
    values = np.array([0, 10, 20, 100], np.uint8)
    photo = np.stack([values[None, :, None].repeat(3, axis=2)[0]] * 2)
    twice = pictures.enlarge(photo, 2)
    assert twice.shape == (4, 8, 3) and twice.dtype == np.float32
    np.testing.assert_allclose(twice[1, :, 0], [0, 2.5, 7.5, 12.5, 17.5, 40, 80, 100])
    # One pixel of three is looked at, not their mean; 4 * 0.3 pixels are one.
    np.testing.assert_allclose(pictures.enlarge(photo, 0.3)[0, :, 1], [10 + 10 * (1 / 0.6 - 1.5)])


def test_enlarging_places_pixels_by_the_factor_not_by_the_rounded_size():
    """5 pixels by 1.3 are 6.5, so 6; the last is looked for at 5.5 / 1.3, not at 5.5 * 5 / 6."""
    photo = np.arange(5, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    made = pictures.enlarge(photo, 1.3)
    expected = np.clip((np.arange(6) + 0.5) / 1.3 - 0.5, 0, 4)
    np.testing.assert_allclose(made[0, :, 0], expected, rtol=1e-6, atol=1e-6)


def test_detections_of_a_photo(state, trunk, found):
    """A whole run, from the grid on once more in NumPy."""
    image = photo(24, 256)
    scale = 1000 / 256
    picture = pictures.enlarge(image, scale)
    grid = trunk.grid(tf.constant(picture[None])).numpy()[0].transpose(2, 0, 1)
    boxes, classes = detector_reference.detect(grid, state, scale, picture.shape[:2], (24, 256))
    made = found.detect(image)
    np.testing.assert_allclose(made.boxes, boxes, atol=1e-2)
    assert made.categories.tolist() == [box_head.CATEGORIES[number - 1] for number in classes]
    for box, pool5, fc7 in zip(boxes, made.pool5, made.fc7, strict=True):
        ends = [box[0], box[1], box[0] + box[2] - 1, box[1] + box[3] - 1]
        expected = detector_reference.crop(grid, np.array(ends) * scale)
        np.testing.assert_allclose(pool5.transpose(2, 0, 1), expected, atol=1e-2)
        expected = detector_reference.layer(expected, state, "resnet.layer4", 3, 1)
        np.testing.assert_allclose(fc7.transpose(2, 0, 1), expected, atol=2e-2)


def test_given_boxes_are_described_some_at_a_time(trunk, found, monkeypatch):
    rng = np.random.default_rng(2)
    boxes = rng.uniform(1, 60, (7, 4))
    image = photo(90, 120)
    together = found.describe(image, boxes, np.arange(7))
    monkeypatch.setattr(detector, "REGIONS_AT_ONCE", 3)
    parts = found.describe(image, boxes, np.arange(7))
    np.testing.assert_allclose(parts.fc7, together.fc7, rtol=1e-4, atol=1e-5)
    assert together.pool5.shape == (7, 7, 7, 64) and together.fc7.shape == (7, 7, 7, 128)
    np.testing.assert_array_equal(together.boxes, boxes)
    assert together.boxes.dtype == np.float64 and together.categories.tolist() == list(range(7))


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (700, 2)])
def test_odd_photos_have_objects_within(size, found):
    made = found.detect(np.full((*size, 3), 200, np.uint8))
    assert len(made.boxes) > 0
    assert (made.boxes >= 0).all() and (made.boxes[:, 2:] >= 1).all()
    ends = made.boxes[:, :2] + made.boxes[:, 2:]
    assert (ends <= np.array(size[::-1]) + 1e-3).all()
    assert np.isfinite(made.fc7).all() and set(made.categories) <= set(box_head.CATEGORIES)


def test_mattnet_chooses_among_what_is_found(found):
    """The one's features are what the other reads; here with few channels."""
    network = seeded_mattnet.SMALL._replace(pool5=64, fc7=128)
    tensors = mattnet_port.convert(seeded_mattnet.state(1, network), Path("small"))
    manifest = {
        "vocabulary": seeded_mattnet.WORDS,
        "attributes": [str(number) for number in range(network.attributes)],
        "num_cxt": 5,
        "with_st": 1,
    }
    system = mattnet.MAttNet(tensors, manifest, found.detect)
    image = photo(24, 256)
    made = system.boxes(image, "the left dog")
    assert sorted(box for box, _ in made) == sorted(map(tuple, found.detect(image).boxes))
    assert made[0].score == max(score for _, score in made)


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), "photo.jpg"]
)
def test_other_photos_are_one_line(wrong, found):
    calls = [found.detect, lambda photo: found.describe(photo, np.ones((1, 4)), np.ones(1, int))]
    for call in calls:
        with pytest.raises(ValueError, match="of uint8 is needed, RGB") as caught:
            call(wrong)
        assert "\n" not in str(caught.value)

"""GAIC's parts beyond what its goldens show: other photos, odd ones, borders, and other trunks."""

import decimal
import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.gaic import alignment, anchors, cropper
from cagic_tf.baselines.gaic import network as gaic_network
from cagic_tf.baselines.gaic.network import GridAnchorHead
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.system import resources

COUNTS = {256: 90, 288: 90, 320: 90, 352: 87, 384: 83, 416: 75, 448: 72, 480: 52, 512: 38, 544: 38}
COUNTS |= {576: 18, 608: 18, 640: 7, 672: 7, 704: 3, 768: 3, 800: 3, 832: 0, 2560: 0}
FLOAT = np.float32


@pytest.mark.parametrize(
    ("photo", "expected"),
    [
        ((480, 640), (256, 352)),  # 341.3: 10.67 times 32.
        ((1024, 1600), (256, 416)),  # 12.5 times 32, away from zero; Python 3 gives 384.
        ((1600, 1024), (416, 256)),
        ((1024, 1472), (256, 384)),  # 11.5.
        ((256, 383), (256, 384)),
        ((1, 1), (256, 256)),
        ((1, 400), (256, 102400)),  # The long side has no limit.
        ((300, 300), (256, 256)),
    ],
)
def test_sizes_that_are_looked_at(photo, expected):
    assert anchors.looked_at(*photo) == expected


@pytest.mark.parametrize("value", [0.0, 0.49999999999999994, 0.5, 1.5, 2.5, 2.4999, 1e6 + 0.5, 7.0])
def test_halves_go_up(value):
    exact = math.floor(Fraction(value) + Fraction(1, 2))
    assert anchors.rounded(np.array([value])).tolist() == [exact]


@pytest.mark.parametrize("side", COUNTS)
def test_how_many_crops_there_are(side):
    wide, tall = anchors.grid(256, side), anchors.grid(side, 256)
    assert wide.shape == tall.shape == (COUNTS[side], 4)
    mirrored = {tuple(box) for box in tall[:, [1, 0, 3, 2]].tolist()}
    assert {tuple(box) for box in wide.tolist()} == mirrored


def test_the_grid_in_full():
    """Corners at the centres of bins; the order of the loops is top, left, bottom, right."""
    boxes = anchors.grid(384, 384)
    assert boxes[0].tolist() == [16, 16, 304, 272]  # 8 x 8 bins are under half, 8 x 9 are half.
    bins = boxes / 32 - 0.5
    assert set(np.unique(bins[:, :2])) == {0, 1, 2, 3}
    assert set(np.unique(bins[:, 2:])) == {8, 9, 10, 11}
    keys = [(top, left, bottom, right) for left, top, right, bottom in bins.tolist()]
    assert keys == sorted(keys)
    sides = bins[:, 2:] - bins[:, :2]
    assert (sides.prod(axis=1) >= 72).all() and sides.prod(axis=1).min() == 72


def python2_round(value):
    """Of a float's exact value, halves away from zero."""
    return int(decimal.Decimal(value).to_integral_value(decimal.ROUND_HALF_UP))


@pytest.mark.parametrize("size", [(300, 300), (540, 720), (612, 408), (36, 60), (1000, 1499)])
def test_ties_in_the_photo_are_rounded_up(size):
    """Of 12 times an odd number corners lie at halves of pixels: Python 3 rounds these to even."""
    looked_at = anchors.looked_at(*size)
    boxes = anchors.grid(*looked_at)
    found = anchors.in_photo(boxes, looked_at, size)
    by_y, by_x = (photo / own for photo, own in zip(size, looked_at, strict=True))
    scaled = [
        [left * by_x, top * by_y, right * by_x, bottom * by_y]
        for left, top, right, bottom in boxes.tolist()
    ]
    assert found.tolist() == [[python2_round(value) for value in row] for row in scaled]
    evens = [[round(value) for value in row] for row in scaled]
    assert (found.tolist() != evens) == (size != (1000, 1499))


def place_by_place(start, end, count):
    """RoIAlign's places, one number after the other as C has them."""
    size = max(FLOAT(FLOAT(end) - FLOAT(start)) + 1.0, 0.0)
    step = FLOAT(float(FLOAT(size)) / (count - 1.0))
    return [FLOAT(FLOAT(FLOAT(index) * step) + FLOAT(start)) for index in range(count)]


def read(grid, y, x):
    """One bilinear value as the C code has it; `grid` `[H, W]` float32."""
    height, width = grid.shape
    if y < 0 or y >= height or x < 0 or x >= width:
        return 0.0
    top, left = min(math.floor(y), height - 2), min(math.floor(x), width - 2)
    v, u = float(FLOAT(y - FLOAT(top))), float(FLOAT(x - FLOAT(left)))
    corners = grid[top : top + 2, left : left + 2].astype(float)
    return (
        corners[0, 0] * (1 - v) * (1 - u)
        + corners[0, 1] * (1 - v) * u
        + corners[1, 0] * v * (1 - u)
        + corners[1, 1] * v * u
    )


@pytest.mark.parametrize("size", [(256, 256), (256, 352), (384, 256), (256, 384), (512, 256)])
def test_alignment_is_the_loop_over_points(size):
    rng = np.random.default_rng(0)
    height, width = size[0] // 16, size[1] // 16
    grid = rng.standard_normal((height, width, 2)).astype(FLOAT)
    boxes = anchors.grid(*size)[:: len(anchors.grid(*size)) // 5]
    found = alignment.features(tf.constant(grid), alignment.points(boxes, height, width, 10))
    assert found.shape == (len(boxes), 9, 9, 4)
    rod_y, rod_x = (
        [FLOAT(index) * FLOAT(float(FLOAT(side - 1.001)) / 9.0) for index in range(10)]
        for side in (height, width)
    )
    for box, each in zip(boxes.astype(FLOAT) / FLOAT(16), found.numpy(), strict=True):
        ys, xs = place_by_place(box[1], box[3], 10), place_by_place(box[0], box[2], 10)
        for channel in range(2):
            layer = grid[:, :, channel]
            roi = np.array([[read(layer, y, x) for x in xs] for y in ys])
            rod = np.array(
                [
                    [
                        0.0
                        if box[1] <= y <= box[3] and box[0] <= x <= box[2]
                        else read(layer, y, x)
                        for x in rod_x
                    ]
                    for y in rod_y
                ]
            )
            for points, at in ((roi, channel), (rod, 2 + channel)):
                points = points.astype(FLOAT)
                mean = (points[1:, 1:] + points[1:, :-1] + points[:-1, 1:] + points[:-1, :-1]) / 4
                np.testing.assert_allclose(each[:, :, at], mean, atol=1e-6)


def test_the_borders_of_the_map():
    """Zero from the map's end on, 24.0 included; before it, but behind the last pixel, a line."""
    shares = alignment.shares(np.array([-1e-4, 0, 1.25, 23, 23.5, 23.99, 24], FLOAT), 24)
    assert not shares[0].any() and not shares[6].any()
    assert shares[1, 0] == 1 and shares[2, [1, 2]].tolist() == [0.75, 0.25]
    assert shares[3, [22, 23]].tolist() == [0, 1]
    assert shares[4, [22, 23]].tolist() == [-0.5, 1.5]
    np.testing.assert_allclose(shares.sum(axis=1), [0, 1, 1, 1, 1, 1, 0])
    for start in range(4):  # A 3:2 photo: the last bin of each start ends at the map's very size.
        begin, end = FLOAT((start + 0.5) * 32 / 16), FLOAT(11.5 * 32 / 16)
        assert alignment.roi_places(begin[None], end[None], 10)[0, 9] == 24


def test_crops_turned_around_have_no_size():
    places = alignment.roi_places(FLOAT([5]), FLOAT([2]), 10)
    assert places.tolist() == [[5.0] * 10]


def test_resizing_keeps_corners():
    """Output i of n lies at i (m - 1) / (n - 1) of the input's m."""
    ramp = np.arange(5, dtype=np.float64) ** 2
    grid = tf.constant(ramp[None, :, None, None] + np.zeros((1, 5, 3, 2)))
    found = gaic_network.resized(grid, tf.constant([9, 2]))
    assert found.shape == (1, 9, 2, 2)
    expected = np.interp(np.arange(9) * 4 / 8, np.arange(5), ramp)
    for column in range(2):
        np.testing.assert_allclose(found[0, :, column, 1], expected, rtol=1e-12)
    down = gaic_network.resized(grid, tf.constant([3, 3]))
    np.testing.assert_allclose(down[0, :, 0, 0], ramp[[0, 2, 4]], rtol=1e-12)


def random_head(channels, rng):
    shapes = {"reduction": (1, 1, channels, 8), "fc1": (9, 9, 16, 12), "fc2": (1, 1, 12, 6)}
    shapes["fc3"] = (1, 1, 6, 1)
    tensors = {}
    for name, shape in shapes.items():
        std = np.sqrt(2 / np.prod(shape[:-1]))
        tensors[f"{name}/kernel"] = (rng.standard_normal(shape) * std).astype(FLOAT)
        tensors[f"{name}/bias"] = rng.standard_normal(shape[3:]).astype(FLOAT)
    return tensors


@pytest.fixture(scope="module")
def on_lite0(tmp_path_factory):
    """A head of random numbers on the embedded trunk, as a checkpoint."""
    folder = tmp_path_factory.mktemp("gaic") / "gaic-lite0"
    trunk = checkpoints.load(resources.path("checkpoints") / "lite0")
    names = {"trunk": "lite0", "trunk_sha256": trunk.sha256}
    tensors = random_head(40 + 112 + 320, np.random.default_rng(0))
    words = {"source": "random numbers", "command": "none", "commit": "none"}
    checkpoints.save(folder, "gaic", tensors, extra=names, **words)
    return folder


def test_another_trunk(on_lite0):
    """Sizes are the tensors'; the trunk is the manifest's."""
    system = cropper.load(on_lite0)
    photo = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    found = system.boxes(photo)
    assert len(found) == 87 and len({each.box for each in found}) == 87
    assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)
    assert len({each.score for each in found}) > 80
    for (x, y, w, h), score in found:
        assert type(x) is type(h) is int and type(score) is float
        assert 0 < x < x + w < 400 and 0 < y < y + h < 300
    assert system.boxes(photo) == found
    assert cropper.mean_opinion(0.0) == 2.95 and cropper.mean_opinion(1.25) == 3.95


@pytest.mark.parametrize("size", [(100, 400), (400, 100), (1, 1000), (5000, 30)])
def test_long_photos_have_no_crops(size, on_lite0):
    photo = np.zeros((*size, 3), np.uint8)
    system = cropper.load(on_lite0)
    assert system.boxes(photo) == []
    assert system.scored(photo).boxes.shape == (0, 4) and system.scored(photo).scores.shape == (0,)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (7, 7)])
def test_tiny_photos_have_no_empty_crops(size, on_lite0):
    found = cropper.load(on_lite0).boxes(np.zeros((*size, 3), np.uint8))
    for (x, y, w, h), _ in found:
        assert w > 0 and h > 0 and x + w <= size[1] and y + h <= size[0]


@pytest.mark.parametrize(
    "photo",
    [
        np.zeros((9, 9), np.uint8),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros((9, 9, 3), FLOAT),
        np.zeros((0, 9, 3), np.uint8),
        "photo.jpg",
    ],
)
def test_what_is_no_photo(photo, on_lite0):
    with pytest.raises(ValueError, match="is needed"):
        cropper.load(on_lite0).boxes(photo)


def test_the_head_can_be_taught():
    """Its gradient is the finite difference's, by the trunk's features and by variables."""
    rng = np.random.default_rng(0)
    sizes = ((32, 32, 3), (16, 16, 4), (8, 8, 5))
    scales = tuple(tf.constant(rng.standard_normal((1, *size))) for size in sizes)
    where = alignment.points(anchors.grid(256, 256)[:7], 16, 16, 10)
    tensors = {
        name: tf.Variable(value.astype(np.float64)) for name, value in random_head(12, rng).items()
    }
    head = GridAnchorHead(tensors, tf.float64)
    direction = tf.constant(rng.standard_normal(sizes[0]))
    step = tf.Variable(0.0, dtype=tf.float64)

    def value():
        moved = (scales[0] + step * direction, *scales[1:])
        return tf.reduce_sum(head.scores(head.reduced(moved)[0], where) ** 2)

    with tf.GradientTape() as tape:
        total = value()
    gradients = tape.gradient(total, [step, *tensors.values()])
    assert all(each is not None for each in gradients)
    ends = []
    for at in (1e-6, -1e-6):
        step.assign(at)
        ends.append(float(value()))
    assert float(gradients[0]) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


def test_a_missing_checkpoint_says_how_to_get_it(tmp_path):
    with pytest.raises(checkpoints.CheckpointError) as caught:
        cropper.load(tmp_path / "gaic")
    text = str(caught.value)
    assert "mobilenet_0.625" in text and "HuiZeng/Grid-Anchor-based-Image-Cropping" in text
    assert "python -m cagic_tf.port gaic --weights=mobilenet_0.625" in text and "\n" not in text


def test_a_trunk_of_one_scale(tmp_path, on_lite0, monkeypatch):
    monkeypatch.setitem(bundle.TRUNKS, "lite0", lambda checkpoint, dtype: object())
    with pytest.raises(checkpoints.CheckpointError, match="no features at three scales"):
        cropper.load(on_lite0)

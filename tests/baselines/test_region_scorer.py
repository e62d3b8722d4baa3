"""Boxes read from views of a photo: which views, where, by hand; and the systems that do so."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines import region_scorer
from cagic_tf.baselines.gaic import anchors as crops
from cagic_tf.baselines.gaic import cropper as gaic
from cagic_tf.baselines.region_scorer import Features, RegionHead, RegionScorer
from cagic_tf.baselines.vpn import anchors
from cagic_tf.baselines.vpn import cropper as vpn
from cagic_tf.networks import bundle, checkpoints, vfn

WHOLE = np.array([[0.0, 0, 1, 1]])


def head_of(sees_the_rest, seed=0):
    """The scorer's own layers; what else the head sees has small random weights."""
    random, scorer = np.random.default_rng(seed), checkpoints.load(bundle.find("vfn")).tensors
    fine = region_scorer.FINE_SIZE
    shapes = {
        "fine/kernel": (fine, 64),
        "rest/kernel": (fine, 64),
        "place/kernel": (9, 64),
        "second/kernel": (73, 8),
        "second/bias": (8,),
        "correction/kernel": (8, 1),
    }
    if not sees_the_rest:
        del shapes["rest/kernel"]
    tensors = {name: 0.01 * random.standard_normal(shape) for name, shape in shapes.items()}
    tensors |= {
        "coarse/kernel": scorer["ranker/fc6w"],
        "hidden/bias": scorer["ranker/fc6b"],
        "ranker/kernel": scorer["ranker/W"],
    }
    return {name: np.float32(value) for name, value in tensors.items()}


@pytest.fixture(scope="module")
def trunk():
    return bundle.build_trunk(checkpoints.load(bundle.find("lite0")))


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(1).integers(0, 256, (60, 90, 3), np.uint8)


def test_shares_by_hand():
    boxes = np.array([(0.2, 0.1, 0.7, 0.6), (0, 0, 1, 0.5)])
    found = region_scorer.shares(boxes, (224, 448), 1.0)
    assert region_scorer.sizes((224, 448)) == [(224, 224), (224, 448), (448, 224), (448, 448)]
    one, both = np.exp(-(np.log(2) ** 2) / 2), np.exp(-(np.log(2) ** 2))
    assert found[0] == pytest.approx(np.array([both, one, one, 1]) / (1 + 2 * one + both))
    assert found[1] == pytest.approx(np.array([one, 1, both, one]) / (1 + 2 * one + both))
    # With a small spread only the best view counts; a box without any extent has one, too.
    assert region_scorer.shares(boxes, (224, 448), 0.1).tolist() == [[0, 0, 0, 1], [0, 1, 0, 0]]
    found = region_scorer.shares(np.array([[0.5, 0.5, 0.5, 0.5]]), (224, 448), 0.1)
    assert found.tolist() == [[0, 0, 0, 1]]


def test_the_whole_photo_at_the_scorers_size_is_read_as_the_scorer_reads_it(trunk, photo):
    found = RegionScorer(trunk, RegionHead(head_of(False)), (224,), 0.3).features(
        photo, np.array([(0, 0, 90, 60)])
    )
    vectors = trunk(tf.constant(region_scorer.view(photo, (224, 224))))
    expected = vfn.spatial_pyramid(vectors, (1, 2, 4)).numpy()
    assert found.coarse == pytest.approx(expected, abs=1e-4)
    _, middle, _ = trunk.scales(tf.constant(region_scorer.view(photo, (224, 224))))
    means = middle.numpy()[0].reshape(7, 2, 7, 2, 112).mean(axis=(1, 3))
    assert found.fine[0] == pytest.approx(means.reshape(-1), abs=1e-4)
    assert found.rest.shape == (1, 0)
    assert found.place.tolist() == [[1, 1, 1, 1, 1, 0, 0, 0, 0]]


def bilinear(grid, y, x):
    """A grid at a place, which is moved into it first."""
    height, width = grid.shape[:2]
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    by_y, by_x = y - top, x - left
    rows = (1 - by_y) * grid[top : top + 2].transpose(1, 0, 2)[:, 0]
    rows = rows + by_y * grid[top + 1]
    return (1 - by_x) * rows[left] + by_x * rows[left + 1]


@pytest.mark.parametrize("stride", [32, 16])
def test_boxes_are_read_at_the_scorers_places(stride):
    size, random = (288, 352), np.random.default_rng(2)
    channels = {32: 1280, 16: 112}[stride]
    grid = random.normal(size=(352 // stride, 288 // stride, channels)).astype(np.float32)
    boxes = np.array([(0.1, 0.2, 0.75, 0.9), (0.3, 0.2, 1.0, 0.9)])
    count, cells = 224 // stride, []
    for left, top, right, bottom in boxes:
        # A grid's pixel i sees around pixel s i + s - 0.5 of the picture that it is of.
        own = [(stride * each + stride - 0.5) / 224 for each in range(count)]
        ys = [((top + at * (bottom - top)) * 352 - stride + 0.5) / stride for at in own]
        xs = [((left + at * (right - left)) * 288 - stride + 0.5) / stride for at in own]
        cells.append([[bilinear(grid, y, x) for x in xs] for y in ys])
    cells = np.array(cells)
    read = region_scorer.reads(boxes, size, stride)
    if stride == 32:
        found = region_scorer.pooled(tf.constant(grid), *read)
        expected = vfn.spatial_pyramid(tf.constant(cells.reshape(2, 49, channels)), (1, 2, 4))
    else:
        found = region_scorer.aligned(tf.constant(grid), *read)
        expected = cells.reshape(2, 7, 2, 7, 2, channels).mean(axis=(2, 4)).reshape(2, -1)
    assert found.numpy() == pytest.approx(np.asarray(expected), abs=1e-4)


def test_views_are_mixed_by_their_shares(trunk, photo):
    corners = np.array([(5, 3, 60, 55), (30, 3, 90, 55)])
    boxes = corners / (90, 60, 90, 60)
    regions = RegionScorer(trunk, RegionHead(head_of(False)), (256, 384), 0.4)
    found, expected = regions.features(photo, corners), 0
    part = region_scorer.shares(boxes, (256, 384), 0.4)
    assert (part > 0).sum() > 2
    for size, share in zip(region_scorer.sizes((256, 384)), part.T, strict=True):
        _, _, coarse = trunk.scales(tf.constant(region_scorer.view(photo, size)))
        read = region_scorer.reads(boxes, size, 32)
        pooled = region_scorer.pooled(trunk.last(coarse)[0], *read).numpy()
        expected = expected + np.float32(share[:, None]) * pooled
    assert found.coarse == pytest.approx(expected, abs=1e-4)


def test_what_a_box_leaves_out(trunk, photo):
    found = region_scorer.outside(np.array([(0.2, 0, 1, 0.5), (0, 0, 1, 1)])).reshape(2, 7, 7)
    assert found[1].sum() == 0
    centres = (np.arange(7) + 0.5) / 7
    for row in range(7):
        for column in range(7):
            inside = centres[row] <= 0.5 and centres[column] >= 0.2
            assert found[0, row, column] == (0 if inside else 1)
    regions = RegionScorer(trunk, RegionHead(head_of(True)), (224, 288), 0.3)
    rest = regions.features(photo, np.array([(0, 0, 45, 60)])).rest.reshape(7, 7, 112)
    whole = regions.features(photo, np.array([(89, 59, 90, 60)])).rest.reshape(7, 7, 112)
    assert (rest[:, :4] == 0).all() and (rest[:, 4:] == whole[:, 4:]).all()
    _, middle, _ = trunk.scales(tf.constant(region_scorer.view(photo, (288, 288))))
    read = region_scorer.reads(WHOLE, (288, 288), 16)
    cells = region_scorer.aligned(middle[0], *read).numpy().reshape(7, 7, 112)
    assert whole[:6, :6] == pytest.approx(cells[:6, :6])


def test_the_head_against_numpy():
    tensors, random = head_of(True), np.random.default_rng(3)
    seen = Features(
        random.uniform(0, 6, (5, region_scorer.COARSE_SIZE)).astype(np.float32),
        random.normal(size=(5, region_scorer.FINE_SIZE)).astype(np.float32),
        random.normal(size=(5, region_scorer.FINE_SIZE)).astype(np.float32),
        random.uniform(size=(5, 9)).astype(np.float32),
    )
    names = "coarse", "fine", "rest", "place"
    total = sum(part @ tensors[f"{name}/kernel"] for name, part in zip(names, seen, strict=True))
    hidden = np.maximum(total + tensors["hidden/bias"], 0)
    second = np.concatenate([hidden, seen.place], axis=1) @ tensors["second/kernel"]
    second = np.maximum(second + tensors["second/bias"], 0)
    expected = hidden @ tensors["ranker/kernel"] + second @ tensors["correction/kernel"]
    found = RegionHead(tensors)(seen).numpy()
    assert found == pytest.approx(expected[:, 0], rel=1e-3, abs=1e-3)


@pytest.fixture(scope="module")
def saved(tmp_path_factory, trunk):
    """A stand-in of each system, as checkpoints."""
    found, sha256 = {}, checkpoints.load(bundle.find("lite0")).sha256
    for kind in ("vpn", "gaic"):
        found[kind] = tmp_path_factory.mktemp(kind)
        extra = {
            "trunk": "lite0",
            "trunk_sha256": sha256,
            "views": {"sides": [224, 288], "spread": 0.15},
        }
        record = {"source": "a test", "command": "pytest", "commit": "x"}
        checkpoints.save(found[kind], kind, head_of(kind == "gaic"), extra=extra, **record)
    return found


def test_view_proposal_nets_stand_in(saved, trunk, photo):
    system = vpn.load(saved["vpn"])
    found = system.scores([photo, photo[:1, :1]])
    assert found.shape == (2, 895) and found.dtype == np.float32 and np.isfinite(found).all()
    regions = RegionScorer(trunk, RegionHead(head_of(False)), (224, 288), 0.15)
    assert found[0] == pytest.approx(regions.scores(photo, vpn.pixel_boxes(90, 60)), abs=1e-3)
    assert system.scores([]).shape == (0, len(anchors.anchors()))
    best = vpn.best_boxes(vpn.pixel_boxes(90, 60), found[0])
    assert system.boxes(photo) == best and system.boxes(photo) == system.boxes(photo)
    with pytest.raises(ValueError, match="uint8"):
        system.scores([photo / 255])


def test_gaics_stand_in(saved, trunk, photo):
    system = gaic.load(saved["gaic"])
    boxes, scores = system.scored(photo)
    size = crops.looked_at(60, 90)
    assert (boxes == crops.in_photo(crops.grid(*size), size, (60, 90))).all()
    regions = RegionScorer(trunk, RegionHead(head_of(True)), (224, 288), 0.15)
    assert scores == pytest.approx(regions.scores(photo, boxes), abs=1e-3)
    best = boxes[np.argmax(scores)].tolist()
    assert system.boxes(photo)[0].box == (best[0], best[1], best[2] - best[0], best[3] - best[1])
    assert system.boxes(np.zeros([100, 400, 3], np.uint8)) == []  # Has no crops.


def test_another_trunk_is_refused():
    manifest = {"trunk": "vgg16", "views": {}}
    head = checkpoints.Checkpoint("v", "", "vpn", head_of(False), manifest)
    with pytest.raises(checkpoints.CheckpointError, match="lite0, not 'vgg16'"):
        region_scorer.load(head, object())

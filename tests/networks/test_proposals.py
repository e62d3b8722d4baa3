"""Proposals: anchors, boxes and which of them are kept, against figures by hand."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import proposals
from tests.networks import small_proposals


def test_anchors_by_hand():
    network = proposals.Proposals(small_proposals.tensors())
    expected = [
        [0.25 - 0.1, 0.5 - 0.2, 0.25 + 0.1, 0.5 + 0.2],
        [0.25 - 0.35, 0.5 - 0.25, 0.25 + 0.35, 0.5 + 0.25],
        [0.75 - 0.1, 0.5 - 0.2, 0.75 + 0.1, 0.5 + 0.2],
        [0.75 - 0.35, 0.5 - 0.25, 0.75 + 0.35, 0.5 + 0.25],
    ]
    np.testing.assert_allclose(network.anchors(1, 2), expected, atol=1e-6)
    np.testing.assert_allclose(network.anchors(2, 1)[0], [0.4, 0.05, 0.6, 0.45], atol=1e-6)


def test_boxes_by_hand():
    anchor = tf.constant([[0.2, 0.2, 0.6, 0.4]])
    # A quarter of 0.4 to the right, half of 0.2 up; twice as high.
    deltas = tf.constant([[0.25, -0.5, 0.0, np.log(2)]], tf.float32)
    np.testing.assert_allclose(proposals.decode(deltas, anchor), [[0.3, 0.0, 0.7, 0.4]], atol=1e-6)
    beyond = proposals.decode(tf.constant([[0.0, 0.0, 99.0, np.inf]]), anchor)
    np.testing.assert_array_equal(beyond, [[0, 0, 1, 1]])


def test_boxes_are_decoded_as_they_are_encoded():
    rng = np.random.default_rng(1)
    low = rng.uniform(0, 0.4, (2, 50, 2))
    boxes, anchors = np.concatenate([low, low + rng.uniform(0.1, 0.6, low.shape)], -1)
    deltas = proposals.encode(boxes, anchors)
    np.testing.assert_allclose(proposals.decode(deltas, anchors), boxes, atol=1e-12)


def test_what_overlaps_a_likelier_one_is_dropped():
    boxes = np.array(
        [
            [0, 0, 0.5, 0.5],
            [0, 0, 0.5, 0.4],  # IoU 0.8 with the first.
            [0, 0, 0.5, 0.25],  # 0.5 with the first, 0.625 with the second.
            [0.7, 0.7, 0.9, 0.9],
            [0.3, 0.1, 0.305, 0.9],  # No wider than a two-hundredth.
        ],
        np.float32,
    )
    logits = np.array([-2, -3, -1, -9, 5], np.float32)
    assert proposals.choose(logits, boxes, 9, 0.6).numpy().tolist() == [2, 0, 3]
    assert proposals.choose(logits, boxes, 9, 0.7).numpy().tolist() == [2, 0, 3]
    assert proposals.choose(logits, boxes, 9, 0.9).numpy().tolist() == [2, 0, 1, 3]
    assert proposals.choose(logits, boxes, 2, 0.6).numpy().tolist() == [2, 0]
    assert proposals.choose(logits[4:], boxes[4:], 2, 0.6).numpy().tolist() == []


def test_of_equally_likely_ones_the_first_stay():
    rng = np.random.default_rng(5)
    low = rng.uniform(0, 0.6, (200, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.1, 0.4, (200, 2))], axis=1).astype(np.float32)
    logits = rng.integers(0, 3, 200).astype(np.float32)
    expected = []
    for number in np.argsort(-logits, kind="stable"):
        sides = [
            np.minimum(boxes[number, 2:], boxes[kept, 2:])
            - np.maximum(boxes[number, :2], boxes[kept, :2])
            for kept in expected
        ]
        shared = [np.prod(np.maximum(side, 0)) for side in sides]
        areas = [np.prod(boxes[each, 2:] - boxes[each, :2]) for each in (number, *expected)]
        ious = [s / (areas[0] + area - s) for s, area in zip(shared, areas[1:], strict=True)]
        if max(ious, default=0) <= 0.3:
            expected.append(int(number))
    assert 20 < len(expected) < 150
    choose = tf.function(proposals.choose, autograph=False)  # In a graph, too.
    for found in (proposals.choose, choose):
        assert found(logits, boxes, 200, 0.3).numpy().tolist() == expected
        assert found(logits, boxes, 7, 0.3).numpy().tolist() == expected[:7]


def test_a_crop_samples_the_centres_of_bins():
    """Of a grid that is a plane, so that what lies between its places is known."""
    rows, columns = 5, 8
    y, x = (np.arange(count) + 0.5 for count in (rows, columns))
    plane = np.stack(np.meshgrid(x / columns, y / rows), axis=-1).astype(np.float32)
    grids = np.stack([plane * 0, plane])
    box = np.array([[0.2, 0.3, 0.8, 0.7]], np.float32)
    found = proposals.crop(grids, box, [1], 3).numpy()
    assert found.shape == (1, 3, 3, 2)
    np.testing.assert_allclose(found[0, 0, :, 0], [0.3, 0.5, 0.7], atol=1e-6)
    np.testing.assert_allclose(found[0, :, 0, 1], [0.3 + at * 0.4 / 3 + 0.2 / 3 for at in range(3)])
    whole = proposals.crop(grids, np.array([[0, 0, 1, 1]], np.float32), [1], 20).numpy()
    assert whole.min() == pytest.approx(0.5 / columns) and (whole > 0).all()
    assert not proposals.crop(grids, box, [0], 3).numpy().any()


def test_the_network_by_hand():
    """One hidden unit that is the sum of a place and of the coarse place around it."""
    found = small_proposals.tensors(fine=1, coarse=1, hidden=1)
    for name, value in found.items():
        if not name.endswith("anchors"):
            found[name] = np.zeros_like(value)
    for name in ("fine", "coarse"):
        found[f"proposals/{name}/kernel"][:] = 1
    found["proposals/hidden/kernel"][1, 1] = 1
    found["proposals/scores/kernel"][0, 0, 0] = [2, -1]
    found["proposals/deltas/kernel"][0, 0, 0] = np.arange(8)
    fine = np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1) - 6
    coarse = np.array([10, -1], np.float32).reshape(1, 1, 2, 1)
    logits, deltas = proposals.Proposals(found)(fine, coarse)
    hidden = np.maximum(fine[0, ..., 0] + [10, 10, -1, -1], 0).ravel()
    np.testing.assert_array_equal(logits, [np.outer(hidden, [2, -1]).ravel()])
    np.testing.assert_array_equal(deltas, [np.outer(hidden, np.arange(8)).reshape(-1, 4)])

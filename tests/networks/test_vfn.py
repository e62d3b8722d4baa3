import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.networks import vfn


def pool(features, bins):
    """Place by place: whether it lies in a bin, and each bin's mean."""
    count, places, channels = features.shape
    side = int(np.sqrt(places))
    pooled = []
    for number in bins:
        for row in range(number):
            for column in range(number):
                total, members = np.zeros((count, channels)), 0
                for y in range(side):
                    for x in range(side):
                        # A place of the grid belongs to every bin that it overlaps.
                        down = y * number < (row + 1) * side and (y + 1) * number > row * side
                        across = (
                            x * number < (column + 1) * side and (x + 1) * number > column * side
                        )
                        if down and across:
                            total += features[:, y * side + x]
                            members += 1
                pooled.append(total / members)
    return np.concatenate(pooled, axis=1)


@pytest.mark.parametrize("side", [1, 3, 6, 7])
@pytest.mark.parametrize("bins", [(1,), (2,), (3,), (1, 2, 4), (7,), (9,)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(tf.float64, 1e-14), (tf.float32, 1e-6)])
def test_spatial_pyramid_mean(side, bins, dtype, tolerance):
    features = np.random.default_rng(0).normal(size=(2, side * side, 3))
    pooled = vfn.spatial_pyramid(tf.constant(features, dtype), bins)
    assert pooled.shape == (2, sum(count * count for count in bins) * 3)
    np.testing.assert_allclose(pooled, pool(features, bins), rtol=0, atol=tolerance)


def test_bins_of_a_small_grid():
    features = np.arange(9.0).reshape(1, 9, 1)
    # Two bins over three places share the middle one.
    expected = [[4, (0 + 1 + 3 + 4) / 4, (1 + 2 + 4 + 5) / 4, (3 + 4 + 6 + 7) / 4, 24 / 4]]
    np.testing.assert_allclose(vfn.spatial_pyramid(tf.constant(features), (1, 2)), expected)


def test_score():
    rng = np.random.default_rng(1)
    features, bins = rng.normal(size=(5, 49, 4)), (1, 3)
    weights = {
        "ranker/fc6w": rng.normal(size=(40, 6)),
        "ranker/fc6b": rng.normal(size=6),
        "ranker/W": rng.normal(size=(6, 1)),
    }
    hidden = pool(features, bins) @ weights["ranker/fc6w"] + weights["ranker/fc6b"]
    assert (hidden < 0).any() and (hidden > 0).any()
    expected = np.maximum(hidden, 0) @ weights["ranker/W"][:, 0]
    # Sums of 40 and 6 products of numbers up to 4 and hidden values up to 20, each rounded.
    for dtype, tolerance in [(tf.float64, 1e-12), (tf.float32, 1e-4)]:
        scorer = vfn.ViewFindingNetwork(weights, bins, dtype)
        scores = scorer(tf.constant(features, dtype))
        assert scores.shape == (5,) and scores.dtype == dtype
        np.testing.assert_allclose(scores, expected, rtol=0, atol=tolerance)
        pooled = tf.constant(pool(features, bins), dtype)
        np.testing.assert_allclose(scorer.rank(pooled), expected, rtol=0, atol=tolerance)


def test_gradient_is_the_finite_difference():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(2, 49, 3))
    weights = {
        "ranker/fc6w": rng.normal(size=(15, 6)),
        "ranker/fc6b": rng.normal(size=6),
        "ranker/W": rng.normal(size=(6, 1)),
    }
    scorer = vfn.ViewFindingNetwork(weights, (1, 2), tf.float64)
    variable = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        scores = scorer(variable)
    gradient = tape.gradient(scores, variable).numpy()
    for place in [(0, 0, 0), (0, 24, 1), (1, 48, 2), (1, 10, 0)]:
        step = np.zeros_like(features)
        step[place] = 1e-5
        higher, lower = scorer(tf.constant(features + step)), scorer(tf.constant(features - step))
        difference = (higher - lower)[place[0]] / 2e-5
        assert gradient[place] == pytest.approx(float(difference), rel=1e-6, abs=1e-10)
        assert abs(difference) > 1e-6

"""Pairs of a photo and its crop, and the arrays that a scorer is trained on."""

import numpy as np
import pytest

from experiments.training import scorer_pairs
from tests.experiments import small_flickr8k

NAMES = [f"{number}.jpg" for number in range(400)]


def test_photos_above_crops():
    pairs = scorer_pairs.photos_above_crops(NAMES, "train", 0, 1)
    assert [pair.photo for pair in pairs] == NAMES
    below = np.array([pair.below.theta for pair in pairs])
    scales = below[:, 2]
    assert 0.5 <= scales.min() < 0.52 and 0.88 < scales.max() <= 0.9
    assert (np.abs(below[:, :2]).max(axis=1) + scales <= 1 + 1e-6).all()
    assert all(pair.above.theta.tolist() == [0, 0, 1] for pair in pairs)
    assert all(pair.above.pyramid == pair.below.pyramid for pair in pairs)
    assert all(pair.below.reduce == 1 for pair in pairs)
    # Half of the photos have about as many pixels as their crops; a quarter goes by no pyramid.
    reduced = np.array([pair.above.reduce for pair in pairs])
    alike = reduced < 1
    assert 0.35 < alike.mean() < 0.55
    ratios = reduced[alike] / scales[alike]
    assert ratios.min() >= 0.75 and ratios.max() <= 1.33
    plain = np.array([not pair.above.pyramid for pair in pairs])
    assert 0.2 < plain.mean() < 0.3 and not (plain & alike).any()


def test_draws_differ_by_number_split_and_seed_and_are_the_same_again():
    def drawn(*arguments):
        return repr(scorer_pairs.photos_above_crops(NAMES, *arguments))

    first = drawn("train", 0, 1)
    assert drawn("train", 0, 1) == first
    assert len({first, drawn("train", 1, 1), drawn("dev", 0, 1), drawn("train", 0, 2)}) == 4


@pytest.mark.parametrize("kind", scorer_pairs.KINDS)
def test_a_kind_alone(kind):
    pairs = scorer_pairs.photos_above_crops(NAMES, "test", 0, 1, kind)
    assert {pair.above.pyramid for pair in pairs} == {kind != "plain"}
    assert any(pair.above.reduce < 1 for pair in pairs) == (kind.endswith("pixels"))


def test_features_are_of_the_views_in_order(tmp_path):
    data = small_flickr8k.write(tmp_path)
    whole, corner = np.array([0, 0, 1], np.float32), np.array([-0.5, 0.5, 0.5], np.float32)
    pairs = [
        scorer_pairs.ViewPair(
            name, scorer_pairs.View(whole, pyramid), scorer_pairs.View(corner, pyramid, 0.5)
        )
        for name, pyramid in (("3.png", True), ("7.png", False))
    ]
    calls = []

    def trunk(crops):
        calls.append(crops.numpy())
        means = crops.numpy().mean(axis=(1, 2))
        return FakeTensor(np.tile(means[:, :1, np.newaxis], (1, 49, 1280)))

    path = tmp_path / "work" / "features.npy"
    found = scorer_pairs.features(path, data, pairs, trunk)
    assert found.shape == (2, 2, 49, 1280) and found.dtype == np.float16
    # The photos have one colour, whose red is 30 and 70.
    expected = [[[30 / 255]] * 2, [[70 / 255]] * 2]
    np.testing.assert_allclose(found[:, :, 0, :1], expected, atol=1e-3)
    assert [batch.shape for batch in calls] == [(4, 224, 224, 3)]
    again = scorer_pairs.features(path, data, pairs, trunk)
    assert (again == found).all() and len(calls) == 1


class FakeTensor:
    """What a trunk returns, as far as it is used."""

    def __init__(self, values):
        self._values = values

    def numpy(self):
        return self._values


def test_pooled_and_mirrored(tmp_path):
    features = np.zeros((3, 2, 7, 7, 1280), np.float16)
    features[1, 0, 6, 0, 5] = 12  # The lower left place.
    features = features.reshape(3, 2, 49, 1280)
    plain, mirrored = (
        scorer_pairs.pooled(tmp_path / "features.npy", features, [1, 2], side)
        for side in (False, True)
    )
    names = {"features_1-2.npy", "features_1-2-mirrored.npy"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert plain.shape == (3, 2, 5 * 1280) and plain.dtype == np.float16
    for found, corner in ((plain, 3), (mirrored, 4)):
        found = found.reshape(3, 2, 5, 1280)
        assert found[1, 0, 0, 5] == np.float16(12 / 49) and found[1, 0, corner, 5] == 12 / 16
        assert np.count_nonzero(found) == 2


def test_training_pairs_are_rows_of_several_arrays():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(count, 2, 4)).astype(np.float16) for count in (5, 1, 4)]
    pairs = scorer_pairs.TrainingPairs(list(zip(arrays, (0.25, 1.0, 3.0), strict=True)))
    assert (len(pairs), pairs.size) == (10, 4)
    joined = np.concatenate(arrays).astype(np.float32)
    expected = np.repeat(np.array([0.25, 1.0, 3.0], np.float32), (5, 1, 4))
    for chosen in ([0, 4, 5, 6, 9], [7, 8], [2], range(10)):
        rows, weights = pairs.rows(np.array(chosen))
        assert rows.dtype == weights.dtype == np.float32
        assert (rows == joined[list(chosen)]).all() and (weights == expected[list(chosen)]).all()

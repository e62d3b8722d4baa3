import json
import math
from pathlib import Path

import numpy as np
import pytest

from cagic_tf.batch import manifest
from experiments.tables import metrics, resampling

SIZE = (100, 50)


def row(name, *crops, photo=None, people=()):
    image = photo or f"{name}.jpg"
    return manifest.Row(name, image, Path(image), "a dog", crops, people)


def measured(ious, photos=None):
    """Rows with a single annotation 100 wide whose crops give these IoUs."""
    names = [str(at) for at in range(len(ious))]
    photos = photos or names
    rows = [row(n, (0, 0, 100, 50), photo=p) for n, p in zip(names, photos, strict=True)]
    boxes = {name: (0, 0, 100 * iou, 50) for name, iou in zip(names, ious, strict=True)}
    return metrics.measure(boxes, rows, dict.fromkeys(names, SIZE))


@pytest.mark.parametrize(
    ("box", "truth", "size", "expected"),
    [
        ((10, 5, 30, 20), (10, 5, 30, 20), (100, 50), 0),
        # Left 10 / 100, right (30 - 40) / 100, top 5 / 50, bottom (20 - 30) / 50.
        ((20, 10, 10, 10), (10, 5, 30, 25), (100, 50), (0.1 + 0.1 + 0.1 + 0.2) / 4),
        # The whole photo against its upper left quarter: right and bottom edges by one half.
        ((0, 0, 100, 50), (0, 0, 50, 25), (100, 50), 0.25),
        # A shift by a tenth of the width moves two edges.
        ((10, 0, 20, 20), (0, 0, 20, 20), (100, 20), 0.05),
        # A point in one corner against one in the other: every edge by the whole photo.
        ((0, 0, 0, 0), (100, 50, 0, 0), (100, 50), 1),
    ],
)
def test_boundary_displacement(box, truth, size, expected):
    assert metrics.boundary_displacement(box, truth, size) == pytest.approx(expected, abs=1e-15)
    assert metrics.boundary_displacement(truth, box, size) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 100, 50), 1),
        ((10, 10, 20, 10), 1),
        ((10, 10, 5, 10), 0.25),
        ((20, 15, 50, 30), 0.25),
        ((30, 10, 20, 10), 0),  # Touches the right edge.
        ((60, 30, 10, 10), 0),
        ((12, 12, 5, 4), 0.1),
    ],
)
def test_kept_fraction(box, expected):
    assert metrics.kept_fraction(box, (10, 10, 20, 10)) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("width", "expected"),
    [(0, False), (19, False), (20, True), (50, True), (90, True), (91, False), (100, False)],
)
def test_cut_through(width, expected):
    # The crop's left part of 100 pixels' width.
    assert metrics.is_cut_through((0, 0, width, 50), (0, 10, 100, 20)) == expected


def test_people_are_counted_box_by_box():
    # Of a's people the crop has the first whole, half of the second, and a tenth of the third; of
    # c's one it has 60 %. b has nobody, and d no ground truth.
    everybody = ((0, 0, 10, 10), (40, 0, 20, 50), (0, 45, 50, 50))
    rows = [
        row("a", (0, 0, 50, 50), people=everybody),
        row("b", (0, 0, 50, 50)),
        row("c", (0, 0, 50, 50), people=((0, 0, 10, 50),)),
        row("d", people=((0, 0, 20, 50),)),
    ]
    boxes = {"a": (0, 0, 50, 50), "b": (0, 0, 50, 50), "c": (4, 0, 96, 50), "d": (10, 0, 20, 50)}
    sizes = dict.fromkeys("abcd", SIZE)
    found = metrics.measure(boxes, rows, sizes)
    assert [each.tolist() for each in found.people_cut] == [[0, 1, 0], [], [1]]
    assert found.summary()["people cut through"] == 2 / 4
    # c keeps 46 of 50 pixels across of its truth: 92 %.
    assert found.cut.tolist() == [0, 0, 0]
    # A row that is refused gains nothing: everybody counts as cut through.
    refusing = metrics.measure({"c": boxes["c"]}, rows, sizes)
    assert [each.tolist() for each in refusing.people_cut] == [[1, 1, 1], [], [1]]
    assert refusing.summary()["people cut through"] == 1
    assert refusing.cut.tolist() == [1, 1, 0]
    nobody = metrics.measure(boxes, rows[1:2], sizes)
    assert nobody.summary()["people cut through"] is None


def test_a_row_with_two_annotations():
    rows = [row("a", (0, 0, 50, 50), (25, 0, 50, 50))]
    found = metrics.measure({"a": (0, 0, 50, 50)}, rows, {"a": SIZE})
    assert found.ids == ("a",) and found.photos == ("a.jpg",)
    np.testing.assert_allclose(found.ious[0], [1, 1 / 3])  # 25 of 75 pixels across.
    np.testing.assert_allclose(found.iou, [2 / 3])
    np.testing.assert_allclose(found.displacement, [(0 + (0.25 + 0.25) / 4) / 2])
    np.testing.assert_allclose(found.hit, [1])  # The centre 25 is the second's left edge.
    np.testing.assert_allclose(found.kept, [(1 + 0.5) / 2])
    np.testing.assert_allclose(found.cut, [0.5])
    moved = metrics.measure({"a": (0, 0, 40, 50)}, rows, {"a": SIZE})
    np.testing.assert_allclose(moved.hit, [0.5])


def test_a_refused_row_counts_as_nothing_found():
    # a: half of its truth, off by 25 of 100 pixels on one of four edges; c has two annotations.
    rows = [
        row("a", (0, 0, 50, 50)),
        row("b"),
        row("c", (0, 0, 10, 10), (0, 0, 100, 50)),
        row("d"),
    ]
    sizes = dict.fromkeys("abcd", SIZE)
    found = metrics.measure({"a": (0, 0, 25, 50), "b": (0, 0, 1, 1)}, rows, sizes)
    assert (found.ids, found.refused, found.without_crops) == (("a", "c"), 1, 2)
    np.testing.assert_array_equal(found.iou, [0.5, 0])
    np.testing.assert_array_equal(found.ious[1], [0, 0])
    np.testing.assert_array_equal(found.hit, [1, 0])
    np.testing.assert_array_equal(found.kept, [0.5, 0])
    np.testing.assert_array_equal(found.cut, [1, 1])
    np.testing.assert_array_equal(found.displacement, [0.25 / 4, 1])
    summary = found.summary()
    assert (summary["rows"], summary["refused"], summary["mean IoU"]) == (2, 1, 0.25)
    assert summary["rows without ground truth"] == 2
    # Against a method that refuses nothing, the refused row is one of those that are compared.
    other = metrics.measure({"a": (0, 0, 50, 50), "c": (0, 0, 100, 50)}, rows, sizes)
    compared = metrics.compare(found, other)
    assert compared.rows == 2
    assert compared.difference == pytest.approx((0.5 - 1 + 0 - (0.02 + 1) / 2) / 2)


def test_a_method_that_refuses_all_rows():
    rows = [row("a", (0, 0, 50, 50)), row("b", (0, 0, 10, 10))]
    summary = metrics.measure({}, rows, dict.fromkeys("ab", SIZE)).summary()
    assert (summary["rows"], summary["refused"], summary["mean IoU"]) == (2, 2, 0)
    assert summary["IoU interval"] == [0, 0] and summary["boundary displacement"] == 1
    assert summary["ground truth kept"] == 0 and summary["cut through"] == 1


def test_nothing_to_measure():
    assert metrics.measure({}, [row("a", (0, 0, 50, 50))], {"a": SIZE}).summary()["rows"] == 1
    with pytest.raises(ValueError, match="nothing to measure"):
        metrics.measure({"b": (0, 0, 1, 1)}, [row("b")], {"b": SIZE}).summary()


def test_both_standard_deviations():
    # IoU of the whole photo with crops of these widths: 0.2 and 0.6; 0.4 and 1.
    rows = [
        row("a", (0, 0, 20, 50), (0, 0, 60, 50)),
        row("b", (0, 0, 40, 50), (0, 0, 100, 50)),
    ]
    boxes = dict.fromkeys("ab", (0, 0, 100, 50))
    summary = metrics.measure(boxes, rows, dict.fromkeys("ab", SIZE)).summary()
    assert summary["mean IoU"] == pytest.approx(0.55)
    # Images: means 0.4 and 0.7. Annotators: means 0.3 and 0.8.
    assert summary["std over images of the mean over annotators"] == pytest.approx(0.15)
    assert summary["std over annotators of the mean over images"] == pytest.approx(0.25)
    assert summary["hit rate"] == pytest.approx((0.5 + 0.5) / 2)
    assert summary["ground truth kept"] == 1 and summary["cut through"] == 0
    # Right edges off by 0.8 and 0.4, 0.6 and 0, each a quarter of the displacement.
    assert summary["boundary displacement"] == pytest.approx((0.8 + 0.4 + 0.6) / 4 / 4)
    assert json.loads(json.dumps(summary)) == summary


def test_annotators_are_not_compared_where_their_number_differs():
    rows = [row("a", (0, 0, 20, 50), (0, 0, 60, 50)), row("b", (0, 0, 40, 50))]
    boxes = dict.fromkeys("ab", (0, 0, 100, 50))
    found = metrics.measure(boxes, rows, dict.fromkeys("ab", SIZE))
    assert found.std_over_annotators() is None
    assert measured([0.1, 0.2]).std_over_annotators() is None  # A single annotator.


def test_std_over_images_takes_a_photo_once():
    # Photo x has rows of 0.2 and 0.4, photo y one of 0.9: means 0.3 and 0.9.
    found = measured([0.2, 0.4, 0.9], ["x", "x", "y"])
    assert found.std_over_images() == pytest.approx(0.3)
    assert found.summary()["photos"] == 2
    assert found.summary()["mean IoU"] == pytest.approx(0.5)


def test_interval_is_near_the_normal_one_and_repeats():
    values = np.random.default_rng(0).uniform(0, 1, 400)
    low, high = resampling.mean_interval(values, [str(at) for at in range(400)])
    half = 1.96 * np.std(values) / math.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.003)
    assert high == pytest.approx(values.mean() + half, abs=0.003)
    again = resampling.mean_interval(values, [str(at) for at in range(400)])
    other = resampling.mean_interval(values, [str(at) for at in range(400)], seed=1)
    assert again == [low, high] and other != [low, high]


def test_interval_resamples_photos_not_rows():
    # Four rows a photo, all alike: as wide as with one row a photo, not half of it.
    values = np.random.default_rng(1).uniform(0, 1, 100)
    photos = [str(at) for at in range(100)]
    one = resampling.mean_interval(values, photos)
    four = resampling.mean_interval(np.repeat(values, 4), np.repeat(photos, 4))
    np.testing.assert_allclose(four, one, atol=1e-12)


def test_interval_of_equal_values():
    assert resampling.mean_interval(np.full(5, 0.25), list("abcde")) == [0.25, 0.25]


def test_one_photo_has_no_interval_and_tells_nothing_apart():
    one = np.array([0.5, 0.25]), ["a", "a"]
    assert resampling.mean_interval(*one) is None and resampling.paired_p(*one) == 1
    found = metrics.compare(measured([0.75]), measured([0.5]))
    assert (found.difference, found.interval, found.p) == (0.25, None, 1)


def test_compare_is_exact_for_few_photos():
    # All five differences are positive: of 2^5 sign patterns only two are as extreme.
    a, b = measured([0.5, 0.6, 0.7, 0.8, 0.9]), measured([0.4, 0.4, 0.4, 0.4, 0.4])
    found = metrics.compare(a, b)
    assert found.rows == found.photos == 5
    assert found.difference == pytest.approx(0.3)
    assert found.p == pytest.approx(2 / 32)
    assert 0.1 < found.interval[0] < 0.3 < found.interval[1] < 0.5
    turned = metrics.compare(b, a)
    assert turned.difference == pytest.approx(-0.3) and turned.p == found.p


def test_compare_by_hand_with_mixed_signs():
    # Differences 0.1, 0.2, -0.4: sum -0.1. Of the eight sums +-0.1 +-0.2 +-0.4 (0.7, 0.5, 0.3,
    # 0.1 and their negatives) all are as far from zero.
    assert metrics.compare(measured([0.6, 0.7, 0.1]), measured([0.5, 0.5, 0.5])).p == 1
    # Differences 0.1, -0.2, 0.4: sum 0.3; as far are +-0.3, +-0.5, +-0.7.
    found = metrics.compare(measured([0.6, 0.3, 0.9]), measured([0.5, 0.5, 0.5]))
    assert found.p == pytest.approx(6 / 8)


def test_compare_swaps_whole_photos():
    # Four rows of two photos: two signs, so nothing can be less likely than one half.
    photos = ["x", "x", "y", "y"]
    found = metrics.compare(measured([0.9] * 4, photos), measured([0.1] * 4, photos))
    assert (found.rows, found.photos, found.p) == (4, 2, pytest.approx(0.5))


def test_compare_takes_the_rows_of_both():
    a = measured([0.5, 0.6, 0.7])
    rows = [row("2", (0, 0, 100, 50)), row("0", (0, 0, 100, 50)), row("9", (0, 0, 100, 50))]
    boxes = {"2": (0, 0, 60, 50), "0": (0, 0, 20, 50), "9": (0, 0, 90, 50)}
    b = metrics.measure(boxes, rows, dict.fromkeys("209", SIZE))
    found = metrics.compare(a, b)  # 0.7 - 0.6 and 0.5 - 0.2.
    assert found.rows == 2 and found.difference == pytest.approx(0.2)
    with pytest.raises(ValueError, match="no row in common"):
        metrics.compare(a, metrics.measure({"9": (0, 0, 1, 1)}, rows[2:], {"9": SIZE}))


def test_compare_many_photos():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.2, 0.6, 100)
    better, same = base + rng.normal(0.1, 0.1, 100), base + rng.normal(0, 0.1, 100)
    found = metrics.compare(measured(better), measured(base))
    assert found.p == pytest.approx(2 / (resampling.RESAMPLES + 1))
    assert found.interval[0] > 0
    assert metrics.compare(measured(better), measured(base)) == found
    alike = metrics.compare(measured(same), measured(base))
    assert alike.p > 0.05 and alike.interval[0] < 0 < alike.interval[1]


def test_a_method_against_itself():
    found = metrics.compare(measured([0.2, 0.5, 0.5]), measured([0.2, 0.5, 0.5]))
    assert (found.difference, found.interval, found.p) == (0, [0, 0], 1)


def test_false_alarms_of_the_test():
    """Of 100 comparisons of equal methods about one in twenty has p below 0.05."""
    rng = np.random.default_rng(0)
    base = rng.uniform(0.2, 0.6, (100, 12))
    one, other = (np.clip(base + rng.normal(0, 0.1, base.shape), 0, 1) for _ in range(2))
    pairs = [(measured(a), measured(b)) for a, b in zip(one, other, strict=True)]
    alarms = sum(metrics.compare(a, b).p < 0.05 for a, b in pairs)
    assert 0 < alarms < 14  # Binomial(100, 0.05): outside once in a hundred seeds.

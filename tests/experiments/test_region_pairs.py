"""Pairs of crops of one scale, of which one has something whole and the other cuts through it."""

import numpy as np
import pytest

from experiments.data import entities
from experiments.training import crops_and_boxes, region_pairs

BOXES = [(0.1, 0.2, 0.4, 0.9), (0.0, 0.0, 0.35, 0.3), (0.7, 0.55, 1.0, 1.0), (0.3, 0.45, 0.5, 0.6)]


def annotated(name, boxes, people=(), things=()):
    """A photo whose sentence names numbers as people and things."""
    tags = [f"[/EN#{number}/people A man]" for number in people]
    tags += [f"[/EN#{number}/other a {word}]" for number, word in things]
    sentence = entities.read_sentence(" and ".join(tags))
    return entities.AnnotatedPhoto(name, f"{name}.jpg", (500, 400), (sentence,), boxes)


def test_kept_shares_by_hand():
    boxes = [(0.0, 0.0, 0.5, 0.5), (0.25, 0.25, 0.75, 0.75), (0.9, 0.9, 1.0, 1.0)]
    theta = np.array([[0, 0, 1], [0, 0, 0.5], [-0.5, -0.5, 0.5], [0.5, -0.5, 0.5]], np.float32)
    expected = [[1, 1, 1], [0.25, 1, 0], [1, 0.25, 0], [0, 0.25, 0]]
    np.testing.assert_allclose(crops_and_boxes.kept_shares(theta, boxes), expected, atol=1e-7)
    np.testing.assert_allclose(crops_and_boxes.kept_shares(theta[1], boxes), expected[1], atol=1e-7)


def test_what_is_cut_through():
    shares = np.array([0, 0.19, 0.2, 0.5, 0.9, 0.91, 1])
    assert region_pairs.cut_through(shares).tolist() == [False] * 2 + [True] * 3 + [False] * 2


@pytest.mark.parametrize("box", BOXES)
def test_one_is_whole_and_the_other_cut_at_one_scale_inside_the_photo(box):
    rng = np.random.default_rng(0)
    drawn = [region_pairs.draw_crops(box, BOXES, rng) for _ in range(200)]
    found = np.array([pair for pair in drawn if pair is not None])
    assert len(found) > 100 and found.dtype == np.float32
    shares = crops_and_boxes.kept_shares(found, [box])[..., 0]
    assert (shares[:, 0] >= 0.98).all()
    assert (shares[:, 1] >= 0.2).all() and (shares[:, 1] <= 0.9).all()
    assert shares[:, 1].min() < 0.4 and shares[:, 1].max() > 0.8  # All sorts of cuts.
    scales = found[..., 2]
    assert (scales[:, 0] == scales[:, 1]).all()
    assert scales.min() >= max(0.3, box[2] - box[0], box[3] - box[1]) and scales.max() <= 0.9
    assert scales.max() - scales.min() > 0.15
    assert (np.abs(found[..., :2]).max(axis=-1) + scales <= 1 + 1e-6).all()
    cuts = region_pairs.cut_through(crops_and_boxes.kept_shares(found, BOXES)).sum(axis=-1)
    assert (cuts[:, 0] < cuts[:, 1]).all()


def test_a_box_that_no_crop_has_whole_makes_no_pair():
    rng = np.random.default_rng(0)
    assert region_pairs.draw_crops((0.0, 0.0, 0.95, 0.5), BOXES, rng) is None
    assert region_pairs.draw_crops((0.0, 0.0, 1.0, 1.0), BOXES, rng) is None


def test_pairs_of_photos():
    boxes = {
        "1": ((0.1, 0.2, 0.3, 0.7),),
        "2": ((0.5, 0.4, 0.9, 0.8),),
        "3": ((0.6, 0.1, 0.65, 0.15),),  # Too small for a cut to matter.
    }
    things = [("2", "dog")]
    photos = [
        annotated("both", boxes, ["1", "3"], things),
        annotated("none", {}, ["1"], things),
        annotated("large", {"2": ((0.0, 0.0, 1.0, 0.5),)}, (), things),
        annotated("thing", {"2": boxes["2"]}, (), things),
    ]
    found, persons = [], set()
    for seed in range(20):
        drawn = region_pairs.draw(photos, np.random.default_rng(seed))
        assert [pair.photo for pair in drawn] == ["both.jpg", "thing.jpg"]
        both, thing = drawn
        assert both.box == (boxes["1"][0] if both.person else boxes["2"][0])
        assert thing.box == boxes["2"][0] and not thing.person
        persons.add(both.person)
        found.append(drawn)
    assert persons == {False, True}
    again = region_pairs.draw(photos, np.random.default_rng(0))
    assert repr(again) == repr(found[0]) != repr(found[1])


def test_both_crops_of_a_pair_are_shown_alike():
    photo = annotated("1", {"1": ((0.1, 0.2, 0.3, 0.7),)}, ["1"])
    pairs = region_pairs.draw([photo] * 40, np.random.default_rng(1))
    shown = region_pairs.shown(pairs, np.random.default_rng(2))
    assert len(pairs) > 30 and [views.photo for views in shown] == ["1.jpg"] * len(pairs)
    assert {views.above.pyramid for views in shown} == {False, True}
    for pair, views in zip(pairs, shown, strict=True):
        assert views.above.pyramid == views.below.pyramid
        assert (views.above.theta == pair.whole).all() and (views.below.theta == pair.cut).all()
        assert views.above.reduce == views.below.reduce == 1

"""A `Cropper` whose search picks by a grounder."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import cagic_tf
from cagic_tf import config
from cagic_tf.beyond import coarse_to_fine, picking
from cagic_tf.beyond.grounded_picking import HighestExpectedUtility
from cagic_tf.cropping.graphs import Graphs
from cagic_tf.method import geometry
from cagic_tf.networks import checkpoints, grounder
from cagic_tf.photos import reading
from cagic_tf.system import resources
from tests import seeded

PHOTO = resources.package_path("samples") / "workers.jpg"
WITHOUT = ["Networks.grounder = None", "CoarseToFine.pick = @HighestExpectedIoU()"]
SETTINGS = ["temperature = 0.16", "likely_scale = 0.7", "scale_spread = 0.35"]
SMALL = ["CoarseToFine.scan_scales = (0.5, 0.8)", "CoarseToFine.scan_centers = 3"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grounders") / "own"
    seeded.write_grounder(folder)
    return f"Networks.grounder = '{folder}'"


@pytest.fixture(scope="module")
def cropper(own):
    return cagic_tf.load_cropper("fast.gin", bindings=[own, *SMALL])


@pytest.fixture(scope="module")
def plain():
    """The same without a grounder, by the losses alone."""
    settings = [f"HighestExpectedIoU.{each}" for each in SETTINGS]
    return cagic_tf.load_cropper("fast.gin", bindings=[*WITHOUT, *settings, *SMALL])


def same(found, other):
    assert found.box == other.box and found.loss == other.loss
    np.testing.assert_array_equal(found.path.theta, other.path.theta)
    np.testing.assert_array_equal(found.path.scanned, other.path.scanned)


def inside(box, photo):
    x, y, w, h = box
    return min(x, y) >= 0 and w > 0 < h and x + w <= photo.shape[1] and y + h <= photo.shape[0]


def test_what_the_grounder_says_picks_the_crop(cropper, plain):
    found = cropper.crop(PHOTO, "a man on the grass", shape="original")
    same(cropper.crop(PHOTO, "a man on the grass", shape="original"), found)
    assert "own" in found.checkpoints and inside(found.box, found.photo)
    # By the rule, of the scanned losses and of what the grounder says.
    problem, _ = cropper.problem(found.photo, "a man on the grass")
    grid, ranks = found.path.scanned[:, 1:], found.path.scanned[:, 0]
    losses = cropper.loss(coarse_to_fine.sharp_view(problem), tf.constant(grid, tf.float32)).total
    meant = problem.meant.numpy()
    assert len(meant) > len(grounder.lattice())
    said = picking.Meant(meant[:, :4], meant[:, 4])
    bound = config.read("fast.gin")
    names = [field.name for field in dataclasses.fields(HighestExpectedUtility)]
    rule = HighestExpectedUtility(**{n: bound[f"HighestExpectedUtility.{n}"] for n in names})
    expected = rule(losses.numpy(), grid, (1.0, 1.0), said)
    np.testing.assert_allclose(found.path.theta, expected.theta, atol=1e-6)
    np.testing.assert_allclose(ranks, expected.ranks, atol=1e-3)
    assert found.box != plain.crop(PHOTO, "a man on the grass").box
    (scored,) = cropper.score(PHOTO, "a man on the grass", [found.box])
    assert scored.loss["total"] == pytest.approx(found.loss["total"], abs=0.1)


def test_without_words_of_its_own_the_losses_alone_decide(cropper, own, plain):
    for caption in (None, "a boat", "boats and women"):
        same(cropper.crop(PHOTO, caption), plain.crop(PHOTO, caption))
    # A grounder that no rule reads changes nothing.
    settings = [f"HighestExpectedIoU.{each}" for each in SETTINGS]
    unread = cagic_tf.load_cropper("fast.gin", bindings=[own, WITHOUT[1], *settings, *SMALL])
    same(unread.crop(PHOTO, "a man"), plain.crop(PHOTO, "a man"))


def test_a_word_that_only_the_grounder_knows_is_answered(tmp_path, plain):
    seeded.write_grounder(tmp_path / "own", known=("a", "ashtray"))
    knows = cagic_tf.load_cropper(
        "fast.gin", bindings=[f"Networks.grounder = '{tmp_path}/own'", *SMALL]
    )
    found = knows.crop(PHOTO, "an ashtray")
    assert inside(found.box, found.photo) and found.unknown_words == {}
    problem, _ = knows.problem(found.photo, "an ashtray")
    assert len(problem.meant)
    with pytest.raises(ValueError, match="no word of the caption is known: ashtray"):
        plain.crop(PHOTO, "an ashtray")


@pytest.mark.parametrize("shape", ["16:9", "1:2", "original"])
def test_shapes_sizes_and_candidates(cropper, shape):
    found = cropper.crop(PHOTO, "a dog", shape=shape, smallest_side=150, candidate_count=3)
    for each in found.candidates:
        assert inside(each.box, found.photo) and min(each.box[2:]) >= 149
    ratio = {"16:9": 16 / 9, "1:2": 1 / 2, "original": found.photo.shape[1] / found.photo.shape[0]}
    width, height = found.box[2:]
    assert abs(width - height * ratio[shape]) <= 2
    pairs = [(a, b) for a in found.candidates for b in found.candidates if a is not b]
    assert all(geometry.iou(a.box, b.box) <= 0.52 for a, b in pairs)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 40)])
def test_candidates_of_a_few_pixels_are_no_pixels_twice(cropper, size):
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    found = cropper.crop(photo, "a man", candidate_count=5)
    boxes = [each.box for each in found.candidates]
    assert boxes[0] == found.box and len(set(boxes)) == len(boxes) <= 5
    assert all(inside(box, photo) for box in boxes)


def test_many_photos_are_as_each_alone(cropper, monkeypatch):
    photo = reading.read(PHOTO)
    images, captions = [photo, photo[:200], photo[:, :150]], ["a man", None, "the dog"]
    together = cropper.crop_many(images, captions)
    for found, image, caption in zip(together, images, captions, strict=True):
        same(found, cropper.crop(image, caption))
    # As on a GPU: each photo of a batch is picked by what the grounder says of it.
    monkeypatch.setattr(Graphs, "goes_side_by_side", True)
    for found, alone in zip(cropper.crop_many(images, captions), together, strict=True):
        np.testing.assert_allclose(found.path.theta, alone.path.theta, atol=1e-6)
        # Losses side by side are rounded otherwise; the rule's small temperature magnifies that.
        np.testing.assert_allclose(found.path.scanned, alone.path.scanned, atol=5e-3)
    refused = cropper.crop_many([photo], "the")
    assert isinstance(refused[0], ValueError)


def test_a_rule_without_its_grounder_is_refused_in_one_line(own):
    with pytest.raises(
        config.ConfigError, match=r"there is no grounder: bind Networks\.grounder"
    ) as error:
        cagic_tf.load_cropper("fast.gin", bindings=WITHOUT[:1])
    assert "\n" not in str(error.value)
    with pytest.raises(config.ConfigError, match="agreement is -1"):
        cagic_tf.load_cropper("fast.gin", bindings=["HighestExpectedUtility.agreement = -1"])
    with pytest.raises(
        config.ConfigError, match=r"nothing reads HighestExpectedUtility\.wholeness"
    ):
        cagic_tf.load_cropper("paper.gin", bindings=[own, "HighestExpectedUtility.wholeness = 1"])
    with pytest.raises(checkpoints.CheckpointError, match="a 'grounder' is needed") as error:
        cagic_tf.load_cropper("fast.gin", bindings=["Networks.grounder = 'lexicon'"])
    assert "\n" not in str(error.value)

"""A `Cropper` that chooses the crop's shape where none is asked for."""

import numpy as np
import pytest
import tensorflow as tf

import cagic_tf
from cagic_tf.beyond import shapes
from cagic_tf.beyond.coarse_to_fine import CoarseToFine
from cagic_tf.cropping.graphs import Graphs
from cagic_tf.method import geometry
from cagic_tf.photos import reading
from cagic_tf.system import resources
from tests import seeded

PHOTO = resources.package_path("samples") / "workers.jpg"
CAPTION = "a man on the grass"
SMALL = ["CoarseToFine.scan_scales = (0.5, 0.8)", "CoarseToFine.scan_centers = 3"]


@pytest.fixture(scope="module")
def cropper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grounders") / "own"
    seeded.write_grounder(folder)
    return cagic_tf.load_cropper("fast.gin", bindings=[f"Networks.grounder = '{folder}'", *SMALL])


@pytest.fixture(scope="module")
def result(cropper):
    return cropper.crop(PHOTO, CAPTION, candidate_count=3)


@pytest.fixture
def plain(cropper):
    """On the same networks, of a rule that chooses no shape; it crops nothing here."""
    return cagic_tf.Cropper(cropper.loss.networks, cropper.loss.objective, CoarseToFine())


def ratio(box, photo):
    """How many times the photo's width to height the box's is."""
    return box[2] / box[3] * photo.shape[0] / photo.shape[1]


def inside(box, photo):
    x, y, w, h = box
    return min(x, y) >= 0 and w > 0 < h and x + w <= photo.shape[1] and y + h <= photo.shape[0]


def test_fast_gin_chooses_the_shape_and_says_so(cropper, result):
    assert cropper.shape == shapes.FREE
    assert result.shape == "free" and result.size is None and result.to_dict()["shape"] == "free"
    assert inside(result.box, result.photo)
    found = ratio(result.box, result.photo)
    assert 0.66 < found < 1.51 and abs(found - 1) > 0.03
    # The path says where the crop is: in the base size that was chosen.
    theta, base_size = result.path.theta, result.path.base_size
    assert max(base_size) == 1 and min(base_size) >= 1 / 1.5 - 1e-9
    height, width = result.photo.shape[:2]
    assert result.box == geometry.pixel_box(theta[:2], theta[2], width, height, base_size)
    assert result.box_normalized == geometry.normalized_box(theta[:2], theta[2], base_size)
    again = cropper.crop(PHOTO, CAPTION, shape="free", candidate_count=3)
    assert again.box == result.box and again.loss == result.loss
    assert [each.box for each in again.candidates] == [each.box for each in result.candidates]


def test_the_photos_shape_where_it_is_asked_for(cropper, result):
    found = cropper.crop(PHOTO, CAPTION, shape="original")
    height, width = found.photo.shape[:2]
    _, _, w, h = found.box
    assert abs(w - h * width / height) <= 1 and found.path.base_size is None
    assert found.shape == "original" and found.box != result.box
    np.testing.assert_array_equal(found.path.scanned, result.path.scanned)


def test_candidates_have_the_shapes_that_they_were_tried_in(result):
    first, *others = result.candidates
    assert first.box == result.box and others
    for each in others:  # Of the scan.
        assert abs(ratio(each.box, result.photo) - 1) < 0.02
    pairs = [(a, b) for a in result.candidates for b in result.candidates if a is not b]
    assert all(geometry.iou(a.box, b.box) <= 0.52 for a, b in pairs)


def test_the_losses_are_those_of_the_box(cropper, result):
    height, width = result.photo.shape[:2]
    bases = [result.path.base_size, *[(1.0, 1.0)] * (len(result.candidates) - 1)]
    for each, base_size in zip(result.candidates, bases, strict=True):
        problem, _ = cropper.problem(result.photo, CAPTION, base_size)
        theta = tf.constant([[*each.center, each.scale]], tf.float32)
        found = cropper.loss(problem, theta)
        expected = {"total": found.total, **found.terms}
        assert each.loss == pytest.approx(
            {name: float(value[0]) for name, value in expected.items()}, abs=1e-3
        )
    assert result.loss["total"] == pytest.approx(result.path.loss, abs=1e-3)
    # Whole pixels are up to half of one elsewhere; the box of another shape would be far off.
    (scored,) = cropper.score(result.photo, CAPTION, [result.box])
    assert scored.box == result.box
    edges = np.subtract(scored.box_normalized, result.box_normalized) * [
        width,
        height,
        width,
        height,
    ]
    assert np.abs(edges).max() <= 1.01
    assert scored.loss["total"] == pytest.approx(result.loss["total"], abs=0.2)


def test_without_a_caption_there_is_nothing_to_choose_a_shape_by(cropper):
    for caption in (None, "a boat"):  # Of the second the grounder knows no word.
        free, fixed = (cropper.crop(PHOTO, caption, shape=each) for each in (None, "original"))
        assert free.box == fixed.box and free.loss == fixed.loss
        assert free.path.base_size is None and free.shape == "free"


@pytest.mark.parametrize(
    ("size", "smallest"),
    [((240, 360), 211), ((333, 500), 167), ((90, 1000), 61), ((500, 3), 2), ((1, 1), 0)]
    + [((60, 90), 500), ((3, 500), 3), ((70, 80), 70)],
)
def test_no_side_is_smaller_than_asked_for(cropper, size, smallest):
    photo = reading.read(PHOTO)
    photo = np.ascontiguousarray(np.resize(photo[: size[0], : size[1]], (*size, 3)))
    for caption in (CAPTION, "the dog"):
        found = cropper.crop(photo, caption, smallest_side=smallest, candidate_count=4)
        for each in found.candidates:
            assert inside(each.box, photo)
            assert each.box[2] >= min(smallest, size[1]) and each.box[3] >= min(smallest, size[0])
        # One pixel of rounding each way.
        w, h = found.box[2:]
        assert (w - 1) / size[1] <= 1.5 * (h + 1) / size[0]
        assert (h - 1) / size[0] <= 1.5 * (w + 1) / size[1]


def test_many_photos_are_as_each_alone(cropper, result, monkeypatch):
    photo = reading.read(PHOTO)
    images, captions = [photo, photo[:200], photo[:, :150]], [CAPTION, "the dog", "a man"]
    wanted = [None, "free", "1:1"]
    together = cropper.crop_many(images, captions, shapes=wanted)
    assert [found.shape for found in together] == ["free", "free", "1:1"]
    assert together[0].box == result.box and together[0].loss == result.loss
    alone = cropper.crop(images[1], captions[1])
    assert together[1].box == alone.box and together[1].loss == alone.loss
    assert together[2].path.base_size is None
    # As on a GPU: shapes differ within a batch, and each crop has the losses of its own.
    monkeypatch.setattr(Graphs, "goes_side_by_side", True)
    side_by_side = cropper.crop_many(images, captions, shapes=wanted, candidate_count=2)
    for found, expected in zip(side_by_side, together, strict=True):
        np.testing.assert_allclose(found.box, expected.box, atol=1)
        assert found.loss == pytest.approx(expected.loss, abs=0.02)
        if expected.path.base_size:
            assert found.path.base_size == pytest.approx(expected.path.base_size, abs=0.01)


def test_other_searches_keep_the_photos_shape(cropper, plain):
    assert plain.shape == cagic_tf.load_cropper("paper.gin").shape == shapes.ORIGINAL
    for shape in ("free", shapes.FREE):
        with pytest.raises(ValueError, match="the shape is free, but only @CoarseToFine") as error:
            plain.crop(PHOTO, CAPTION, shape=shape)
        assert str(error.value) == shapes.KEEPS_SHAPE and "\n" not in shapes.KEEPS_SHAPE
    with pytest.raises(ValueError, match="the shape is free, but only @CoarseToFine"):
        plain.crop_many([PHOTO], CAPTION, shapes=["free"])
    # What is wrong with a shape is said as before, of either.
    for each in (cropper, plain):
        with pytest.raises(ValueError, match="the shape is 'wide'; original, free, a ratio"):
            each.crop(PHOTO, CAPTION, shape="wide")
        with pytest.raises(ValueError, match="the shape is 5; a text such as '16:9' is needed, or"):
            each.crop(PHOTO, CAPTION, shape=5)

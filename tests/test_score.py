"""Boxes that somebody has chosen have the losses of the search; a search can be stopped."""

import numpy as np
import pytest
import tensorflow as tf

import cagic_tf
from cagic_tf.beyond import shapes
from cagic_tf.cropping import requests
from cagic_tf.method.objective import CropLoss
from cagic_tf.networks import bundle
from cagic_tf.photos import reading
from cagic_tf.system import resources

LAKE = resources.package_path("samples") / "lake.jpg"
CAPTION = "mountains behind a lake"
QUICK = ["CoarseToFine.scan_scales = (0.5,)", "CoarseToFine.scan_centers = 2"]


@pytest.fixture(scope="module")
def cropper():
    networks = bundle.Networks(lexicon="lexicon", grounder="grounder")
    return cagic_tf.load_cropper("fast.gin", bindings=QUICK, networks=networks)


@pytest.mark.parametrize("caption, shape", [(CAPTION, "original"), (CAPTION, "2:1"), (None, "1:1")])
def test_a_found_crop_has_the_losses_of_its_box(cropper, caption, shape):
    found = cropper.crop(LAKE, caption, shape=shape)
    (scored,) = cropper.score(LAKE, caption, [found.box])
    assert scored.box == found.box and list(scored.loss) == list(found.loss)
    # A box is whole pixels, a search's crop is not: each has the losses of where it is itself.
    height, width, _ = found.photo.shape
    assert scored.center == pytest.approx(found.center, abs=2 / min(height, width))
    searched = found.path.theta, shapes.parse(shape).base_size(width, height)
    for losses, (theta, base_size) in (
        (scored.loss, requests.placed(found.box, width, height)),
        (found.loss, searched),
    ):
        problem, _ = cropper.problem(found.photo, caption, base_size)
        loss = CropLoss(cropper.loss.objective, cropper.loss.networks)
        if caption is None:
            loss = CropLoss(cropper.loss.objective.without_caption(), cropper.loss.networks)
        values = loss(problem, tf.constant([theta], tf.float32))
        expected = {"total": values.total, **values.terms}
        assert losses == pytest.approx(
            {name: float(value[0]) for name, value in expected.items()}, rel=1e-3, abs=1e-3
        )


def test_a_scored_crop_is_what_the_networks_see_in_its_pixels(cropper):
    photo, box = reading.read(LAKE), (100, 60, 200, 90)
    x, y, w, h = box
    (scored,) = cropper.score(photo, CAPTION, [box])
    (alone,) = cropper.score(photo[y : y + h, x : x + w], CAPTION, [(0, 0, w, h)])
    assert scored.box == box
    assert scored.box_normalized == pytest.approx((0.2, 0.12, 0.6, 0.3))
    # Beyond its edge the photo goes on, and a cut-out is repeated: samples there differ.
    assert scored.loss["total"] == pytest.approx(alone.loss["total"], rel=0.1)
    assert scored.loss["total"] != cropper.score(photo, CAPTION, [(0, 0, 200, 90)])[0].loss["total"]


def test_boxes_of_any_shape_are_placed_exactly():
    for box in [(0, 0, 7, 5), (6, 4, 1, 1), (2, 0, 3, 5), (1, 1, 6, 2)]:
        theta, base_size = requests.placed(box, 7, 5)
        sides = [theta[2] * base_size[0] * 7, theta[2] * base_size[1] * 5]
        assert sides == pytest.approx(box[2:]) and max(base_size) == 1
        corner = [(theta[0] + 1) / 2 * 7 - sides[0] / 2, (theta[1] + 1) / 2 * 5 - sides[1] / 2]
        assert corner == pytest.approx(box[:2])


@pytest.mark.parametrize(
    "box", [(0, 0, 8, 5), (-1, 0, 2, 2), (0, 0, 0, 1), (0.5, 0, 1, 1), (True, 0, 1, 1), (1, 2), 7]
)
def test_boxes_that_are_none_are_said_in_a_line(box):
    with pytest.raises(ValueError, match=r"^the box is .*inside the photo of 7 x 5 is needed$"):
        requests.placed(box, 7, 5)


def test_what_progress_raises_ends_a_search_and_leaves_the_cropper_as_it_was(cropper):
    before = cropper.crop(LAKE, CAPTION)

    def stop(*_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        cropper.crop(LAKE, CAPTION, progress=stop)
    after = cropper.crop(LAKE, CAPTION)
    assert after.box == before.box and after.loss == before.loss
    np.testing.assert_array_equal(after.path.scanned, before.path.scanned)

"""The whole method on the embedded checkpoints: small searches, real networks."""

import concurrent.futures

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import cagic_tf
from cagic_tf import shortcut
from cagic_tf.beyond import coarse_to_fine, shapes
from cagic_tf.beyond.lexicon import NounLoss
from cagic_tf.method import annealing, lbfgs
from cagic_tf.method.losses import AestheticLoss, CaptionLoss
from cagic_tf.method.objective import Objective
from cagic_tf.networks import bundle
from cagic_tf.photos import reading
from cagic_tf.system import resources

SAMPLES = resources.package_path("samples")
CAPTION = "a woman in a blue shirt and a zyzzyva"


@pytest.fixture(scope="module")
def cropper():
    search = annealing.Annealing(
        scale_factor=0.7,
        restart_count=2,
        minimizer=lbfgs.Minimizer(max_iterations=1, max_line_search_iterations=1),
    )
    return cagic_tf.Cropper(search=search)


@pytest.fixture(scope="module")
def result(cropper):
    return cropper.crop(SAMPLES / "workers.jpg", CAPTION, seed=4)


def test_result_is_consistent(result):
    with Image.open(SAMPLES / "workers.jpg") as photo:
        width, height = photo.size
    x, y, w, h = result.box
    assert 0 <= x <= x + w <= width and 0 <= y <= y + h <= height
    assert result.crop.shape == (h, w, 3)
    assert w / width == pytest.approx(result.scale, abs=1 / width)
    assert result.scale in (0.7, pytest.approx(0.49), pytest.approx(0.343))
    assert abs(result.center[0]) <= 1 - result.scale + 1e-6
    weighted = result.loss["caption"] + 0.01 * result.loss["aesthetic"]
    assert result.loss["total"] == pytest.approx(weighted, rel=1e-6)
    assert list(result.unknown_words) == ["zyzzyva"]
    words = ["a", "woman", "in", "blue", "shirt", "and"]
    assert result.matched_words == {"captioner": words, "lexicon": {}, "read_as": {}}
    assert set(result.checkpoints) == {"lite0", "sat", "vfn"}
    assert result.predicted_caption and "." not in result.predicted_caption


def test_result_is_the_lowest_loss_of_the_search(result):
    lowest = min(
        min(float(step.losses.total), float(np.min(step.end_losses))) for step in result.path.steps
    )
    assert result.path.loss == lowest
    # The final crop is computed once more, in a batch of one.
    assert result.loss["total"] == pytest.approx(lowest, rel=1e-4)


def test_same_seed_same_bits_other_seed_other_search(cropper, result):
    again = cropper.crop(SAMPLES / "workers.jpg", CAPTION, seed=4)
    assert again.center == result.center and again.scale == result.scale
    assert again.loss == result.loss
    for step, other in zip(result.path.steps, again.path.steps, strict=True):
        np.testing.assert_array_equal(step.ends, other.ends)
    third = cropper.crop(SAMPLES / "workers.jpg", CAPTION, seed=5)
    assert not np.array_equal(third.path.steps[0].starts, result.path.steps[0].starts)


def test_one_trace_for_pictures_of_three_sizes_and_several_captions(cropper, result, monkeypatch):
    traces = []
    monkeypatch.setattr(
        type(cropper.loss), "describe", lambda *args: traces.append(args)
    )  # A second trace would come here.
    for size, caption, shape in (
        ((300, 200), "a dog", "original"),
        ((64, 81), "a red ball on the grass", "4:5"),
        ((30, 400), "a lake", "160x90"),
    ):
        photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        found = cropper.crop(photo, caption, shape=shape)
        assert found.evaluations > 0
    assert traces == []


def test_threads_take_turns(cropper, result):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(
            pool.map(lambda _: cropper.crop(SAMPLES / "workers.jpg", CAPTION, seed=4), range(2))
        )
    assert [other.path.theta.tolist() for other in found] == [result.path.theta.tolist()] * 2
    assert [other.loss for other in found] == [result.loss] * 2


BANNER = shapes.Shape("banner", 3.0, (90, 30))  # Of a name that says nothing of its size.


@pytest.mark.parametrize(("shape", "ratio"), [("1:1", 1), (BANNER, 3), ("90x160", 9 / 16)])
def test_crops_of_other_shapes(cropper, shape, ratio, tmp_path):
    found = cropper.crop(SAMPLES / "workers.jpg", CAPTION, seed=4, shape=shape, smallest_side=100)
    height, width = found.photo.shape[:2]
    x, y, w, h = found.box
    assert 0 <= x <= x + w <= width and 0 <= y <= y + h <= height and min(w, h) >= 100
    largest_w = min(width, ratio * height)
    assert w == pytest.approx(found.scale * largest_w, abs=0.51)
    assert h == pytest.approx(found.scale * largest_w / ratio, abs=0.51)
    assert found.to_dict()["shape"] == getattr(shape, "name", shape)
    found.save(tmp_path / "crop.png")
    with Image.open(tmp_path / "crop.png") as crop:
        assert crop.size == {"90x160": (90, 160), BANNER: (90, 30)}.get(shape, (w, h))
    left, top, right, bottom = found.box_normalized
    assert found.center == pytest.approx((left + right - 1, top + bottom - 1), abs=1e-6)
    lowest = min(float(np.min(step.end_losses)) for step in found.path.steps)
    assert found.loss["total"] == pytest.approx(min(lowest, found.path.loss), rel=1e-4)
    assert found.path.steps[-1].scale >= 100 / min(largest_w, largest_w / ratio) - 1e-9


def test_shape_errors(cropper):
    with pytest.raises(ValueError, match="the shape is '16/9'"):
        cropper.crop(SAMPLES / "lake.jpg", "a lake", shape="16/9")
    with pytest.raises(ValueError, match="candidate_count is 0"):
        cropper.crop(SAMPLES / "lake.jpg", "a lake", candidate_count=0)
    with pytest.raises(ValueError, match="smallest_side is -1"):
        cropper.crop(SAMPLES / "lake.jpg", "a lake", smallest_side=-1)


def test_an_array_a_pil_image_and_a_path_are_the_same_photo(cropper):
    search = coarse_to_fine.CoarseToFine(scan_scales=(0.6,), scan_centers=2, refine_scales=())
    cropper = cagic_tf.Cropper(cropper.loss.networks, search=search)
    path = SAMPLES / "lake.jpg"
    with Image.open(path) as image:
        photo = np.asarray(image)
        results = [cropper.crop(source, "a lake") for source in (path, image, photo)]
    for other in results[1:]:
        assert (other.center, other.loss) == (results[0].center, results[0].loss)
        np.testing.assert_array_equal(other.path.scanned, results[0].path.scanned)


def test_large_photos_are_reduced_to_max_side_and_cropped_at_full_size(cropper):
    cropper = cagic_tf.Cropper(
        cropper.loss.networks,
        search=coarse_to_fine.CoarseToFine(scan_scales=(0.5,), scan_centers=1, refine_scales=()),
        max_side=100,
    )
    photo = np.zeros((300, 500, 3), np.uint8)
    found = cropper.crop(photo, "a dog")
    assert found.crop.shape == (150, 250, 3)
    assert reading.reduced(photo, cropper.max_side).shape == (60, 100, 3)
    # Three centres a side, since neighbours overlap by half, and the picked crop itself.
    assert found.evaluations == 3**2 + 1


def test_errors(cropper):
    with pytest.raises(reading.ImageError, match="no photo at"):
        cropper.crop("nowhere.jpg", "a dog")
    with pytest.raises(ValueError, match="has no words"):
        cropper.crop(SAMPLES / "lake.jpg", " .,!")
    with pytest.raises(ValueError, match="no word of the caption is known: dogg .*dog"):
        cropper.crop(SAMPLES / "lake.jpg", "dogg")


def test_zero_weight_reports_the_aesthetic_loss_and_does_not_use_it(cropper):
    search = coarse_to_fine.CoarseToFine(scan_scales=(0.6,), scan_centers=2, refine_scales=())
    cropper = cagic_tf.Cropper(cropper.loss.networks, Objective(aesthetic_weight=0.0), search)
    found = cropper.crop(SAMPLES / "workers.jpg", "a woman in a blue shirt")
    assert found.loss["total"] == found.loss["caption"]
    assert found.loss["aesthetic"] != 0


@pytest.mark.parametrize(
    ("weight", "refine_scales"),
    [
        (0.0, ()),
        pytest.param(0.0, (1.0,), marks=pytest.mark.slow),
        pytest.param(0.01, (1.0,), marks=pytest.mark.slow),
    ],
)
def test_without_a_caption_the_aesthetic_loss_alone_counts(cropper, weight, refine_scales):
    search = coarse_to_fine.CoarseToFine(
        scan_scales=(0.5, 0.7),
        scan_centers=3,
        refine_scales=refine_scales,
        refinement=annealing.Annealing(restart_count=2),
    )
    networks = cropper.loss.networks
    quick = cagic_tf.Cropper(networks, Objective(aesthetic_weight=weight), search)
    found = quick.crop(SAMPLES / "workers.jpg", None, shape="1:1", candidate_count=3)
    assert list(found.loss) == ["total", "aesthetic"]
    assert found.loss["total"] == found.loss["aesthetic"]
    assert found.loss["total"] == pytest.approx(found.path.loss, rel=1e-4)
    assert found.matched_words == {"captioner": [], "lexicon": {}, "read_as": {}}
    assert not found.unknown_words
    assert found.predicted_caption
    # The scan and the search say the same as the aesthetic part of Eq. 3 at the same crops.
    window = shapes.parse("1:1").base_size(*found.photo.shape[1::-1])
    problem, _ = quick.problem(found.photo, "a dog", window)
    for candidate in found.candidates:
        theta = tf.constant([[*candidate.center, candidate.scale]])
        expected = float(cropper.loss(problem, theta).terms["aesthetic"][0])
        assert candidate.loss["aesthetic"] == pytest.approx(expected, rel=1e-4)
    totals = [candidate.loss["total"] for candidate in found.candidates[1:]]
    assert len(totals) == 2 and totals == sorted(totals)
    assert found.candidates[0].box == found.box


def test_the_lexicon_finds_what_the_captioner_never_learnt():
    """A tile of a cat and three others: "feline" is no word of Flickr8k's."""
    search = coarse_to_fine.CoarseToFine(scan_scales=(0.5,), scan_centers=3, refine_scales=())
    terms = [CaptionLoss(), AestheticLoss(), NounLoss()]
    cropper = cagic_tf.Cropper(
        networks=bundle.Networks(lexicon="lexicon"),
        objective=Objective(terms, lexicon_weight=2.0),
        search=search,
    )
    found = cropper.crop(SAMPLES / "mosaic.jpg", "two felines and a giraffe")
    assert found.matched_words["captioner"] == ["two", "and", "a"]
    assert list(found.matched_words["lexicon"]) == ["felines"]
    assert {"egyptian cat", "lion"} <= set(found.matched_words["lexicon"]["felines"])
    assert list(found.unknown_words) == ["giraffe"]
    assert found.center[0] > 0 > found.center[1]  # The cat is top right.
    weighted = found.loss["caption"] + 0.01 * found.loss["aesthetic"] + 2 * found.loss["lexicon"]
    assert found.loss["total"] == pytest.approx(weighted, rel=1e-5)
    with pytest.raises(ValueError, match="no word of the caption is known: giraffe"):
        cropper.crop(SAMPLES / "mosaic.jpg", "a giraffe")


def test_crop_image_is_the_default_cropper(monkeypatch):
    class Mock:
        def crop(self, image, caption, seed):
            return image, caption, seed

    monkeypatch.setattr(shortcut, "_default_cropper", Mock)
    assert cagic_tf.crop_image("a.jpg", "a dog", seed=3) == ("a.jpg", "a dog", 3)


def test_words_that_no_network_knows_are_read_as_their_nearest():
    search = coarse_to_fine.CoarseToFine(scan_scales=(0.5,), scan_centers=3, refine_scales=())
    plain = bundle.Networks(lexicon="lexicon")
    objective = Objective([CaptionLoss(), AestheticLoss(), NounLoss()], lexicon_weight=2.0)
    found, meant, silent = [
        cagic_tf.Cropper(networks, objective, search).crop(SAMPLES / "mosaic.jpg", caption)
        for networks, caption in (
            (plain.with_synonyms("synonyms"), "two kittens and a zyzzyva"),
            (plain, "two cats and a zyzzyva"),
            (plain, "two kittens and a zyzzyva"),
        )
    ]
    assert found.matched_words["read_as"] == {"kittens": "cats"}
    assert found.matched_words["captioner"] == ["two", "cats", "and", "a"]
    assert "tabby" in found.matched_words["lexicon"]["cats"]
    assert list(found.unknown_words) == ["zyzzyva"]
    assert found.loss == meant.loss and found.box == meant.box
    assert list(silent.unknown_words) == ["kittens", "zyzzyva"]
    assert set(found.checkpoints) - set(meant.checkpoints) == {"synonyms"}

"""Many photos by one call, and what it shares with one photo by one."""

import numpy as np
import pytest
import tensorflow as tf

import cagic_tf
from cagic_tf.cropping.graphs import Graphs
from cagic_tf.method import annealing, lbfgs
from cagic_tf.networks.bundle import Networks
from cagic_tf.photos import reading
from cagic_tf.system import resources
from tests.small_trunk import SmallTrunk

SAMPLES = resources.package_path("samples")
PHOTOS = [SAMPLES / "workers.jpg", SAMPLES / "astronaut.jpg", np.full((40, 90, 3), 200, np.uint8)]
CAPTIONS = ["a woman in blue", "a rocket", "a dog"]


def make(**settings):
    networks = Networks()
    networks.caption_trunk = networks.scorer_trunk = SmallTrunk()
    search = annealing.Annealing(scale_factor=0.6, smallest_scale=0.3, restart_count=3, **settings)
    return cagic_tf.Cropper(networks, search=search)


@pytest.fixture(scope="module")
def cropper():
    return make(minimizer=lbfgs.Minimizer(1, 1))


def fields(result):
    return result.box, result.center, result.scale, result.loss, result.seed, result.evaluations


def test_each_is_the_crop_of_its_photo_alone(cropper):
    found = cropper.crop_many(PHOTOS, CAPTIONS, [3, 4, 5], shapes=["original", "1:1", "16:9"])
    for photo, caption, seed, shape, result in zip(
        PHOTOS, CAPTIONS, [3, 4, 5], ["original", "1:1", "16:9"], found, strict=True
    ):
        alone = cropper.crop(photo, caption, seed, shape=shape)
        assert fields(result) == fields(alone)
        for step, expected in zip(result.path.steps, alone.path.steps, strict=True):
            np.testing.assert_array_equal(step.ends, expected.ends)


def test_one_caption_for_all_and_photos_that_fail(cropper):
    photos = [PHOTOS[0], SAMPLES / "no.jpg", PHOTOS[2]]
    found = cropper.crop_many(photos, "a dog")
    assert isinstance(found[1], reading.ImageError)
    assert [found[at].seed for at in (0, 2)] == [cropper.seed] * 2
    words = cropper.crop_many(photos[:1], ["zyzzyva"])
    assert isinstance(words[0], ValueError)
    assert cropper.crop_many([], "a dog") == []


def test_lists_of_another_length_are_refused(cropper):
    with pytest.raises(ValueError, match="captions are 2; one for all or one for each of 3"):
        cropper.crop_many(PHOTOS, CAPTIONS[:2])
    with pytest.raises(ValueError, match="images is 'a.jpg'; a list of photos is needed"):
        cropper.crop_many("a.jpg", "a dog")
    with pytest.raises(ValueError, match="batch is -1"):
        cropper.crop_many(PHOTOS, CAPTIONS, batch=-1)


def test_on_a_cpu_photos_go_one_by_one(cropper):
    assert [cropper.batch_size(count) for count in (0, 1, 100)] == [1, 1, 1]


@pytest.fixture
def side_by_side(monkeypatch):
    monkeypatch.setattr(Graphs, "goes_side_by_side", True)


def test_batches_are_about_equal(cropper, side_by_side):
    assert [cropper.batch_size(count) for count in (1, 64, 65, 130)] == [1, 64, 33, 44]
    assert [cropper.batch_size(10, 4), cropper.batch_size(3, 200)] == [4, 3]


def test_photos_side_by_side_have_their_own_starts_losses_and_shapes(cropper, monkeypatch):
    """As on a GPU, with the same seeds; rounding may lead a restart elsewhere, but to its loss."""
    seeds, shapes = [3, 4, 5], ["original", "1:1", "16:9"]
    alone = cropper.crop_many(PHOTOS, CAPTIONS, seeds, shapes=shapes)
    monkeypatch.setattr(Graphs, "goes_side_by_side", True)
    together = cropper.crop_many(
        PHOTOS, CAPTIONS, seeds, shapes=shapes, smallest_side=20, candidate_count=2
    )
    monkeypatch.undo()
    for result, expected in zip(together, alone, strict=True):
        first, same = result.path.steps[0], expected.path.steps[0]
        np.testing.assert_allclose(first.starts, same.starts, atol=1e-6)
        np.testing.assert_allclose(first.start_losses, same.start_losses, rtol=1e-3)
        problem, _ = cropper.problem(
            result.photo, CAPTIONS[together.index(result)], _base_size(result)
        )
        theta = tf.constant([[*result.center, result.scale]], tf.float32)
        total = cropper.loss(problem, theta).total
        assert result.loss["total"] == pytest.approx(float(total[0]), rel=1e-4)
        assert len(result.candidates) <= 2 and min(result.box[2:]) >= 19


def _base_size(result):
    from cagic_tf.beyond import shapes

    return shapes.parse(result.shape).base_size(*result.photo.shape[1::-1])


def test_memory_that_runs_out_halves_the_batch(cropper, side_by_side, monkeypatch):
    sizes = []

    def crop(wanted, progress):
        sizes.append(len(wanted))
        if len(wanted) > 2:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")
        return list(range(len(wanted)))

    monkeypatch.setattr(cropper, "_crop_side_by_side", crop)
    monkeypatch.setattr(cropper, "_most_photos", 64)
    assert cropper.crop_many([PHOTOS[2]] * 5, "a dog") == [0, 1, 0, 1, 0]
    assert sizes == [5, 2, 2, 1] and cropper.batch_size(5) == 2

"""What holds on a GPU; CUDA_VISIBLE_DEVICES=0 pytest tests/test_gpu.py runs it on the first."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf import config
from cagic_tf.system import resources

pytestmark = pytest.mark.skipif(
    not tf.config.list_physical_devices("GPU"), reason="TensorFlow sees no GPU"
)
SAMPLES = resources.package_path("samples")


@pytest.fixture(scope="module")
def cropper():
    return config.load_cropper("paper.gin", bindings=["Annealing.smallest_scale = 0.95"])


def bits(result):
    steps = [(step.ends, step.end_losses, step.losses.total) for step in result.path.steps]
    return result.center, result.scale, [[part.tobytes() for part in step] for step in steps]


def test_three_runs_give_the_same_bits(cropper):
    runs = [cropper.crop(SAMPLES / "workers.jpg", "a woman in blue", seed=7) for _ in range(3)]
    assert bits(runs[0]) == bits(runs[1]) == bits(runs[2])


def test_photos_side_by_side_have_the_losses_that_they_have_alone(cropper):
    photos = [SAMPLES / "workers.jpg", SAMPLES / "astronaut.jpg"]
    captions = ["a woman in blue", "a rocket"]
    together = cropper.crop_many(photos, captions, [1, 2])
    for photo, caption, seed, result in zip(photos, captions, [1, 2], together, strict=True):
        first, same = result.path.steps[0], cropper.crop(photo, caption, seed).path.steps[0]
        np.testing.assert_allclose(first.starts, same.starts, atol=1e-6)
        np.testing.assert_allclose(first.start_losses, same.start_losses, rtol=1e-3)

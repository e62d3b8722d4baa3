"""PyTorch's objective is ours: what the benchmark compares computes the same."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.method.losses import AestheticLoss, CaptionLoss
from cagic_tf.method.objective import CropLoss, Objective
from cagic_tf.method.vocabulary import bag_of_words
from cagic_tf.networks import checkpoints
from cagic_tf.networks.bundle import Networks, find

torch = pytest.importorskip("torch", reason="torch, of the extra port, is not installed")

from experiments import torch_objective  # noqa: E402 (needs torch)

WEIGHT = 0.7  # So that an error of the scorer shows.


@pytest.fixture(scope="module")
def ours():
    """Our loss in double precision, and a problem of it."""
    loss = CropLoss(Objective([CaptionLoss(), AestheticLoss()], WEIGHT), Networks(dtype=tf.float64))
    photo = np.random.default_rng(0).uniform(size=(90, 120, 3))
    photo[20:60, 30:80] *= np.linspace(0, 1, 50)[:, None]
    words = bag_of_words("a man in a suit", loss.networks.captioner.vocabulary, None)
    return loss, loss.problem(photo, words)


@pytest.fixture(scope="module")
def crops():
    """Crops of other scales, one of the whole photo."""
    return np.array([[0, 0, 1], [0.3, -0.2, 0.5], [-0.41, 0.13, 0.55], [0.1, 0.5, 0.37]])


def theirs(loss, problem, dtype):
    names = "lite0", "sat", "vfn"
    loaded = [checkpoints.load(find(name), name) for name in names]
    picture, target = problem.picture.numpy(), problem.targets["caption"].numpy()
    steps = loss.objective.max_words
    return torch_objective.Objective(*loaded, picture, target, WEIGHT, steps, dtype)


def test_values_and_gradients_are_ours(ours, crops):
    loss, problem = ours
    theta = tf.constant(crops)
    with tf.GradientTape() as tape:
        tape.watch(theta)
        expected = loss(problem, theta).total
    gradient = tape.gradient(expected, theta)
    given = torch.tensor(crops, requires_grad=True)
    total = theirs(loss, problem, torch.float64)(given)
    total.sum().backward()
    np.testing.assert_allclose(total.detach(), expected, rtol=1e-9)
    np.testing.assert_allclose(given.grad, gradient, rtol=1e-6, atol=1e-8)


def test_features_are_ours(ours, crops):
    loss, problem = ours
    objective = theirs(loss, problem, torch.float64)
    features = objective.trunk(objective.sample(torch.tensor(crops)))
    expected = loss.crops(problem, tf.constant(crops)).captioner_features
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-9)


def test_single_precision_agrees(ours, crops):
    loss, problem = ours
    total = theirs(loss, problem, torch.float32)(torch.tensor(crops, dtype=torch.float32))
    np.testing.assert_allclose(total, loss(problem, tf.constant(crops)).total, rtol=1e-3)

"""How A2-RL's stand-in learns: rewards, returns and losses by hand, windows that are kept."""

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.a2rl import cropper, windows
from cagic_tf.baselines.a2rl.network import Agent
from cagic_tf.baselines.a2rl.windows import WHOLE, Window
from cagic_tf.networks import bundle, vfn
from experiments import train_a2rl
from experiments.training import actor_critic, random_moves, seen_windows
from experiments.training.seen_windows import Photo, SeenWindows
from experiments.training.teacher import Teacher

SQUARE = Photo("a.png", np.zeros([100, 100, 3], np.uint8), 1)
WIDE = Photo("b.png", np.zeros([100, 190, 3], np.uint8), 2)


@pytest.mark.parametrize(
    ("before", "after", "step", "seen", "photo", "expected"),
    [
        (1.0, 5.0, 0, WHOLE, SQUARE, 1 - 0.001),
        (1.0, 1.0, 4, WHOLE, SQUARE, -0.005),
        (1.0, 0.5, 49, WHOLE, SQUARE, -1 - 0.05),
        (1.0, 0.5, 0, Window(0, 0, 10, 20), SQUARE, -1.001),  # 0.5 is not yet odd.
        (1.0, 2.0, 0, Window(0, 0, 9, 20), SQUARE, 1 - 0.001 - 5),
        (1.0, 2.0, 0, Window(0, 0, 20, 10), SQUARE, 1 - 0.001),
        (1.0, 2.0, 0, Window(0, 0, 20, 9), SQUARE, 1 - 0.001 - 5),
        (1.0, 2.0, 0, Window(0, 0, 20, 18), WIDE, 1 - 0.001 - 5),  # 190 / 90, in pixels.
    ],
)
def test_rewards(before, after, step, seen, photo, expected):
    assert actor_critic.reward(before, after, step, seen, photo) == pytest.approx(expected)


def test_returns():
    rewards = np.array([[1.0, 1], [2, -1], [3, 0]])
    ended = np.array([[False, False], [False, True], [False, False]])
    found = actor_critic.discounted(rewards, ended, np.array([10.0, 10]))
    last = 3 + 0.99 * 10
    assert found[:, 0] == pytest.approx([1 + 0.99 * (2 + 0.99 * last), 2 + 0.99 * last, last])
    assert found[:2, 1] == pytest.approx([1 - 0.99, -1])  # What comes after the end is no matter.


def test_losses():
    random = np.random.default_rng(0)
    logits, values = random.normal(size=(3, 2, 14)), random.normal(size=(3, 2))
    actions, returns = random.integers(14, size=(3, 2)), random.normal(size=(3, 2))
    active = np.array([[1, 1], [1, 0], [1, 0]], float)
    segment = actor_critic.Segment(None, None, actions.astype(np.int32), returns, active)
    loss, entropy = actor_critic.losses(segment, tf.constant(logits), tf.constant(values), 0.05)
    expected, entropies = [], []
    for step, agent in zip(*np.nonzero(active), strict=True):
        policy = np.exp(logits[step, agent]) / np.exp(logits[step, agent]).sum()
        advantage = returns[step, agent] - values[step, agent]
        entropies.append(-(policy * np.log(policy)).sum())
        actor = -np.log(policy[actions[step, agent]]) * advantage
        expected.append(actor + 0.5 * advantage**2 - 0.05 * entropies[-1])
    assert len(expected) == 4
    assert float(loss) == pytest.approx(np.mean(expected))
    assert float(entropy) == pytest.approx(np.mean(entropies))


def test_the_actor_has_no_gradient_by_the_advantage():
    segment = actor_critic.Segment(
        None, None, np.zeros([1, 1], np.int32), np.full([1, 1], 3.0), np.ones([1, 1])
    )
    values, logits = tf.constant([[1.0]], tf.float64), tf.zeros([1, 1, 14], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss, _ = actor_critic.losses(segment, logits, values, 0.05)
    assert tape.gradient(loss, values).numpy() == pytest.approx(-2)  # Of 0.5 * (3 - value) ** 2.


class Areas:
    """Windows whose score is the area that `wanted` prefers; it counts what is computed."""

    def __init__(self, larger_is_better):
        self._sign = 1 if larger_is_better else -1

    def look(self, photos, seen):
        areas = [(each.right - each.left) * (each.bottom - each.top) for each in seen]
        features = [[np.array([*each, 20], np.float32) / 20] * 4 for each in seen]
        return np.stack(features), self._sign * np.array(areas, np.float32)


def small_agent(monkeypatch, channels):
    """Initial variables of an agent that sees windows in so many channels."""

    class Flags:
        seed, features, width, states = 0, 16, 16, 16

    monkeypatch.setattr(train_a2rl, "FLAGS", Flags)
    monkeypatch.setattr(train_a2rl, "CHANNELS", channels)
    return train_a2rl.initial()


def test_walks_move_what_is_active():
    walks = actor_critic.Walks(Areas(True), [SQUARE, SQUARE])
    rewards, ended = walks.step(np.array([0, windows.STOP]))
    assert walks.windows == [Window(1, 1, 19, 19), WHOLE]
    assert rewards == pytest.approx([-1.001, -0.001])
    assert ended.tolist() == [False, True] and walks.active.tolist() == [True, False]
    rewards, ended = walks.step(np.array([11, 0]))
    assert walks.windows == [Window(1, 0, 19, 20), WHOLE]
    assert rewards == pytest.approx([1 - 0.002, 0]) and not ended.any()
    for _ in range(actor_critic.MOST_STEPS - 3):
        assert not walks.step(np.array([11, 0]))[1].any()
    assert walks.step(np.array([11, 0]))[1].tolist() == [True, False]
    assert not walks.active.any()


def test_the_agent_learns_what_is_rewarded(monkeypatch):
    photos, random = [SQUARE] * 16, np.random.default_rng(0)
    learner = actor_critic.Learner(small_agent(monkeypatch, 5), 3e-3, 0.01)
    rewards = [
        actor_critic.train_on(learner, Areas(False), photos, random)["reward"] for _ in range(40)
    ]
    assert np.mean(rewards[-5:]) > np.mean(rewards[:5]) + 3


def test_windows_are_seen_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(seen_windows, "PART", 2)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    views = [pixels, pixels[:, ::-1]]
    photos = [Photo("a.png", views[0], 1), Photo("b.png", views[1], 2)]
    places = [WHOLE, Window(2, 3, 15, 14)]
    teacher = Teacher()
    seen = SeenWindows(tmp_path, teacher)
    features, scores = seen.look([*photos, photos[0]], [*places, places[0]])
    assert features.shape == (3, 4, 1280) and features.dtype == np.float32
    assert (features[0] == features[2]).all() and len(seen) == 2
    shown = np.stack([seen_windows.picture(*pair) for pair in zip(views, places, strict=True)])
    vectors = bundle.build_trunk(teacher.trunk)(shown)
    pooled = vfn.spatial_pyramid(vectors, (2,)).numpy().reshape(2, 4, 1280)
    assert features[:2] == pytest.approx(pooled, abs=2e-3)
    assert scores[:2] == pytest.approx(teacher.judge(vectors).numpy(), abs=1e-3)
    seen.look(photos[:1], places[1:])
    seen.save()

    class Blind:
        sha256 = teacher.sha256

    again = SeenWindows(tmp_path, Blind())
    assert len(again) == 3
    kept = again.look([photos[1], photos[0]], [places[1]] * 2)
    fresh = seen.look([photos[1], photos[0]], [places[1]] * 2)
    assert all((own == other).all() for own, other in zip(kept, fresh, strict=True))


def test_pooled_windows_are_what_the_system_sees(monkeypatch):
    teacher = Teacher()
    tensors = {name: value.numpy() for name, value in small_agent(monkeypatch, 1280).items()}
    agent = Agent(tensors, (2,), "mean")
    system = cropper.A2RL(bundle.build_trunk(teacher.trunk), agent)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    window = Window(2, 3, 15, 14)
    expected = system.look([pixels], [window]).numpy()
    vectors = teacher.vectors(seen_windows.picture(pixels, window)[np.newaxis])
    pooled = vfn.spatial_pyramid(vectors, (2,)).numpy().reshape(1, 4, -1)
    assert agent.features(tf.constant(pooled)).numpy() == pytest.approx(expected, abs=1e-4)
    assert np.ptp(expected) > 0.1


def test_random_walks():
    random = np.random.default_rng(0)
    ends = [random_moves.walk(random, 50) for _ in range(2000)]
    assert np.mean([end == WHOLE for end in ends]) > 1 / 14  # Where the first action is "stop".
    assert all(0 <= end.left <= end.right <= 20 for end in ends)
    assert random_moves.walk_on(random, 0) == WHOLE
    moved = [random_moves.walk_on(random, 1) for _ in range(2000)]
    assert np.mean([end == WHOLE for end in moved]) == pytest.approx(2 / 13, abs=0.03)
    assert len(set(moved)) == 12  # "Higher" and "wider" change nothing.
    assert random_moves.shares([0, 0, 13, 2]).tolist() == [0.5, 0, 0.25, *[0] * 10, 0.25]

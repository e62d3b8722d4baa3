"""A2-RL without a golden: windows, inputs, episodes, and the head on another trunk."""

import numpy as np
import pytest

from cagic_tf.baselines.a2rl import cropper, episodes, preprocessing, windows
from cagic_tf.baselines.a2rl.episodes import Episodes
from cagic_tf.baselines.a2rl.network import Agent, Memory
from cagic_tf.baselines.a2rl.windows import Window
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.networks.trunks.alexnet import AlexNet
from cagic_tf.port import a2rl
from tests.baselines import seeded_croppers as seeded

SMALL = {"fc6": 16, "dense": 12, "state": 8}
WIDER, STOP = 12, 13


@pytest.fixture(scope="module")
def networks():
    """The real trunk and a narrow head, and their weights, from a seed."""
    weights = seeded.a2rl_weights(5, SMALL)
    trunk = AlexNet({name: weights[theirs] for theirs, name in a2rl.TRUNK.items()})
    return trunk, Agent(a2rl.convert(weights), (6,), "max"), weights


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    return [
        np.repeat(rng.integers(0, 256, (size[0], size[1], 3), np.uint8), 20, axis=1)
        for size in ((60, 4), (90, 7), (300, 10), (40, 3))
    ]


def boxes(system, photos):
    return [each[0].box for each in system.many(photos)]


@pytest.mark.parametrize(
    ("window", "action", "expected"),
    [
        ((0, 0, 20, 20), 0, (1, 1, 19, 19)),
        ((0, 0, 20, 20), 5, (1, 0, 20, 20)),  # Right, against the border: narrower.
        ((0, 0, 20, 20), 6, (0, 0, 19, 20)),
        ((3, 0, 9, 8), 7, (3, 0, 9, 7)),
        ((3, 0, 9, 8), 8, (3, 1, 9, 9)),
        ((3, 5, 9, 20), 8, (3, 6, 9, 20)),
        ((0, 2, 20, 9), 12, (0, 2, 20, 9)),  # As wide as can be.
        ((5, 5, 10, 12), 11, (5, 4, 10, 13)),
        ((5, 5, 10, 12), 13, (5, 5, 10, 12)),
    ],
)
def test_actions_keep_each_number_within_the_photo(window, action, expected):
    assert windows.act(Window(*window), action) == expected


@pytest.mark.parametrize(
    ("window", "action", "expected"),
    [
        ((0, 0, 5, 5), 0, False),
        ((0, 0, 5, 5), STOP, True),
        ((0, 0, 4, 20), 1, True),
        ((0, 17, 20, 20), 1, True),
        ((1, 1, 6, 20), 12, False),
    ],
)
def test_an_episode_ends_where_a_side_is_small(window, action, expected):
    assert windows.ends(Window(*window), action) == expected


def test_pixels_are_truncated_in_the_authors_order():
    assert windows.pixels(Window(7, 14, 14, 20), 90, 180) == (31, 125, 62, 180)
    assert 14 * 90 // 20 == 63  # What exact arithmetic gives.
    assert windows.pixels(Window(16, 17, 20, 20), 1, 1) == (0, 0, 1, 1)


@pytest.mark.parametrize(("height", "width"), [(90, 300), (227, 227), (1, 40), (500, 2)])
def test_resize_is_linear_between_pixels_and_grey_outside(height, width):
    """By NumPy's own interpolation, on rows and columns with a grey one at each end."""
    window = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    values = window / 255 - 0.5

    def line(values, wanted):
        places = (np.arange(wanted) + 0.5) * len(values) / wanted - 0.5
        return np.interp(places, np.arange(-1, len(values) + 1), [0, *values, 0])

    rows = np.apply_along_axis(line, 0, values, 227)
    expected = np.apply_along_axis(line, 1, rows, 227).clip(values.min(), values.max())
    found = preprocessing.resize(window, 227, 227)
    assert found.dtype == np.float32 and found.shape == (227, 227, 3)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_resize_does_not_smooth_what_it_makes_smaller():
    """Of three columns each time the middle one alone is seen."""
    window = np.zeros((30, 3 * 20, 3), np.uint8)
    window[:, 1::3] = 200
    found = preprocessing.resize(window, 10, 20)
    np.testing.assert_allclose(found, 200 / 255 - 0.5, atol=1e-6)


def test_resize_keeps_to_the_range_of_the_window():
    """A bright window that is made larger keeps its border; a mixed one's is blended with grey."""
    bright = np.full((20, 20, 3), 250, np.uint8)
    np.testing.assert_allclose(preprocessing.resize(bright, 40, 40), 250 / 255 - 0.5, atol=1e-6)
    mixed = bright.copy()
    mixed[10, 10] = 0
    found = preprocessing.resize(mixed, 40, 40)
    assert found[0, 20, 0] == pytest.approx(0.75 * (250 / 255 - 0.5), abs=1e-6)


def test_lstm_by_hand(networks):
    """PyTorch's gates i, f, g, o, and both biases, without one for forgetting."""
    _, agent, weights = networks
    rng = np.random.default_rng(2)
    photo, window, h, c = (
        rng.standard_normal((1, size)).astype(np.float32) for size in (16, 16, 8, 8)
    )
    x = np.concatenate([photo, window], axis=1)
    for name in ("fc1", "fc2", "fc3"):
        x = np.maximum(x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"], 0)
    gates = x @ weights["lstm.weight_ih"].T + weights["lstm.bias_ih"]
    gates += h @ weights["lstm.weight_hh"].T + weights["lstm.bias_hh"]
    i, f, g, o = np.split(gates, 4, axis=1)
    cell = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    output = np.tanh(cell) / (1 + np.exp(-o))
    logits, memory = agent.decide(photo, window, Memory(h, c))
    np.testing.assert_allclose(memory.cell, cell, atol=1e-5)
    np.testing.assert_allclose(memory.output, output, atol=1e-5)
    expected = output @ weights["action_fc.weight"].T + weights["action_fc.bias"]
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_array_equal(agent.start(3).cell, np.zeros((3, 8)))


def test_draws_follow_the_probabilities():
    logits = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    for uniform, action in ((0, 0), (0.09, 0), (0.11, 1), (0.29, 1), (0.31, 2), (0.61, 3)):
        assert episodes.draw(logits, uniform) == action
    found = np.bincount([episodes.draw(logits, u) for u in np.linspace(0, 1, 1000, endpoint=False)])
    np.testing.assert_allclose(found, [100, 200, 300, 400], atol=1)
    assert episodes.draw(np.array([1e4, -1e4, 0], np.float32), np.nextafter(1, 0)) == 0


def test_photos_side_by_side_get_what_each_gets_alone(networks, photos):
    for settings in (Episodes(seed=3), Episodes(greedy=True, most_steps=12)):
        system = cropper.A2RL(*networks[:2], settings)
        alone = [boxes(system, [photo])[0] for photo in photos]
        assert boxes(system, photos) == alone
        assert boxes(system, photos[::-1]) == alone[::-1]
    assert system.many([]) == []


def test_a_seed_gives_the_same_boxes_again(networks, photos):
    def run(seed):
        return boxes(cropper.A2RL(*networks[:2], Episodes(seed=seed)), photos)

    first = run(0)
    assert run(0) == first
    assert any(run(seed) != first for seed in (1, 2, -1))


def test_an_agent_that_is_greedy_does_the_same_again(networks, photos):
    def run(seed):
        settings = Episodes(seed=seed, greedy=True, most_steps=9)
        return cropper.A2RL(*networks[:2], settings).episodes(photos[:2])

    first, second = run(0), run(1)
    for own, other in zip(first, second, strict=True):
        assert [step.action for step in own] == [step.action for step in other]
        assert [step.action for step in own] == [int(np.argmax(step.logits)) for step in own]


def test_a_limit_ends_what_would_go_on_for_ever(networks, photos):
    system = cropper.A2RL(*networks[:2], Episodes(most_steps=7))
    forever, stop = (lambda logits: WIDER), (lambda logits: STOP)
    long, short = system.episodes(photos[:2], [forever, stop])
    assert [step.window for step in long] == [windows.WHOLE] * 7
    assert [step.action for step in short] == [STOP]


def test_the_box_is_the_last_windows_and_its_score_the_last_actions(networks, photos):
    system = cropper.A2RL(*networks[:2], Episodes(seed=4))
    steps, found = system.episodes(photos[1:2])[0], system.boxes(photos[1])
    left, top, right, bottom = windows.pixels(steps[-1].window, 140, 90)
    assert [each.box for each in found] == [(left, top, right - left, bottom - top)]
    shares = np.exp(steps[-1].logits) / np.exp(steps[-1].logits).sum()
    assert found[0].score == pytest.approx(shares[steps[-1].action], rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (5, 3), (19, 19)])
def test_tiny_photos_have_a_crop(size, networks):
    photo = np.zeros((*size, 3), np.uint8)
    system = cropper.A2RL(*networks[:2], Episodes(most_steps=30))
    shrink = [lambda logits: 0]
    last = system.episodes([photo], shrink)[0][-1].window
    assert last.right - last.left == 4
    ((x, y, w, h),) = (each.box for each in system.boxes(photo))
    assert 0 <= x < x + w <= size[1] and 0 <= y < y + h <= size[0]


@pytest.mark.parametrize(
    "photo",
    [
        np.zeros((9, 9, 3)),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros((9, 9), np.uint8),
        np.zeros((0, 9, 3), np.uint8),
        "photo.jpg",
    ],
)
def test_what_is_no_photo(photo, networks):
    with pytest.raises(ValueError, match="uint8 is needed") as caught:
        cropper.A2RL(*networks[:2]).boxes(photo)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"seed": 2**32}, {"seed": 0.5}, {"most_steps": 0}, {"greedy": "yes"}]
)
def test_wrong_settings(wrong):
    with pytest.raises(ValueError, match="needed") as caught:
        Episodes(**wrong)
    assert "\n" not in str(caught.value)


def test_a_missing_checkpoint_says_how_to_get_it(tmp_path):
    with pytest.raises(checkpoints.CheckpointError) as caught:
        cropper.load(tmp_path / "none")
    message = str(caught.value)
    assert "get vfn_rl.pkl" in message and "https://github.com/wuhuikai/TF-A2RL" in message
    command = "python -m cagic_tf.port a2rl --weights=vfn_rl.pkl --output="
    assert message.endswith(f"{command}{tmp_path / 'none'}")


def test_a_head_on_the_embedded_trunk(tmp_path, photos):
    """Another trunk's grid and channels, and other bins, as its checkpoint says."""
    lite0 = checkpoints.load(bundle.find("lite0"))
    shapes = seeded.a2rl_shapes(SMALL) | {"fc6w": (9 * 1280, 16)}
    rng = np.random.default_rng(3)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32) * 0.1 for name, shape in shapes.items()
    }
    extra = {"trunk": "lite0", "trunk_sha256": lite0.sha256, "bins": (3,), "pooling": "mean"}
    record = {"source": "a test", "command": "pytest", "commit": "x"}
    checkpoints.save(tmp_path, "a2rl", a2rl.convert(weights), extra=extra, **record)
    system = cropper.load(tmp_path, Episodes(most_steps=3))
    assert system.input(photos[0], windows.WHOLE).shape == (224, 224, 3)
    ((x, y, w, h),) = (each.box for each in system.boxes(photos[0]))
    assert 0 <= x < x + w <= 80 and 0 <= y < y + h <= 60

"""The detector once more in NumPy and loops, from the released layouts: slow, and plain to read."""

import itertools

import numpy as np


def convolution(x, kernel, bias=None, stride=1):
    """A convolution of `[C, H, W]` by `[D, C, k, k]`, padded by k // 2 on every side."""
    pad = kernel.shape[2] // 2
    x = np.pad(x, [(0, 0), (pad, pad), (pad, pad)])
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(1, 2))
    found = np.einsum("chwij,dcij->dhw", windows[:, ::stride, ::stride], kernel, optimize=True)
    return found if bias is None else found + bias[:, None, None]


def norm(x, state, name):
    """A batch norm with fixed statistics."""
    weight, bias, mean, variance = (
        state[f"{name}.{part}"].astype(np.float64)[:, None, None]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * weight + bias


def layer(x, state, name, blocks, stride):
    """A stage of ResNet101."""
    for index in range(blocks):
        at, step = f"{name}.{index}", 1 if index else stride
        shortcut = x
        if f"{at}.downsample.0.weight" in state:
            shortcut = convolution(x, state[f"{at}.downsample.0.weight"], stride=step)
            shortcut = norm(shortcut, state, f"{at}.downsample.1")
        for number in (1, 2, 3):
            x = convolution(x, state[f"{at}.conv{number}.weight"], stride=step)
            x, step = norm(x, state, f"{at}.bn{number}"), 1
            x = np.maximum(x, 0) if number < 3 else x
        x = np.maximum(x + shortcut, 0)
    return x


def grid(picture, state):
    """`[C, H', W']` of a BGR picture `[3, H, W]` without its mean."""
    x = convolution(picture.astype(np.float64), state["resnet.conv1.weight"], stride=2)
    x = np.maximum(norm(x, state, "resnet.bn1"), 0)
    x = np.pad(x, [(0, 0), (1, 1), (1, 1)], constant_values=-np.inf)
    x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max((3, 4))
    for name, blocks, stride in (("layer1", 3, 1), ("layer2", 4, 2), ("layer3", 23, 2)):
        x = layer(x, state, f"resnet.{name}", blocks, stride)
    return x


def crop(features, box):
    """7 x 7 places of `[C, H, W]` in a box x1, y1, x2, y2."""
    _, height, width = features.shape
    found = np.zeros((features.shape[0], 7, 7))
    columns, rows = (np.linspace(box[at], box[at + 2], 7) / 16 for at in (0, 1))
    for (i, y), (j, x) in itertools.product(enumerate(rows), enumerate(columns)):
        top, left = int(np.floor(y)), int(np.floor(x))
        for row, column in itertools.product((top, top + 1), (left, left + 1)):
            if 0 <= row < height and 0 <= column < width:
                share = (1 - abs(y - row)) * (1 - abs(x - column))
                found[:, i, j] += share * features[:, row, column]
    return found


def softmax(x, axis):
    """Along an axis."""
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def move(box, delta, height, width):
    """One box, moved and clipped."""
    x1, y1, x2, y2 = map(float, box)
    w, h = x2 - x1 + 1, y2 - y1 + 1
    x, y = x1 + w / 2 + delta[0] * w, y1 + h / 2 + delta[1] * h
    w, h = w * np.exp(delta[2]), h * np.exp(delta[3])
    ends = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    last = [width - 1, height - 1] * 2
    return [min(max(end, 0), most) for end, most in zip(ends, last, strict=True)]


def overlap(one, other):
    """Intersection over union, sizes with + 1."""
    width = max(min(one[2], other[2]) - max(one[0], other[0]) + 1, 0)
    height = max(min(one[3], other[3]) - max(one[1], other[1]) + 1, 0)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def distinct(boxes, scores, drops, most=None):
    """Which boxes are left, best first; `drops` says of an overlap whether it is too much."""
    kept = []
    for number in sorted(range(len(boxes)), key=lambda number: -scores[number]):
        if len(kept) != most and not any(
            drops(overlap(boxes[number], boxes[other])) for other in kept
        ):
            kept.append(number)
    return kept


def anchor_sizes():
    """Widths and heights of the twelve anchors, as py-faster-rcnn's rule gives them."""
    return [(s * w, s * h) for w, h in ((23, 12), (16, 16), (11, 22)) for s in (4, 8, 16, 32)]


def propose(features, state):
    """Probabilities of an object and deltas of all anchors, row by row, column by column."""
    hidden = convolution(features, state["rpn_net.weight"], state["rpn_net.bias"])
    scores, deltas = (
        convolution(
            np.maximum(hidden, 0), state[f"rpn_{name}_net.weight"], state[f"rpn_{name}_net.bias"]
        )
        for name in ("cls_score", "bbox_pred")
    )
    _, rows, columns = scores.shape
    # The authors' reshape to two channels: the background's anchors, and the objects'.
    likely = softmax(scores.reshape(2, 12 * rows, columns), 0).reshape(24, rows, columns)[12:]
    deltas = deltas.reshape(12, 4, rows, columns)
    return likely.transpose(1, 2, 0).reshape(-1), deltas.transpose(2, 3, 0, 1).reshape(-1, 4)


def anchors(rows, columns):
    """All anchors of a grid, from the sizes that py-faster-rcnn's rule gives them."""
    sizes = [(s * w, s * h) for w, h in ((23, 12), (16, 16), (11, 22)) for s in (4, 8, 16, 32)]
    for row, column, (w, h) in itertools.product(range(rows), range(columns), sizes):
        x, y = 16 * column + 7.5, 16 * row + 7.5
        yield x - (w - 1) / 2, y - (h - 1) / 2, x + (w - 1) / 2, y + (h - 1) / 2


def choose(likely, deltas, grid, size):
    """The regions of all anchors; `grid` and `size` are heights and widths."""
    moved = [move(one, by, *size) for one, by in zip(anchors(*grid), deltas, strict=True)]
    best = sorted(range(len(moved)), key=lambda number: -likely[number])[:6000]
    boxes, scores = [moved[number] for number in best], [likely[number] for number in best]
    return [boxes[number] for number in distinct(boxes, scores, lambda much: much > 0.7, 300)]


def judge(features, region, state):
    """A region's probabilities of the classes, and how to move it for each."""
    mean = layer(crop(features, region), state, "resnet.layer4", 3, 1).mean((1, 2))
    scores, deltas = (
        state[f"{name}_net.weight"].astype(np.float64) @ mean + state[f"{name}_net.bias"]
        for name in ("cls_score", "bbox_pred")
    )
    return softmax(scores, 0), deltas.reshape(-1, 4) * [0.1, 0.1, 0.2, 0.2]


def select(probabilities, candidates):
    """Boxes and classes of what is found."""
    kept = []
    for number in range(1, len(probabilities[0])):
        boxes = [candidate[number] for candidate in candidates]
        scores = [probability[number] for probability in probabilities]
        left = distinct(boxes, scores, lambda much: much >= 0.3)
        kept += [(number, boxes[one], scores[one]) for one in left]
    threshold = 0.65
    while not any(score >= threshold for *_, score in kept):
        threshold -= 0.1
    kept = [(number, box) for number, box, score in kept if score >= threshold]
    return np.array([box for _, box in kept]), [number for number, _ in kept]


def detect(features, state, scale, size, photo_size):
    """Boxes x, y, w, h and classes of what is found in a grid `[C, H, W]`.

    `scale` is the picture's size to the photo's; the sizes are heights and widths.
    """
    candidates, probabilities = [], []
    for region in choose(*propose(features, state), features.shape[1:], size):
        likely, deltas = judge(features, region, state)
        in_photo = [end / scale for end in region]
        candidates.append([move(in_photo, delta, *photo_size) for delta in deltas])
        probabilities.append(likely)
    ends, classes = select(probabilities, candidates)
    return np.concatenate([ends[:, :2], ends[:, 2:] - ends[:, :2] + 1], axis=1), classes

"""Eq. 1 written out in NumPy, one output pixel after the other."""

import numpy as np

SIZES = [(1, 1), (1, 7), (6, 1), (2, 2), (5, 9), (12, 8)]
THETAS = np.array(
    [
        [0, 0, 1],
        [0.13, -0.21, 0.37],
        [-0.5, 0.5, 0.5],  # At the border.
        [0.63, 0.63, 0.37],
        [0.4, -0.4, 0.6],  # In a corner.
        [0.02, 0.01, 1e-3],  # Far within one pixel.
    ]
)


def picture(height, width, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (height, width, 3))


def hats(place, length):
    """What each pixel along an axis has in the value at a place, in pixels from the first one."""
    return np.maximum(0, 1 - np.abs(np.arange(length) - min(max(place, 0), length - 1)))


def bilinear_crop(image, theta, size, window=(1, 1), photo_size=None):
    """Every output pixel by itself: hat functions around the clamped position on each axis.

    `photo_size` is that of the photo in pixels of the image, which may have been rounded.
    """
    height, width = photo_size or image.shape[:2]
    x, y, scale = theta
    crop = np.zeros((*size, 3))
    for i in range(size[0]):
        row = (y + scale * window[1] * ((i + 0.5) / size[0] * 2 - 1) + 1) / 2 * height - 0.5
        for j in range(size[1]):
            reach = scale * window[0] * ((j + 0.5) / size[1] * 2 - 1)
            column = (x + reach + 1) / 2 * width - 0.5
            down, across = hats(row, image.shape[0]), hats(column, image.shape[1])
            crop[i, j] = np.einsum("h,w,hwc->c", down, across, image)
    return crop


def resize(image, size, steps=None):
    """Antialiased bilinear: a triangle as wide as the step between output pixels, normalized."""
    for axis, target in enumerate(size):
        length = image.shape[axis]
        step = steps[axis] if steps else length / target
        centers = (np.arange(target) + 0.5) * step - 0.5
        distance = np.abs(np.arange(length) - centers[:, None]) / max(step, 1)
        weights = np.maximum(0, 1 - distance)
        weights /= weights.sum(1, keepdims=True)
        image = np.moveaxis(np.tensordot(weights, image, (1, axis)), 0, axis)
    return image


def blur(image, sigma):
    """One axis after the other, edges mirrored with the edge pixel repeated."""
    radius = min(int(np.ceil(3 * sigma)), *image.shape[:2])
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2) if sigma else np.ones(1)
    kernel /= kernel.sum()
    for axis in (0, 1):
        length = image.shape[axis]
        blurred = np.zeros_like(image)
        for offset, weight in zip(offsets, kernel, strict=True):
            at = np.arange(length) + offset
            at = np.where(at < 0, -1 - at, np.where(at >= length, 2 * length - 1 - at, at))
            blurred += weight * np.take(image, at, axis)
        image = blurred
    return image

"""Multi-scale bilinear sampling (Eq. 1): a blurred pyramid and a differentiable crop of it.

Eq. 1 is the mean of one bilinear crop of each level of the pyramid. Between the centres of its
pixels a bilinear picture is linear along each axis; those of a level that is m times as small as
the photo lie on whole or half pixels of the photo. So the levels' mean is linear between half
pixels, and its values there say all of it: they are computed once a photo (`pyramid_mean`), and a
crop of them takes a quarter of the samples that crops of four levels take.

After that only the crop parameters change. The photo needs no gradient, the three numbers of a crop
do: nothing is scattered back into the photo.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from cagic_tf.method import pixel_lists
from cagic_tf.system import devices

# Of a pixel, and a little more: one whose centre is past the border by a rounding error is black.
HALF = 0.501
# Of a picture's side, about as much as rounding in single precision: see `_crop_and_resize`.
NUDGE = 2.0**-23
BaseSize = Any  # `(w, h)`, two numbers in (0, 1]: a tensor or a sequence.


def gaussian_blur(image: tf.Tensor, sigma: tf.Tensor | float) -> tf.Tensor:
    """Blurs with a separable Gaussian cut at three standard deviations; edges are mirrored.

    Args:
      image: `[H, W, C]`, float.
      sigma: Standard deviation in pixels of `image`; 0 leaves the image as it is.

    Returns:
      `[H, W, C]`, same dtype.
    """
    sigma = tf.convert_to_tensor(sigma, image.dtype)
    # SYMMETRIC padding can mirror at most a whole side.
    shortest = tf.minimum(tf.shape(image)[0], tf.shape(image)[1])
    radius = tf.minimum(tf.cast(tf.math.ceil(3 * sigma), tf.int32), shortest)
    offsets = tf.cast(tf.range(-radius, radius + 1), image.dtype)
    kernel = tf.exp(-0.5 * tf.square(offsets / tf.maximum(sigma, 1e-6)))
    kernel /= tf.reduce_sum(kernel)
    padded = tf.pad(image, [[radius, radius], [radius, radius], [0, 0]], "SYMMETRIC")
    stack = tf.transpose(padded, [2, 0, 1])[..., tf.newaxis]
    stack = tf.nn.conv2d(stack, kernel[:, None, None, None], 1, "VALID")
    stack = tf.nn.conv2d(stack, kernel[None, :, None, None], 1, "VALID")
    return tf.transpose(stack[..., 0], [1, 2, 0])


def reduce(image: tf.Tensor, shortest: int) -> tf.Tensor:
    """The picture with a shorter side of at most `shortest` pixels, antialiased.

    Args:
      image: `[H, W, 3]`, float, any value range.
      shortest: Pixels; a picture with fewer stays as it is.

    Returns:
      `[H', W', 3]`, same dtype and, within a pixel, same aspect ratio.
    """
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    size *= tf.minimum(1.0, shortest / tf.reduce_min(size))
    size = tf.maximum(tf.cast(tf.round(size), tf.int32), 1)
    return tf.cast(tf.image.resize(image, size, antialias=True), image.dtype)


def build_pyramid(
    image: tf.Tensor, factors: Sequence[float], sigma: tf.Tensor | float
) -> list[tf.Tensor]:
    """`Resize(I, s)` for every s in S, each followed by a Gaussian blur (Eq. 1 and below it).

    Args:
      image: `[H, W, 3]`, float, any value range.
      factors: The set S of resize factors, each in (0, 1].
      sigma: Standard deviation of the blur, in pixels of the resized level.

    Returns:
      One `[max(1, round(H * s)), max(1, round(W * s)), 3]` tensor for each factor, in order, a half
      rounded down. Pixel i of a level is centred at (i + 1/2) / s pixels of the picture, whatever
      was rounded.
    """
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    levels = []
    for factor in factors:
        level = image
        if factor != 1:
            # Antialiased: a plain bilinear reduction to a quarter skips three pixels in four. Not
            # `tf.image.resize`, which fits the scale to the rounded size.
            level = tf.raw_ops.ScaleAndTranslate(
                images=image[tf.newaxis],
                size=tf.maximum(tf.cast(tf.math.ceil(size * factor - HALF), tf.int32), 1),
                scale=_level_scale(factor, size),
                translation=[0.0, 0.0],
                kernel_type="triangle",
                antialias=True,
            )[0]
        levels.append(gaussian_blur(tf.cast(level, image.dtype), sigma))
    return levels


def pyramid_mean(image: tf.Tensor, factors: Sequence[float], sigma: tf.Tensor | float) -> tf.Tensor:
    """The mean over the pyramid of Eq. 1, at every half pixel of the photo, borders included.

    Linear between these, it is the mean of the bilinear levels: exactly, where every 1 / s is a
    whole number, as in the paper's S. Pixels of other levels have their centres elsewhere too, and
    the bends there are cut off.

    Args:
      image: `[H, W, 3]`, float, any value range.
      factors: The set S of resize factors, each in (0, 1].
      sigma: Standard deviation of the blur, in pixels of the resized level; 0 for none.

    Returns:
      `[2 H + 1, 2 W + 1, 3]`, same dtype: from border to border, in steps of half a pixel. Between
      the border and the centre of a level's pixel next to it, that pixel is repeated.
    """
    size = tf.shape(image)[:2]
    total = tf.zeros([], image.dtype)
    for level, factor in zip(build_pyramid(image, factors, sigma), factors, strict=True):
        # One after the other: each is as large as the result.
        with tf.control_dependencies([total]):
            total += _at_half_pixels(level, factor, size)
    return total / len(factors)


def _at_half_pixels(level: tf.Tensor, factor: float, size: tf.Tensor) -> tf.Tensor:
    """A level's values at every half pixel of the picture, which has `size`."""
    scale = _level_scale(factor, tf.cast(size, level.dtype))
    for axis in (1, 0):  # Columns first, since they are slow and a level has few rows.
        halves = tf.cast(tf.range(2 * size[axis] + 1), level.dtype)
        level = _interpolate(level, halves / 2 * scale[axis] - 0.5, axis)
    return level


def _level_scale(factor: float, size: tf.Tensor) -> tf.Tensor:
    """Pixels of a level for one of the picture, on each axis: `factor`, but at least one in all."""
    return tf.maximum(tf.constant(factor, size.dtype), 1 / size)


def _interpolate(image: tf.Tensor, position: tf.Tensor, axis: int) -> tf.Tensor:
    """The picture at positions along an axis, in pixels from the first one's centre."""
    first, second, share = pixel_lists.taps(position, tf.shape(image)[axis])
    share = tf.reshape(share, [-1, 1, 1] if axis == 0 else [-1, 1])
    start = tf.gather(image, first, axis=axis)
    return start + share * (tf.gather(image, second, axis=axis) - start)


def crop(
    picture: tf.Tensor, theta: tf.Tensor, size: tuple[int, int], base_size: BaseSize = (1.0, 1.0)
) -> tf.Tensor:
    """`I_crop(theta)` of Eq. 1: bilinear crops, differentiable by theta only.

    Args:
      picture: `[2 H + 1, 2 W + 1, 3]`, float32 or float64, what `pyramid_mean` returned; treated as
        a constant.
      theta: `[N, 3]` rows `(x, y, s)`, same dtype; x, y in [-1, 1], s in (0, 1]. The crop lies
        inside the picture: |x| + s w and |y| + s h are at most 1.
      size: Height and width of the crops in pixels.
      base_size: `(w, h)`, sides of the crop of scale 1 as fractions of the picture's; a tensor
        has the same dtype.

    Returns:
      `[N, size[0], size[1], 3]`, in the value range of the picture.
    """
    picture = tf.stop_gradient(picture)
    # TensorFlow's own kernel is three times as fast on a CPU. On a GPU its gradient adds in another
    # order each time, and it knows no float64.
    if picture.dtype == tf.float32 and not devices.on_gpu():
        return _crop_and_resize(picture, theta, size, base_size)
    return _crop_gathered(picture, theta, size, base_size)


def _crop_and_resize(
    picture: tf.Tensor, theta: tf.Tensor, size: tuple[int, int], base_size: BaseSize
) -> tf.Tensor:
    """The crop by `tf.image.crop_and_resize`.

    Its gradient leaves out what is sampled at one of the picture's values and not between them: all
    of a crop whose places are whole steps. So all places are a rounding error further on, and the
    slopes there are those behind such a value, as `pixel_lists.taps` has them.
    """
    ends = []
    for axis, center, side in ((0, theta[:, 1], base_size[1]), (1, theta[:, 0], base_size[0])):
        reach = theta[:, 2] * side * (1 - 1 / size[axis])  # To the centre of the crop's last pixel.
        # As a share of the way from the picture's first border to its last.
        ends.append([(center + sign * reach + 1) / 2 + NUDGE for sign in (-1, 1)])
    (top, bottom), (left, right) = ends
    boxes = tf.stack([top, left, bottom, right], axis=1)
    rows = tf.zeros([tf.shape(theta)[0]], tf.int32)
    return tf.image.crop_and_resize(picture[tf.newaxis], boxes, rows, size)


def _crop_gathered(
    picture: tf.Tensor, theta: tf.Tensor, size: tuple[int, int], base_size: BaseSize
) -> tf.Tensor:
    """The crop in our own terms, for any dtype and device."""
    height, width = tf.shape(picture)[0], tf.shape(picture)[1]
    places = pixel_lists.Places(tf.constant(0), height, width)
    return pixel_lists.crop(tf.reshape(picture, [-1, 3]), places, theta, size, base_size)

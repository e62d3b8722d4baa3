"""Multi-scale bilinear sampling (Eq. 1): a blurred pyramid and a differentiable crop of it.

Eq. 1 is the mean of one bilinear crop of each level of the pyramid. Between the centres of its
pixels a bilinear picture is linear along each axis; those of a level that is m times as small as
the photo lie on whole or half pixels of the photo. So the levels' mean is linear between half
pixels, and its values there say all of it: they are computed once a photo (`pyramid_mean`), and a
crop of them takes a quarter of the samples that crops of four levels take.

After that only the crop parameters change. The photo needs no gradient, the three numbers of a crop
do: nothing is scattered back into the photo.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

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
    first, second, share = _taps(position, tf.shape(image)[axis])
    share = tf.reshape(share, [-1, 1, 1] if axis == 0 else [-1, 1])
    start = tf.gather(image, first, axis=axis)
    return start + share * (tf.gather(image, second, axis=axis) - start)


def _taps(position: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The two pixels around each position, and how far it lies from the first to the second."""
    last = size - 1
    inside = tf.clip_by_value(position, 0.0, tf.cast(last, position.dtype))
    first = tf.minimum(tf.cast(tf.floor(inside), tf.int32), tf.maximum(last - 1, 0))
    return first, tf.minimum(first + 1, last), inside - tf.cast(first, position.dtype)


def _crop_and_derivatives(
    picture: tf.Tensor, theta: tf.Tensor, size: tuple[int, int], base_size: BaseSize
) -> tuple[tf.Tensor, tf.Tensor, Callable[[], tf.Tensor], tf.Tensor, tf.Tensor]:
    """The crop, with its derivative by the sampling position on each axis.

    An axis-aligned crop is separable: rows are interpolated first, then columns. The backward pass
    sums the derivative images against the incoming gradient.
    """
    dtype = picture.dtype
    height, width = tf.shape(picture)[0], tf.shape(picture)[1]
    # From the photo's centre to its border, in steps of the picture's.
    half_height, half_width = tf.cast(height - 1, dtype) / 2, tf.cast(width - 1, dtype) / 2
    # Pixel centres of the output in -1..1 of the crop, then in steps of the picture.
    grid_y = (2 * tf.range(size[0], dtype=dtype) + 1) / size[0] - 1
    grid_x = (2 * tf.range(size[1], dtype=dtype) + 1) / size[1] - 1
    # By which a crop's sides exceed its scale: part of the grids, so that their gradient has it.
    grid_x, grid_y = base_size[0] * grid_x, base_size[1] * grid_y
    x, y, scale = theta[:, 0:1], theta[:, 1:2], theta[:, 2:3]
    row = (y + scale * grid_y + 1) * half_height  # [N, h]
    column = (x + scale * grid_x + 1) * half_width  # [N, w]
    top, bottom, down = _taps(row, height)
    left, right, across = _taps(column, width)
    down, across = down[:, :, None, None], across[:, None, :, None]

    top_rows, bottom_rows = tf.gather(picture, top), tf.gather(picture, bottom)  # [N, h, W, 3]
    step_rows = bottom_rows - top_rows
    rows = top_rows + down * step_rows
    left_pixels = tf.gather(rows, left, axis=2, batch_dims=1)
    by_column = tf.gather(rows, right, axis=2, batch_dims=1) - left_pixels
    crops = left_pixels + across * by_column  # [N, h, w, 3]

    def by_row() -> tf.Tensor:
        start = tf.gather(step_rows, left, axis=2, batch_dims=1)
        end = tf.gather(step_rows, right, axis=2, batch_dims=1)
        return (start + across * (end - start)) * half_height

    return crops, by_column * half_width, by_row, grid_x, grid_y


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
    return _crop_separably(picture, theta, size, base_size)


def _crop_and_resize(
    picture: tf.Tensor, theta: tf.Tensor, size: tuple[int, int], base_size: BaseSize
) -> tf.Tensor:
    """The crop by `tf.image.crop_and_resize`.

    Its gradient leaves out what is sampled at one of the picture's values and not between them: all
    of a crop whose places are whole steps. So all places are a rounding error further on, and the
    slopes there are those behind such a value, as `_taps` has them.
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


def _crop_separably(
    picture: tf.Tensor, theta: tf.Tensor, size: tuple[int, int], base_size: BaseSize
) -> tf.Tensor:
    """The crop in our own terms, for any dtype and device."""

    @tf.custom_gradient
    def sample(theta: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        crops, by_x, by_row, grid_x, grid_y = _crop_and_derivatives(picture, theta, size, base_size)

        def grad(upstream: tf.Tensor) -> tf.Tensor:
            along_x = tf.reduce_sum(upstream * by_x, axis=[1, 3])  # [N, w]
            along_y = tf.reduce_sum(upstream * by_row(), axis=[2, 3])  # [N, h]
            along_scale = tf.linalg.matvec(along_x, grid_x) + tf.linalg.matvec(along_y, grid_y)
            totals = [tf.reduce_sum(along_x, 1), tf.reduce_sum(along_y, 1), along_scale]
            return tf.stack(totals, axis=1)

        return crops, grad

    return sample(theta)

"""Multi-scale bilinear sampling (Eq. 1): a blurred pyramid and a differentiable crop of it.

The photo goes through `build_pyramid` once; after that only the crop parameters change. The photo
needs no gradient, the three numbers of a crop do: nothing is scattered back into the photo.
"""

from collections.abc import Sequence

import tensorflow as tf

from cagic_tf import devices

Window = tf.Tensor | Sequence[float]  # `(w, h)`: two numbers in (0, 1].


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
    return _resize(image, size * tf.minimum(1.0, shortest / tf.reduce_min(size)))


def _resize(image, size):
    """Antialiased: a plain bilinear reduction to a quarter skips three pixels in four."""
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
      One `[max(1, round(H * s)), max(1, round(W * s)), 3]` tensor for each factor, in order.
    """
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    levels = []
    for factor in factors:
        level = image
        if factor != 1:
            level = _resize(image, size * factor)
        levels.append(gaussian_blur(level, sigma))
    return levels


def _taps(position: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The two pixels around each position, and how far it lies from the first to the second."""
    last = size - 1
    inside = tf.clip_by_value(position, 0.0, tf.cast(last, position.dtype))
    first = tf.minimum(tf.cast(tf.floor(inside), tf.int32), tf.maximum(last - 1, 0))
    return first, tf.minimum(first + 1, last), inside - tf.cast(first, position.dtype)


def _crop_and_derivatives(
    image: tf.Tensor, theta: tf.Tensor, size: tuple[int, int], window: Window
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Crops one level, with the crop's derivative by the sampling position on each axis.

    An axis-aligned crop is separable: rows are interpolated first, then columns. The backward pass
    sums the derivative images against the incoming gradient.
    """
    dtype = image.dtype
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    half_height, half_width = tf.cast(height, dtype) / 2, tf.cast(width, dtype) / 2
    # Pixel centres of the output in -1..1 of the crop, then in pixels of this level.
    grid_y = (2 * tf.range(size[0], dtype=dtype) + 1) / size[0] - 1
    grid_x = (2 * tf.range(size[1], dtype=dtype) + 1) / size[1] - 1
    # By which a crop's sides exceed its scale: part of the grids, so that their gradient has it.
    grid_x, grid_y = window[0] * grid_x, window[1] * grid_y
    x, y, scale = theta[:, 0:1], theta[:, 1:2], theta[:, 2:3]
    row = (y + scale * grid_y + 1) * half_height - 0.5  # [N, h]
    column = (x + scale * grid_x + 1) * half_width - 0.5  # [N, w]
    top, bottom, down = _taps(row, height)
    left, right, across = _taps(column, width)
    down, across = down[:, :, None, None], across[:, None, :, None]

    top_rows, bottom_rows = tf.gather(image, top), tf.gather(image, bottom)  # [N, h, W, 3]
    step_rows = bottom_rows - top_rows
    rows = top_rows + down * step_rows
    left_pixels = tf.gather(rows, left, axis=2, batch_dims=1)
    by_column = tf.gather(rows, right, axis=2, batch_dims=1) - left_pixels
    crop = left_pixels + across * by_column  # [N, h, w, 3]

    def by_row():
        start = tf.gather(step_rows, left, axis=2, batch_dims=1)
        end = tf.gather(step_rows, right, axis=2, batch_dims=1)
        inside = tf.cast((row >= 0) & (row <= tf.cast(height - 1, dtype)), dtype)
        return (start + across * (end - start)) * (inside * half_height)[:, :, None, None]

    inside = tf.cast((column >= 0) & (column <= tf.cast(width - 1, dtype)), dtype)
    by_x = by_column * (inside * half_width)[:, None, :, None]
    return crop, by_x, by_row, grid_x, grid_y


def crop_level(
    image: tf.Tensor, theta: tf.Tensor, size: tuple[int, int], window: Window = (1.0, 1.0)
) -> tf.Tensor:
    """`Sample(I, theta)`: bilinear crops of one picture, differentiable by theta only.

    Between the border and the centre of the pixel next to it, that pixel is repeated.

    Args:
      image: `[H, W, 3]`, float32 or float64; treated as a constant.
      theta: `[N, 3]` rows `(x, y, s)`, same dtype; x, y in [-1, 1], s in (0, 1]. The crop lies
        inside the picture: |x| + s w and |y| + s h are at most 1.
      size: Height and width of the crops in pixels.
      window: `(w, h)`, sides of the crop of scale 1 as shares of the picture's; in tensors, same
        dtype.

    Returns:
      `[N, size[0], size[1], 3]`.
    """
    image = tf.stop_gradient(image)
    # TensorFlow's own kernel is three times as fast on a CPU. On a GPU its gradient adds in another
    # order each time, and it knows no float64.
    if image.dtype == tf.float32 and not devices.on_gpu():
        return _crop_and_resize(image, theta, size, window)
    return _crop_separably(image, theta, size, window)


def _crop_and_resize(image, theta, size, window):
    """The crop by `tf.image.crop_and_resize`."""
    padded = tf.pad(image, [[1, 1], [1, 1], [0, 0]], "SYMMETRIC")  # It knows no pixels outside.
    ends = []
    for axis, center, side in ((0, theta[:, 1], window[1]), (1, theta[:, 0], window[0])):
        length = tf.cast(tf.shape(image)[axis], image.dtype)
        reach = theta[:, 2] * side * (1 - 1 / size[axis])  # To the centre of the crop's last pixel.
        if size[axis] == 1:
            reach = tf.zeros_like(center)
        # In pixels of the padded picture, as a share of the way from its first to its last.
        positions = [(center + sign * reach + 1) * length / 2 + 0.5 for sign in (-1, 1)]
        ends.append([position / (length + 1) for position in positions])
    (top, bottom), (left, right) = ends
    boxes = tf.stack([top, left, bottom, right], axis=1)
    rows = tf.zeros([tf.shape(theta)[0]], tf.int32)
    return tf.image.crop_and_resize(padded[tf.newaxis], boxes, rows, size)


def _crop_separably(image, theta, size, window):
    """The crop in our own terms, for any dtype and device."""

    @tf.custom_gradient
    def sample(theta):
        crop, by_x, by_row, grid_x, grid_y = _crop_and_derivatives(image, theta, size, window)

        def grad(upstream):
            along_x = tf.reduce_sum(upstream * by_x, axis=[1, 3])  # [N, w]
            along_y = tf.reduce_sum(upstream * by_row(), axis=[2, 3])  # [N, h]
            along_scale = tf.linalg.matvec(along_x, grid_x) + tf.linalg.matvec(along_y, grid_y)
            totals = [tf.reduce_sum(along_x, 1), tf.reduce_sum(along_y, 1), along_scale]
            return tf.stack(totals, axis=1)

        return crop, grad

    return sample(theta)


def crop_pyramid(
    levels: Sequence[tf.Tensor],
    theta: tf.Tensor,
    size: tuple[int, int],
    window: Window = (1.0, 1.0),
) -> tf.Tensor:
    """`I_crop(theta)`, the mean over the pyramid of its bilinear crops (Eq. 1).

    Args:
      levels: What `build_pyramid` returned: `[H_s, W_s, 3]` each.
      theta: `[N, 3]` rows `(x, y, s)`; x, y in [-1, 1], s in (0, 1].
      size: Height and width of the crops in pixels.
      window: `(w, h)`, sides of the crop of scale 1 as shares of the picture's.

    Returns:
      `[N, size[0], size[1], 3]`, in the value range of the picture.
    """
    return tf.add_n([crop_level(level, theta, size, window) for level in levels]) / len(levels)

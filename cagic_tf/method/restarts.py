"""Where the K restarts of Alg. 1 begin. The paper says it in three ways, and each is here.

All work in the coordinates of Sec. 3.1, -1 to 1 over the photo; the caller clips the points so
that the crop stays inside. Random numbers are stateless: the same seed gives the same points.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

# draw(center [2], count, seed [2] int32) -> [count, 2]
DrawStarts = Callable[[tf.Tensor, int, tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Normal:
    """`x_0 ~ N(x^i, sigma)`, around the last centre: Alg. 1, lines 4 and 5.

    Attributes:
      sigma: Standard deviation; half the photo's side is 1. The paper gives no number. With 0 every
        restart begins at the centre itself.
    """

    sigma: float = 0.3

    def __call__(self, center: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
        noise = tf.random.stateless_normal([count, 2], seed, dtype=center.dtype)
        return center + self.sigma * noise


@dataclasses.dataclass(frozen=True)
class AddedNoise:
    """The last centre plus `U(low, high)` noise: Sec. 3.3, which has U(0, 1).

    Attributes:
      low: Lower end of the noise. With the paper's 0 every restart begins right of and below the
        centre; -1 or so would be symmetric.
      high: Upper end of the noise.
    """

    low: float = 0.0
    high: float = 1.0

    def __call__(self, center: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
        shape = [count, 2]
        noise = tf.random.stateless_uniform(shape, seed, self.low, self.high, center.dtype)
        return center + noise


@dataclasses.dataclass(frozen=True)
class Uniform:
    """`x_0 ~ U(low, high)` outright, wherever the last centre was: Eq. 7, which has U(0, 1).

    Attributes:
      low: Lower end, in photo coordinates; the photo begins at -1.
      high: Upper end, in photo coordinates; the photo ends at 1.
    """

    low: float = 0.0
    high: float = 1.0

    def __call__(self, center: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
        shape = [count, 2]
        return tf.random.stateless_uniform(shape, seed, self.low, self.high, center.dtype)

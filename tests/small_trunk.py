"""A trunk that takes no time, not even to be compiled."""

import numpy as np
import tensorflow as tf


class SmallTrunk:
    """Means of the picture's parts, times fixed random numbers."""

    input_size = (56, 56)

    def __call__(self, images):
        means = tf.nn.avg_pool2d(images, 8, 8, "VALID")  # [N, 7, 7, 3]
        kernel = np.random.default_rng(1).normal(0, 3, (3, 1280))
        return tf.nn.relu6(tf.reshape(means, [-1, 49, 3]) @ tf.constant(kernel, images.dtype))

"""Scripts on top of the package: training, data sets, measurements, figures."""

from cagic_tf.system import startup

startup.quiet()  # The scripts import TensorFlow at their top, and this is before it.

"""Scripts that measure, train and draw; as programs of our own they start quietly."""

from cagic_tf.system import startup

startup.quiet()  # Before a script imports TensorFlow.

"""Experiments' flags come after the core's, of which some have the same names."""

import cagic_tf.run  # noqa: F401

"""The page to try it: `python -m cagic_tf.demo`; it needs the extra `demo`."""

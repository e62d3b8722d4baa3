"""What holds of all tests; the first line is set before TensorFlow is imported."""

import os

from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# The same examples each time, however long one takes; --hypothesis-profile=full tries more.
settings.register_profile("short", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("full", settings.get_profile("short"), max_examples=200)
settings.load_profile("short")

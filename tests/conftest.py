"""What holds of all tests; the environment is set before TensorFlow is imported."""

import os

from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# What they assert is single precision, and a GPU takes TF32 for it: they run on the CPU wherever
# they run. CUDA_VISIBLE_DEVICES=0 runs them on a GPU all the same.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# The same examples each time, however long one takes; --hypothesis-profile=full tries more.
settings.register_profile("short", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("full", settings.get_profile("short"), max_examples=200)
settings.load_profile("short")

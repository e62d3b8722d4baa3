"""Searches run as `Cropper` runs them: without Grappler's rewrites, which take longer than they."""

import pytest

from cagic_tf.system import devices


@pytest.fixture(autouse=True, scope="package")
def _reproducible():
    with devices.reproducible():
        yield

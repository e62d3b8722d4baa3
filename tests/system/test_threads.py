import threading

import pytest

from cagic_tf.system import threads


def test_several_items_at_a_time_in_their_order():
    together = threading.Barrier(threads.PREPARERS, timeout=60)  # Or it breaks.

    def prepare(item: int) -> int:
        together.wait()
        return item**2

    items = range(2 * threads.PREPARERS)
    assert threads.prepare(prepare, items) == [item**2 for item in items]


def test_the_first_error_is_raised():
    with pytest.raises(ZeroDivisionError):
        threads.prepare(lambda item: 1 / item, [1, 0, 2])

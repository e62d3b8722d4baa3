import numpy as np
import pytest

from cagic_tf.system import arguments


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "5"),
        (np.int64(5), "5"),
        (2.5, "2.5"),
        (None, "None"),
        (True, "True"),
        ("dog", "'dog'"),
        ("x" * 1000, "a text of 1000 characters"),
        (b"\xff\xd8\xff secret", "10 bytes"),
        (bytearray(3), "3 bytes"),
        (memoryview(b"abc"), "3 bytes"),
        ((16, 9), "(16, 9)"),
        (["a", "dog"], "a list"),
        ([b"secret"], "a list"),
        (list(range(1000)), "a list"),
        ({"a": 1}, "a dict"),
        (np.zeros((2, 2)), "an array of shape (2, 2)"),
        (np.array(b"secret"), "an array of shape ()"),
        (np.bytes_(b"secret"), "6 bytes"),
        (OSError("secret"), "an OSError"),
    ],
)
def test_values_in_a_few_words(value, expected):
    assert arguments.shown(value) == expected


@pytest.mark.parametrize("value", [True, 1.0, "3", None, 0, 6, float("nan"), np.float32(3), [3]])
def test_what_is_no_whole_number_in_its_range(value):
    with pytest.raises(ValueError, match=r"^the place is .*; 1 to 5 is accepted$"):
        arguments.check_whole("the place", value, 1, 5, "1 to 5 is accepted")


def test_whole_numbers():
    for value in (1, 5, np.uint8(3), np.int64(5)):
        arguments.check_whole("the place", value, 1, 5)
    arguments.check_whole("the place", 10**30, 1)
    for seed in (-(2**31), 2**31 - 1):
        arguments.check_seed(seed)
    for seed in (-(2**31) - 1, 2**31):
        with pytest.raises(ValueError, match="whole number of 32 bits"):
            arguments.check_seed(seed)

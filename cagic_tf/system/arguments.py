"""What callers in Python give, checked: one line says what was given and what is needed."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

_LONGEST = 60  # Characters.


def check(name: str, value: Any, kinds: Any, needed: str) -> None:
    """Holds that a value is of some types, such as `str | None`.

    Raises:
      ValueError: It is not. The message is one line: the name, the value in short, what is needed.
    """
    if not isinstance(value, kinds):
        raise ValueError(f"{name} is {shown(value)}; {needed}")


def check_whole(
    name: str, value: Any, lowest: float, highest: float = math.inf, needed: str = ""
) -> None:
    """Holds that a value is a whole number from `lowest` to `highest`, both included.

    Raises:
      ValueError: It is not, see `check`.
    """
    check(name, value, int | np.integer, needed)
    if isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"{name} is {shown(value)}; {needed}")


def check_number(name: str, value: Any, positive: bool = False) -> None:
    """Holds that a value is a finite number that is not negative.

    Args:
      name: Of the value.
      value: The value.
      positive: Whether it cannot be 0 either.

    Raises:
      ValueError: It is not, see `check`.
    """
    needed = "it has to be a finite number"
    check(name, value, int | float | np.integer | np.floating, needed)
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name} is {shown(value)}; {needed}")
    if value < 0 or (positive and value == 0):
        needed = "it has to be positive" if positive else "it cannot be negative"
        raise ValueError(f"{name} is {shown(value)}; {needed}")


def check_seed(seed: Any) -> None:
    """Holds that a seed is one that TensorFlow takes.

    Raises:
      ValueError: It is no whole number of 32 bits, see `check`.
    """
    needed = "a whole number of 32 bits is needed"
    check_whole("the seed", seed, -(2**31), 2**31 - 1, needed)


def check_has(name: str, value: Any, attribute: str, needed: str) -> None:
    """Holds that a value is None or has an attribute, whatever its type is.

    Raises:
      ValueError: It has not, see `check`.
    """
    if value is not None and not hasattr(value, attribute):
        raise ValueError(f"{name} is {shown(value)}; {needed}")


def shown(value: Any) -> str:
    """A value in a few words: numbers and short texts as they are, of others what they are.

    >>> shown((16, 9)), shown("a"), shown(b"JFIF"), shown([[0] * 9])
    ('(16, 9)', "'a'", '4 bytes', 'a list')
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    value = value.item() if isinstance(value, np.generic) else value
    simple = isinstance(value, str | int | float | complex | None)
    numbers = isinstance(value, Sequence) and all(isinstance(each, int | float) for each in value)
    if (simple or numbers) and len(repr(value)) <= _LONGEST:
        return repr(value)
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"

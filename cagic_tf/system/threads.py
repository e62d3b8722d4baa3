"""Photos of a batch prepared in several threads: a GPU is faster than one thread prepares."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

PREPARERS = 8
Item = TypeVar("Item")
Result = TypeVar("Result")


def prepare(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`function` of each item, in their order; raises what the first that fails raises."""
    with ThreadPoolExecutor(PREPARERS) as pool:
        return list(pool.map(function, items))
